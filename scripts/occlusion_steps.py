"""Measure what each step of the occlusion task is worth: print figures with fewer and more of them.

    python scripts/occlusion_steps.py PAIRS

PAIRS hold input/, target/ and mask/ of the same names. Every row finds the same; then it fills with
the tone that flows in, with what the filler makes of that (on the whole copy at once, or on a
region for each occluder), and adds the edges of pages, detail seen in shade, rules and grain.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cleanplate.metrics import psnr
from cleanplate.models import Model
from cleanplate.picture import Picture
from cleanplate.restoring import run_tiled
from cleanplate.tasks import coarse_fill, grain, lines
from cleanplate.tasks.base import write_found
from cleanplate.tasks.coarse_fill import CoarseFill, Context
from cleanplate.tasks.inpainting_mask import InpaintingMask, strips
from cleanplate.tasks.maps import Floats, as_planes, planes_of
from cleanplate.tasks.occlusion.task import Occlusion

Fill = Callable[[Model, Picture, NDArray[np.uint8], InpaintingMask], dict[str, Floats]]
NO_GRAIN = grain.Grain(np.zeros(3, np.float32), 0.0)


def main() -> None:
    """Clean every pair in every way, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pairs", type=Path)
    folder = parser.parse_args().pairs
    names = sorted(path.name for path in (folder / "input").iterdir())
    task = Occlusion()
    print(f"{'':<34}{'PSNR':>8}{'under the mask':>16}")
    for title, fill in WAYS.items():
        task._inpaint._fill = fill
        rows = np.array([measured(task, folder, name) for name in names])
        print(f"{title:<34}{rows[:, 0].mean():>8.2f}{rows[:, 1].mean():>16.2f}", flush=True)


def measured(task: Occlusion, folder: Path, name: str) -> tuple[float, float]:
    """Clean a picture; give PSNR over all of it and under its true mask."""
    picture = Picture.read(folder / "input" / name)
    target = Picture.read(folder / "target" / name).pixels
    mask = Picture.read(folder / "mask" / name).pixels[..., 0] > 127
    task.clean(picture)
    return psnr(picture.pixels, target), psnr(picture.pixels, target, mask)


def way(
    *,
    filler: bool = True,
    regions: bool = True,
    edges: bool = False,
    shade: bool = False,
    rules: bool = False,
    surface: bool = False,
) -> Fill:
    """Return what `coarse_fill.fill` is with these steps."""

    def fill(
        model: Model, picture: Picture, mask: NDArray[np.uint8], hidden: InpaintingMask
    ) -> dict[str, Floats]:
        finer = picture.shrunk(lines.SIDE)
        hole = coarse_fill.covered(hidden.small, finer.shape)
        small = picture.shrunk(int(model.card.parameter("side")))
        view = coarse_fill.context_of(
            small, hidden.small, lines.edges(finer, hole) if edges else []
        )
        drawn = lines.rules(finer, hole) if rules else []
        guess = CoarseFill(view.tone, np.zeros_like(view.tone), drawn)
        if filler:
            guess = coarse_fill.predict(model, view, drawn) if regions else at_once(model, view)
        if not shade:
            guess = guess._replace(gain=np.zeros_like(guess.gain))
        for part in hidden.parts():
            noise = grain.measure(picture, part, hidden) if surface else NO_GRAIN
            for box in strips(part):
                page = coarse_fill.full_size_page(picture, box, view, guess, noise)
                write_found(picture, mask, box, as_planes(page), hidden.within(box))
        return {}

    return fill


def at_once(model: Model, view: Context) -> CoarseFill:
    """Let the filler see the whole copy in the place of a region an occluder."""
    known = np.dstack([view.tone, view.rgb, view.hole.astype(np.float32)])
    page = run_tiled(model, planes_of(known), view.hole.shape)["fill"].transpose(1, 2, 0)
    return CoarseFill(np.clip(page, 0, 1), np.zeros_like(page), [])


WAYS: dict[str, Fill] = {
    "tone": way(filler=False),
    "filler, the whole copy at once": way(regions=False),
    "filler, a region an occluder": way(),
    "... with edges": way(edges=True),
    "... and what is seen in shade": way(edges=True, shade=True),
    "... and rules": way(edges=True, shade=True, rules=True),
    "... and grain (as shipped)": way(edges=True, shade=True, rules=True, surface=True),
}

if __name__ == "__main__":
    main()
