"""What the suite promises of itself: the same examples each time, failures seen, an end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.exploring import EXPLORE
from tests.ports import FEWEST, FIRST, free_port
from tests.spending import at_most_s
from tests.workers import pytest_xdist_auto_num_workers

ROOT = Path(__file__).parents[2]

GENERATED = """
from pathlib import Path
from hypothesis import given, settings, strategies as st

@settings(max_examples=20)
@given(st.integers(0, 1 << 60))
def test_any_number(number):
    with Path({seen!r}).open("a") as file:
        file.write(f"{{number}}\\n")
"""

TABLE = """
def test_that_notes_a_row(record_property):
    record_property("row of runbooks", {"runbook": "p/main", "seconds": "1.0"})
"""

FAILING = """
def test_that_fails():
    assert "a reason" == "another"
"""

FAILING_EXAMPLE = """
from hypothesis import given, strategies as st

@given(st.integers())
def test_every_number_is_small(number):
    assert number < 1000
"""

HANGING = """
import asyncio

def test_that_passes():
    pass

async def test_that_never_ends():
    await asyncio.Event().wait()
"""


def suite(folder: Path, text: str, *words: str, explore: str | None = None, ci: bool = False):
    """The tests of this text, run under the conftest of ours.

    `ci`: as pytest takes it, which prints a failure's line whole there and cut to the width
    elsewhere (pytest documentation, "CI Pipelines"): never as this process happens to be run.
    """
    (folder / "test_it.py").write_text(text)
    path = os.pathsep.join([str(ROOT / "tests"), str(ROOT)])
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environ = environ | {"PYTHONPATH": path, "COLUMNS": "100"}
    for name in (EXPLORE, "CI", "BUILD_NUMBER"):
        environ.pop(name, None)
    if ci:
        environ["CI"] = "true"
    if explore is not None:
        environ[EXPLORE] = explore
    command = [sys.executable, "-m", "pytest", "-p", "conftest", "-c", str(ROOT / "pyproject.toml")]
    return subprocess.run(
        [*command, "--rootdir", str(folder), *words, "test_it.py"],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )


def examples(folder: Path, explore: str | None = None, tests: int = 1) -> list[int]:
    """What a test was given, in this order, all rounds of it."""
    seen = folder / "seen"
    seen.unlink(missing_ok=True)
    done = suite(folder, GENERATED.format(seen=str(seen)), explore=explore)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{tests} passed" in done.stdout
    return [int(line) for line in seen.read_text().split()]


def test_every_run_of_the_suite_tries_the_same_examples(tmp_path):
    first, second = examples(tmp_path), examples(tmp_path)
    assert len(first) == 20
    assert first == second
    assert not (tmp_path / ".hypothesis/examples").exists()


def test_who_explores_tries_so_many_times_as_many_and_new_ones(tmp_path):
    first, second = (examples(tmp_path, "3", tests=3) for _ in range(2))
    assert (len(first), len(second)) == (60, 60)
    drawn = [set(one) for one in (first[:20], first[20:40], first[40:], second, examples(tmp_path))]
    few = 10  # the ends of the range and small numbers, which are tried now and then in each
    assert all(len(a & b) < few for at, a in enumerate(drawn) for b in drawn[:at])


@pytest.mark.parametrize("explore", ["", "0", "-1", "2.5", "many", "10001"])
def test_who_explores_says_how_far(tmp_path, explore):
    done = suite(tmp_path, GENERATED, explore=explore)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert f"{EXPLORE} is {explore!r}; it takes how many times" in done.stderr


def test_an_example_that_fails_is_shown_with_the_line_that_repeats_it(tmp_path):
    done = suite(tmp_path, FAILING_EXAMPLE, explore="1")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "number=1000," in done.stdout
    assert "@reproduce_failure(" in done.stdout


@pytest.mark.parametrize("ci", [False, True], ids=["by hand", "in CI"])
@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["here", "apart"])
def test_a_table_is_printed_only_where_nothing_failed(tmp_path, workers, ci):
    good = suite(tmp_path, TABLE, *workers, ci=ci)
    assert "runbook  seconds\np/main   1.0\n" in good.stdout
    bad = suite(tmp_path, TABLE + FAILING, *workers, ci=ci)
    assert "p/main" not in bad.stdout
    *_, summary = bad.stdout.partition("short test summary info")
    _, failed, *_, counted = summary.splitlines()
    assert failed.startswith("FAILED test_it.py::test_that_fails - ")
    assert "a reas" in summary
    assert "1 failed, 1 passed" in counted


@pytest.mark.parametrize(("cores", "workers"), [(1, 2), (2, 4), (4, 8), (16, 20)])
def test_more_tests_are_run_at_a_time_than_there_are_cores(monkeypatch, cores, workers):
    monkeypatch.delenv("PYTEST_XDIST_AUTO_NUM_WORKERS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: set(range(cores)))
    assert pytest_xdist_auto_num_workers() == workers


def test_who_says_how_many_tests_are_run_at_a_time_is_heeded(monkeypatch):
    monkeypatch.setenv("PYTEST_XDIST_AUTO_NUM_WORKERS", "3")
    assert pytest_xdist_auto_num_workers() is None


def test_a_test_that_hangs_is_ended_and_named_and_the_others_are_run(tmp_path):
    done = suite(tmp_path, HANGING, "-n", "1", "-o", "faulthandler_timeout=3")
    assert "in test_that_passes" not in done.stdout
    assert "Timeout (0:00:03)!" in done.stderr
    *_, failed, counted = done.stdout.splitlines()
    assert failed.startswith("FAILED test_it.py::test_that_never_ends - worker 'gw0' crashed")
    assert "1 failed, 1 passed" in counted


def test_what_takes_too_much_processor_time_fails_and_what_waits_does_not():
    with at_most_s(0.05):
        threading.Event().wait(0.1)
    with (
        pytest.raises(AssertionError, match=r"a loop took 0\.\d\d s of processor time, and may"),
        at_most_s(0.05, "a loop"),
    ):
        spend(0.06)


def test_what_never_ends_is_interrupted_whatever_it_catches():
    endless = at_most_s(0.01)(catches_everything)
    with pytest.raises(pytest.fail.Exception, match=r"it took 0\.1 s of processor time and went"):
        endless()
    assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)


def catches_everything() -> None:
    while True:
        with suppress(Exception):
            spend(1.0)


def spend(cpu_s: float) -> None:
    until_s = time.thread_time() + cpu_s
    while time.thread_time() < until_s:
        pass


def test_a_port_is_given_once_and_by_nobody_else():
    ports = [free_port() for _ in range(200)]
    assert len(set(ports)) == 200
    first, _last = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    assert max(ports) < int(first) or int(first) < FIRST + FEWEST
