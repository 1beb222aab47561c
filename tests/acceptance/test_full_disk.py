"""The disk of the journal is full, or lies: nothing is done that is not recorded."""

from __future__ import annotations

import asyncio
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import pytest

from tests.acceptance.program import Done, Program
from tests.acceptance.service import Reply, Request, Service
from tests.failing_fsync import FAILING_FSYNC

STEPS = 60
ANSWER_BYTES = 24_000
"""Of each answer, which the journal keeps: a disk of 1 MiB is full after some of the steps."""

MANY = """\
title: Many changes
steps:
  - each: "range(1, {} + 1) | list"
    as: number
    steps:
      - id: act
        action: http.request
        target: api
        with: {{method: POST, path: "/act/{{{{ number }}}}"}}
        probe: {{check: run.value, with: {{value: 1}}, expect: result.value > "cannot tell"}}
"""


class Acting:
    """A service whose answers are long; counts what reached it."""

    def __init__(self) -> None:
        self.service = Service(self._answer)
        self.on: dict[str, Callable[[], bool]] = {}
        """By the target of a request: asked again and again until it is true, then answered."""

    async def _answer(self, request: Request) -> Reply:
        ready = self.on.get(request.target)
        while ready is not None and not ready():  # noqa: ASYNC110 - another process makes it so
            await asyncio.sleep(0.002)
        return Reply(body='{"said": "' + "x" * ANSWER_BYTES + '"}')

    @property
    def changes(self) -> list[str]:
        return self.service.changes


@pytest.fixture
def acting(program: Program) -> Iterator[Acting]:
    made = Acting()
    with made.service as service:
        program.write("p/many.yaml", MANY.format(STEPS))
        program.write(
            "p/environments/test.yaml",
            f'connections: {{api: {{adapter: http, base_url: "{service.url}"}}}}\n',
        )
        yield made


def run(program: Program, **how: object) -> Done:
    return program("--json", "run", "p/many", "--env", "test", **how)


def announced(program: Program) -> list[str]:
    """What the journal announced, in its order."""
    trail = program("--json", "audit", "show").objects
    return [
        e["body"]["plan"]["params"]["path"]
        for e in trail
        if e["type"] == "StepStarted" and e["body"]["kind"] == "action"
    ]


def all_of_them() -> list[str]:
    return [f"/act/{number}" for number in range(1, STEPS + 1)]


def goes_on_to_the_end(program: Program, acting: Acting) -> None:
    """With room again the run is taken up; a person settles the one change that was cut short."""
    done = program("resume")
    if done.code == 3 and "in doubt" in done.out:
        last = acting.changes[-1]
        path = next(li.split()[3] for li in done.err.splitlines() if "--happened" in li)
        assert path.endswith(f"item-{last.rpartition('/')[2]}/act")
        assert program("settle", "last", "--happened", "--reason", "counted").code == 0
        done = program("resume")
    assert done.code == 0
    assert acting.changes == all_of_them()
    assert program("audit", "verify").code == 0


class Disk(Protocol):
    """Where the journal lies: there is little room on it."""

    def fill(self) -> None: ...

    def make_room(self) -> None: ...


class Mounted:
    """A file system of 1 MiB."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def fill(self) -> None:
        with suppress(OSError), (self._folder / "ballast").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    def make_room(self) -> None:
        (self._folder / "ballast").unlink(missing_ok=True)
        grow = ["mount", "-o", "remount,size=32m", str(self._folder)]
        subprocess.run(grow, check=True)


class Limited:
    """Where nothing may be mounted: whoever is started from now on writes no longer files."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._before = resource.getrlimit(resource.RLIMIT_FSIZE)
        self._limit(FILE_MAX_BYTES)

    def _limit(self, size: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, self._before[1]))

    def fill(self) -> None:
        self._limit(self._journal.stat().st_size)

    def make_room(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self._before)


FILE_MAX_BYTES = 600_000
"""Of a file of the journal: room for some of the steps."""


@contextmanager
def small_disk(program: Program) -> Iterator[Disk]:
    folder = program.folder / "disk"
    folder.mkdir()
    program.journal = folder / "journal.db"
    program.environ["RUNBOOK_STORE"] = f"sqlite:///{program.journal}"
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)]
    if (
        shutil.which("mount")
        and not subprocess.run(mount, check=False, stderr=subprocess.DEVNULL).returncode
    ):
        try:
            yield Mounted(folder)
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
        return
    limited = Limited(program.journal)
    try:
        yield limited
    finally:
        limited.make_room()


def test_a_disk_that_fills_up_stops_the_run_before_anything_unrecorded(
    acting: Acting, program: Program
):
    with small_disk(program) as disk:
        done = run(program)
        assert done.code == 4
        assert done.err.startswith(f"error: the journal {program.journal} cannot be written")
        assert "the disk" in done.err
        assert "`runbook resume` takes the run up" in done.err
        assert 5 < len(acting.changes) < STEPS
        assert acting.changes == announced(program)
        assert program("resume").code in (3, 4)  # what is in doubt may just fit
        assert acting.changes == announced(program)
        disk.make_room()
        goes_on_to_the_end(program, acting)


def test_on_a_disk_that_is_full_nothing_begins(acting: Acting, program: Program):
    with small_disk(program) as disk:
        assert program("runs").code == 0
        disk.fill()
        done = run(program)
        assert (done.code, done.out) == (4, "")
        assert f"the journal {program.journal} cannot be" in done.err
        assert acting.changes == []
        disk.make_room()
        assert "no runs yet" in program("runs").err
        assert run(program).code == 0
        assert acting.changes == announced(program) == all_of_them()


def test_a_limit_on_the_size_of_files_stops_the_run_like_a_full_disk(
    acting: Acting, program: Program
):
    limited = Limited(program.journal)
    try:
        done = run(program)
    finally:
        limited.make_room()
    assert done.code == 4
    assert f"the journal {program.journal} cannot be written" in done.err
    assert "file size limits" in done.err
    assert 5 < len(acting.changes) < STEPS
    assert acting.changes == announced(program)
    goes_on_to_the_end(program, acting)


def test_a_disk_whose_fsync_fails_stops_the_run_before_anything_unrecorded(
    acting: Acting, program: Program
):
    """The kernel itself refuses, from the twentieth change on."""
    program.program = [sys.executable, "-c", FAILING_FSYNC]
    going = program.start("run", "p/many", "--env", "test")

    def fails() -> bool:
        failing = program.folder / "failing"
        if not failing.exists() and not asked:
            asked.append(True)
            going.signal(signal.SIGUSR1)
        return failing.exists()

    asked: list[bool] = []
    acting.on["/act/20"] = fails
    done = going.end()
    assert done.code == 4
    assert f"the journal {program.journal} cannot be written" in done.err
    assert "the disk reported an error" in done.err
    assert acting.changes == all_of_them()[:20]

    program.program = Program(program.folder).program
    assert acting.changes == announced(program)
    goes_on_to_the_end(program, acting)
