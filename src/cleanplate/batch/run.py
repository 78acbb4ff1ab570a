"""A run over many pictures: several at a time, each on its own, to be stopped and resumed."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, as_completed, wait
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cleanplate.batch.manifest import Line, Manifest
from cleanplate.batch.settings import Settings, are_same, would_run
from cleanplate.batch.sheets import sheet
from cleanplate.batch.sources import (
    Job,
    Plan,
    check_suffix,
    format_by,
    format_of,
    same_suffix,
)
from cleanplate.errors import CleanplateError, PictureError, UnsupportedError, UsageError
from cleanplate.models import noting, usable_cores
from cleanplate.picture import Picture, encode_mask, encode_png, losses_of
from cleanplate.tasks.limits import Limits, clean_with, limits_of
from cleanplate.tasks.masks import Masks, mask_of
from cleanplate.writing import make_folders, remove_leftovers, write_all

if TYPE_CHECKING:
    from cleanplate.tasks.base import Cleaned, Remark, Report, Task

MOST_WORKERS = 4
SHEET_SIDE = 640  # longer side in pixels of a picture on a sheet


@dataclass(frozen=True)
class Outcome:
    """What became of one picture.

    `status` is "done", "failed" (tried in vain), "skipped" (not tried) or "ignored" (a picture of a
    kind that is not taken, which nobody has named by itself). `settled` says that the
    picture has its result, from this run or an earlier one. `filled` is the share of pixels, 0 to
    1, that was filled in, `unchanged` that there was nothing to do, `device` what the models ran
    on, `models` those that ran, sha256 by name; `remarks`, `doubt` and `report` are those of
    `Cleaned`.
    """

    source: Path
    status: str
    result: Path | None = None
    mask: Path | None = None
    sheet: Path | None = None
    reason: str | None = None
    filled: float | None = None
    unchanged: bool | None = None
    remarks: tuple[Remark, ...] = ()
    doubt: float | None = None
    report: Report | None = None
    device: str | None = None
    models: dict[str, str] | None = None
    seconds: float | None = None
    settled: bool = False
    trace: str | None = None  # as text: a traceback itself would keep the picture in memory

    def line(self) -> Line:
        """Give the outcome as a line of the manifest, its paths absolute."""
        return {
            "source": os.path.abspath(self.source),
            "result": self.result and os.path.abspath(self.result),
            "mask": self.mask and os.path.abspath(self.mask),
            "sheet": self.sheet and os.path.abspath(self.sheet),
            "status": self.status,
            "reason": self.reason,
            "filled": self.filled,
            "unchanged": self.unchanged,
            "remarks": [remark._asdict() for remark in self.remarks],
            "doubt": self.doubt,
            "report": self.report,
            "device": self.device,
            "version": version("cleanplate"),
            "models": self.models,
            "seconds": self.seconds,
        }


@dataclass
class Batch:
    """A plan, and how to carry it out.

    Workers are threads: decoding, models and encoding run outside Python's lock, the models are in
    memory once, and a stop needs no other process's help.

    Attributes:
        planned: what `plan` gave.
        create: makes the task, given its number of threads (0: all cores); called once, and only
            when there is something to clean.
        settings: see `settings_of`; when one has changed, a resumed run cleans anew.
        mask: what the user gives as masks, a file or a folder; when a picture's own has changed, a
            resumed run cleans it anew.
        region: x, y, width and height of what the task is shown, see `Cleaner.__call__`.
        protect: masks, like `mask`, of what is never touched.
        overwrite: replace results that are there.
        resume: keep what an earlier run has done, redo what it failed at or was killed at.
        strip_metadata: leave EXIF and the like out of the results.
        preserve_times: give what is written the times of its source.
        strict: what masks and losses are remarked upon for is a failure.
        workers: pictures at a time; 0 for one a core and at most MOST_WORKERS. Each holds one
            picture, so memory grows with it.
        read: reads a picture from a path and a `name`, as `Picture.read` and `read_any` do.
    """

    planned: Plan
    create: Callable[[int], Task]
    settings: Settings = field(default_factory=dict)
    mask: Path | None = None
    region: Sequence[int] | None = None
    protect: Path | None = None
    overwrite: bool = False
    resume: bool = False
    strip_metadata: bool = False
    preserve_times: bool = False
    strict: bool = False
    workers: int = 0
    read: Callable[..., Any] = Picture.read

    def __post_init__(self) -> None:
        self._settings = json.loads(json.dumps(self.settings))
        self._manifest: Manifest | None = None
        self._writing = threading.Lock()
        self._stopped = False

    def run(self) -> Generator[Outcome, None, None]:
        """Carry the plan out; give one outcome a path, in the order of their ends.

        One bad picture never stops the rest. Closing the iterator stops the run: a result that is
        being written is finished, no other is begun, and the manifest is closed.

        Raises:
            CleanplateError: nothing can be started: no model, or no writable folder.
        """
        with ExitStack() as stack:
            if self.planned.folder is not None:
                self._manifest = stack.enter_context(Manifest(self.planned.folder))
            stack.callback(self._stop)
            remove_leftovers(self._places())
            for trouble in self.planned.troubles:
                yield self._noted(Outcome(trouble.source, trouble.status, reason=trouble.reason))
            pending: list[Job] = []
            for job in self.planned.jobs:
                skipped = self._skipped(job)
                if skipped is None:
                    pending.append(job)
                else:
                    yield skipped if skipped.settled else self._noted(skipped)
            if pending:
                yield from self._clean_all(pending, stack)

    def _clean_all(self, jobs: list[Job], stack: ExitStack) -> Iterator[Outcome]:
        workers = min(self.workers or min(usable_cores(), MOST_WORKERS), len(jobs))
        masks = None if self.mask is None else Masks(self.mask)
        limits = limits_of(self.region, self.protect)
        task = self.create(0 if workers == 1 else max(1, usable_cores() // workers))
        if workers == 1:  # no thread of its own: that would keep much of its memory to itself
            yield from (self._clean(job, task, masks, limits) for job in jobs)
            return
        pool = ThreadPoolExecutor(workers)
        stack.callback(pool.shutdown, wait=False, cancel_futures=True)
        waiting: set[Future[Outcome]] = set()
        for job in jobs:
            waiting.add(pool.submit(self._clean, job, task, masks, limits))
            if len(waiting) == 2 * workers:  # no more, as each that has ended holds its outcome
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        yield from (future.result() for future in as_completed(waiting))

    def _clean(self, job: Job, task: Task, masks: Masks | None, limits: Limits) -> Outcome:
        begin = time.monotonic()
        outcome = _outcome(job, "failed")
        try:
            status = job.source.stat()
            settings = self._settings_of(job)
            try:
                picture = self.read(job.source, name=job.name)
            except UnsupportedError as error:
                if not job.found:
                    raise
                ignored = replace(outcome, status="ignored", reason=reason(error, job.name))
                return self._noted(ignored)
            with noting() as ran:
                cleaned = clean_with(task, picture, masks, limits)
            content = _encoded(cleaned, job.format, self.strip_metadata, self.strict)
            # The result last: where it is, its mask and its sheet are too.
            files = {}
            if job.sheet is not None:
                files[job.sheet] = sheet_of(cleaned)
            if job.mask is not None:
                files[job.mask] = encode_mask(cleaned.mask)
            files[job.result] = content
            outcome = replace(
                outcome,
                status="done",
                filled=cleaned.filled,
                unchanged=cleaned.unchanged,
                remarks=tuple(cleaned.remarks),
                doubt=cleaned.doubt,
                report=cleaned.report,
                device=cleaned.device,
                models=ran,
                seconds=round(time.monotonic() - begin, 3),
                settled=True,
            )
            self._commit(job, outcome, files, status, settings)
            return outcome
        except UsageError:
            raise  # is wrong for every picture
        except Exception as error:
            return self._noted(
                replace(
                    outcome,
                    status="failed",
                    reason=reason(error, job.name),
                    seconds=round(time.monotonic() - begin, 3),
                    settled=False,
                    trace=traceback.format_exc(),
                )
            )

    def _commit(
        self,
        job: Job,
        done: Outcome,
        files: dict[Path, bytes],
        source: os.stat_result,
        settings: Settings,
    ) -> None:
        """Put the files in their places and say so in the manifest, with a word before: what a kill
        between the two leaves behind is then known as ours.
        """
        with self._writing:
            if self._stopped:
                raise CleanplateError("the run was stopped")
            content = files[job.result]
            line = {
                **done.line(),
                **_fingerprint(source),
                "settings": settings,
                "result_size": len(content),
            }
            in_place = _are_same(job.source, job.result)
            # In place, a kill would leave no other sign of which picture it is that lies there.
            sign = {"result_sha256": hashlib.sha256(content).hexdigest()} if in_place else {}
            self._record({**line, **sign, "status": "writing"})
            for path in files:
                make_folders(path.parent, job.source.parent, len(Path(job.name).parts) - 1)
            write_all(files, source=source, keep_times=self.preserve_times)
            self._record(line | fingerprint(job.source) if in_place else line)

    def _noted(self, outcome: Outcome) -> Outcome:
        """Record a failure or a refusal, but never over the record of a result that is there."""
        with self._writing:
            known = self._known(outcome.source)
            if not self._stopped and not (outcome.status == "skipped" and known):
                # Where the disk is too full for a line, the screen and the exit status tell.
                with suppress(OSError):
                    self._record(outcome.line())
        return outcome

    def _skipped(self, job: Job) -> Outcome | None:
        """Say why a job is not to be done, or None when it is."""
        known = self._known(job.source)
        if self.resume and self._has_result(job, known):
            return _outcome(job, "skipped", reason="already done", settled=True)
        if self.overwrite:
            return None
        for role, path in job.places().items():
            if os.path.lexists(path) and not (self.resume and self._is_ours(role, path, known)):
                why = f"{path} exists; --overwrite replaces it"
                if role == "result" and _are_same(path, job.source):
                    why = "; ".join([why, *losses_of(path).values()])
                return _outcome(job, "skipped", reason=why)
        return None

    def _has_result(self, job: Job, known: Line) -> bool:
        """Say whether an earlier run made this result, from this source with these settings."""
        try:
            now = fingerprint(job.source)
            in_place = os.path.samefile(job.source, job.result)
            if known.get("result_size") != job.result.stat().st_size:
                return False
            if not are_same(known.get("settings", {}), self._settings_of(job)):
                return False
            for role, path in job.places().items():
                if not (path.exists() and self._names(known, role, path)):
                    return False
            if in_place and known.get("status") == "writing":
                # Killed between the rename and its record: cleaning again would clean the result.
                written = hashlib.sha256(job.result.read_bytes()).hexdigest()
                if known.pop("result_sha256", None) != written:
                    return False
                self._record({**known, **now, "status": "done"})
                return True
        except OSError:
            return False
        # In place, what other models have left is not the source any more.
        of_these_models = in_place or would_run(known.get("models"), self._settings)
        return of_these_models and now.items() <= known.items() and known.get("status") == "done"

    def _is_ours(self, role: str, path: Path, known: Line) -> bool:
        """Say whether a file that lies there is what an earlier run put or was about to put there.

        A result that somebody has worked on since is his; an empty one holds nothing to lose.
        """
        if not self._names(known, role, path):
            return False
        if role == "result" and known.get("status") == "done":
            return path.lstat().st_size in (0, known.get("result_size"))
        return known.get("status") in ("done", "failed", "writing")

    def _settings_of(self, job: Job) -> Settings:
        """Give what decides how a picture's result looks: the settings, and its own masks."""
        named = {"own_mask": self.mask, "own_protect": self.protect}
        own = {key: given and mask_of(given, job.name) for key, given in named.items()}
        return {
            **self._settings,
            **{key: fingerprint(path) for key, path in own.items() if path},
        }

    def _known(self, source: Path) -> Line:
        return self._manifest.known(source) if self._manifest else {}

    def _names(self, known: Line, role: str, path: Path) -> bool:
        """Say whether a line names this path in this role."""
        return self._manifest is not None and known.get(role) == self._manifest.place(path)

    def _record(self, line: Line) -> None:
        if self._manifest is not None:
            self._manifest.record(line)

    def _stop(self) -> None:
        with self._writing:
            self._stopped = True

    def _places(self) -> Iterator[Path]:
        for job in self.planned.jobs:
            yield from job.places().values()


def clean_one(
    source: bytes,
    create: Callable[[int], Task],
    *,
    out: Path | None,
    mask_out: Path | None,
    overwrite: bool,
    strip_metadata: bool,
    strict: bool = False,
    mask: Path | None = None,
    region: Sequence[int] | None = None,
    protect: Path | None = None,
    output: Callable[[str], str] = same_suffix,
    read: Callable[..., Any] = Picture.read,
) -> tuple[bytes, Cleaned]:
    """Clean the picture in `source`, which came without a name; give it back encoded.

    `out` and `mask_out` are the files for it and its mask, if any; `output` as in `plan`, all else
    as in `Batch`.

    Raises:
        CleanplateError: it cannot be cleaned.
    """
    if mask_out is not None and mask_out.suffix.lower() != ".png":
        raise UsageError(f"{mask_out}: the mask of a picture without a name goes to a .png file.")
    form = None
    if out is not None:
        form = format_of(out)
        check_suffix(out, output)
    for path in (out, mask_out):
        if path is not None and path.exists() and not overwrite:
            raise CleanplateError(f"{path} exists; --overwrite replaces it.")
    masks = None if mask is None else Masks(mask)
    limits = limits_of(region, protect)
    task = create(0)
    picture = read(source, name="standard input")
    cleaned = clean_with(task, picture, masks, limits)
    wanted = form or format_by(output, picture.format)
    content = _encoded(cleaned, wanted, strip_metadata, strict)
    files = {mask_out: encode_mask(cleaned.mask), out: content}
    write_all({path: file for path, file in files.items() if path is not None})
    return content, cleaned


def sheet_of(cleaned: Cleaned) -> bytes:
    """Draw the small copies of a picture that a task went through, and its result, as PNG."""
    steps = cleaned.steps | {"result": cleaned.picture.shrunk(SHEET_SIDE)}
    cells = [step.transpose(2, 0, 1) for step in steps.values()]
    return encode_png(sheet([cells], SHEET_SIDE, list(steps)))


def reason(error: Exception, name: str) -> str:
    """Say in a line why something failed, without the picture's name, which the outcome tells."""
    if isinstance(error, CleanplateError):
        return str(error).removeprefix(f"{name}: ")
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}"
    return f"{type(error).__name__}: {error}"


def fingerprint(path: Path) -> Line:
    """Give size and time of a file, by which a change of it is told. Raises OSError."""
    return _fingerprint(path.stat())


def _fingerprint(status: os.stat_result) -> Line:
    return {"size": status.st_size, "mtime_ns": status.st_mtime_ns}


def _encoded(cleaned: Cleaned, format: str | None, strip_metadata: bool, strict: bool) -> bytes:
    """Encode a picture, and have its remarks say what is lost by that.

    Raises:
        PictureError: it cannot be encoded, or, in strict runs, a remark is grave.
    """
    cleaned.remarks += cleaned.losses(strip_metadata=strip_metadata, format=format)
    grave = [remark.text for remark in cleaned.remarks if strict and remark.grave]
    if grave:
        raise PictureError(f"{cleaned.picture.name}: {'; '.join(grave)} (--strict).")
    return cleaned.picture.encode(cleaned.edited, strip_metadata=strip_metadata, format=format)


def _are_same(one: Path, other: Path) -> bool:
    """Say whether two paths lead to the same file; one that is not there is none."""
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def _outcome(job: Job, status: str, **more: Any) -> Outcome:
    return Outcome(job.source, status, job.result, job.mask, job.sheet, **more)
