"""What a newcomer does wrong is told in one line that says what to write."""

from __future__ import annotations

import errno
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx_models
import pytest

from cleanplate import tasks, writing
from cleanplate.errors import CleanplateError, UsageError
from cleanplate.tasks import crop_fill
from cleanplate.tasks.denoise import raw
from cleanplate.training.catalogue import by_system, recipes
from cleanplate.training.cli import main
from cleanplate.training.data.layouts import listed, survey
from cleanplate.training.evaluate import open_model

if TYPE_CHECKING:
    from conftest import Run

RGB = ["red", "green", "blue"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "--data DIR"),
        ("--data nowhere", "nowhere: there is no such folder"),
        ("--dta pairs", "--dta; did you mean --data?"),
        ("--data pairs stray", "stray is no option"),
        ("--data pairs --trainer.epochs=3", "did you mean .*--trainer.max_epochs"),
        ("--data pairs --model.init_args.netwrk=x", "mean --model.init_args.network"),
        ("--data pairs --data.init_args.bach_size=3", "mean --data.init_args.batch_size"),
        ("--data pairs --data.init_args.batch_size=x", "batch_size: it must be int, not x"),
        ("--data pairs --data.init_args.batch_size=0", "batch_size is 1 or more, not 0"),
        ("--data pairs --data.init_args.workers=-1", "workers is 0 or more, not -1"),
        ("--data pairs --from nope.ckpt", "nope.ckpt is missing"),
        ("--data pairs --trainer.precision=12", "--trainer.precision: it must be .*not 12"),
        ("--data pairs/input", "needs input/ and target/"),
    ],
)
def test_arguments_of_a_training(
    given: str, said: str, whole: Run, plain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(plain.parent)
    with pytest.raises(UsageError, match=said) as error:
        main("train", [str(whole.recipe), "--run", "run", *given.split()])
    told = str(error.value)
    assert "\n" not in told and "Namespace" not in told and "fit" not in told and len(told) < 300
    assert not Path("run").exists()


def test_a_recipe_misspelt() -> None:
    with pytest.raises(UsageError, match="mean watermark-erasenet or") as error:
        main("train", ["watermark-erasnet"])
    assert len(str(error.value)) < 300


def test_weights_of_another_network(whole: Run, tmp_path: Path) -> None:
    given = [str(whole.recipe), "--data", str(whole.data), "--run", str(tmp_path / "run")]
    with pytest.raises(UsageError, match="another network's weights") as error:
        main("train", [*given, "--from", "watermark-locator"])
    assert len(str(error.value)) < 300


def test_the_help_lists_every_recipe_by_system(capsys: pytest.CaptureFixture[str]) -> None:
    assert main("train", ["--help"]) == 0
    assert "cut-outs: cutout-deeplab[-cpu], " in capsys.readouterr().out
    found = [name for names in by_system().values() for name in names]
    both = [name.removesuffix("[-cpu]") for name in found]
    both += [name.replace("[-cpu]", "-cpu") for name in found if name.endswith("]")]
    assert sorted(both) == sorted(recipes())


def test_resuming_a_finished_run_says_so(
    whole: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(whole.folder, tmp_path / "run")
    assert main("train", [str(whole.recipe), "--run", str(tmp_path / "run"), "--resume"]) == 0
    said = capsys.readouterr().out
    assert "finished already, after 3 epochs" in said and "--trainer.max_epochs=6" in said


@pytest.mark.parametrize(
    ("limits", "after"),
    [
        ("--trainer.max_epochs=9 --trainer.max_steps=6", "6 steps.* --trainer.max_steps=12 trains"),
        ("--trainer.max_steps=6", "6 steps and 3 epochs.*steps=12 --trainer.max_epochs=6 trains"),
    ],
)
def test_a_finished_run_names_the_limits_that_ended_it(
    limits: str, after: str, whole: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(whole.folder, tmp_path / "run")
    given = [str(whole.recipe), "--run", str(tmp_path / "run"), "--resume", *limits.split()]
    assert main("train", given) == 0
    said = capsys.readouterr().out
    assert re.search(f"finished already, after {after}", said)


@pytest.mark.parametrize("limit", ["-1", "0", "nan", "inf", "x"])
def test_a_limit_of_seconds_is_a_finite_number_above_0(limit: str, plain: Path) -> None:
    with pytest.raises(UsageError, match="--seconds") as error:
        main("evaluate", [str(plain), "--seconds", limit])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("count", ["6", "7", "inf", "nan"])
def test_a_split_leaves_something_to_train_on(count: str, plain: Path) -> None:
    with pytest.raises(UsageError, match="--validation") as error:
        main("prepare", ["split", str(plain), "--validation", count])
    assert "\n" not in str(error.value)
    assert not (plain / "train.txt").exists()
    assert main("prepare", ["split", str(plain), "--validation", "5"]) == 0
    assert len((plain / "train.txt").read_text().splitlines()) == 1


def test_other_verbs_name_their_help() -> None:
    with pytest.raises(UsageError) as error:
        main("prepare", ["check", "pairs", "--lst", "x"])
    assert "--lst" in str(error.value) and "\n" not in str(error.value)
    with pytest.raises(UsageError, match=r"required: recipe\. `cleanplate train --help`"):
        main("train", [])


def test_check_goes_through_what_a_list_names_in_vain(
    plain: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (plain / "some.txt").write_text("input/p0.png\ninput/none.png\n")
    assert main("prepare", ["check", str(plain), "--pairs", "some.txt", "--list", "new.txt"]) == 1
    said = capsys.readouterr().out
    assert "none.png is missing" in said and "prepare check" not in said
    assert (plain / "new.txt").read_text() == "input/p0.png\n"
    assert [path.name for path in listed(survey(plain), "some.txt").orphans] == ["none.png"]


def finder(folder: Path) -> Path:
    """A model that finds what is bright."""
    return onnx_models.write(
        folder, "finder", onnx_models.threshold(), outputs=["mask"], inputs=RGB
    )


def test_mine_lists_in_the_folder_as_check_does(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = finder(tmp_path)
    given = [str(plain), "--model", str(model), "--under", "1.1", "--list", "hard.txt"]
    assert main("mine", given) == 0
    assert len((plain / "hard.txt").read_text().splitlines()) == 6


def test_evaluate_prints_of_cutouts_what_they_have(
    plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main("prepare", ["masks", str(plain)]) == 0
    (plain / "target").rename(tmp_path / "unused")
    model = finder(tmp_path)
    assert main("evaluate", [str(plain), "--model", str(model)]) == 0
    said = capsys.readouterr().out
    assert "mask_miou" in said and "psnr" not in said and "ocr" not in said and " -\n" not in said


@pytest.mark.parametrize("role", ["locator", "filler"])
def test_a_model_in_another_role_says_its_own(role: str, tmp_path: Path) -> None:
    graph = onnx_models.identity(3)
    mine = onnx_models.write(tmp_path, "mine", graph, role="eraser", inputs=RGB)
    with pytest.raises(UsageError, match="mine has the role eraser") as error:
        tasks.create("watermark", **{role: str(mine)})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("inputs", [raw.BAYER, crop_fill.INPUTS])
def test_a_model_that_gives_no_picture_is_refused_in_one_line(
    inputs: tuple[str, ...], tmp_path: Path
) -> None:
    graph = onnx_models.identity(4)
    names = {"inputs": list(inputs), "outputs": ["mask"]}
    mine = onnx_models.write(tmp_path, "mine", graph, role="locator", **names)
    with pytest.raises(UsageError, match=r"has the role locator .* but not picture"):
        open_model(mine, device="cpu", threads=1)


def test_a_full_disk_names_the_folder(
    whole: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*given: Any, **named: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(writing, "_write", full)
        with pytest.raises(OSError, match=r"out/a\.txt"):
            writing.write_all({tmp_path / "out/a.txt": b"a"})
    monkeypatch.setattr("lightning.pytorch.Trainer.save_checkpoint", full)
    given = [str(whole.recipe), "--data", str(whole.data), "--run", str(tmp_path / "run")]
    with pytest.raises(CleanplateError, match=r"run: No space left on device.*--resume"):
        main("train", given)
