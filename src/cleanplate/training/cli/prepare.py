"""`cleanplate prepare` and its steps."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from cleanplate.errors import UsageError
from cleanplate.training.cli.shared import add_step, new_parser, pairs_of, survey_of, track


def run(arguments: list[str]) -> int:
    """Run one step."""
    parser = new_parser("prepare", "Make a training set from a folder of pairs.")
    verbs = parser.add_subparsers(dest="step", required=True)
    add_step(verbs, "check", "name unreadable, unequal, partnerless and blank files", _check)
    add_step(verbs, "masks", "make the masks of pairs that have none", _masks)
    add_step(verbs, "thin", "list at most N versions of each clean picture", _thin)
    add_step(verbs, "split", "list training and validation pairs, by clean picture", _split)
    options = verbs.choices
    options["check"].add_argument("--list", help="file for the names of the sound pairs")
    for name in ("check", "masks"):
        options[name].add_argument("--threshold", type=int, default=5, help="of 255 (5)")
    options["thin"].add_argument("--versions", type=int, required=True, metavar="N")
    options["thin"].add_argument("--out", help="list file (thin-N.txt)")
    options["split"].add_argument("--validation", type=float, default=0.05, metavar="SHARE")
    for name in ("thin", "split"):
        options[name].add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    call: Callable[[argparse.Namespace], int] = given.call
    return call(given)


def _check(given: argparse.Namespace) -> int:
    from cleanplate.training.data import curation
    from cleanplate.training.data.files import PairFiles

    found = survey_of(given)
    sound, faults = [], 0
    checked = curation.check(found, PairFiles(found.pairs).read, given.threshold)
    for pair, fault in track(checked, len(found.pairs) + len(found.orphans), "files"):
        if fault is not None:
            faults += 1
            print(fault)
        elif pair is not None:
            sound.append(pair)
    if given.list:
        curation.write_list(found.folder / given.list, sound)
    print(f"{len(sound)} sound pairs, {faults} faults.")
    return 1 if faults else 0


def _masks(given: argparse.Namespace) -> int:
    from cleanplate.training.data import curation
    from cleanplate.training.data.files import PairFiles

    pairs = pairs_of(given)
    read = PairFiles(pairs).read
    written = curation.write_masks(pairs, read, given.threshold)
    count = sum(track(written, len(pairs), "masks"))
    print(f"{count} masks made, {len(pairs) - count} were there.")
    return 0


def _thin(given: argparse.Namespace) -> int:
    from cleanplate.training.data import curation

    if given.versions < 1:
        raise UsageError("--versions must be 1 or more.")
    pairs = pairs_of(given)
    kept = curation.thin(pairs, given.versions, given.seed)
    out = given.folder / (given.out or f"thin-{given.versions}.txt")
    curation.write_list(out, kept)
    print(f"{out}: {len(kept)} of {len(pairs)} pairs.")
    return 0


def _split(given: argparse.Namespace) -> int:
    from cleanplate.training.data import curation

    if not 0 < given.validation < 1:
        raise UsageError("--validation must lie between 0 and 1.")
    parts = curation.divide(pairs_of(given), given.validation, given.seed)
    if not all(parts):
        raise UsageError(f"{given.folder} has one clean picture only; a split needs two.")
    for name, part in zip(("train.txt", "validation.txt"), parts, strict=True):
        curation.write_list(given.folder / name, part)
        print(f"{given.folder / name}: {len(part)} pairs.")
    return 0
