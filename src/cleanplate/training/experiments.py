"""Claims of the write-ups, trained again at a budget that a person chooses, as tables.

A claim is a YAML file in `claims/`: what it says (`claim`), the `figure` of validation that
decides, and its `forms`, each a recipe with overrides; `needs` says what the data must be, and
`limits` what such a run cannot tell.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import yaml

from cleanplate.errors import UsageError
from cleanplate.training.arguments import nearest
from cleanplate.training.figure_files import read_table, write_table
from cleanplate.writing import write_all

FOLDER = Path(str(files("cleanplate.training") / "claims"))
ENOUGH = 3  # seeds from which a spread says something


@dataclass(frozen=True)
class Form:
    """One way to train.

    Attributes:
        name: in the table.
        recipe: of the training.
        overrides: further arguments of `cleanplate train`.
    """

    name: str
    recipe: str
    overrides: tuple[str, ...]


@dataclass(frozen=True)
class Claim:
    """What a write-up states, and how it is tried.

    Attributes:
        name: of the YAML file.
        claim: a sentence; that the first form has the highest figure, if it is true.
        figure: of validation, such as `val/psnr`; higher is better.
        needs: what the data must be.
        limits: what a run on a small budget cannot tell.
        forms: at least two.
    """

    name: str
    claim: str
    figure: str
    needs: str
    limits: str
    forms: tuple[Form, ...]


@dataclass(frozen=True)
class Outcome:
    """What one training came to: the figure of its last validation, after so many steps.

    `untouched`: the PSNR of the pictures as they are, nan where that is not measured.
    """

    form: str
    seed: int
    steps: int
    value: float
    untouched: float = math.nan


Train = Callable[[Form, int, Path], None]
"""Trains a form with a seed in a folder."""


def claims() -> dict[str, Path]:
    """Return the claims that there are, by name."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.yaml"))}


def read_claim(name: str) -> Claim:
    """Return a claim by name, or from a YAML file of the user's own.

    Raises:
        UsageError: there is none, or the file lacks a field.
    """
    known = claims()
    path = known.get(name, Path(name))
    if not (name in known or (path.suffix in (".yaml", ".yml") and path.is_file())):
        raise UsageError(
            f"{name} is no claim{nearest(name, known) or '.'} "
            "`cleanplate experiments --list` says which there are."
        )
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
        forms = tuple(
            Form(form, how.get("recipe", given.get("recipe")), tuple(how.get("overrides", ())))
            for form, how in given["forms"].items()
        )
        fields = {key: str(given[key]) for key in ("claim", "figure", "needs", "limits")}
    except (OSError, ValueError, yaml.YAMLError, LookupError, TypeError, AttributeError) as error:
        raise UsageError(f"{path} cannot be read as a claim: {error!r}.") from error
    if len(forms) < 2 or not all(form.recipe for form in forms):
        raise UsageError(f"{path}: a claim has at least two forms, each with a recipe.")
    return Claim(path.stem, forms=forms, **fields)


def try_claim(claim: Claim, seeds: Sequence[int], folder: Path, train: Train) -> list[Outcome]:
    """Train every form with every seed, a folder each below `folder`; those done are not repeated.

    Seeds come first: whatever ends the work early, the forms have about as many.

    Raises:
        UsageError: a training leaves no figure of the claim's name.
    """
    outcomes = []
    for seed in seeds:
        for number, form in enumerate(claim.forms):
            place = folder / f"form-{number}-seed-{seed}"
            if not (place / "metrics.csv").is_file():
                train(form, seed, place)
            rows = [row for row in read_table(place / "metrics.csv") if row.get(claim.figure)]
            if not rows:
                raise UsageError(
                    f"{place} was not validated: give more minutes, or another folder with --out."
                )
            last = rows[-1]
            value = float(last[claim.figure])
            untouched = float(last.get("val/psnr_input") or math.nan)
            outcomes.append(Outcome(form.name, seed, int(last["step"]), value, untouched))
            write_table(folder / "outcomes.csv", [vars(one) for one in outcomes])
    return outcomes


def trained_for(minutes: float, data: str, overrides: Sequence[str]) -> Train:
    """Return what trains a form for so many minutes; loading comes on top of them."""
    hours, rest = divmod(max(1, round(60 * minutes)), 3600)
    limit = f"{hours // 24:02d}:{hours % 24:02d}:{rest // 60:02d}:{rest % 60:02d}"

    def train_form(form: Form, seed: int, place: Path) -> None:
        from cleanplate.training.train import train

        seeded = [f"--seed_everything={seed}", f"--data.init_args.seed={seed}"]
        own = [*seeded, f"--trainer.max_time={limit}", *form.overrides, *overrides]
        train(form.recipe, own, data=data, run=str(place))

    return train_form


def table(claim: Claim, outcomes: Sequence[Outcome], minutes: float) -> str:
    """Return what came out, in Markdown, with what it cannot tell."""
    lines = [
        f"## {claim.name}",
        "",
        claim.claim,
        "",
        f"| form | `{claim.figure}`, mean | spread | seeds | steps | beside the first |",
        "|---|---|---|---|---|---|",
    ]
    first = _values(claim.forms[0].name, outcomes)
    for form in claim.forms:
        values = _values(form.name, outcomes)
        steps = [one.steps for one in outcomes if one.form == form.name]
        reached = f"{min(steps)}" if min(steps) == max(steps) else f"{min(steps)}-{max(steps)}"
        beside = f"{mean(values) - mean(first):+.3f}" if form is not claim.forms[0] else ""
        lines.append(
            f"| {form.name} | {mean(values):.3f} | {_spread(values)} | {len(values)} | {reached} "
            f"| {beside} |"
        )
    told = [f"Minutes of training a form and seed: {minutes:g}. {_verdict(claim, outcomes)}"]
    known = [one.untouched for one in outcomes if not math.isnan(one.untouched)]
    best = max(mean(_values(form.name, outcomes)) for form in claim.forms)
    if claim.figure == "val/psnr" and known and best <= mean(known):
        told.append(
            f"No form is better than the untouched pictures ({mean(known):.3f} dB): this says how "
            "trainings begin, and nothing of the claim."
        )
    return "\n".join([*lines, "", *told, f"What this cannot tell: {claim.limits}"]) + "\n"


def _values(form: str, outcomes: Sequence[Outcome]) -> list[float]:
    return [one.value for one in outcomes if one.form == form]


def _spread(values: Sequence[float]) -> str:
    return f"{stdev(values):.3f}" if len(values) > 1 else "-"


def _verdict(claim: Claim, outcomes: Sequence[Outcome]) -> str:
    """Say whether the first form is ahead of all others by more than the spreads."""
    own, *others = ([*_values(form.name, outcomes)] for form in claim.forms)
    fewest = min(map(len, (own, *others)))
    if fewest < 2:
        return "With one seed there is no spread, so no order can be told from chance."
    widest = max(map(stdev, (own, *others)))
    lead = mean(own) - max(map(mean, others))
    if lead > widest:
        said = "The first form is ahead by more than the widest spread, as claimed"
    elif lead < -widest:
        said = "Another form is ahead by more than the widest spread, against the claim"
    else:
        said = "The forms differ by less than the widest spread: no order can be told"
    few = f"; {fewest} seeds are few for a spread" if fewest < ENOUGH else ""
    return f"{said}{few}."


def write(claim: Claim, outcomes: Sequence[Outcome], folder: Path, minutes: float) -> str:
    """Write the table into `folder`, and return it."""
    text = table(claim, outcomes, minutes)
    write_all({folder / "table.md": text.encode()})
    return text


def described() -> str:
    """Return the claims that there are, a line each."""
    found: list[Any] = [read_claim(name) for name in claims()]
    width = max(len(one.name) for one in found)
    return "\n".join(f"{one.name:{width}s}  {one.claim}" for one in found)


def cost(claim: Claim, seeds: int, minutes: float) -> float:
    """Return the minutes that the trainings of a claim take, without loading and validating."""
    return math.prod((len(claim.forms), seeds, minutes))
