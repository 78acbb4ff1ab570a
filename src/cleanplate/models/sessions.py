"""Running a model: its weights checked, its device chosen, its ONNX Runtime session started."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from cleanplate.errors import ModelError, UsageError
from cleanplate.models.catalogue import FOLDER, Card, card, read_card
from cleanplate.models.cores import usable_cores

if TYPE_CHECKING:
    import onnxruntime


class Provider(NamedTuple):
    """An ONNX Runtime execution provider, and what to install to have it."""

    name: str
    package: str


# In the order in which `auto` tries them.
_PROVIDERS = {
    "cuda": Provider("CUDAExecutionProvider", "onnxruntime-gpu"),
    "coreml": Provider("CoreMLExecutionProvider", "onnxruntime for macOS"),
    "directml": Provider("DmlExecutionProvider", "onnxruntime-directml"),
    "openvino": Provider("OpenVINOExecutionProvider", "onnxruntime-openvino"),
    "cpu": Provider("CPUExecutionProvider", "onnxruntime"),
}

DEVICES = ("auto", *_PROVIDERS)
"""What `load` takes as `device`."""

MOST_THREADS = 256
"""More than any machine gains by; ONNX Runtime would spend minutes on starting them."""


class Model:
    """A model that is ready to run; safe to call from several threads.

    Attributes:
        card: what it is and needs.
        device: what it runs on: `cpu`, `cuda`, `coreml`, `directml` or `openvino`.
    """

    def __init__(self, card: Card, device: str, session: onnxruntime.InferenceSession) -> None:
        self.card = card
        self.device = device
        self._session = session
        self._input = _checked_input(card, session)

    def __call__(self, planes: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Run the model once.

        Args:
            planes: (N, C, H, W) float32, C the number of `card.inputs`, H and W multiples of
                `card.multiple`; the range of each plane is the model's own, as a rule [0, 1].

        Returns:
            The outputs by name, each float32 (N, C of that output, H, W) in a picture's model.

        Raises:
            ModelError: the planes are not those of the card, or the session failed.
        """
        shape, card = planes.shape, self.card
        if len(shape) != 4 or shape[1] != len(card.inputs):
            raise ModelError(
                f"{card.name} takes {len(card.inputs)} planes ({', '.join(card.inputs)}) "
                f"as a tensor (N, {len(card.inputs)}, H, W), not one of shape {shape}."
            )
        if shape[2] % card.multiple or shape[3] % card.multiple:
            raise ModelError(
                f"{card.name} takes sides that are multiples of {card.multiple}, not {shape[2:]}."
            )
        noted = _noted.get()
        if noted is not None:
            noted[card.name] = card.sha256
        feed = {self._input: np.ascontiguousarray(planes, np.float32)}
        try:
            values = self._session.run(list(card.outputs), feed)
        except Exception as error:  # ONNX Runtime's own classes share no public base
            raise ModelError(
                f"{card.name} failed on {self.device} at {shape[2]}x{shape[3]} pixels: "
                f"{_first_line(error)}"
            ) from error
        return {
            name: np.asarray(value, np.float32)
            for name, value in zip(card.outputs, values, strict=True)
        }


_noted: ContextVar[dict[str, str] | None] = ContextVar("noted", default=None)


@contextlib.contextmanager
def noting() -> Iterator[dict[str, str]]:
    """Note which models run meanwhile in this thread: the sha256 of their weights, by name."""
    ran: dict[str, str] = {}
    token = _noted.set(ran)
    try:
        yield ran
    finally:
        _noted.reset(token)


# Weak: a session lives as long as a model that uses it.
_sessions: WeakValueDictionary[tuple[str, str, int], onnxruntime.InferenceSession]
_sessions = WeakValueDictionary()
_loading = threading.Lock()


def load(model: str | Path, *, device: str = "auto", threads: int = 0) -> Model:
    """Check a model's weights and start it, or share the session of one that runs.

    A session is started once for the same weights, device and number of threads.

    Args:
        model: the name of one that ships, or the path of an `.onnx` file with its card, a `.json`
            file of the same stem, beside it.
        device: one of `DEVICES`; `auto` takes the fastest that starts.
        threads: CPU threads within a run; 0 takes every core that this process may use.

    Raises:
        ModelError: a card or weights that are wrong, or it does not start.
        UsageError: there is no such file, no model of this name ships, the device is not there, or
            `threads` is no such number.
    """
    check_device(device)
    if not (isinstance(threads, int | np.integer) and 0 <= threads <= MOST_THREADS):
        raise UsageError(
            f"threads must be a whole number from 0 to {MOST_THREADS}, not {threads!r}."
        )
    found, path = _find(model)
    threads = threads or usable_cores()
    weights: bytes | None = None
    failures: list[str] = []
    with _loading:
        for name in _available() if device == "auto" else [device]:
            key = (found.sha256, name, threads)
            session = _sessions.get(key)
            if session is not None:
                return Model(found, name, session)
            weights = weights or _checked_weights(found, path)
            try:
                session = _start(weights, name, threads)
            except Exception as error:  # ONNX Runtime's own classes share no public base
                failures.append(f"{name}: {_first_line(error)}")
                continue
            if session.get_providers()[0] == _PROVIDERS[name].name:
                _sessions[key] = session
                return Model(found, name, session)
            # ONNX Runtime falls back to the CPU in silence where a driver or a library is missing.
            failures.append(f"{name}: its driver or libraries did not load")
    raise ModelError(f"{model} did not start ({'; '.join(failures)}).")


def read(model: str | Path) -> tuple[Card, bytes]:
    """Return a model's card and the bytes of its ONNX file, which are those that the card names.

    Args:
        model: see `load`.

    Raises:
        ModelError: a card or weights that are wrong.
        UsageError: there is no such file, or no model of this name ships.
    """
    found, path = _find(model)
    return found, _checked_weights(found, path)


def _find(model: str | Path) -> tuple[Card, Path]:
    """Return a model's card and the path of its weights."""
    path = Path(model)
    if isinstance(model, str) and path.name == model and path.suffix != ".onnx":
        if path.is_file():
            raise ModelError(f"{path} is not an .onnx file: only ONNX models are read.")
        found = card(model)
        return found, FOLDER / found.file
    if path.suffix != ".onnx":
        raise ModelError(f"{path} is not an .onnx file: only ONNX models are read.")
    if not path.is_file():
        raise UsageError(f"{path} is missing: there is no such model file.")
    return read_card(path.with_suffix(".json")), path


def _checked_weights(found: Card, path: Path) -> bytes:
    """Return the bytes of an ONNX file whose sha256 is the card's."""
    try:
        weights = path.read_bytes()
    except FileNotFoundError:
        raise ModelError(
            f"{path} is missing: the weights of {found.name} are not installed; install again."
        ) from None
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}.") from error
    if hashlib.sha256(weights).hexdigest() != found.sha256:
        raise ModelError(
            f"{path} is not the file that the card of {found.name} names: its sha256 differs, so "
            "it is damaged or has been changed; fetch the file and its card again."
        )
    return weights


def check_device(device: str) -> None:
    """Check that models can run on a device here.

    Args:
        device: one of `DEVICES`.

    Raises:
        UsageError: there is no such device, or the ONNX Runtime that is installed lacks it.
    """
    if device not in DEVICES:
        raise UsageError(f"There is no device {device!r}; there are: {', '.join(DEVICES)}.")
    if device != "auto" and device not in (available := _available()):
        raise UsageError(
            f"The device {device} is not there; this ONNX Runtime has: {', '.join(available)}. "
            f"The package {_PROVIDERS[device].package} brings it, in the place of onnxruntime."
        )


def _available() -> list[str]:
    """Return the devices of the ONNX Runtime that is installed, best first."""
    import onnxruntime

    there = set(onnxruntime.get_available_providers())
    return [name for name, provider in _PROVIDERS.items() if provider.name in there]


def _start(weights: bytes, device: str, threads: int) -> onnxruntime.InferenceSession:
    """Start a session on `device`, with the CPU behind it for operators that it lacks."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Patterns are planned per input shape, and shapes vary; DirectML forbids them besides. The
    # arena stays, shared by all models: without it a run is a quarter slower.
    options.enable_mem_pattern = False
    _share_arena()
    options.add_session_config_entry("session.use_env_allocators", "1")
    # Threads that spin between two tiles take the cores from whoever prepares the next one.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    # Its own fallback prints, and would leave Model.device untrue.
    names = dict.fromkeys([_PROVIDERS[device].name, _PROVIDERS["cpu"].name])
    return onnxruntime.InferenceSession(weights, options, providers=list(names), enable_fallback=0)


@functools.cache
def _share_arena() -> None:
    """Let the models that ask for it share one arena, which grows by no more than is needed.

    By itself ONNX Runtime grows an arena of each session by powers of two: a sixth more at the peak
    and the memory of one model held while another runs.
    """
    import onnxruntime

    memory = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    as_requested = onnxruntime.OrtArenaCfg(0, 1, -1, -1)  # no limit, no rounding up
    onnxruntime.create_and_register_allocator(memory, as_requested)


def _checked_input(card: Card, session: onnxruntime.InferenceSession) -> str:
    """Return the name of a session's one input, having compared the session with the card."""
    inputs: list[Any] = session.get_inputs()
    if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(inputs[0].shape) != 4:
        raise ModelError(f"{card.name} must take one float32 tensor (N, C, H, W).")
    planes = inputs[0].shape[1]
    if isinstance(planes, int) and planes != len(card.inputs):
        raise ModelError(
            f"{card.name} takes {planes} planes, but its card names {len(card.inputs)}."
        )
    there = [output.name for output in session.get_outputs()]
    missing = [name for name in card.outputs if name not in there]
    if missing:
        raise ModelError(
            f"{card.name} has no output {missing[0]!r}, which its card names; it has: "
            f"{', '.join(there)}."
        )
    return str(inputs[0].name)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
