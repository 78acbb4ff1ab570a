"""The report of a batch: a page of HTML by itself, what needs a look first."""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

import cv2
import numpy as np

from cleanplate.batch.outcome import Outcome
from cleanplate.errors import CleanplateError, UsageError
from cleanplate.picture import read_any
from cleanplate.writing import write_all

BEFORE = "done before"
SHOWN = 100  # outcomes with pictures; the others are lines
SIDE = 480  # pixels: longer side of these pictures
QUALITY = 80  # of JPEG
STYLE = """
:root { color-scheme: light dark; font: 16px/1.4 system-ui, sans-serif }
body { max-width: 64rem; margin: 2rem auto; padding: 0 1rem }
article { border-top: 1px solid #8888; padding: .8rem 0 }
h2 { font-size: 1rem; margin: 0; overflow-wrap: anywhere }
p { margin: .2rem 0 }
.failed, .skipped { color: #c33 }
.pictures { display: flex; flex-wrap: wrap; gap: .6rem; margin-top: .5rem }
figure { margin: 0; flex: 1 1 18rem }
img { max-width: 100%; height: auto }
""".strip()


def check_place(path: Path, *, replace: bool) -> None:
    """Check that a report can go to a place, and does away with nothing but an older page there.

    Raises:
        UsageError: it is not named as a page, its folder cannot be written, or something is there
            that may not be replaced, or is no file.
    """
    if path.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"{path}: a report is a page of HTML; give it a name that ends in .html.")
    if os.path.lexists(path):
        if not path.is_file():
            raise UsageError(f"{path} is no file that a report could replace.")
        if not replace:
            raise UsageError(f"{path} exists; --overwrite replaces it.")
    there = next(folder for folder in path.absolute().parents if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise UsageError(f"{path} cannot be written: {there} takes no files.")


def write_report(path: Path, outcomes: Sequence[Outcome]) -> None:
    """Write what became of pictures: failures first, then by doubt, the rest as they came.

    The first of those that were cleaned are shown before and after, as JPEG within the page, which
    needs nothing else; links lead to the files themselves.

    Raises:
        OSError: the page cannot be written.
    """
    sections, shown = [], 0
    for outcome in sorted(outcomes, key=_rank):
        changed = outcome.settled and not outcome.unchanged and outcome.page is None
        pictures = _pictures(outcome) if changed and shown < SHOWN else ""
        shown += bool(pictures)
        sections.append(_section(outcome, path.absolute().parent, pictures))
    counts = {status: 0 for status in ("done", BEFORE, "failed", "skipped", "ignored")}
    for outcome in outcomes:
        if outcome.page is None:
            counts[_status(outcome)] += 1
    summary = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    page = (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>Cleanplate: {summary}</title>\n<style>\n{STYLE}\n</style>\n"
        f"<h1>{summary or 'Nothing was there'}</h1>\n{''.join(sections)}</html>\n"
    )
    write_all({path: page.encode()})


def _rank(outcome: Outcome) -> tuple[bool, bool, float]:
    """Return what outcomes are sorted by, the least first."""
    wrong = outcome.status in ("failed", "skipped") and not outcome.settled
    return not wrong, outcome.doubt is None, -(outcome.doubt or 0)


def _status(outcome: Outcome) -> str:
    """Return what became of a picture; one that an earlier run has done was not skipped."""
    return BEFORE if outcome.kept else outcome.status


def _section(outcome: Outcome, folder: Path, pictures: str) -> str:
    """Tell of one outcome."""
    words = ["unchanged" if outcome.unchanged else _status(outcome)]
    if outcome.filled and not outcome.unchanged:
        words.append(f"{outcome.filled:.2%} worked on")
    if outcome.doubt is not None:
        words.append(f"doubt {outcome.doubt:.2f}")
    links = [
        _link(place, label, folder)
        for place, label in ((outcome.result, "result"), (outcome.mask, "mask"))
        if place is not None and outcome.settled and place.exists()
    ]
    kind = "done" if outcome.settled else outcome.status
    told = [f'<p class="{kind}">{", ".join([*map(escape, words), *links])}</p>']
    notes = [outcome.reason] if outcome.reason else []
    told += [f"<p>{escape(note)}</p>" for note in (*notes, *(one.text for one in outcome.remarks))]
    heading = f"<h2>{escape(_shown(outcome.name))}</h2>"
    return f"<article>\n{heading}\n{''.join(told)}{pictures}\n</article>\n"


def _pictures(outcome: Outcome) -> str:
    """Show a picture before and after; in place, as it is now; nothing where one cannot be read."""
    assert outcome.result is not None
    in_place = outcome.result.exists() and os.path.samefile(outcome.source, outcome.result)
    places = {"after": outcome.result}
    if not in_place:
        places = {"before": outcome.source} | places
    try:
        figures = [
            f'<figure><img alt="{when}" src="data:image/jpeg;base64,{_thumbnail(place)}">'
            f"<figcaption>{when}</figcaption></figure>"
            for when, place in places.items()
        ]
    except (CleanplateError, OSError):
        return ""
    return f'<div class="pictures">{"".join(figures)}</div>'


def _thumbnail(path: Path) -> str:
    """Return a picture as a small JPEG in base64.

    Raises:
        CleanplateError: it cannot be read.
    """
    small = read_any(path).shrunk(SIDE)
    pixels = np.rint(small[..., ::-1] * 255).astype(np.uint8)
    _, content = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return base64.b64encode(content.tobytes()).decode()


def _link(place: Path, label: str, folder: Path) -> str:
    """Return a link to a file, relative to the report's folder where both are on one volume."""
    try:
        target = quote(os.fsencode(os.path.relpath(place, folder)))
    except ValueError:  # another drive
        target = place.absolute().as_uri()
    return f'<a href="{escape(target)}">{label}</a>'


def _shown(name: str) -> str:
    """Return a name that UTF-8 can hold."""
    return name.encode("utf-8", "backslashreplace").decode()
