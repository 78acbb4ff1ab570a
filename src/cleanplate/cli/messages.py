"""What the command line says: outcomes as they come, errors as a line, progress as a bar."""

from __future__ import annotations

import contextlib
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from json import dumps
from typing import TYPE_CHECKING

import typer

from cleanplate.cli.streams import OutputLostError, drop_output, is_terminal, put, say

if TYPE_CHECKING:
    from pathlib import Path

    from cleanplate.batch import Outcome, Run
    from cleanplate.batch.documents import DocumentOptions
    from cleanplate.tasks.base import Remark

_WORDS = {
    "done": "cleaned",
    "unchanged": "unchanged",
    "kept": "cleaned before",
    "skipped": "skipped",
    "failed": "failed",
    "ignored": "ignored",
}


@contextlib.contextmanager
def explained(debug: bool = False) -> Iterator[None]:
    """Turn an error into a line and an exit status; with `debug`, the traceback goes before."""
    from cleanplate.errors import CleanplateError, UsageError

    try:
        yield
    except typer.Exit:
        raise
    except KeyboardInterrupt:
        say("Interrupted.")
        raise typer.Exit(130) from None
    except OutputLostError as error:
        say(f"Standard output: {error}.")
        raise typer.Exit(1) from None
    except BrokenPipeError:  # as of `| head`, which has seen enough
        drop_output()
        raise typer.Exit(1) from None
    except Exception as error:
        if debug:
            traceback.print_exc()
        from cleanplate.batch.outcome import reason

        known = isinstance(error, (CleanplateError, OSError))
        say(reason(error) + ("" if known else " (--debug shows where)"))
        if isinstance(error, OSError):
            drop_output()
        raise typer.Exit(2 if isinstance(error, UsageError) else 1) from None


def follow(
    run: Run, *, share: str | None, json: bool, debug: bool, report: Path | None = None
) -> int:
    """Carry a run out and tell of every outcome; give the exit status.

    `share` is what the share of a picture that was worked on is called; None: it says nothing.
    `report` is where a page of it goes, of a run that was interrupted, too.
    """
    told: list[Outcome] | None = None if report is None else []
    try:
        return _follow(run, told, share=share, json=json, debug=debug)
    finally:
        if report is not None and told is not None:
            from cleanplate.batch.report import write_report

            write_report(report, told)


def _follow(
    run: Run, told: list[Outcome] | None, *, share: str | None, json: bool, debug: bool
) -> int:
    """Carry a run out; outcomes are gathered in `told`, where there is one."""
    counts: Counter[str] = Counter()
    devices: set[str] = set()
    total = len(run.planned)
    try:
        with contextlib.closing(run.outcomes()) as outcomes, _progress(total) as advance:
            for outcome in outcomes:
                if outcome.page is None:
                    counts[_kind(outcome)] += 1
                if outcome.device is not None:
                    devices.add(outcome.device)
                _tell(outcome, share=share, json=json, debug=debug, bar=advance is not None)
                if told is not None:
                    told.append(outcome)
                if advance is not None:
                    advance(outcome)
    except (KeyboardInterrupt, OutputLostError) as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        going_on = "; the same command with --resume goes on" if run.planned.folder else ""
        finished = counts["done"] + counts["unchanged"] + counts["kept"]
        why = "Interrupted" if interrupted else f"Standard output: {error}"
        say(f"{why}: {finished} of {total} cleaned{going_on}.")
        return 130 if interrupted else 1
    if total > 1:
        parts = [f"{counts[key]} {word}" for key, word in _WORDS.items() if counts[key]]
        if devices:
            parts[0] += f" on {' and '.join(sorted(devices))}"
        say(", ".join(parts) + ".")
    return _status(counts)


def foresee(run: Run, *, json: bool) -> int:
    """Tell what a run would do, and about how long it would take; give the exit status."""
    outcomes = run.rehearse()
    counts = Counter(_kind(outcome) for outcome in outcomes if outcome.page is None)
    for outcome in outcomes:
        if outcome.status == "planned" and not json:
            put(_ahead(outcome))
            tell_remarks(outcome.name, outcome.remarks)
        else:
            _tell(outcome, share=None, json=json, debug=False, bar=True)
    parts = [f"{counts['planned']} to be cleaned"]
    parts += [f"{counts[key]} {word}" for key, word in _WORDS.items() if counts[key]]
    seconds = run.estimate(outcomes)
    say(", ".join(parts) + ("." if seconds is None else f"; {_span(seconds)}."))
    return _status(counts)


def _ahead(outcome: Outcome) -> str:
    """Say what is to be done with a picture, a page or a document."""
    place = f"{outcome.name} -> {outcome.result}" if outcome.page is None else outcome.name
    report = outcome.report or {}
    parts = [f"{report[key]} {key}" for key in ("pages", "images") if key in report]
    if "pixels" in report:
        parts.append(f"{int(report['pixels']) / 1e6:.1f} megapixels")
    return f"{place} ({', '.join(parts)})" if parts else place


def _status(counts: Counter[str]) -> int:
    """Give the exit status of a run with these outcomes."""
    if not counts.total() - counts["ignored"]:
        say("Nothing to do: no picture that is taken.")
        return 2
    return 1 if counts["skipped"] or counts["failed"] else 0


def _span(seconds: float) -> str:
    """Say about how long something takes.

    >>> _span(0.2), _span(95), _span(7500)
    ('about 1 s', 'about 2 min', 'about 2 h 5 min')
    """
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"about {minutes} min" if seconds >= 60 else f"about {max(1, round(seconds))} s"
    return f"about {minutes // 60} h {minutes % 60} min"


def tell_marks(paths: Sequence[Path], options: DocumentOptions) -> int:
    """Say what would be removed of documents as marks; give the exit status."""
    from cleanplate import batch
    from cleanplate.errors import CleanplateError

    failed = 0
    for path in batch.documents_in(paths):
        try:
            marks = batch.list_marks(path, options)
        except CleanplateError as error:
            say(str(error))
            failed = 1
            continue
        for name, pages in marks.items():
            put(f"{path}: {name}: {_count(pages)}")
        if not marks:
            put(f"{path}: no marks")
    return failed


def _count(pages: Sequence[int]) -> str:
    """Name pages, as `--pages` takes them."""
    ranges: list[list[int]] = []
    for page in pages:
        if ranges and page == ranges[-1][1] + 1:
            ranges[-1][1] = page
        else:
            ranges.append([page, page])
    said = (f"{first}-{last}" if last > first else f"{first}" for first, last in ranges)
    return f"page{'s' if len(pages) > 1 else ''} {','.join(said)}"


def tell_remarks(name: object, remarks: Iterable[Remark]) -> None:
    """Tell what a picture that is done has to say."""
    for remark in remarks:
        say(f"note: {name}: {remark.text}")


def _kind(outcome: Outcome) -> str:
    """Give what an outcome counts as in the last line."""
    if outcome.kept:
        return "kept"
    return "unchanged" if outcome.unchanged else outcome.status


def _tell(outcome: Outcome, *, share: str | None, json: bool, debug: bool, bar: bool) -> None:
    """Tell of one picture; beside a bar, nothing of what went well, but for remarks."""
    if json:
        put(dumps(outcome.line()))
    elif outcome.status == "done" and not bar:
        device = f" on {outcome.device}" if outcome.device else ""
        filled = f"{outcome.filled or 0:.2%} {share}, " if share else ""
        if outcome.unchanged:
            filled = "unchanged, "
        removed = str((outcome.report or {}).get("removed", ""))
        if removed:
            filled = f"removed: {removed}, {filled}"
        words = f"{filled}{outcome.seconds:.1f} s{device}"
        place = f" -> {outcome.result}" if outcome.page is None else ""
        put(f"{outcome.name}{place} ({words})")
    if not json:
        tell_remarks(outcome.name, outcome.remarks)
    if not outcome.settled and outcome.reason:
        reason = outcome.reason
        before = "" if reason.startswith(str(outcome.source)) else f"{outcome.source}: "
        word = "" if outcome.status == "failed" else f"{outcome.status}: "
        say(f"{before}{word}{reason}")
        if debug and outcome.trace:
            for line in outcome.trace.splitlines():
                say(line)


@contextlib.contextmanager
def share_bar() -> Iterator[Callable[[float], None] | None]:
    """On a terminal, show a bar with the time left, and give what is told the share done."""
    if not is_terminal():
        yield None
        return
    from rich import progress
    from rich.console import Console

    columns = progress.BarColumn(), progress.TaskProgressColumn(), progress.TimeRemainingColumn()
    with progress.Progress(*columns, console=Console(stderr=True)) as bar:
        shown = bar.add_task("", total=1.0)
        yield lambda share: bar.update(shown, completed=share)


@contextlib.contextmanager
def _progress(total: int) -> Iterator[Callable[[Outcome], None] | None]:
    """On a terminal, show a bar with rate and time left, and give what advances it.

    The pages of a document are counted beside it, once the first of them is done.
    """
    if total < 2 or not is_terminal():
        yield None
        return
    from rich import progress
    from rich.console import Console

    columns = (
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TextColumn("{task.fields[rate]}"),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=Console(stderr=True)) as bar:
        shown = bar.add_task("", total=total, rate="")
        opened: set[object] = set()

        def advance(outcome: Outcome) -> None:
            if outcome.page is not None and outcome.source not in opened:
                opened.add(outcome.source)
                bar.update(shown, total=(bar.tasks[0].total or 0) + (outcome.pages or 0))
            bar.advance(shown)
            speed = bar.tasks[0].speed
            bar.update(shown, rate=f"{speed:.1f} pictures/s" if speed else "")

        yield advance
