"""Cut-outs of hands and heads on disk, made from photographs."""

from __future__ import annotations

from pathlib import Path

from cleanplate.batch import write_all
from cleanplate.errors import PictureError, UsageError
from cleanplate.picture import SUFFIXES, encode_png
from cleanplate.training.data.faults import Fault
from cleanplate.training.data.files import read_mask, read_rgb
from cleanplate.training.data.synthesis.cutouts import cut_hand, cut_person

Job = tuple[Path, Path | None, Path]  # a photograph, its mask, the place of the cut-out


def find_photos(folder: Path, masks: Path | None, out: Path) -> list[Job]:
    """Every photograph below a folder, its mask of the same stem, and the place of its cut-out.

    Args:
        folder: of hands on a near-white ground, or of people.
        masks: folder of the people's masks; None for hands.
        out: folder of the cut-outs (PNG), with the folders that `folder` has.

    Raises:
        UsageError: there is no photograph, or one has no mask.
    """
    found = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES]
    if not found:
        raise UsageError(f"{folder} holds no photographs.")
    by_stem = {path.stem: path for path in sorted(masks.rglob("*"))} if masks else {}
    bare = [path for path in found if masks and path.stem not in by_stem]
    if bare:
        raise UsageError(f"{bare[0]} has no mask of its name in {masks}.")
    return [
        (path, by_stem.get(path.stem), out / path.relative_to(folder).with_suffix(".png"))
        for path in found
    ]


def cut_out_file(job: Job) -> str | Fault:
    """Make one cut-out, unless it is there.

    Returns:
        "made", "there", "blank" where there is nothing to cut out, or why a file cannot be read.
    """
    photo, mask, target = job
    if target.is_file():
        return "there"
    try:
        picture = read_rgb(photo)
        patch = cut_hand(picture) if mask is None else cut_person(picture, read_mask(mask)[..., 0])
    except PictureError as error:
        return Fault(str(error))
    if patch is None:
        return "blank"
    write_all({target: encode_png(patch)})
    return "made"
