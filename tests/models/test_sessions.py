from __future__ import annotations

import gc
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_models
import onnxruntime
import pytest

from cleanplate import models
from cleanplate.errors import ModelError, UsageError
from cleanplate.models import catalogue, sessions


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return onnx_models.write(tmp_path, "same", onnx_models.identity(4))


def edit_card(path: Path, **fields: object) -> None:
    card = path.with_suffix(".json")
    card.write_text(json.dumps(json.loads(card.read_text()) | fields))


def test_a_model_gives_its_outputs_by_name(path: Path) -> None:
    model = models.load(path, threads=1)
    planes = np.random.default_rng(0).random((2, 4, 5, 7), np.float32)
    outputs = model(planes)
    assert set(outputs) == {"picture", "mask"}
    assert outputs["picture"].dtype == np.float32
    np.testing.assert_array_equal(outputs["picture"], planes[:, :3])
    np.testing.assert_array_equal(outputs["mask"], planes[:, 3:])


def test_planes_of_another_layout_or_type_are_taken(path: Path) -> None:
    planes = np.arange(4 * 6 * 6, dtype=np.float64).reshape(1, 6, 6, 4).transpose(0, 3, 1, 2)
    outputs = models.load(path, threads=1)(planes)
    np.testing.assert_array_equal(outputs["picture"], planes[:, :3])


def test_several_threads_may_call_one_model(path: Path) -> None:
    model = models.load(path, threads=1)

    def ask(value: int) -> bool:
        planes = np.full((1, 4, 16 + value, 16), value, np.float32)
        return bool((model(planes)["picture"] == value).all())

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(ask, range(40)))


@pytest.mark.parametrize("shape", [(1, 3, 8, 8), (4, 8, 8), (1, 4, 8)])
def test_other_planes_than_the_cards_are_refused(path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelError, match=r"same takes 4 planes \(plane0, plane1"):
        models.load(path, threads=1)(np.zeros(shape, np.float32))


def test_sides_that_are_no_multiples_are_refused(path: Path) -> None:
    edit_card(path, multiple=4)
    with pytest.raises(ModelError, match="multiples of 4"):
        models.load(path, threads=1)(np.zeros((1, 4, 8, 6), np.float32))


def test_a_run_that_fails_names_the_model(tmp_path: Path) -> None:
    path = onnx_models.write(tmp_path, "fixed", onnx_models.reshaped(5))
    model = models.load(path, threads=1, device="cpu")
    assert model(np.zeros((1, 3, 5, 5), np.float32))["picture"].shape == (1, 3, 5, 5)
    with pytest.raises(ModelError, match="fixed failed on cpu at 8x6 pixels: "):
        model(np.zeros((1, 3, 8, 6), np.float32))


def test_a_model_that_ships_loads_by_name(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "FOLDER", path.parent)
    monkeypatch.setattr(sessions, "FOLDER", path.parent)
    assert models.load("same", threads=1).card.name == "same"
    path.unlink()
    with pytest.raises(ModelError, match=r"same\.onnx is missing"):
        models.load("same")


@pytest.mark.parametrize("name", ["mine.pt", "mine.pkl", "mine"])
def test_only_onnx_files_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / name).write_bytes(b"\x80\x04.")
    monkeypatch.chdir(tmp_path)
    for model in (tmp_path / name, str(tmp_path / name), name):
        with pytest.raises(ModelError, match="only ONNX"):
            models.load(model)


@pytest.mark.parametrize("threads", [-1, 100_000, "two", 1.5])
def test_threads_are_a_number_that_can_be_started(path: Path, threads: Any) -> None:
    with pytest.raises(UsageError, match=f"from 0 to 256, not {threads!r}"):
        models.load(path, threads=threads)


def test_a_missing_file_or_card_is_named(path: Path) -> None:
    with pytest.raises(UsageError, match=r"other\.onnx is missing"):
        models.load(path.with_name("other.onnx"))
    path.with_suffix(".json").unlink()
    with pytest.raises(ModelError, match=r"same\.json is missing"):
        models.load(str(path))


def test_weights_of_another_sha256_never_start(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(*_: object) -> None:
        pytest.fail("a session was started on unchecked weights")

    monkeypatch.setattr(sessions, "_start", start)
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ModelError, match=r"same\.onnx.*sha256 differs"):
        models.load(path)


def test_a_truncated_file_is_named(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ModelError, match=r"same\.onnx.*sha256"):
        models.load(path)
    edit_card(path, sha256=onnx_models.card_values("same", path)["sha256"])
    with pytest.raises(ModelError, match=r"same\.onnx did not start"):
        models.load(path)


def test_weights_in_a_second_file_are_not_read(tmp_path: Path) -> None:
    path = onnx_models.write(tmp_path, "stack", onnx_models.convolutions(2))
    where = {"save_as_external_data": True, "location": "stack.bin", "size_threshold": 0}
    onnx.save(onnx.load(path), path, **where)
    edit_card(path, sha256=onnx_models.card_values("stack", path)["sha256"])
    with pytest.raises(ModelError, match=r"stack\.onnx did not start"):
        models.load(path)


def test_a_card_that_contradicts_its_model_is_refused(path: Path) -> None:
    edit_card(path, inputs=["red", "green", "blue"])
    with pytest.raises(ModelError, match="same takes 4 planes, but its card names 3"):
        models.load(path)
    edit_card(path, inputs=["red", "green", "blue", "hint"], outputs=["alpha"])
    with pytest.raises(ModelError, match=r"no output 'alpha'.*picture, mask"):
        models.load(path)


def test_an_unknown_device_is_refused(path: Path) -> None:
    with pytest.raises(UsageError, match="'abacus'; there are: auto, cuda"):
        models.load(path, device="abacus")


@pytest.mark.parametrize(
    ("device", "package"),
    [
        ("cuda", "onnxruntime-gpu"),
        ("directml", "onnxruntime-directml"),
        ("openvino", "onnxruntime-openvino"),
        ("coreml", "onnxruntime for macOS"),
    ],
)
def test_a_device_that_is_not_there_names_its_package(
    path: Path, monkeypatch: pytest.MonkeyPatch, device: str, package: str
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(UsageError, match=f"{device} is not there.*has: cpu.*{package}"):
        models.load(path, device=device)


class Session:
    """As ONNX Runtime's: on providers whose libraries are missing, it starts without them."""

    def __init__(self, weights: bytes, options: object, providers: list[str], **_: object) -> None:
        if providers[0] == "DmlExecutionProvider":
            raise RuntimeError("no adapter\nand a long trace")
        self._real = Real(weights, options, providers=["CPUExecutionProvider"])

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)


Real = onnxruntime.InferenceSession


def test_auto_takes_what_starts_and_says_so(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = ["CUDAExecutionProvider", "DmlExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: there)
    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    assert models.load(path).device == "cpu"
    with pytest.raises(ModelError, match="cuda: its driver or libraries did not load"):
        models.load(path, device="cuda")
    with pytest.raises(ModelError, match=r"directml: no adapter\)"):
        models.load(path, device="directml")


def test_threads_are_as_asked(path: Path) -> None:
    def options(threads: int) -> onnxruntime.SessionOptions:
        return models.load(path, threads=threads)._session.get_session_options()

    assert options(3).intra_op_num_threads == 3
    assert options(0).intra_op_num_threads == models.usable_cores() >= 1


def test_nothing_is_printed(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    models.load(path)(np.zeros((1, 4, 8, 8), np.float32))
    assert capfd.readouterr() == ("", "")


def test_the_same_weights_are_started_once_and_shared(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []
    start = sessions._start
    monkeypatch.setattr(sessions, "_start", lambda *given: started.append(given) or start(*given))
    with ThreadPoolExecutor(4) as pool:
        loaded = list(pool.map(lambda _: models.load(path, device="cpu", threads=1), range(8)))
    edit_card(path, name="other", parameters={"threshold": 0.3})
    other = models.load(path, device="cpu", threads=1)
    assert len(started) == 1
    assert other.card.name == "other"
    assert {model.card.name for model in loaded} == {"same"}
    models.load(path, device="cpu", threads=2)
    assert len(started) == 2


def test_a_session_ends_with_the_last_model_that_uses_it(path: Path) -> None:
    model = models.load(path, device="cpu", threads=1)
    key = (model.card.sha256, "cpu", 1)
    assert key in sessions._sessions
    del model
    gc.collect()
    assert key not in sessions._sessions
