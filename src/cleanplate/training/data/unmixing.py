"""Ink taken off photographed or scanned notes: what a pen really leaves, without its paper.

Paper under ink shows `paper * light`, where `light` is the share of the light that the ink
transmits (the law of Beer and Lambert). The paper is seen beside the ink, so this share is known.
It is kept as a picture, white where there is no ink, and multiplied onto other pages.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from cleanplate.errors import PictureError, UsageError
from cleanplate.picture import SUFFIXES, encode_png
from cleanplate.training.data.arrays import Array
from cleanplate.training.data.faults import Fault
from cleanplate.training.data.files import places_below, read_rgb
from cleanplate.writing import write_all

LONGEST = 3000  # longer side in pixels that a note is shrunk to
REACH = 41  # pixels, wider than any pen, within which the brightest one is paper
INK = 0.72  # share of the light below which the middle of a line transmits
NOTHING = 0.9  # share of the light above which it is the paper's texture, or a ruled line
RIM = 2  # pixels of a line's edge around its middle
JOINED = 45, 15  # pixels, across and down, up to which strokes belong to one scrap
SIDES = 24, 900  # least and greatest side of a scrap in pixels
COVER = 0.02, 0.5  # least and greatest share of a scrap's box that is ink


def find_notes(folder: Path, out: Path) -> list[tuple[Path, Path]]:
    """Return the pictures below a folder and where the first scrap of each goes.

    Raises:
        UsageError: there is none.
    """
    places = places_below(folder, SUFFIXES, out, ".png")
    if not places:
        raise UsageError(f"{folder} holds no pictures.")
    return list(places.items())


def unmix_file(job: tuple[Path, Path]) -> str | Fault:
    """Take the ink off a note and write it, a line or a drawing a file.

    Returns:
        "made", "there", "blank" where no ink was found, or why the note cannot be read.
    """
    note, place = job
    if place.with_name(f"{place.stem}-0.png").is_file():
        return "there"
    try:
        found = scraps(read_rgb(note))
    except PictureError as error:
        return Fault(str(error))
    named = {place.with_name(f"{place.stem}-{n}.png"): encode_png(s) for n, s in enumerate(found)}
    if named:
        write_all(named)
    return "made" if named else "blank"


def scraps(note: Array) -> list[Array]:
    """Return the lines and drawings on a note (H, W, 3) uint8, each as light, (h, w, 3) uint8.

    What is as large as the sheet (its edges, what it lies on) or as dense as print is left out.
    """
    scale = min(1.0, LONGEST / max(note.shape[:2]))
    note = cv2.resize(note, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    light = through(note)
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * RIM + 1, 2 * RIM + 1))
    core = (light.min(-1) < INK).astype(np.uint8)
    core = cv2.morphologyEx(core, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    near = cv2.dilate(core, brush) > 0
    ink = np.where((near & (light.min(-1) < NOTHING))[..., None], light, 1.0)
    joined = cv2.morphologyEx(core, cv2.MORPH_CLOSE, np.ones(JOINED[::-1], np.uint8))
    _, labels, figures, _ = cv2.connectedComponentsWithStats(joined)
    found = []
    for number, (x, y, width, height, _) in enumerate(figures.tolist()):
        if not number or not all(SIDES[0] <= side <= SIDES[1] for side in (width, height)):
            continue
        part = np.s_[max(0, y - RIM) : y + height + RIM, max(0, x - RIM) : x + width + RIM]
        own = cv2.dilate((labels[part] == number).astype(np.uint8), brush) > 0
        alone = np.where(own[..., None], ink[part], 1.0)
        if COVER[0] < (alone.min(-1) < INK).mean() < COVER[1]:
            found.append(np.rint(alone * 255).astype(np.uint8))
    return found


def through(note: Array) -> Array:
    """Return the brightness of a note as a share of its paper's, in [0, 1]."""
    soft = cv2.GaussianBlur(note, (0, 0), 1.0)
    paper = cv2.dilate(soft, np.ones((REACH, REACH), np.uint8))
    paper = cv2.blur(paper, (2 * REACH, 2 * REACH)).astype(np.float32)
    share: Array = np.clip(note / np.maximum(paper, 1), 0, 1)
    return share
