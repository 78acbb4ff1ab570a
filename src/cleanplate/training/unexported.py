"""Checkpoints in the place of models: exported to files that are gone afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

SUFFIX = ".ckpt"


@contextmanager
def as_models(given: Sequence[str]) -> Iterator[list[str]]:
    """Export the checkpoints among the models of a command line.

    Args:
        given: MODEL or ROLE=MODEL, where MODEL is what `models.load` takes, or a checkpoint of
            `cleanplate train`, which ends in .ckpt.

    Yields:
        The same, each checkpoint's path replaced by that of an ONNX file, which lasts as long as
        the context.

    Raises:
        ModelError, UsageError: see `export.export_checkpoint`.
    """
    with TemporaryDirectory() as folder:
        yield [_exported(one, Path(folder) / str(number)) for number, one in enumerate(given)]


def _exported(one: str, folder: Path) -> str:
    role, equals, model = one.rpartition("=")
    if not model.endswith(SUFFIX):
        return one
    from cleanplate.training.export import export_checkpoint

    folder.mkdir()
    out = folder / f"{Path(model).stem}.onnx"
    export_checkpoint(model, out)
    return f"{role}{equals}{out}"
