"""Two people speak to a run in the same moment: one counts, and the other is told the truth.

Between the state that somebody's word is made for and its place in the journal another one is put,
deterministically: the store lets the other go first, once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from engine.core.events import Actor, Event
from engine.errors import Refused, RunbookError, Usage
from engine.wiring import Engine, Faces
from engine.wiring.taking import Incident
from tests.runs import lab
from tests.runs.conftest import ALICE, Bench

BOB, CAROL = Actor("bob", "os-user"), Actor("carol", "os-user")
APPROVE = """
steps:
  - {id: a, action: lab.act, target: there, with: {word: w}, approve: {by: [lead]MORE}}
"""
ASK = "steps: [{id: q, check: lab.ask, with: {question: green?}}]"
CALL = "steps: [{id: call, escalate: default, wait: acknowledged}, {end: resolved}]"
DOUBT = """
steps:
  - id: a
    action: lab.strike
    target: there
    with: {word: lost}
    probe: {check: lab.look, target: there, with: {word: gone}, expect: result.none}
"""
CONTACTS = """
people:
  bob: {name: Bob Ray, os_user: bob, roles: [lead]}
  carol: {name: Carol Fox, os_user: carol, roles: [lead]}
"""

Say = Callable[[Engine, str], Awaitable[Any]]


def approves(actor: Actor, *, deny: bool = False) -> Say:
    return lambda engine, run: engine.approve(run, "a", "looked at it", actor, deny=deny)


def answers(actor: Actor, word: str) -> Say:
    return lambda engine, run: engine.answer(run, "q", word, "", actor)


def takes(actor: Actor) -> Say:
    return lambda engine, run: engine.acknowledge(run, actor)


def settles(actor: Actor, *, happened: bool) -> Say:
    return lambda engine, run: engine.settle(run, "a", happened, "looked", actor)


def cancels(actor: Actor) -> Say:
    return lambda engine, run: engine.cancel(run, "not now", actor)


def pauses(actor: Actor) -> Say:
    return lambda engine, run: engine.pause(run, "let me look", actor)


def ends(engine: Engine, run: str) -> Awaitable[Any]:
    """Whoever drives the run goes on with it, to its end."""
    return engine.resume(run, actor=ALICE)


async def both(first: Awaitable[Any], second: Awaitable[Any]) -> None:
    await first
    await second


def then(one: Say, other: Say) -> Say:
    return lambda engine, run: both(one(engine, run), other(engine, run))


async def race(engine: Engine, run: str, second: Say, first: Say) -> Any:
    """`second` has read the run, and `first` is in the journal before it."""
    store, append = engine.store, engine.store.append_outside

    async def behind(run: str, draft: Any) -> Any:
        store.append_outside = append  # type: ignore[method-assign]
        await first(engine, run)
        return await append(run, draft)

    store.append_outside = behind  # type: ignore[method-assign]
    try:
        return await second(engine, run)
    finally:
        store.append_outside = append  # type: ignore[method-assign]


async def waiting(bench: Bench, text: str) -> str:
    (bench.folder / "p" / "contacts.yaml").write_text(CONTACTS)
    lab.Target.on["lost"] = lab.fails(maybe_done=True)
    lab.Target.on["gone"] = lab.fails(maybe_done=False)
    return (await bench.run(text.replace("MORE", ""))).run


TWO = APPROVE.replace("MORE", ", count: 2")
AT = r" at \d\d:\d\d:\d\d UTC"


@pytest.mark.parametrize(
    ("text", "first", "second", "why"),
    [
        (APPROVE, approves(BOB), approves(CAROL), f"Bob Ray approved it{AT}"),
        (APPROVE, approves(BOB), approves(CAROL, deny=True), f"Bob Ray approved it{AT}"),
        (APPROVE, approves(BOB, deny=True), approves(CAROL), f"Bob Ray denied it{AT}"),
        (APPROVE, approves(BOB), approves(BOB), f"Bob Ray approved it{AT}"),
        (TWO, approves(BOB), approves(BOB), "they have approved it already"),
        (APPROVE, cancels(ALICE), approves(CAROL), f"alice asked it to stop{AT}"),
        (APPROVE, then(cancels(ALICE), ends), approves(CAROL), f"alice asked it to stop{AT}"),
        (APPROVE, then(approves(BOB), ends), approves(CAROL), f"Bob Ray approved it{AT}"),
        (ASK, answers(BOB, "yes"), answers(CAROL, "no"), f"Bob Ray answered yes{AT}"),
        (ASK, then(answers(BOB, "no"), ends), answers(CAROL, "yes"), f"Bob Ray answered no{AT}"),
        (ASK, cancels(ALICE), answers(CAROL, "yes"), f"alice asked it to stop{AT}"),
        (CALL, takes(BOB), takes(CAROL), f"Bob Ray took it{AT}"),
        (CALL, then(takes(BOB), ends), takes(CAROL), f"Bob Ray took it{AT}"),
        (
            DOUBT,
            settles(BOB, happened=True),
            settles(CAROL, happened=False),
            f"Bob Ray settled it{AT}: it happened",
        ),
        (
            DOUBT,
            settles(BOB, happened=False),
            settles(CAROL, happened=True),
            f"Bob Ray settled it{AT}: it did not happen",
        ),
        (CALL, then(takes(BOB), ends), cancels(CAROL), f"the run ended resolved{AT}"),
        (CALL, then(takes(BOB), ends), pauses(CAROL), f"the run ended resolved{AT}"),
    ],
)
async def test_whoever_is_second_is_told_that_theirs_changes_nothing(
    bench, text, first, second, why
):
    run = await waiting(bench, text)
    with pytest.raises(Refused, match=f"^yours is recorded, and changes nothing: .*{why}"):
        await race(bench.engine, run, second, first)


@pytest.mark.parametrize(
    ("text", "first", "second", "effects"),
    [
        (APPROVE, approves(BOB), approves(CAROL, deny=True), {"w": 1}),
        (APPROVE, approves(BOB, deny=True), approves(CAROL), {}),
        (APPROVE, cancels(ALICE), approves(CAROL), {}),
        (APPROVE, approves(BOB), approves(CAROL), {"w": 1}),
    ],
)
async def test_whoever_was_first_counts_once(bench, text, first, second, effects):
    run = await waiting(bench, text)
    with pytest.raises(Refused):
        await race(bench.engine, run, second, first)
    await bench.engine.resume(run, actor=ALICE)
    assert lab.Target.effects == effects


async def test_two_of_two_who_approve_at_once_both_count_and_hear_how_many_there_were(bench):
    run = await waiting(bench, TWO)
    met: list[str] = []

    async def first(engine: Engine, run: str) -> None:
        met.append((await engine.met(await approves(BOB)(engine, run))).given)

    said = await race(bench.engine, run, approves(CAROL), first)
    assert [*met, (await bench.engine.met(said)).given] == ["1 of 2", "2 of 2"]


async def test_what_did_not_count_stands_in_the_trail_as_that(bench):
    run = await waiting(bench, APPROVE)
    with pytest.raises(Refused):
        await race(bench.engine, run, approves(CAROL), approves(BOB))
    last = (await bench.events(run))[-1]
    assert (last.type, last.actor["name"]) == ("ApprovalRefused", "carol")
    assert "Bob Ray approved it at" in last.body["why"]


async def test_whoever_asks_a_run_to_stop_behind_somebody_else_hears_who_did(bench):
    run = await waiting(bench, APPROVE)
    said = await race(bench.engine, run, cancels(BOB), cancels(ALICE))
    assert (await bench.engine.met(said)).remark.startswith("alice asked it to stop at ")
    assert (await bench.engine.met((await bench.events(run))[-2])).remark == ""


async def test_whoever_takes_all_of_which_one_was_taken_hears_what_they_took(bench):
    text = """
steps:
  - parallel:
      - {id: one, escalate: default, wait: acknowledged}
      - {id: two, escalate: default, wait: acknowledged}
"""
    run = await waiting(bench, text)
    state = await bench.engine.state(run)
    one, two = state.escalations

    def first(engine: Engine, run: str) -> Awaitable[Any]:
        return engine.acknowledge(run, BOB, path=one)

    met = await bench.engine.met(await race(bench.engine, run, takes(CAROL), first))
    assert met.of == (two,)
    assert met.remark.startswith(f"{one}: Bob Ray took it at ")


async def test_an_approval_that_is_in_the_journal_behind_the_end_of_its_time_does_not_count(bench):
    (bench.folder / "p" / "contacts.yaml").write_text(CONTACTS)
    leave = asyncio.Event()

    def seen(event: Event) -> None:
        if event.type == "ApprovalRequested":
            leave.set()

    text = APPROVE.replace("MORE", ", within: 1m")
    run = (await bench.run(text, faces=Faces(observe=seen, leave=leave))).run
    with pytest.raises(Refused, match=r"the run ended failed|is not asked any more"):
        await race(bench.engine, run, approves(BOB), ends)
    types = [event.type for event in await bench.events(run)]
    assert "ApprovalExpired" in types
    assert lab.Target.effects == {}


async def test_a_word_that_is_first_is_not_held_back_by_words_of_the_driver(bench):
    run = await waiting(bench, APPROVE)
    await race(bench.engine, run, approves(BOB), ends)
    await bench.engine.resume(run, actor=ALICE)
    assert lab.Target.effects == {"w": 1}


async def test_of_many_who_approve_at_once_one_is_told_that_theirs_counts(bench):
    run = await waiting(bench, APPROVE)
    many = [approves(one)(bench.engine, run) for one in (BOB, CAROL) * 10]
    said = await asyncio.gather(*many, return_exceptions=True)
    assert all(not isinstance(one, Exception) or isinstance(one, RunbookError) for one in said)
    assert len([one for one in said if not isinstance(one, Exception)]) == 1


# -- PagerDuty -------------------------------------------------------------------------------------


def incident(run: str, at: int) -> Incident:
    return Incident(run, "call", f"{run}:call:1.1", at)


async def test_whoever_takes_what_is_taken_in_pagerduty_holds_it_also_when_that_runs_out(bench):
    run = await waiting(bench, CALL.replace(", {end: resolved}", ", {wait: 5m}"))
    engine, pd = bench.engine, Actor("bob", "webhook", "d1")
    await engine.take_by(incident(run, 1), pd)
    said = await engine.acknowledge(run, CAROL)
    remark = (await engine.met(said)).remark
    assert "Bob Ray took it at " in remark
    assert "by PagerDuty: it stays taken now when that runs out there" in remark
    with pytest.raises(Refused, match="in another way too"):
        await engine.take_back(incident(run, 2), pd, "ran-out")
    with pytest.raises(Usage, match="calls nobody now: Bob Ray took it at "):
        await engine.acknowledge(run, ALICE)


async def test_what_pagerduty_says_twice_is_recorded_once(bench):
    run = await waiting(bench, CALL)
    engine, pd = bench.engine, Actor("bob", "webhook", "d1")
    await engine.take_by(incident(run, 1), pd)
    count = len(await bench.events(run))
    with pytest.raises(Refused, match="Bob Ray took it at"):
        await engine.take_by(incident(run, 1), pd)
    await engine.take_back(incident(run, 2), pd, "ran-out")
    for at in (2, 1):
        with pytest.raises(Refused, match="nobody had taken it"):
            await engine.take_back(incident(run, at), pd, "ran-out", ahead=True)
    with pytest.raises(Refused, match="PagerDuty said since that nobody has it"):
        await engine.take_by(incident(run, 1), pd)
    assert len(await bench.events(run)) == count + 1


async def test_who_takes_it_elsewhere_while_pagerduty_is_read_keeps_it(bench):
    run = await waiting(bench, CALL)
    pd = Actor("bob", "webhook", "d1")
    second: Say = lambda engine, run: engine.take_by(incident(run, 1), pd)  # noqa: E731
    with pytest.raises(Refused, match="Carol Fox took it at"):
        await race(bench.engine, run, second, takes(CAROL))
    back: Say = lambda engine, run: engine.take_back(incident(run, 2), pd, "ran-out")  # noqa: E731
    with pytest.raises(Refused, match="Carol Fox took it, and not by PagerDuty"):
        await back(bench.engine, run)
