"""The figures of a training in files that need no TensorBoard."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from cleanplate.batch.sheets import save_sheet
from cleanplate.training.curves import curves
from cleanplate.writing import write_all

PLACE = ("epoch", "step")


class FigureFiles(Callback):
    """Writes, each epoch, into the run's folder:

    - `metrics.csv`, a row an epoch, and `curves.png`, the same drawn
    - `pictures.csv`, a row for each picture of the last validation, its figures by name

    An epoch that is trained again, after a run was resumed, replaces its row; one that Lightning
    only ends again, without figures, does not. With several processes the pictures are those of
    the first.
    """

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Forget the pictures of the validation before."""
        pl_module.of_pictures = {}

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write."""
        if not trainer.is_global_zero:
            return
        folder = Path(trainer.default_root_dir)
        figures = {
            name: f"{float(value):.6g}"
            for name, value in sorted(trainer.callback_metrics.items())
            if name.partition("/")[0] in ("train", "val", "data")
        }
        now = {"epoch": trainer.current_epoch, "step": trainer.global_step, **figures}
        before = read_table(folder / "metrics.csv")
        if not figures and any(int(row["step"]) >= trainer.global_step for row in before):
            return
        rows = [row for row in before if int(row["step"]) < trainer.global_step] + [now]
        write_table(folder / "metrics.csv", rows)
        names = [name for name in columns(rows) if name not in PLACE]
        values = {name: [float(row.get(name) or math.nan) for row in rows] for name in names}
        if values:
            save_sheet(folder / "curves.png", curves([float(r["step"]) for r in rows], values))
        pictures = getattr(pl_module, "of_pictures", {})
        if pictures:
            table = [{"picture": name, **figures} for name, figures in pictures.items()]
            write_table(folder / "pictures.csv", table)


def read_table(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a CSV file by column; none where there is no file."""
    if not path.is_file():
        return []
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))


def write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write rows that need not have the same columns."""
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, columns(rows))
    table.writeheader()
    table.writerows(rows)
    write_all({path: text.getvalue().encode()})


def columns(rows: Iterable[dict[str, Any]]) -> list[str]:
    """Return the names of all columns, in the order in which they first come."""
    return list(dict.fromkeys(name for row in rows for name in row))
