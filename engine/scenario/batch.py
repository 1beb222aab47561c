"""Plays the scenarios of many runbooks: in several processes where that pays, results in order."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from engine.config import Books
from engine.errors import Diagnosed, Place, RunbookError
from engine.language.report import render
from engine.registry import Registry
from engine.scenario.calls import Callers
from engine.scenario.coverage import Points, points
from engine.scenario.read import Scenario, read_scenarios
from engine.scenario.report import Result, try_scenario

PARALLEL_MIN_BYTES = 64 * 1024
"""Of scenario files together, above which they are played by several processes. To start those
takes 30 ms; 64 KiB are about 200 scenarios, which one process plays in a second.
"""


@dataclass(frozen=True, slots=True)
class Job:
    """One runbook whose scenarios are to be played."""

    books: Books
    name: str
    file: Path | None
    """Its scenarios, or None when it has none."""
    callers: Callers | None = None
    """Who knows whom its runs call."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a job. `problem`: why its files cannot be read, in the words for people."""

    name: str
    results: tuple[Result, ...] = ()
    known: Points = field(default_factory=dict)
    problem: str | None = None


def try_job(job: Job, registry: Registry, words: Sequence[str], fail_fast: bool) -> Tried:
    """Plays the scenarios of a job whose names hold all of `words`."""
    results: list[Result] = []
    try:
        runbook = job.books.load(job.name, registry)
        scenarios = read_scenarios(job.file, runbook, job.books) if job.file is not None else ()
        for scenario in scenarios:
            if not _wanted(job.name, scenario, words):
                continue
            results.append(try_scenario(runbook, scenario, registry, job.callers))
            if fail_fast and not results[-1].holds:
                break
    except Diagnosed as error:
        return Tried(job.name, problem=render(error.diagnostics, error.sources).rstrip("\n"))
    except RunbookError as error:
        return Tried(job.name, problem=error.message)
    return Tried(job.name, tuple(results), points(runbook))


def _wanted(name: str, scenario: Scenario, words: Sequence[str]) -> bool:
    told = f"{name} {scenario.name}".lower()
    return all(word in told for word in words)


def try_all(
    jobs: Sequence[Job], registry: Registry, *, words: Sequence[str] = (), fail_fast: bool = False
) -> Iterator[Tried]:
    """What came of each job, in order. With `fail_fast`, none after the first that does not hold.

    `words`: in lower case.
    """
    work = partial(try_job, registry=registry, words=words, fail_fast=fail_fast)
    with _mapping(jobs) as each:
        for tried in each(work, jobs):
            yield tried
            if fail_fast and (tried.problem or any(not result.holds for result in tried.results)):
                return


@contextmanager
def _mapping(jobs: Sequence[Job]) -> Iterator[Callable[..., Iterator[Tried]]]:
    """`map`, by one process or by several.

    Processes are forked: they begin with everything that is imported, in a few milliseconds. This
    process has no threads yet, so nothing can be held by one that is not there.
    """
    count = min(len(jobs), len(os.sched_getaffinity(0)))
    size = sum(job.file.stat().st_size for job in jobs if job.file is not None)
    if count < 2 or size < PARALLEL_MIN_BYTES:
        yield map
        return
    with multiprocessing.get_context("fork").Pool(count) as pool:
        yield pool.imap


def unreadable(tried: Tried) -> Result:
    """A job whose files cannot be read, as a result: build servers are to see it."""
    problem = tried.problem or ""
    return Result(tried.name, "can be read", Place(tried.name, 1, 1), (problem,), 0.0)
