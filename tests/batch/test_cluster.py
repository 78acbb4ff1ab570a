"""A run by other processes; here, but for the slow tests, by this one."""

from __future__ import annotations

import importlib.util
import json
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from batch_makers import contents, draw_album, manifest
from fakes import Blot, draw
from PIL import Image
from typer.testing import CliRunner

from cleanplate.batch import DocumentOptions, Outcome, Plan, Run, plan
from cleanplate.batch import cluster as cluster_module
from cleanplate.batch.cluster import ClusterRun, Crew, Done, Worker
from cleanplate.batch.sources import Job
from cleanplate.cli import make_app
from cleanplate.errors import CleanplateError, UsageError


def in_turn(worker: Worker, batches: Iterator[list[Job]]) -> Generator[Done, None, None]:
    """An engine of one process."""
    for batch in batches:
        yield worker.clean(batch)


def cluster_run(planned: Plan, engine: Any = in_turn, **options: Any) -> ClusterRun:
    return ClusterRun(planned, lambda threads: Blot(threads=threads), engine=engine, **options)


@pytest.fixture
def album(tmp_path: Path) -> Path:
    return draw_album(tmp_path / "album")


def test_results_lines_and_outcomes_are_those_of_a_local_run(album: Path, tmp_path: Path) -> None:
    told, lines = [], []
    for name, kind in (("local", Run), ("cluster", cluster_run)):
        planned = plan([album], tmp_path / name, tmp_path / f"{name} masks")
        options = {} if kind is cluster_run else {"create": lambda threads: Blot()}
        outcomes = [*kind(planned, **options).outcomes()]
        told.append({one.source: (one.status, one.filled, one.reason) for one in outcomes})
        found = manifest(tmp_path / name)
        lines.append({key: {**line, "seconds": 0, "mask": 0} for key, line in found.items()})
    assert Counter(status for status, _, _ in told[0].values()) == {"done": 20, "failed": 1}
    assert told[0] == told[1]
    assert lines[0] == lines[1]
    for kind in ("", " masks"):
        assert contents(tmp_path / f"local{kind}") == contents(tmp_path / f"cluster{kind}")


def test_a_resumed_run_does_what_is_left(album: Path, tmp_path: Path) -> None:
    """Stopped with a batch in hand, the manifest knows what may lie there."""
    drawn: list[Job] = []

    def stopped(worker: Worker, batches: Iterator[list[Job]]) -> Generator[Done, None, None]:
        yield worker.clean(next(batches))
        drawn.extend(next(batches))
        worker.clean(drawn)  # and nobody is told
        raise KeyboardInterrupt

    planned = plan([album], tmp_path / "out")
    with pytest.raises(KeyboardInterrupt):
        list(cluster_run(planned, stopped).outcomes())
    states = {name: line["status"] for name, line in manifest(tmp_path / "out").items()}
    assert states == {"bad.png": "failed", drawn[0].source.name: "writing"}
    assert drawn[0].result.exists()
    outcomes = [*cluster_run(planned, resume=True).outcomes()]
    assert Counter(one.status for one in outcomes) == {"done": 20, "failed": 1}
    assert len(manifest(tmp_path / "out")) == 21
    again = [*Run(planned, lambda threads: Blot(), resume=True).outcomes()]
    assert Counter(one.settled for one in again) == {True: 20, False: 1}


class FakeRay:
    """Actors that live in this process; a picture whose name says so kills its actor."""

    def __init__(self) -> None:
        self.exceptions = SimpleNamespace(RayTaskError=_TaskError, RayError=_RayError)
        self.started = 0
        self.deaths: Counter[str] = Counter()
        self.most = 0

    def start(self, worker: Worker) -> Any:
        self.started += 1

        def clean(jobs: list[Job]) -> Done:
            self.most = max(self.most, len(jobs))
            for job in jobs:
                if job.source.stem in ("deadly", "once") and (
                    job.source.stem == "deadly" or self.deaths[job.source.stem] < 1
                ):
                    self.deaths[job.source.stem] += 1
                    job.result.with_name("half").touch()
                    raise _RayError("The actor died.\nand more")
            return worker.clean(jobs)

        return SimpleNamespace(clean=SimpleNamespace(remote=lambda jobs: _Call(clean, jobs)))

    def wait(self, refs: list[Any], num_returns: int) -> tuple[list[Any], list[Any]]:
        return refs[:1], refs[1:]

    def get(self, call: _Call) -> Done:
        return call.clean(call.jobs)


class _Call:
    def __init__(self, clean: Any, jobs: list[Job]) -> None:
        self.clean, self.jobs = clean, jobs


class _RayError(Exception):
    pass


class _TaskError(_RayError):
    def __init__(self, cause: Exception) -> None:
        self.cause = cause


def crew_run(planned: Plan, ray: FakeRay, actors: int = 2, **options: Any) -> list[Outcome]:
    def engine(worker: Worker, batches: Iterator[list[Job]]) -> Generator[Done, None, None]:
        yield from Crew(ray, lambda: ray.start(worker), batches).work(actors)

    return [*cluster_run(planned, engine, **options).outcomes()]


def test_a_picture_whose_process_dies_is_tried_alone_and_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_module, "SPREAD", 1)  # sixteen a batch
    names = [*(f"{number:02}" for number in range(20)), "deadly", "once"]
    for name in names:
        draw(tmp_path / "in" / f"{name}.png")
    ray = FakeRay()
    outcomes = crew_run(plan([tmp_path / "in"], tmp_path / "out"), ray)
    assert ray.most == 16
    assert ray.deaths == {"deadly": 3, "once": 1}
    assert ray.started == 2 + 4
    assert Counter(one.status for one in outcomes) == {"done": 21, "failed": 1}
    [failed] = [one for one in outcomes if one.status == "failed"]
    assert failed.source.name == "deadly.png"
    assert failed.reason == "its process died 3 times: _RayError: The actor died."
    lines = manifest(tmp_path / "out")
    assert {line["status"] for name, line in lines.items() if name != "deadly.png"} == {"done"}
    assert (lines["deadly.png"]["status"], len(lines)) == ("failed", 22)


def test_an_error_that_is_everybodys_ends_the_run(tmp_path: Path) -> None:
    draw(tmp_path / "in" / "a.png")
    planned, ray = plan([tmp_path / "in"], tmp_path / "out"), FakeRay()

    def fall(error: Exception) -> Any:
        def get(call: Any) -> Done:
            raise error

        return get

    ray.get = fall(_TaskError(UsageError("node7 has no model")))  # type: ignore[method-assign]
    with pytest.raises(UsageError, match="node7 has no model"):
        crew_run(planned, ray)
    ray.get = fall(_RayError("no memory"))  # type: ignore[method-assign]
    with pytest.raises(CleanplateError, match="Ray starts no process: _RayError: no memory"):
        crew_run(planned, ray)
    assert not (tmp_path / "out" / "manifest.jsonl").exists()


def test_pages_of_documents_come_back_with_them(tmp_path: Path) -> None:
    pages = [Image.new("RGB", (64, 48), (200, 30, 30)), Image.new("RGB", (64, 48))]
    (tmp_path / "in").mkdir()
    pages[0].save(tmp_path / "in" / "scan.tif", save_all=True, append_images=pages[1:])
    told, options = [], {"documents": DocumentOptions()}
    for name in ("local", "cluster"):
        planned = plan([tmp_path / "in"], tmp_path / name, documents=True)
        local = Run(planned, lambda threads: Blot(), **options)
        run = local if name == "local" else cluster_run(planned, **options)
        told.append([(one.page, one.status, one.filled) for one in run.outcomes()])
        lines = (tmp_path / name / "manifest.jsonl").read_text().splitlines()
        told[-1] += [(one["page"], one["status"], one["filled"]) for one in map(json.loads, lines)]
    assert told[0] == told[1]
    assert [page for page, _, _ in told[0]] == [1, 2, None, None, 1, 2]
    assert contents(tmp_path / "local") == contents(tmp_path / "cluster")


def test_rows_are_handed_out_as_others_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many pictures there are, each actor has a batch of them, and the rest waits."""
    monkeypatch.setattr(Worker, "clean", lambda worker, jobs: Done([], []))
    out = tmp_path / "out"
    jobs = [Job(tmp_path / f"{n}.png", f"{n}.png", out / f"{n}.png") for n in range(2000)]
    drawn = 0
    batches = []

    def engine(worker: Worker, given: Iterator[list[Job]]) -> Generator[Done, None, None]:
        def counted() -> Iterator[list[Job]]:
            nonlocal drawn
            for batch in given:
                drawn += len(batch)
                batches.append(len(batch))
                yield batch

        ray, done = FakeRay(), 0
        for _ in Crew(ray, lambda: ray.start(worker), counted()).work(3):
            done += cluster_module.BATCH
            assert drawn - done <= 3 * cluster_module.BATCH
            yield Done([], [])

    list(cluster_run(Plan(out, jobs), engine).outcomes())
    assert (drawn, max(batches)) == (2000, cluster_module.BATCH)
    assert {line["status"] for line in manifest(out).values()} == {"writing"}


REFUSED = {
    "a file of its own": (["photos/a.png", "-o", "x.png", "--engine", "ray"], "to a folder"),
    "in place": (["photos", "-o", "photos", "--engine", "ray"], "would be replaced"),
    "standard input": (["-", "-o", "x.png", "--engine", "ray"], "--engine"),
    "a dry run": (["photos", "-o", "out", "--engine", "ray", "--dry-run"], "leave out --engine"),
    "no such engine": (["photos", "-o", "out", "--engine", "slurm"], "no engine 'slurm'"),
    "an address alone": (["photos", "-o", "out", "--address", "a:1"], "--engine ray"),
    "pictures elsewhere": (["s3://bucket/photos", "-o", "out"], "s3://bucket/photos"),
    "results elsewhere": (["photos", "-o", "s3://bucket/out"], "s3://bucket/out"),
}


@pytest.mark.usefixtures("blot", "photos")
@pytest.mark.parametrize(("arguments", "said"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_go_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    before = contents(tmp_path)
    told = CliRunner().invoke(make_app(), ["watermark", *arguments])
    assert told.exit_code == 2
    assert said in told.output
    assert contents(tmp_path) == before


@pytest.mark.usefixtures("blot", "photos")
def test_without_ray_a_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    arguments = ["watermark", str(tmp_path / "photos"), "-o", str(tmp_path / "out")]
    told = CliRunner().invoke(make_app(), [*arguments, "--engine", "ray"])
    assert told.exit_code == 2
    assert told.stderr == "--engine ray needs a further package: pip install 'cleanplate[ray]'.\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"_version": "0.0.1"}, "in the place of 0.0.1"),
        ({"_home": "/nowhere"}, "/nowhere: No such file or directory; all machines must see it"),
        ({}, "manifest.jsonl: No such file or directory; all machines must see it"),
    ],
)
def test_a_machine_that_is_set_up_otherwise_is_named(
    photos: Path, tmp_path: Path, change: dict[str, str], said: str
) -> None:
    worker = Worker(cluster_run(plan([photos], tmp_path / "out")), 1)
    vars(worker).update(change)
    with pytest.raises(UsageError, match=said):
        worker.clean([])
