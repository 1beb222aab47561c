"""The escalation paths of the documents, with their times: nobody acts, somebody acts at each
level, channels are down, and an acknowledgement in the same second as the next level.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.config import Books, Environment
from engine.language.model import walk_runbook
from engine.registry import Registry
from engine.wiring.calling import telling
from tests.core.telling import Phone
from tests.core.world import Oops, book

BOOKS = Books([Path(__file__).resolve().parents[2] / "runbooks"])
CALLS = "steps:\n  - {escalate: POLICY, id: call, wait: acknowledged}\n  - {wait: 3h, id: rest}\n"
MINUTE = 60

PATHS: dict[str, tuple[str, list[tuple[int, list[str]]]]] = {
    "terminal-strategist": (
        "default",
        [
            (0, ["on-call"]),
            (30 * MINUTE, ["engineering-lead"]),
            (90 * MINUTE, ["operations"]),
        ],
    ),
    "trading-ops": ("default", [(0, ["on-call"]), (15 * MINUTE, ["platform"])]),
    "stratum": ("default", [(0, ["on-call"]), (5 * MINUTE, ["second", "dba"])]),
    "adinsights": ("data", [(0, ["data-engineering"])]),
}
"""By pack: a policy, and who is called when; a level's `after` counts from the level before."""


def path_of(pack: str) -> tuple[dict[str, Any], str]:
    policy = PATHS[pack][0]
    name = next(n for n in BOOKS.names() if n.startswith(f"{pack}/"))
    runbook = BOOKS.load(name, Registry())
    assert list(walk_runbook(runbook))
    place = Environment(pack=pack, name="production", file="-")
    contacts = BOOKS.contacts(pack)
    made = telling(runbook, contacts, place)
    if policy not in made["policies"]:  # used by another runbook of the pack
        one = book(CALLS.replace("POLICY", policy))
        made = telling(one, contacts, place)
    return made, CALLS.replace("POLICY", policy)


def called(pack: str, ack_s: float | None = None, **more: Any) -> Phone:
    how, text = path_of(pack)
    found = Phone(book(text), how, **more).begin()
    if ack_s is not None:
        found.acked(ack_s, "call")
    return found.go(until_s=2.5 * 3600)


def who_by_time(found: Phone) -> list[tuple[int, list[str]]]:
    times: dict[int, list[str]] = {}
    for at_s, who, _ in found.pages:
        times.setdefault(at_s, []).append(who)
    return list(times.items())


@pytest.mark.parametrize("pack", PATHS)
def test_where_nobody_acts_every_level_is_called_at_its_time(pack: str):
    found = called(pack)
    assert who_by_time(found) == PATHS[pack][1]
    assert "EscalationExhausted" in found.types()


@pytest.mark.parametrize(
    ("pack", "level"),
    [(pack, level) for pack, (_, path) in PATHS.items() for level in range(len(path))],
)
def test_where_somebody_acts_at_a_level_those_behind_it_are_not_called(pack: str, level: int):
    path = PATHS[pack][1]
    found = called(pack, path[level][0] + 60)
    assert who_by_time(found) == path[: level + 1]
    assert found.state.escalations["call"].acknowledged["by"] == "bo"


@pytest.mark.parametrize("pack", [pack for pack, (_, path) in PATHS.items() if len(path) > 1])
def test_an_acknowledgement_in_the_second_of_the_next_level_counts_if_it_is_first(pack: str):
    path = PATHS[pack][1]
    assert who_by_time(called(pack, path[1][0])) == path[:1]


@pytest.mark.parametrize("pack", PATHS)
@pytest.mark.parametrize("down", [("console",), ("console", "page")])
def test_where_channels_are_down_the_next_one_is_taken(pack: str, down: tuple[str, ...]):
    how, text = path_of(pack)
    policy = PATHS[pack][0]
    levels = how["policies"][policy]["levels"]
    several = [{**level, "by": ["console", "page", "sms"]} for level in levels]
    gone = {name: [Oops("it is down", retryable=False)] for name in down}
    found = Phone(book(text), {"policies": {policy: {"levels": several}}}, channels=gone)
    found.begin().go(until_s=2.5 * 3600)
    reached = [(at_s, who) for at_s, who, by in found.pages if by not in down]
    wanted = [(at_s, who) for at_s, people in PATHS[pack][1] for who in people]
    assert reached == wanted
