"""A file of a job cleaned: by a run of the command line's, so that the same file comes out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cleanplate import tasks
from cleanplate.batch import DocumentOptions, Outcome, Run, plan
from cleanplate.document import Document
from cleanplate.document.ranges import pages_of
from cleanplate.errors import TooLargeError
from cleanplate.picture import Picture, read_any
from cleanplate.serve.cleaning import failure, task_of
from cleanplate.serve.work import Answer, FileWork, Progress
from cleanplate.tasks.base import Task
from cleanplate.tasks.taskinfo import TaskInfo


def clean_file(
    work: FileWork, *, device: str = "auto", threads: int = 0
) -> Iterator[Progress | Answer]:
    """Clean a file of a job; give how far it is, page by page, and an answer at last."""
    try:
        yield from _cleaned(work, device, threads)
    except Exception as error:
        yield failure(error)


def _cleaned(work: FileWork, device: str, threads: int) -> Iterator[Progress | Answer]:
    info = tasks.info(work.task)
    run, pages = _run_of(work, info, device, threads)
    if pages:
        yield Progress(pages)
    done = 0
    for outcome in run.outcomes():
        if outcome.page is not None:
            done += 1
            yield Progress(pages, done, _remarks(outcome))
        else:
            yield _answer(outcome)


def _run_of(work: FileWork, info: TaskInfo, device: str, threads: int) -> tuple[Run, int]:
    """Return the run that cleans a file, and, of a document, how many pages that are."""
    chosen = info.checked(work.options)
    planned = plan(
        [work.source],
        work.out,
        mask=work.mask,
        protect=work.protect,
        output=lambda suffix: info.output(suffix, chosen),
        raw=info.raw,
        documents=info.documents,
    )
    options = DocumentOptions(
        work.pages,
        work.password,
        work.break_signature,
        info.whole,
        info.marks,
        work.remove_repeated,
    )
    options.check()

    def create(share: int) -> Task:
        return task_of(work.task, tuple(sorted(work.options.items())), device, threads)

    run = Run(
        planned,
        create,
        mask=work.mask,
        region=work.region,
        protect=work.protect,
        strip_metadata=work.strip_metadata,
        workers=1,
        read=read_any if info.raw else Picture.read,
        documents=options if info.documents else None,
    )
    return run, _pages(work) if planned.of_document() else 0


def _pages(work: FileWork) -> int:
    """Count the pages that are asked for, before one of them is looked at."""
    with Document(
        work.source,
        password=work.password,
        break_signature=work.break_signature,
        name=work.source.name,
    ) as document:
        if len(document) > work.most_pages:
            raise TooLargeError(
                f"{work.source.name}: it has {len(document)} pages; a job has at most "
                f"{work.most_pages} here. Send fewer at a time."
            )
        return len(pages_of(work.pages, len(document)))


def _answer(outcome: Outcome) -> Answer:
    if outcome.status != "done" or outcome.result is None:
        return Answer(422, f"{outcome.reason}")
    told: dict[str, Any] = {
        "result": str(outcome.result),
        "filled": outcome.filled,
        "unchanged": outcome.unchanged,
        "doubt": outcome.doubt,
        "report": outcome.report,
        "remarks": _remarks(outcome),
        "seconds": outcome.seconds,
    }
    return Answer(report=told)


def _remarks(outcome: Outcome) -> tuple[dict[str, Any], ...]:
    page = {} if outcome.page is None else {"page": outcome.page}
    return tuple({**remark._asdict(), **page} for remark in outcome.remarks)
