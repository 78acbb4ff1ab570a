"""A run over many pictures: several at a time, each on its own, to be stopped and resumed."""

from __future__ import annotations

import json
import os
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, as_completed, wait
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cleanplate.batch.documents import (
    DocumentOptions,
    DocumentRun,
    finished_in,
    page_file,
    page_masks_in,
    pages_ahead,
)
from cleanplate.batch.estimating import PageSize, seconds_for, seconds_for_pages
from cleanplate.batch.gate import Gate, StoppedError
from cleanplate.batch.making import Maker, grave_of, sheet_of
from cleanplate.batch.manifest import Line, Manifest
from cleanplate.batch.outcome import Outcome, reason
from cleanplate.batch.settings import Settings, are_same, would_run
from cleanplate.batch.sources import Job, Plan
from cleanplate.document import CleanedPage, Finished
from cleanplate.errors import UnsupportedError, UsageError
from cleanplate.models import usable_cores
from cleanplate.picture import Picture, encode_mask, losses_of
from cleanplate.tasks.base import Remark, Report
from cleanplate.tasks.limits import Limits, limits_of
from cleanplate.tasks.masks import Masks, mask_of
from cleanplate.writing import (
    digest,
    make_folders,
    remove_leftovers,
    staged,
    sync_folders,
    waiting_folder,
    write_all,
)

if TYPE_CHECKING:
    from cleanplate.tasks.base import Task

MOST_WORKERS = 4


@dataclass
class Run:
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
        documents: how documents among the jobs are cleaned; None: they are not.
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
    documents: DocumentOptions | None = None

    def __post_init__(self) -> None:
        self._settings = json.loads(json.dumps(self.settings))
        self._manifest: Manifest | None = None
        self._writing = threading.Lock()
        self._gate = Gate()

    def outcomes(self) -> Generator[Outcome, None, None]:
        """Carry the plan out; give one outcome a path, in the order of their ends, and before that
        of a document one for each of its pages.

        One bad picture never stops the rest. Closing the iterator stops the run: a result that is
        being written is finished, no other is begun, and the manifest is closed.

        Raises:
            CleanplateError: nothing can be started: no model, or no writable folder.
        """
        with ExitStack() as stack:
            if self.planned.folder is not None and not self.planned.all_ignored():
                self._manifest = stack.enter_context(Manifest(self.planned.folder))
            stack.callback(self._gate.close)
            remove_leftovers(self._places())
            pending: list[Job] = []
            for item in self._sifted():
                if isinstance(item, Job):
                    pending.append(item)
                else:
                    yield item if item.settled else self._noted(item)
            if pending:
                yield from self._clean_all(pending, stack)

    def rehearse(self) -> list[Outcome]:
        """Say what a run would do, and write nothing; "planned" is what it would clean.

        Before a document come its pages, with the number of `images` that would be looked at, and
        of their `pixels`, in their reports.

        Raises:
            UsageError: the manifest in the folder is somebody else's.
            PictureError: a mask for all pictures cannot be read.
        """
        with ExitStack() as stack:
            if self.planned.folder is not None:
                self._manifest = stack.enter_context(Manifest(self.planned.folder, look=True))
            found: list[Outcome] = []
            for item in self._sifted():
                found += self._planned(item) if isinstance(item, Job) else [item]
            return found

    def estimate(self, outcomes: Iterable[Outcome]) -> float | None:
        """Give about how many seconds a run takes for what `rehearse` says is planned.

        Some of it is cleaned, in memory, of documents a page; None where nothing is planned, or
        none of it can be.

        Raises:
            CleanplateError: nothing can be started: no model.
        """
        planned = [one for one in outcomes if one.status == "planned"]
        sources = {one.source: one for one in planned if one.page is None}
        jobs = {job.source: job for job in self.planned.jobs if job.source in sources}
        if not jobs:
            return None
        workers = self._workers_for([*jobs.values()])
        maker = self._maker(self._threads_for(workers))

        def seconds_of(page: PageSize) -> float:
            assert self.documents is not None
            with DocumentRun(page.job, maker, self.documents) as run:
                return run.seconds_of(page.page)

        pictures = seconds_for(
            [job for job in jobs.values() if not job.document],
            lambda job: maker.make(self.read(job.source, name=job.name), job.format).files(job),
            workers,
        )
        sizes = [
            PageSize(jobs[one.source], one.page, int((one.report or {})["pixels"]))
            for one in planned
            if one.page is not None
        ]
        known = [one for one in (pictures, seconds_for_pages(sizes, seconds_of, workers)) if one]
        return sum(known) if known else None

    def _planned(self, job: Job) -> list[Outcome]:
        """Say that a job is to be done; of a document, after its pages."""
        if not job.document:
            return [outcome_of(job, "planned")]
        assert self.documents is not None
        try:
            pages = pages_ahead(job, *self._given(), self.documents)
        except UsageError:
            raise
        except Exception as error:
            return [outcome_of(job, "failed", reason=reason(error, job.name))]
        told: list[Outcome] = []
        for page in pages:
            seen: Report = {"images": page.images, "pixels": page.pixels}
            more: dict[str, Any] = {"page": page.number, "pages": len(pages), "report": seen}
            told.append(Outcome(job.source, "planned", job.result, remarks=page.remarks, **more))
        images = sum(page.images for page in pages)
        return [*told, outcome_of(job, "planned", report={"pages": len(pages), "images": images})]

    def _sifted(self) -> Iterator[Outcome | Job]:
        """Give, in the place of each path, why nothing is to be done, or its job."""
        for trouble in self.planned.troubles:
            yield Outcome(trouble.source, trouble.status, reason=trouble.reason)
        for job in self.planned.jobs:
            yield self._skipped(job) or job

    def _workers_for(self, jobs: list[Job]) -> int:
        return min(self.workers or min(usable_cores(), MOST_WORKERS), len(jobs))

    def _threads_for(self, workers: int) -> int:
        return 0 if workers == 1 else max(1, usable_cores() // workers)

    def _given(self) -> tuple[Masks | None, Limits]:
        """Return the masks and limits that the user gives."""
        masks = None if self.mask is None else Masks(self.mask)
        return masks, limits_of(self.region, self.protect)

    def _maker(self, threads: int) -> Maker:
        return Maker(self.create(threads), *self._given(), self.strip_metadata, self.strict)

    def _clean_all(self, jobs: list[Job], stack: ExitStack) -> Iterator[Outcome]:
        workers = self._workers_for(jobs)
        maker = self._maker(self._threads_for(workers))
        if workers == 1:  # no thread of its own: that would keep much of its memory to itself
            for job in jobs:
                yield from self._outcomes_of(job, maker)
            return
        pool = ThreadPoolExecutor(workers)
        stack.callback(pool.shutdown, wait=False, cancel_futures=True)
        waiting: set[Future[list[Outcome]]] = set()
        for job in jobs:
            waiting.add(pool.submit(lambda one: [*self._outcomes_of(one, maker)], job))
            if len(waiting) == 2 * workers:  # no more, as each that has ended holds its outcome
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from chain.from_iterable(future.result() for future in done)
        yield from chain.from_iterable(future.result() for future in as_completed(waiting))

    def _outcomes_of(self, job: Job, maker: Maker) -> Iterator[Outcome]:
        if job.document:
            yield from self._clean_document(job, maker)
        else:
            yield self._clean(job, maker)

    def _clean_document(self, job: Job, maker: Maker) -> Iterator[Outcome]:
        begin = time.monotonic()
        assert self.documents is not None
        try:
            source, settings = job.source.stat(), self._settings_of(job)
            with DocumentRun(job, maker, self.documents) as run:
                self._begin(job, len(run))
                finished = self._finished(job, source, settings)
                models: dict[str, str] = {}
                for page in run.pages(finished):
                    maker.check(page.remarks, f"{job.name}, page {page.number}")
                    models.update(page.models)
                    yield self._page_done(job, page, len(run), source)
                content = run.write(waiting_folder(job.result) / "result")
                told = run.summary()
            maker.check(told["remarks"], job.name)
            seconds = round(time.monotonic() - begin, 3)
            more = {"models": models, "pages": len(run), "seconds": seconds, "settled": True}
            done = outcome_of(job, "done", **more, **told)
            self._commit(job, done, {job.result: content}, source, settings)
            finished.remove()
            yield done
        except UsageError:
            raise
        except Exception as error:
            yield self._failed(job, error, begin)

    def _finished(self, job: Job, source: os.stat_result, settings: Settings) -> Finished:
        """Open what an earlier run has finished of a document, with these models."""
        folder, state = waiting_folder(job.result), {**_fingerprint(source), "settings": settings}
        finished = finished_in(folder, state, resume=self.resume)
        if all(would_run(models, self._settings) for models in finished.models()):
            return finished
        return finished_in(folder, state, resume=False)

    def _begin(self, job: Job, pages: int) -> None:
        """Make the folders of what is made of a document, and say that they are ours."""
        with self._gate:
            with self._writing:
                self._record(outcome_of(job, "writing").line())
            for place in job.places().values():
                self._make_folder_of(place, job)
            for folder in (job.mask, job.sheet):
                if folder is not None:
                    folder.mkdir(exist_ok=True)
                    remove_leftovers(folder / page_file(page + 1) for page in range(pages))

    def _make_folder_of(self, place: Path, job: Job) -> None:
        depth = len(Path(job.name).parts) - 1
        make_folders(place.parent, job.source.parent, depth)

    def _page_done(
        self, job: Job, page: CleanedPage, pages: int, source: os.stat_result
    ) -> Outcome:
        """Write the mask and the sheet of a page, and a line for it."""
        mask, sheet = (one and one / page_file(page.number) for one in (job.mask, job.sheet))
        files: dict[Path, bytes] = {}
        if sheet is not None and page.shown is not None:
            files[sheet] = sheet_of(page.shown)
        if mask is not None:
            files[mask] = encode_mask(page.mask)
        with self._gate:
            write_all(files, source=source, keep_times=self.preserve_times)
            there = sheet if sheet is not None and sheet.exists() else None
            told = {**page.told(), "pages": pages, "settled": True}
            done = Outcome(job.source, "done", job.result, mask, there, **told)
            with self._writing:
                self._record(done.line(), sync=False)
        return done

    def _clean(self, job: Job, maker: Maker) -> Outcome:
        begin = time.monotonic()
        try:
            source, settings = job.source.stat(), self._settings_of(job)
            picture = self.read(job.source, name=job.name)
            made = maker.make(picture, job.format)
            files = made.files(job)
            seconds = round(time.monotonic() - begin, 3)
            done = outcome_of(job, "done", seconds=seconds, settled=True, **made.told())
            self._commit(job, done, files, source, settings)
            return done
        except UsageError:
            raise  # is wrong for every picture
        except Exception as error:
            return self._failed(job, error, begin)

    def _failed(self, job: Job, error: Exception, begin: float) -> Outcome:
        """Note what was tried in vain from `begin` on."""
        left = job.found and isinstance(error, UnsupportedError)
        told = {} if left else {"trace": traceback.format_exc()}
        seconds, why = round(time.monotonic() - begin, 3), reason(error, job.name)
        status = "ignored" if left else "failed"
        return self._noted(outcome_of(job, status, reason=why, seconds=seconds, **told))

    def _commit(
        self,
        job: Job,
        done: Outcome,
        files: Mapping[Path, bytes | Path],
        source: os.stat_result,
        settings: Settings,
    ) -> None:
        """Put the files in their places and say so in the manifest, with a word before: what a kill
        between the two leaves behind is then known as ours.
        """
        content = files[job.result]
        line = {
            **done.line(),
            **_fingerprint(source),
            "settings": settings,
            "result_size": content.stat().st_size if isinstance(content, Path) else len(content),
        }
        in_place = _are_same(job.source, job.result)
        # In place, a kill would leave no other sign of which picture it is that lies there.
        sign = {"result_sha256": digest(content)} if in_place else {}
        with self._gate:
            for path in files:
                self._make_folder_of(path, job)
            # What the disk takes its time for is done by all workers at a time.
            with staged(files, source=source, keep_times=self.preserve_times) as put, self._writing:
                self._record({**line, **sign, "status": "writing"})
                put()
            sync_folders(files)
            with self._writing:
                self._record(line | fingerprint(job.source) if in_place else line, sync=False)

    def _noted(self, outcome: Outcome) -> Outcome:
        """Record a failure or a refusal, but never over the record of a result that is there."""
        # Where the disk is too full for a line, the screen and the exit status tell.
        with suppress(OSError, StoppedError), self._gate, self._writing:
            untried = outcome.seconds is None and outcome.status != "ignored"
            if not (untried and self._known(outcome.source)):
                self._record(outcome.line())
        return outcome

    def _skipped(self, job: Job) -> Outcome | None:
        """Say why a job is not to be done, or None when it is."""
        known = self._known(job.source)
        if self.resume and self._has_result(job, known):
            return self._kept(job, known)
        if self.overwrite:
            return None
        for role, path in job.places().items():
            if os.path.lexists(path) and not (self.resume and self._is_ours(role, path, known)):
                why = f"{path} exists; --overwrite replaces it"
                if role == "result" and not job.document and _are_same(path, job.source):
                    why = "; ".join([why, *losses_of(path).values()])
                return outcome_of(job, "skipped", reason=why)
        return None

    def _kept(self, job: Job, known: Line) -> Outcome:
        """Say that an earlier run has done a job; where all is to be strict, and it was done with
        a grave remark, that it failed.
        """
        remarks = [Remark(**one) for one in known.get("remarks", ())]
        if self.strict and self._manifest is not None and job.document:
            for line in self._manifest.pages(job.source):
                of_page = (Remark(**one) for one in line.get("remarks", ()))
                remarks += [one.of_page(line["page"]) for one in of_page]
        if self.strict and (grave := grave_of(remarks)):
            return outcome_of(job, "failed", reason=grave)
        told = {key: known.get(key) for key in ("filled", "unchanged", "doubt")}
        return outcome_of(job, "skipped", reason="already done", settled=True, **told)

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
                if known.pop("result_sha256", None) != digest(job.result):
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
        if job.document:
            assert self.documents is not None
            of_pages = {"own_masks": self.mask, "own_protects": self.protect}
            seen = {
                key: {name: fingerprint(path) for name, path in page_masks_in(given, job).items()}
                for key, given in of_pages.items()
                if given is not None
            }
            return {**self._settings, **self.documents.settings(), "own_masks": {}, **seen}
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

    def _record(self, line: Line, *, sync: bool = True) -> None:
        if self._manifest is not None:
            self._manifest.record(line, sync=sync)

    def _places(self) -> Iterator[Path]:
        for job in self.planned.jobs:
            yield from job.places().values()


def fingerprint(path: Path) -> Line:
    """Give size and time of a file, by which a change of it is told.

    Raises:
        OSError: it is not there, or may not be looked at.
    """
    return _fingerprint(path.stat())


def _fingerprint(status: os.stat_result) -> Line:
    return {"size": status.st_size, "mtime_ns": status.st_mtime_ns}


def _are_same(one: Path, other: Path) -> bool:
    """Say whether two paths lead to the same file; one that is not there is none."""
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def outcome_of(job: Job, status: str, **more: Any) -> Outcome:
    """Give the outcome of a job; `more` are fields of it."""
    return Outcome(job.source, status, job.result, job.mask, job.sheet, **more)
