"""The examples of tests that generate theirs: the same every time, or new ones where asked for.

A test that generates its input with Hypothesis tries the same examples in every run of the suite,
so that what fails today fails tomorrow and was not there yesterday. Other examples come with a
change of the test or another release of Hypothesis. `RUNBOOK_TEST_EXPLORE=20` looks for what those
examples miss: every such test is run 20 times, each time with as many new random examples.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, is_hypothesis_test, settings

EXPLORE = "RUNBOOK_TEST_EXPLORE"
ROUNDS_MAX = 10_000
"""Each is a test of its own, which pytest makes before it runs the first."""

ROUND = "round_of_examples"


def rounds(value: str | None) -> int | None:
    """How often each test is run with new examples; None to try the same ones as always."""
    if value is None:
        return None
    if not (value.isascii() and value.isdecimal() and 1 <= int(value) <= ROUNDS_MAX):
        raise pytest.UsageError(
            f"{EXPLORE} is {value!r}; it takes how many times as many new examples to try, "
            f"from 1 to {ROUNDS_MAX}"
        )
    return int(value)


ROUNDS = rounds(os.environ.get(EXPLORE))

# Loaded before any module of tests is imported: `@settings` takes from it what it does not say.
settings.register_profile(
    "repeatable",
    derandomize=ROUNDS is None,
    database=None,  # an example that failed on this machine once would be tried on no other
    print_blob=True,  # the line that repeats a random example which failed
    deadline=None,  # of wall time, and so is the check that is left out: a busy machine fails both
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repeatable")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test for each round of new examples: rounds of one test may run at the same time."""
    if ROUNDS is not None and is_hypothesis_test(metafunc.function):
        metafunc.fixturenames.append(ROUND)
        metafunc.parametrize(ROUND, range(1, ROUNDS + 1))


def pytest_report_header() -> str:
    if ROUNDS is None:
        return f"examples: the same every time ({EXPLORE}=20 tries 20 times as many new ones)"
    return f"examples: new ones, {ROUNDS} times as many as usual ({EXPLORE})"
