"""The escalation paths of the documents, with their times. They are scenarios of the packs; here it
is shown that these leave none out, and what no runbook of ours does: a step that waits for somebody
to take it, at every level.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

import pytest

from engine.config import Environment
from engine.core.state import State
from engine.core.summons import STATUS
from engine.registry import Registry
from engine.scenario.play import play
from engine.scenario.read import Scenario, read_scenarios
from engine.wiring.calling import telling
from engine.wiring.scenarios import ContactsOf
from tests.core.telling import MINUTE, Phone
from tests.core.world import book
from tests.runbooks.every import BOOKS

PACKS = ("ace-playbook", "adinsights", "stratum", "terminal-strategist", "trading-ops")
REGISTRY = Registry()
CALLERS = ContactsOf(BOOKS, REGISTRY)
CALLS = "steps:\n  - {escalate: POLICY, id: call, wait: acknowledged}\n"

NO_SEVERITY = {("trading-ops", "default")}
"""Of what has no severity, which every runbook of that pack has."""


class Played(NamedTuple):
    """A path that a scenario plays: the times, and who is called then."""

    pack: str
    path: tuple[Any, ...]
    how: str


def path_of(levels: Any) -> tuple[Any, ...]:
    return tuple((one["after_us"], tuple(one["who"]), tuple(one["by"])) for one in levels)


@cache
def played() -> frozenset[Played]:
    """What the scenarios of our packs show of which path."""
    found = set()
    for name in BOOKS.names():
        runbook, file = BOOKS.load(name, REGISTRY), BOOKS.scenarios(name)
        assert file is not None
        for scenario in read_scenarios(file, runbook, BOOKS):
            if scenario.calls is None:
                continue
            made = play(runbook, scenario, REGISTRY, CALLERS)
            state = State.of(scenario.began.id, runbook, made.events)
            for key, one in state.escalations.items():
                if key != STATUS:
                    paths = {
                        Played(runbook.name.partition("/")[0], path_of(one.levels), how)
                        for how in hows(scenario, state, one)
                    }
                    found |= paths
    return frozenset(found)


def hows(scenario: Scenario, state: State, one: Any) -> Iterator[str]:
    """What is special about a path in a scenario."""
    down = [name for name, said in scenario.channels.items() if said[0].status == "errored"]
    if down:
        yield f"{len(down)} down"
    if not scenario.takings and not scenario.channels and one.exhausted:
        yield "nobody acts"
    for taking in scenario.takings if not down else ():
        since_us = state.started_us + taking.at_s * 1e6 - one.started_us
        due_us, level = 0, 0
        for number, other in enumerate(one.levels, 1):
            due_us += other["after_us"]
            if abs(since_us - due_us) < 1e6 and number > 1:
                yield f"in the second of level {number}"
            level = number if since_us > due_us else level
        yield f"at level {level}"


def policies() -> list[tuple[str, str]]:
    """Every policy that calls somebody later than at once."""
    return [
        (pack, name)
        for pack in PACKS
        for name, levels in BOOKS.contacts(pack).policies.items()
        if any(level.after_s for level in levels) and (pack, name) not in NO_SEVERITY
    ]


@pytest.mark.parametrize(("pack", "name"), policies())
def test_the_scenarios_play_every_path_with_times(pack: str, name: str):
    levels = levels_of(pack, name)
    shown = {one.how for one in played() if (one.pack, one.path) == (pack, path_of(levels))}
    last = len(levels)
    wanted = {"nobody acts", "1 down", "2 down"}
    wanted |= {f"at level {number}" for number in range(1, last + 1)}
    wanted |= {f"in the second of level {number}" for number in range(2, last + 1)}
    assert wanted <= shown


def levels_of(pack: str, name: str) -> list[Mapping[str, Any]]:
    how = telling_of(pack, name)
    found: list[Mapping[str, Any]] = how["policies"][name]["levels"]
    return found


def telling_of(pack: str, name: str) -> dict[str, Any]:
    place = Environment(pack=pack, name="production", file="-")
    return telling(book(CALLS.replace("POLICY", name)), BOOKS.contacts(pack), place)


# -- a step that waits -----------------------------------------------------------------------------


def waits(pack: str, name: str, ack_us: int | None = None) -> Phone:
    found = Phone(book(CALLS.replace("POLICY", name)), telling_of(pack, name)).begin()
    if ack_us is not None:
        found.acked(ack_us / 1e6, "call")
    return found.go()


ALL = [*policies(), *sorted(NO_SEVERITY)]


@pytest.mark.parametrize(("pack", "name"), ALL)
def test_where_nobody_acts_every_level_is_called_at_its_time(pack: str, name: str):
    due_us, wanted = 0, []
    for level in levels_of(pack, name):
        due_us += level["after_us"]
        wanted += [(due_us // 1_000_000, who) for who in level["who"]]
    found = waits(pack, name)
    assert [(at_s, who) for at_s, who, _ in found.pages] == wanted
    assert "EscalationExhausted" in found.types()
    assert found.state.finished is None


@pytest.mark.parametrize(("pack", "name"), ALL)
def test_whoever_acts_at_a_level_those_behind_it_are_not_called(pack: str, name: str):
    levels, due_us = levels_of(pack, name), 0
    for number, level in enumerate(levels, 1):
        due_us += level["after_us"]
        if number < len(levels) and not levels[number]["after_us"]:
            continue  # the next one is called with it
        found = waits(pack, name, due_us + MINUTE)
        called = {who for one in levels[:number] for who in one["who"]}
        assert {who for _, who, _ in found.pages} == called
        assert found.last("EscalationClosed")["why"] == "bo took it"
        assert found.state.finished["outcome"] == "resolved"
