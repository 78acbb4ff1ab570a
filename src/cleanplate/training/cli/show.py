"""`cleanplate show`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cleanplate.errors import UsageError
from cleanplate.training.cli.shared import new_parser


def run(arguments: list[str]) -> int:
    """Draw what checkpoints or models do to one picture."""
    parser = new_parser("show", "Draw what checkpoints or models do to one picture, step by step.")
    parser.add_argument("picture", type=Path)
    parser.add_argument(
        "--model",
        action="append",
        required=True,
        metavar="[ROLE=]MODEL",
        help="a checkpoint (.ckpt) or a model for a role of the task, whose other models are those "
        "that ship; one without a role is shown by itself",
    )
    parser.add_argument("--task", default="watermark")
    parser.add_argument("--mask", type=Path, help="where the task gives or takes one")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="SHEET.png")
    given = parser.parse_args(arguments)
    if given.out.suffix != ".png":
        raise UsageError(f"{given.out}: a sheet's file ends in .png.")
    from cleanplate.batch.making import SHEET_SIDE, sheet_of
    from cleanplate.picture import Picture
    from cleanplate.tasks.limits import clean_with
    from cleanplate.tasks.masks import Masks
    from cleanplate.training.evaluate import open_task
    from cleanplate.training.raw_model import RawModel
    from cleanplate.training.unexported import as_models
    from cleanplate.writing import write_all

    picture = Picture.read(given.picture)
    steps = {"before": picture.shrunk(SHEET_SIDE)}
    masks = Masks(given.mask) if given.mask else None
    with as_models(given.model) as chosen:
        task = open_task(given.task, chosen)
        if isinstance(task, RawModel):
            raise UsageError("A model of RAW planes has no sheet; evaluate measures it.")
        cleaned = clean_with(task, picture, masks)
    mask = cleaned.mask[..., None] / np.float32(255)
    cleaned.steps = {**steps, **cleaned.steps, "mask": mask}
    write_all({given.out: sheet_of(cleaned)})
    print(f"{given.out}: {', '.join(cleaned.steps)}, result.")
    return 0
