"""What every store promises about guards, of every store. See `engine.journal.admission`."""

from __future__ import annotations

import pytest

from engine.core.events import Actor, Draft
from engine.core.guards import QUEUE_S, Admission, Lock, Rules, Switch
from engine.errors import Fenced, JournalError
from engine.journal.contract import Budget
from engine.journal.lease import LEASE_S

S = 1_000_000
T0 = 1_700_000_000 * S
ME = "elsewhere:1:2"
ANN = Actor("ann", "os-user")


def asked(name="shop/repair", through=None, **rules):
    return Admission(name, "staging", Rules(**rules), through=through)


class Desk:
    """Asks and ends runs, with a clock that a test moves."""

    def __init__(self, store, clock):
        self.store, self.clock = store, clock

    def draft(self, name="shop/repair"):
        body = {"name": name, "environment": "staging", "mode": "real", "inputs": {"n": 1}}
        return Draft("RunStarted", {**body, "event": None}, self.clock.now_us(), ANN)

    async def ask(self, run, admission, holder=ME):
        return await self.store.admit(run, self.draft(admission.runbook), holder, admission)

    async def end(self, admitted, outcome="resolved"):
        seq = (await self.store.events(admitted.run))[-1].seq
        body = {"outcome": outcome, "because": None}
        await self.store.append(
            admitted.lease, seq, [Draft("RunFinished", body, self.clock.now_us())]
        )

    async def types(self, run):
        return [event.type for event in await self.store.events(run)]

    async def statuses(self):
        return {row.run: row.status for row in await self.store.runs()}


@pytest.fixture
def desk(store, clock):
    return Desk(store, clock)


QUEUE = {"lock": Lock("cache")}


async def test_a_run_that_nothing_is_against_begins_with_a_lease(desk):
    admitted = await desk.ask("r1", asked(**QUEUE))
    assert admitted.verdict.answer == "admitted"
    assert (admitted.lease.run, admitted.lease.epoch) == ("r1", 1)
    assert [event.type for event in admitted.events] == ["RunStarted"]
    with pytest.raises(JournalError, match="there is a run r1 already"):
        await desk.ask("r1", asked())


async def test_a_refused_run_is_a_record_with_its_reason_and_nobody_drives_it(desk, store):
    rules = {"lock": Lock("cache", "reject")}
    await desk.ask("r1", asked(**rules))
    refused = await desk.ask("r2", asked(**rules))
    assert refused.lease is None
    (event,) = await store.events("r2")
    assert (event.type, event.body["guard"], event.body["behind"]) == ("RunRefused", "lock", "r1")
    assert event.body["reason"] == "the lock cache is held by run r1 of shop/repair"
    assert event.body["inputs"] == {"n": 1}
    row = (await store.runs(status="refused"))[0]
    assert (row.run, row.because) == ("r2", event.body["reason"])
    await store.verify()


async def test_runs_in_line_begin_one_after_the_other_in_the_order_they_came(desk):
    first = await desk.ask("r0", asked(**QUEUE))
    waiting = [await desk.ask(f"r{n}", asked(**QUEUE)) for n in range(1, 5)]
    assert [one.verdict.answer for one in waiting] == ["queued"] * 4
    assert set((await desk.statuses()).values()) == {"running", "queued"}
    for ended, begins in zip([first, *waiting], waiting, strict=False):
        assert await desk.types(begins.run) == ["RunQueued"]
        await desk.end(ended)
        assert await desk.types(begins.run) == ["RunQueued", "RunStarted"]
        begun = (await desk.store.events(begins.run))[-1]
        assert begun.actor == {"name": "ann", "means": "os-user"}
        assert begun.body == desk.draft().body
    await desk.store.verify()


async def test_a_lock_is_of_its_environment_and_of_its_name(desk):
    await desk.ask("r1", asked(**QUEUE))
    other = Admission("shop/repair", "production", Rules(**QUEUE))
    assert (await desk.ask("r2", other)).verdict.answer == "admitted"
    assert (await desk.ask("r3", asked(lock=Lock("database")))).verdict.answer == "admitted"


async def test_who_asks_for_what_is_being_done_joins_it_and_is_recorded_there(desk):
    rules = {"lock": Lock("cache", "join")}
    await desk.ask("r1", asked(**rules))
    joined = await desk.ask("r2", asked(**rules))
    assert (joined.verdict.answer, joined.run, joined.lease) == ("joined", "r1", None)
    assert await desk.types("r1") == ["RunStarted", "RunJoined"]
    assert await desk.types("r2") == []


async def test_a_run_whose_turn_comes_is_asked_everything_again(desk, store):
    first = await desk.ask("r1", asked(**QUEUE))
    await desk.ask("r2", asked(**QUEUE))
    await desk.ask("r3", Admission("shop/look", "staging", Rules(**QUEUE), acts=False))
    await store.freeze("release", ANN, desk.clock.now_us())
    await desk.end(first)
    assert await desk.types("r2") == ["RunQueued", "RunRefused"]
    assert await desk.types("r3") == ["RunQueued", "RunStarted"]


async def test_a_run_in_line_whose_driver_died_is_passed_over_and_keeps_its_place(desk, store):
    first = await desk.ask("r1", asked(**QUEUE))
    dead = await desk.ask("r2", asked(**QUEUE), "elsewhere:7:7")
    desk.clock.advance(LEASE_S + 1)
    alive = await desk.ask("r3", asked(**QUEUE))
    await desk.end(first)
    assert await desk.types("r2") == ["RunQueued"]
    assert await desk.types("r3") == ["RunQueued", "RunStarted"]
    lease = await store.take(dead.run, ME)
    await store.claim(lease, desk.clock.now_us())
    assert await desk.types("r2") == ["RunQueued"]
    await desk.end(alive)
    assert await desk.types("r2") == ["RunQueued", "RunStarted"]
    with pytest.raises(Fenced):
        await store.claim(dead.lease, desk.clock.now_us())


async def test_a_run_whose_driver_died_keeps_its_lock_until_it_is_taken_up_and_ends(desk, store):
    dead = await desk.ask("r1", asked(**QUEUE))
    desk.clock.advance(10 * LEASE_S)
    waiting = await desk.ask("r2", asked(**QUEUE))
    assert waiting.verdict.answer == "queued"
    (held,) = (await store.standing(desk.clock.now_us())).held
    assert (held.run, held.lock, held.alive, held.since_us) == ("r1", "cache", False, T0)
    lease = await store.take("r1", "elsewhere:8:8")
    with pytest.raises(Fenced):
        await store.append(dead.lease, 1, [])
    body = {"outcome": "cancelled", "because": "gone"}
    await store.append(lease, 1, [Draft("RunFinished", body, desk.clock.now_us())])
    assert await desk.types("r2") == ["RunQueued", "RunStarted"]


async def test_a_run_can_leave_the_line_but_not_once_it_began(desk, store):
    first = await desk.ask("r1", asked(**QUEUE))
    await desk.ask("r2", asked(**QUEUE))
    end = Draft("RunFinished", {"outcome": "cancelled", "because": "no"}, desk.clock.now_us())
    assert [event.type for event in await store.withdraw("r2", [end])] == ["RunFinished"]
    assert await store.withdraw("r1", [end]) == []
    await desk.end(first)
    assert await desk.types("r2") == ["RunQueued", "RunFinished"]
    assert await desk.types("r1") == ["RunStarted", "RunFinished"]


async def test_who_waited_for_a_day_is_refused(desk):
    first = await desk.ask("r1", asked(**QUEUE))
    await desk.ask("r2", asked(**QUEUE))
    desk.clock.advance(QUEUE_S + 1)
    await desk.end(first)
    assert (await desk.statuses())["r2"] == "refused"


async def test_it_cools_down_by_lock(desk):
    rules = {"lock": Lock("a"), "cooldown_us": 600 * S}
    await desk.end(await desk.ask("r1", asked(**rules)))
    assert (await desk.ask("r2", asked(**rules))).verdict.guard == "cooldown"
    other = asked(lock=Lock("b"), cooldown_us=600 * S)
    assert (await desk.ask("r3", other)).verdict.answer == "admitted"
    desk.clock.advance(600)
    assert (await desk.ask("r4", asked(**rules))).verdict.answer == "admitted"


async def test_runs_are_counted_when_they_began_and_refused_ones_are_not(desk):
    rules = {"max_runs": 2, "per_us": 3600 * S}
    for run in ("r1", "r2"):
        await desk.end(await desk.ask(run, asked(**rules)))
        desk.clock.advance(60)
    for run in ("r3", "r4"):
        assert (await desk.ask(run, asked(**rules))).verdict.guard == "max_runs"
    desk.clock.advance(3600 - 120)
    assert (await desk.ask("r5", asked(**rules))).verdict.answer == "admitted"
    assert (await desk.ask("r6", asked(**rules))).verdict.guard == "max_runs"


async def test_the_breaker_opens_lets_one_try_and_closes_when_that_one_resolves(desk):
    rules = {"breaker_after": 2}
    for run, outcome in (("r1", "failed"), ("r2", "cancelled"), ("r3", "unresolved")):
        await desk.end(await desk.ask(run, asked(**rules)), outcome)
    assert (await desk.ask("r4", asked(**rules))).verdict.guard == "breaker"
    tries = await desk.ask("r5", asked(through="mended", **rules))
    assert tries.verdict.answer == "admitted"
    assert (await desk.ask("r6", asked(through="me too", **rules))).verdict.run == "r5"
    await desk.end(tries, "failed")
    assert (await desk.ask("r7", asked(**rules))).verdict.guard == "breaker"
    await desk.end(await desk.ask("r8", asked(through="now", **rules)), "resolved")
    assert (await desk.ask("r9", asked(**rules))).verdict.answer == "admitted"


async def test_the_switch_is_kept_by_who_turned_it_first(store, desk):
    now_us = desk.clock.now_us()
    on = Switch(now_us, "release", "ann")
    assert await store.freeze("release", ANN, now_us) == on
    assert await store.freeze("again", Actor("bo", "os-user"), now_us + 5) == on
    assert (await desk.ask("r1", asked())).verdict.guard == "freeze"
    assert (await store.standing(now_us)).frozen == on
    assert await store.thaw("done", ANN, now_us + 9) == on
    assert await store.thaw("done", ANN, now_us + 9) is None
    assert (await desk.ask("r2", asked())).verdict.answer == "admitted"


async def test_what_is_held_back_is_told_with_since_when_and_until_when(store, desk):
    rules = {"lock": Lock("a"), "cooldown_us": 600 * S}
    await desk.end(await desk.ask("r1", asked(**rules)))
    await desk.end(await desk.ask("r2", asked("shop/other", breaker_after=1)), "failed")
    standing = await store.standing(desk.clock.now_us())
    found = {(one.runbook, verdict.guard): verdict for one, verdict in standing.closed}
    assert set(found) == {("shop/repair", "cooldown"), ("shop/other", "breaker")}
    cooling = found["shop/repair", "cooldown"]
    assert (cooling.since_us, cooling.until_us) == (T0, T0 + 600 * S)
    assert standing.held == standing.waiting == ()


async def test_a_budget_is_what_the_provider_said_last_and_what_was_spent_since(store):
    assert await store.budget("meta/act_1") is None
    await store.spend("meta/act_1", T0, 0.5)
    await store.spend("meta/act_1", T0 + 1)
    late = await store.spend("meta/act_1", T0 - 1, 0.4)
    assert late == Budget("meta/act_1", 0.5, T0, 2, 0)
    await store.block("meta/act_1", T0 + 60, T0)
    assert await store.block("meta/act_1", T0 + 30, T0) == Budget("meta/act_1", 0.5, T0, 2, T0 + 60)
    await store.spend("meta/act_1", T0 + 2, 0.9)
    assert await store.budget("meta/act_1") == Budget("meta/act_1", 0.9, T0 + 2, 0, T0 + 60)


@pytest.mark.parametrize("guard", ["cooldown", "max_runs", "breaker", "lock", "freeze", "budget"])
async def test_a_guard_holds_over_a_restart(journal_file, open_sqlite, clock, guard):
    rules = {
        "cooldown": {"cooldown_us": 600 * S},
        "max_runs": {"max_runs": 1, "per_us": 600 * S},
        "breaker": {"breaker_after": 1},
        "lock": {"lock": Lock("cache", "reject")},
    }.get(guard, {})
    store = open_sqlite(journal_file, clock=clock)
    desk = Desk(store, clock)
    admitted = await desk.ask("r1", asked(**rules))
    if guard != "lock":
        await desk.end(admitted, "failed")
    await store.freeze("x", ANN, clock.now_us()) if guard == "freeze" else None
    await store.block("b", 99, 1)
    await store.close()
    clock.advance(599)
    desk.store = store = open_sqlite(journal_file, clock=clock)
    if guard == "budget":
        assert (await store.budget("b")).blocked_until_us == 99
        return
    assert (await desk.ask("r2", asked(**rules))).verdict.guard == guard
    clock.advance(1)
    later = (await desk.ask("r3", asked(**rules))).verdict.answer
    assert later == ("admitted" if guard in ("cooldown", "max_runs") else "refused")


async def test_a_line_holds_over_a_restart(journal_file, open_sqlite, clock):
    store = open_sqlite(journal_file, clock=clock)
    desk = Desk(store, clock)
    first = await desk.ask("r1", asked(**QUEUE))
    await desk.ask("r2", asked(**QUEUE))
    await store.close()
    desk.store = store = open_sqlite(journal_file, clock=clock)
    assert (await desk.statuses()) == {"r1": "running", "r2": "queued"}
    await desk.end(first)
    assert (await desk.statuses())["r2"] == "running"
    await store.verify()
