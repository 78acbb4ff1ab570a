"""Cut-outs of hands and heads on disk, made from photographs."""

from __future__ import annotations

from pathlib import Path

from cleanplate.errors import PictureError, UsageError
from cleanplate.picture import SUFFIXES, encode_png
from cleanplate.training.data.faults import Fault
from cleanplate.training.data.files import places_below, read_mask, read_rgb
from cleanplate.training.data.synthesis.cutouts import cut_hand, cut_person
from cleanplate.writing import write_all

Job = tuple[Path, Path | None, Path]  # a photograph, its mask, the place of the cut-out


def find_photos(folder: Path, masks: Path | None, out: Path) -> list[Job]:
    """Return every photograph below a folder, its mask, and the place of its cut-out.

    Args:
        folder: of hands on a near-white ground, or of people.
        masks: folder of the people's masks, with the folders and names that `folder` has, but
            whatever suffixes; None for hands.
        out: folder of the cut-outs (PNG), with the folders that `folder` has.

    Raises:
        UsageError: there is no photograph, one has no mask, or two files have one name.
    """
    cutouts = places_below(folder, SUFFIXES, out, ".png")
    if not cutouts:
        raise UsageError(f"{folder} holds no photographs.")
    by_place: dict[Path, Path] = {}
    if masks:
        by_place = {at: path for path, at in places_below(masks, SUFFIXES, out, ".png").items()}
        bare = [path for path, place in cutouts.items() if place not in by_place]
        if bare:
            raise UsageError(f"{bare[0]} has no mask of its name in {masks}.")
    return [(path, by_place.get(place), place) for path, place in cutouts.items()]


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
