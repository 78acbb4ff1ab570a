"""`cleanplate prepare` and its steps."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cleanplate.errors import UsageError
from cleanplate.training.cli.shared import (
    add_step,
    add_workers,
    at_least,
    new_parser,
    pairs_of,
    survey_of,
    tally,
    tell,
    track,
)

if TYPE_CHECKING:
    from cleanplate.training.data.layouts import Pair
    from cleanplate.training.data.preprocessing import Make

Call = Callable[[argparse.Namespace], int]


def run(arguments: list[str]) -> int:
    """Run one step."""
    parser = new_parser("prepare", "Make a training set from a folder of pairs.")
    verbs = parser.add_subparsers(dest="step", required=True)
    for name, (summary, step) in STEPS.items():
        add_step(verbs, name, summary, step)
    options = verbs.choices
    options["check"].add_argument(
        "--list", help="text file for the names of the sound pairs, in FOLDER"
    )
    for name in ("check", "masks"):
        options[name].add_argument("--threshold", type=int, default=5, help="of 255 (5)")
    options["thin"].add_argument("--versions", type=at_least(1), required=True, metavar="N")
    options["thin"].add_argument("--out", help="list file (thin-N.txt)")
    options["split"].add_argument(
        "--validation",
        type=float,
        default=0.05,
        metavar="SHARE",
        help="of the clean pictures; from 1 on, so many of them (0.05)",
    )
    options["split"].add_argument("--last", action="store_true", help="the last, none drawn")
    for name in ("thin", "split"):
        options[name].add_argument("--seed", type=int, default=0)
    for name in ("align", "crops", "halve"):
        options[name].add_argument("out", type=Path, help="folder of the new pairs")
    options["crops"].add_argument("--size", type=at_least(1), default=1024, help="pixels (1024)")
    options["crops"].add_argument("--threshold", type=int, default=40, help="of 255 (40)")
    options["gradients"].add_argument("--least", type=float, default=10.0, help="(10)")
    options["gradients"].add_argument("--out", default="kept.txt", help="list file (kept.txt)")
    _add_raw(verbs)
    _add_cutouts(verbs)
    _add_pages(verbs)
    _add_ink(verbs)
    _add_labels(verbs)
    for name in ("align", "check", "masks", "crops", "gradients", "halve", *MAKERS):
        add_workers(options[name])
    given = parser.parse_args(arguments)
    call: Call = given.call
    return call(given)


def _add(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    summary: str,
    call: Call,
) -> argparse.ArgumentParser:
    """Add a step that makes a folder of something else than pairs."""
    parser = verbs.add_parser(name, help=summary, description=summary, allow_abbrev=False)
    parser.set_defaults(call=call)
    return parser


def _add_raw(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    summary = "pack Bayer mosaics (RAW files, 16-bit PNG, TIFF, .npy) into four planes"
    parser = _add(verbs, "raw", summary, _raw)
    parser.add_argument("folder", type=Path, help="mosaics, in folders of any depth")
    parser.add_argument("out", type=Path, help="folder of the planes (.npy, float32)")
    parser.add_argument("--black", type=float, default=1024.0, help="sensor value of 0 (1024)")
    parser.add_argument("--white", type=float, default=16383.0, help="sensor value of 1 (16383)")
    parser.add_argument("--pattern", default="RGGB", help="GRBG, GBRG or BGGR in place of RGGB")


def _add_cutouts(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    summary = "cut hands on white, or people by their masks, out of photographs"
    parser = _add(verbs, "cutouts", summary, _cutouts)
    parser.add_argument("folder", type=Path, help="photographs, in folders of any depth")
    parser.add_argument("out", type=Path, help="folder of the cut-outs; heads: a folder `busts`")
    parser.add_argument("--masks", type=Path, metavar="DIR", help="masks of people; none: hands")


def _add_pages(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    summary = "render pages of PDF files; scans and blank pages are left out"
    parser = _add(verbs, "pages", summary, _pages)
    parser.add_argument("folder", type=Path, help="PDF files, in folders of any depth")
    parser.add_argument("out", type=Path, help="folder of the pages (PNG)")
    parser.add_argument("--files", type=at_least(1), metavar="N", help="of the files (all)")
    parser.add_argument("--most", type=at_least(1), default=3, help="pages of a file (3)")
    parser.add_argument("--dpi", type=at_least(36), nargs=2, default=(150, 250), metavar="N")
    parser.add_argument("--seed", type=int, default=0)


def _add_ink(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    summary = "take the ink off photographed notes, a line or a drawing a file"
    parser = _add(verbs, "ink", summary, _ink)
    parser.add_argument("folder", type=Path, help="notes, in folders of any depth")
    parser.add_argument("out", type=Path, help="folder of the ink (PNG, white where there is none)")


def _add_labels(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    summary = "make masks of people, or of what they wear, from labels of Clothing Co-Parsing"
    parser = _add(verbs, "labels", summary, _labels)
    parser.add_argument("folder", type=Path, help="`photos`, `labels` and, in or above, labels.txt")
    parser.add_argument("out", type=Path, help="folder of the pictures with masks")
    choices = ("person", "garment", "hair", "skin", "accessory")
    parser.add_argument("--classes", nargs="+", choices=choices, default=["person"])


def _check(given: argparse.Namespace) -> int:
    from cleanplate.training.data import curation
    from cleanplate.training.data.checking import check

    found = survey_of(given)
    listed = found.folder / given.list if given.list else None
    if listed is not None and listed.suffix != ".txt":
        raise UsageError(f"{listed}: a list of pairs is a text file; give it a name in .txt.")
    sound, faults, notes = [], 0, 0
    checked = check(found, given.threshold, given.workers)
    for pair, fault in track(checked, len(found.pairs) + len(found.orphans), "files"):
        if fault is not None:
            print(f"note: {fault}" if fault.note else fault)
            notes += fault.note
            faults += not fault.note
        if pair is not None and (fault is None or fault.note):
            sound.append(pair)
    if listed is not None:
        curation.write_list(listed, sound)
        print(f"{listed}: the names of the sound pairs.")
    print(f"{len(sound)} sound pairs, {faults} faults{f', {notes} notes' if notes else ''}.")
    return 1 if faults else 0


def _masks(given: argparse.Namespace) -> int:
    from cleanplate.training.data.curation import make_mask
    from cleanplate.training.data.parallel import each

    pairs = pairs_of(given)
    made = each(partial(make_mask, threshold=given.threshold), pairs, given.workers)
    return tell(tally(track(made, len(pairs), "masks")), "", "masks")


def _thin(given: argparse.Namespace) -> int:
    from cleanplate.training.data import curation

    pairs = pairs_of(given)
    kept = curation.thin(pairs, given.versions, given.seed)
    out = given.folder / (given.out or f"thin-{given.versions}.txt")
    curation.write_list(out, kept)
    print(f"{out}: {len(kept)} of {len(pairs)} pairs.")
    return 0


def _split(given: argparse.Namespace) -> int:
    from cleanplate.training.data import curation

    share = given.validation
    if not (0 < share < 1 or (share >= 1 and share.is_integer())):
        raise UsageError("--validation is a share between 0 and 1, or a whole number of pictures.")
    seed = None if given.last else given.seed
    pairs = pairs_of(given)
    clean = len({pair.group for pair in pairs})
    if clean < 2:
        raise UsageError(f"{given.folder} has one clean picture only; a split needs two.")
    if share >= clean:
        raise UsageError(
            f"--validation {share:g}: of {clean} clean pictures none would be left to train on."
        )
    parts = curation.divide(pairs, share, seed)
    for name, part in zip(("train.txt", "validation.txt"), parts, strict=True):
        curation.write_list(given.folder / name, part)
        print(f"{given.folder / name}: {len(part)} pairs.")
    return 0


def _triples(given: argparse.Namespace) -> int:
    from cleanplate.training.data.layouts import below
    from cleanplate.training.data.triples import ANNOTATION, Triple, write_triples

    pairs = _masked_pairs_of(given)
    if any(pair.own_target for pair in pairs):
        raise UsageError(f"{given.folder} holds no clean pictures, which triples begin with.")
    named = ((pair.target, pair.input, pair.mask) for pair in pairs)
    triples = [Triple(*(below(given.folder, path) for path in paths if path)) for paths in named]
    write_triples(given.folder, triples)
    print(f"{given.folder / ANNOTATION}: {len(triples)} triples.")
    return 0


def _masked_pairs_of(given: argparse.Namespace) -> list[Pair]:
    pairs = pairs_of(given)
    bare = [pair for pair in pairs if pair.mask is None]
    if bare:
        raise UsageError(
            f"{bare[0].input} has no mask; `cleanplate prepare masks {given.folder}` makes it."
        )
    return pairs


def _crops(given: argparse.Namespace) -> int:
    from cleanplate.training.data.occluder_crops import crop_around_occluder

    make = partial(crop_around_occluder, side=given.size)
    settings = {"size": given.size, "threshold": given.threshold}
    return _preprocess(given, _masked_pairs_of(given), make, given.threshold, settings)


def _align(given: argparse.Namespace) -> int:
    from cleanplate.training.data.aligning import aligned
    from cleanplate.training.data.files import MASKED

    return _preprocess(given, pairs_of(given), aligned, MASKED, {})


def _halve(given: argparse.Namespace) -> int:
    from cleanplate.training.data.files import MASKED
    from cleanplate.training.data.halving import halved

    return _preprocess(given, pairs_of(given), halved, MASKED, {})


def _preprocess(
    given: argparse.Namespace,
    pairs: list[Pair],
    make: Make,
    above: int,
    settings: dict[str, Any],
) -> int:
    """Write a new set of pairs, each made by `make`."""
    from cleanplate.training.data.parallel import each
    from cleanplate.training.data.preprocessing import begin, preprocess

    settings = {"step": given.step, "folder": str(given.folder), **settings}
    jobs = begin(given.out, pairs, settings)
    made = each(partial(preprocess, folder=given.out, make=make, above=above), jobs, given.workers)
    return tell(tally(track(made, len(jobs), "pairs")), f"{given.out}: ", "pairs")


def _gradients(given: argparse.Namespace) -> int:
    from cleanplate.batch.sheets import save_sheet
    from cleanplate.training.data.curation import write_list
    from cleanplate.training.data.faults import Fault
    from cleanplate.training.data.gradients import measure_all
    from cleanplate.training.data.histogram import histogram

    pairs = pairs_of(given)
    found = measure_all(pairs, given.folder / "gradients.txt", given.workers)
    values: dict[str, float] = {}
    faults = 0
    for pair, value in track(found, len(pairs), "pairs"):
        if isinstance(value, Fault):
            faults += 1
            print(value)
        else:
            values[pair.name] = value
    kept = [pair for pair in pairs if values.get(pair.name, -1.0) >= given.least]
    write_list(given.folder / given.out, kept)
    drawn = given.folder / "gradients.png"
    if values:
        save_sheet(drawn, histogram(list(values.values()), given.least, "mean gradient"))
    print(f"{given.folder / given.out}: {len(kept)} of {len(pairs)} pairs; {drawn}: a histogram.")
    return 1 if faults else 0


def _raw(given: argparse.Namespace) -> int:
    from cleanplate.picture.mosaic import named_pattern
    from cleanplate.training.data.parallel import each
    from cleanplate.training.data.preprocessing import claim
    from cleanplate.training.data.raw import Levels, find_mosaics, pack_file

    if given.white <= given.black:
        raise UsageError("--white must be above --black.")
    levels, pattern = Levels(given.black, given.white), named_pattern(given.pattern)
    jobs = find_mosaics(given.folder, given.out)
    settings = {"folder": str(given.folder), **levels._asdict(), "pattern": pattern}
    claim(given.out, {"step": "raw", **settings})
    made = each(partial(pack_file, levels=levels, pattern=pattern), jobs, given.workers)
    return tell(tally(track(made, len(jobs), "mosaics")), f"{given.out}: ", "mosaics")


def _cutouts(given: argparse.Namespace) -> int:
    from cleanplate.training.data.cutting_out import cut_out_file, find_photos
    from cleanplate.training.data.parallel import each

    jobs = find_photos(given.folder, given.masks, given.out)
    made = each(cut_out_file, jobs, given.workers)
    return tell(tally(track(made, len(jobs), "photographs")), f"{given.out}: ", "cut-outs")


def _pages(given: argparse.Namespace) -> int:
    import numpy as np

    from cleanplate.training.data.parallel import each
    from cleanplate.training.data.pdf_pages import Rendering, find_pdfs, render_file
    from cleanplate.training.data.preprocessing import claim

    rendering = Rendering(given.out, tuple(sorted(given.dpi)), given.most, given.seed)
    files = find_pdfs(given.folder)
    order = np.random.default_rng(given.seed).permutation(len(files))[: given.files]
    settings = {"step": "pages", "folder": str(given.folder), "dpi": rendering.dpi}
    claim(given.out, {**settings, "most": given.most, "seed": given.seed})
    chosen = [files[number] for number in order]
    made = each(partial(render_file, given=rendering), chosen, given.workers)
    pages = chain.from_iterable(track(made, len(chosen), "files"))
    return tell(tally(pages), f"{given.out}: ", "pages")


def _ink(given: argparse.Namespace) -> int:
    from cleanplate.training.data.parallel import each
    from cleanplate.training.data.unmixing import find_notes, unmix_file

    jobs = find_notes(given.folder, given.out)
    made = each(unmix_file, jobs, given.workers)
    return tell(tally(track(made, len(jobs), "notes")), f"{given.out}: ", "notes")


def _labels(given: argparse.Namespace) -> int:
    from cleanplate.training.data.dressed import as_pairs

    count = as_pairs(given.folder, given.out, given.classes)
    print(f"{given.out}: {count} pictures with masks.")
    return 0


MAKERS = ("raw", "cutouts", "pages", "ink")  # steps that make files of files that are no pairs
STEPS: dict[str, tuple[str, Call]] = {
    "check": ("name what is wrong with pairs, such as shifted, repeated and blank ones", _check),
    "align": ("cut pairs that are shifted against each other to what both show", _align),
    "masks": ("make the masks of pairs that have none", _masks),
    "thin": ("list at most N versions of each clean picture", _thin),
    "split": ("list training and validation pairs, by clean picture", _split),
    "triples": ("list the pairs with their masks in annotation.txt", _triples),
    "crops": ("cut squares around what occludes the pages", _crops),
    "gradients": ("list the pairs that are not of blank paper, by their gradients", _gradients),
    "halve": ("make half-size copies", _halve),
}
