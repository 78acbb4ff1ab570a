"""A run whose pictures are cleaned by other processes, on this machine or on a cluster's.

They read and write the files by themselves, as a run's own workers do; what comes back is what
became of each picture, and what the manifest is to say of it.
"""

from __future__ import annotations

import logging
import os
import platform
import socket
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, fields
from functools import cached_property
from importlib.metadata import version
from typing import Any, NamedTuple

from cleanplate.batch.making import Maker
from cleanplate.batch.manifest import Line, Manifest
from cleanplate.batch.outcome import Outcome, reason
from cleanplate.batch.run import Run, outcome_of
from cleanplate.batch.sources import Job, Plan
from cleanplate.errors import CleanplateError, UsageError
from cleanplate.models import usable_cores
from cleanplate.writing import remove_leftovers

BATCH = 16  # pictures that a process is handed at once, at most
SPREAD = 64  # batches that a run is cut into at least, where it has so many pictures
TRIES = 3  # of a picture whose process dies; from the second on it is alone in its batch


class Done(NamedTuple):
    """What became of a batch of jobs, and the manifest's lines of it."""

    outcomes: list[Outcome]
    lines: list[Line]


class Worker:
    """Cleans jobs of a run in another process, to which cloudpickle takes it."""

    def __init__(self, run: Run, threads: int) -> None:
        self.threads = threads
        self._given = {one.name: getattr(run, one.name) for one in fields(Run)}
        self._given["planned"] = Plan(run.planned.folder)
        self._home = os.getcwd()  # relative paths are of this folder
        self._version = version("cleanplate")

    def clean(self, jobs: list[Job]) -> Done:
        """Clean jobs one after the other, and write their results; no picture stops the rest.

        Raises:
            UsageError: this machine is not set up like the one that the run was started on.
            CleanplateError: nothing can be started: no model.
        """
        maker, there = self._maker, _There(**self._given)
        outcomes = [outcome for job in jobs for outcome in there._outcomes_of(job, maker)]
        return Done(outcomes, there.lines)

    @cached_property
    def _maker(self) -> Maker:
        node, here, out = platform.node(), version("cleanplate"), self._given["planned"].folder
        if here != self._version:
            raise UsageError(f"{node} has cleanplate {here} in the place of {self._version}.")
        try:
            os.chdir(self._home)
            os.stat(out / Manifest.NAME)
        except OSError as error:
            raise UsageError(f"{node}: {reason(error)}; all machines must see it.") from None
        return _There(**self._given)._maker(self.threads)


class _There(Run):
    """A run as it is in another process: it gathers what the manifest is to say."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.lines: list[Line] = []

    def _record(self, line: Line, *, sync: bool = True) -> None:
        if line["status"] != "writing":  # the run itself has said so
            self.lines.append(line)


Engine = Callable[[Worker, Iterator[list[Job]]], Generator[Done, None, None]]
"""Has a worker clean batches in other processes, and gives what comes back, in any order.

A batch is drawn when it is handed out: the manifest then says that its results are being written.
"""


@dataclass
class ClusterRun(Run):
    """A run that an engine carries out; `threads`, a model's, are the cores of each process.

    Raises:
        UsageError: the results have no folder of their own.
    """

    engine: Engine | None = None
    threads: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.planned.folder is None:
            raise UsageError("On a cluster, results go to a folder: -o FOLDER.")
        for job in self.planned.jobs:
            # Killed between the rename and its record, it would be cleaned twice.
            if job.result.exists() and job.source.exists() and job.source.samefile(job.result):
                raise UsageError(f"{job.source} would be replaced: give another folder.")

    def _clean_all(self, jobs: list[Job], stack: ExitStack) -> Iterator[Outcome]:
        assert self.engine is not None
        engine = self.engine(Worker(self, self.threads), self._announced(jobs))
        for outcomes, lines in stack.enter_context(closing(engine)):
            for line in lines:
                self._record(line, sync=False)
            yield from outcomes

    def _announced(self, jobs: list[Job]) -> Iterator[list[Job]]:
        """Give jobs by the batch, having noted that what a kill may leave of them is ours."""
        size = max(1, min(BATCH, len(jobs) // SPREAD))
        for start in range(0, len(jobs), size):
            batch = jobs[start : start + size]
            for job in batch:
                self._record(outcome_of(job, "writing").line(), sync=job is batch[-1])
            yield batch


def on_ray(
    worker: Worker,
    batches: Iterator[list[Job]],
    *,
    address: str | None = None,
    actors: int = 0,
    gpus: int = 0,
) -> Generator[Done, None, None]:
    """Have Ray actors clean batches, each with as many CPUs as the worker has threads.

    `address` is that of a cluster; None: RAY_ADDRESS, or else this machine, for this run alone.
    `actors` is how many, 0 as many as there is room for, and `gpus` what each of them has.

    Raises:
        UsageError: there is no such cluster, or no room in it.
        CleanplateError: no actor starts.
    """
    # Actors by hand: Ray Data does not say when it hands out a row, which the manifest must know.
    ray = _connected(address)
    try:
        kind = ray.remote(_Actor).options(num_cpus=worker.threads, num_gpus=gpus)
        wanted = {"CPU": worker.threads} | ({"GPU": gpus} if gpus else {})
        crew = Crew(ray, lambda: kind.remote(worker), batches)
        yield from crew.work(actors or _room(ray, wanted))
    finally:
        ray.shutdown()  # ends the actors, too


class _Actor(Worker):
    """A worker, with its models, in a process of its own."""

    def __init__(self, worker: Worker) -> None:
        vars(self).update(vars(worker))


class Crew:
    """Actors, and what each has in hand: a batch and its tries; none, where it is to start."""

    def __init__(self, ray: Any, start: Callable[[], Any], batches: Iterator[list[Job]]) -> None:
        self._ray, self._start, self._fresh = ray, start, ((batch, 1) for batch in batches)
        self._again: deque[tuple[list[Job], int]] = deque()
        self._busy: dict[Any, tuple[Any, list[Job], int]] = {}
        self._idle: list[Any] = []
        self._stillborn = 0  # actors in a row

    def work(self, number: int) -> Generator[Done, None, None]:
        """Carry everything out with so many actors."""
        for _ in range(number):
            self._give(self._start())
        while not self._idle or any(jobs for _, jobs, _ in self._busy.values()):
            (ready,), _ = self._ray.wait([*self._busy], num_returns=1)
            actor, jobs, tries = self._busy.pop(ready)
            try:
                done = [self._ray.get(ready)]
                self._idle.append(actor)
                self._stillborn = 0
            except self._ray.exceptions.RayTaskError as error:
                raise error.cause from None  # wrong for every picture
            except self._ray.exceptions.RayError as error:
                done = [*self._died(jobs, tries, reason(error).splitlines())]
            self._hand_out()  # before the outcomes are told, which may take long
            yield from done

    def _give(self, actor: Any, jobs: list[Job] | None = None, tries: int = 0) -> None:
        self._busy[actor.clean.remote(jobs or [])] = (actor, jobs or [], tries)

    def _next(self) -> tuple[list[Job], int] | None:
        return self._again.popleft() if self._again else next(self._fresh, None)

    def _hand_out(self) -> None:
        while self._idle and (task := self._next()):
            self._give(self._idle.pop(), *task)

    def _died(self, jobs: list[Job], tries: int, why: list[str]) -> Iterator[Done]:
        """Put another in the place of an actor, and its pictures in line again, each by itself."""
        self._stillborn += not jobs
        if self._stillborn == TRIES:
            raise CleanplateError(f"Ray starts no process: {why[-1]}")
        remove_leftovers(place for job in jobs for place in job.places().values())
        self._give(self._start())
        for job in jobs:
            if tries < TRIES:
                self._again.append(([job], tries + 1))
            else:
                failed = outcome_of(
                    job, "failed", reason=f"its process died {tries} times: {why[0]}"
                )
                yield Done([failed], [failed.line()])


def _connected(address: str | None) -> Any:
    # Nothing is told to its makers, nor printed on standard output.
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_DEDUP_LOGS_SKIP_REGEX=".")
    import ray

    address = address or os.environ.get("RAY_ADDRESS") or "local"
    own = {"num_cpus": usable_cores(), "include_dashboard": False} if address == "local" else {}
    try:
        if address not in ("auto", "local"):  # Ray itself would try for many minutes
            host, _, port = address.rpartition(":")
            socket.create_connection((host, int(port)), timeout=10).close()
        ray.init(address, log_to_driver=False, logging_level=logging.CRITICAL, **own)
    except Exception as error:  # of many classes
        kind = CleanplateError if own else UsageError
        raise kind(f"Ray ({address}): {reason(error).splitlines()[0]}") from error
    return ray


def _room(ray: Any, wanted: dict[str, int]) -> int:
    """Return for how many actors the machines of a cluster have what each of them wants."""
    has = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    room = sum(int(min(one.get(key, 0) // each for key, each in wanted.items())) for one in has)
    if not room:
        words = " and ".join(f"{each} {key}" for key, each in wanted.items())
        raise UsageError(f"No machine of the cluster has the {words} that each process is to have.")
    return room
