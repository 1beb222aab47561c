"""What every store promises, of every store. See `engine.journal.contract`."""

from __future__ import annotations

import asyncio
import json
from hashlib import sha256

import pytest
from msgspec.structs import replace

from engine.core.events import Actor, Draft, Event
from engine.errors import Fenced, JournalError, Moved, Refused, Usage
from engine.journal.chain import EVENT_MAX_BYTES, GENESIS
from engine.journal.contract import Lease, RunRow, Verified
from engine.journal.lease import LEASE_S, this_holder

ME = "elsewhere:1:2"
OTHER = "elsewhere:3:4"


async def test_a_run_is_created_with_its_first_events_and_its_first_lease(store, started, draft):
    lease, events = await store.create("r1", [started(), draft(path="a")], ME)
    assert (lease.run, lease.epoch, lease.holder) == ("r1", 1, ME)
    assert [(event.seq, event.type) for event in events] == [
        (1, "RunStarted"),
        (2, "StepProgressed"),
    ]


async def test_what_is_read_is_what_append_returned(store, started, draft):
    lease, first = await store.create("r1", [started()], ME)
    second = await store.append(lease, 1, [draft(path="ü", n=(1, 2.5, None, True))])
    third = await store.append_outside(
        "r1", replace(draft(note="x"), actor=Actor("ann", "as", "bo"))
    )
    assert await store.events("r1") == [*first, *second, third]
    assert third.actor == {"name": "ann", "means": "as", "via": "bo"}
    assert second[0].body == {"path": "ü", "n": [1, 2.5, None, True]}


async def test_an_event_does_not_change_when_the_callers_body_does(store, started):
    body = {"list": [1]}
    lease, _ = await store.create("r1", [started()], ME)
    (event,) = await store.append(lease, 1, [Draft("StepProgressed", body, 5)])
    body["list"].append(2)
    assert event.body == {"list": [1]}
    assert (await store.events("r1", 1))[0].body == {"list": [1]}


async def test_events_can_be_read_from_a_seq_on_and_up_to_a_limit(store, started, draft):
    lease, _ = await store.create("r1", [started()], ME)
    await store.append(lease, 1, [draft(path=str(n)) for n in range(2, 7)])
    assert [event.seq for event in await store.events("r1", 2, 3)] == [3, 4, 5]
    assert [event.seq for event in await store.events("r1", 4)] == [5, 6]
    assert await store.events("r1", 6) == []
    assert await store.events("r1", 0, 0) == []
    assert await store.events("nobody") == []


async def test_a_run_is_created_once(store, started):
    await store.create("r1", [started()], ME)
    with pytest.raises(JournalError, match="there is a run r1 already"):
        await store.create("r1", [started()], OTHER)
    assert len(await store.events("r1")) == 1


async def test_a_driver_that_has_not_seen_the_last_event_has_moved(store, started, draft):
    lease, _ = await store.create("r1", [started()], ME)
    await store.append_outside("r1", draft("CancelRequested", reason="stop"))
    with pytest.raises(Moved, match="its last event is 2, not 1"):
        await store.append(lease, 1, [draft()])
    with pytest.raises(Moved):
        await store.append(lease, 3, [draft()])
    assert len(await store.events("r1")) == 2
    await store.append(lease, 2, [draft()])


async def test_a_driver_whose_lease_was_taken_is_fenced_even_where_nothing_moved(
    store, started, draft
):
    lease, _ = await store.create("r1", [started()], ME)
    new = await store.take("r1", OTHER, force=True)
    assert new.epoch == 2
    for call in (store.append(lease, 1, [draft()]), store.release(lease)):
        with pytest.raises(Fenced, match=f"is driven by {OTHER} now"):
            await call
    lost = await store.renew([lease])
    assert isinstance(lost["r1"], Fenced)
    assert f"is driven by {OTHER} now" in str(lost["r1"])
    assert len(await store.events("r1")) == 1
    await store.append(new, 1, [draft()])


async def test_a_persons_event_needs_no_lease_and_gets_the_next_seq(store, started, draft):
    await store.create("r1", [started()], ME)
    events = await asyncio.gather(
        *(store.append_outside("r1", draft("Answered", n=n)) for n in range(20))
    )
    assert sorted(event.seq for event in events) == list(range(2, 22))
    assert len(await store.events("r1")) == 21


@pytest.mark.parametrize("call", ["append_outside", "take", "verify", "find"])
async def test_a_run_that_is_not_there_is_told(store, draft, call):
    arguments = {"append_outside": ["no", draft()], "take": ["no", ME]}.get(call, ["no"])
    with pytest.raises(Usage, match="there is no run 'no'"):
        await getattr(store, call)(*arguments)


async def test_a_lease_is_refused_while_its_holder_elsewhere_renews_it(store, started, clock):
    lease, _ = await store.create("r1", [started()], ME)
    clock.advance(LEASE_S - 1)
    with pytest.raises(Refused, match=f"is driven by {ME}, which seems alive"):
        await store.take("r1", OTHER)
    assert await store.renew([lease]) == {}
    clock.advance(LEASE_S - 1)
    with pytest.raises(Refused):
        await store.take("r1", OTHER)
    clock.advance(1)
    assert (await store.take("r1", OTHER)).epoch == 2


async def test_of_the_leases_of_a_process_those_that_were_lost_are_told_and_the_others_renewed(
    store, started, clock, draft
):
    leases = [(await store.create(run, [started()], ME))[0] for run in ("r1", "r2", "r3")]
    clock.advance(LEASE_S - 1)
    other = await store.take("r2", OTHER, force=True)
    gone = Lease("r4", 1, ME)
    lost = await store.renew([*leases, gone])
    assert {run: type(error) for run, error in lost.items()} == {"r2": Fenced, "r4": Usage}
    clock.advance(LEASE_S - 1)
    for run in ("r1", "r2", "r3"):
        with pytest.raises(Refused):
            await store.take(run, "elsewhere:5:6")
    clock.advance(1)
    assert (await store.take("r1", OTHER)).epoch == 2
    await store.append(other, 1, [draft()])
    assert await store.renew([]) == {}


async def test_an_append_in_the_same_moment_leaves_the_renewal_as_it_is(
    store, started, clock, draft
):
    lease, _ = await store.create("r1", [started()], ME)
    clock.advance(LEASE_S - 1)
    await asyncio.gather(
        store.append(lease, 1, [draft()]), store.renew([lease]), store.append_outside("r1", draft())
    )
    await store.append_outside("r1", draft())
    clock.advance(LEASE_S - 1)
    with pytest.raises(Refused):
        await store.take("r1", OTHER)
    assert len(await store.events("r1")) == 4


async def test_a_lease_let_go_is_free_at_once(store, started):
    lease, _ = await store.create("r1", [started()], ME)
    await store.release(lease)
    assert (await store.take("r1", OTHER)).epoch == 2


async def test_who_holds_a_lease_may_take_it_again_with_a_new_epoch(store, started, draft):
    lease, _ = await store.create("r1", [started()], ME)
    again = await store.take("r1", ME)
    assert again.epoch == 2
    with pytest.raises(Fenced):
        await store.append(lease, 1, [draft()])


async def test_a_living_process_of_this_host_keeps_its_lease_however_old(store, started, clock):
    await store.create("r1", [started()], this_holder())
    clock.advance(10 * LEASE_S)
    with pytest.raises(Refused):
        await store.take("r1", OTHER)


async def test_an_append_of_nothing_is_checked_and_writes_nothing(store, started):
    lease, _ = await store.create("r1", [started()], ME)
    assert await store.append(lease, 1, []) == []
    with pytest.raises(Moved):
        await store.append(lease, 7, [])


async def test_a_call_writes_all_of_its_events_or_none(store, started, draft):
    lease, _ = await store.create("r1", [started()], ME)
    with pytest.raises(JournalError, match="the body of a StepProgressed is no JSON"):
        await store.append(lease, 1, [draft(), draft(number=float("nan"))])
    assert len(await store.events("r1")) == 1


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (Draft("StepProgressed", {"x": object()}, 1), "is no JSON"),
        (Draft("StepProgressed", {"x": float("inf")}, 1), "is no JSON"),
        (Draft("StepImagined", {}, 1), "there is no event type 'StepImagined'"),
        (Draft("StepProgressed", {}, -1), "out of range"),
        (Draft("StepProgressed", {}, 2**63), "out of range"),
        (Draft("StepProgressed", {"x": "y" * EVENT_MAX_BYTES}, 1), "can be kept"),
    ],
    ids=["object", "infinity", "type", "time before 1970", "time too late", "size"],
)
async def test_what_no_store_can_take_is_refused_in_words(store, started, broken, message):
    lease, _ = await store.create("r1", [started()], ME)
    with pytest.raises(JournalError, match=message):
        await store.append(lease, 1, [broken])
    assert len(await store.events("r1")) == 1


@pytest.mark.parametrize("run", ["", "x" * 129, "ü", "a\nb"])
async def test_the_id_of_a_run_is_short_printable_ascii(store, started, run):
    with pytest.raises(JournalError, match="cannot be the id of a run"):
        await store.create(run, [started()], ME)


HIGH, LOW = chr(0xD83D), chr(0xDE00)
"""Halves of a character, which JSON can name one by one and UTF-8 cannot."""


@pytest.mark.parametrize("text", [HIGH, LOW + HIGH, HIGH + LOW, "a\0b", chr(0x2028)])
async def test_text_that_has_no_utf_8_is_kept_and_verifies(store, started, draft, text):
    lease, _ = await store.create("r1", [started()], ME)
    (written,) = await store.append(lease, 1, [draft(text=text)])
    (read,) = await store.events("r1", 1)
    assert read == written
    assert json.dumps(read.body["text"]) == json.dumps(text)
    await store.verify("r1")


async def test_the_list_shows_the_newest_first_and_can_be_narrowed(store, started, draft):
    for number, name in enumerate(("a", "b", "a")):
        lease, _ = await store.create(f"r{number}", [started(name, 1000 + number)], ME)
    await store.append(lease, 1, [draft("RunFinished", 2000, outcome="resolved", because="done")])
    assert [row.run for row in await store.runs()] == ["r2", "r1", "r0"]
    assert [row.run for row in await store.runs(name="a")] == ["r2", "r0"]
    assert [row.run for row in await store.runs(status="running", limit=1)] == ["r1"]
    assert (await store.runs(status="resolved")) == [
        RunRow("r2", "a", "staging", "real", "engine", 1002, 2000, "resolved", "done", 2)
    ]
    assert len(await store.runs(mode="real")) == 3
    assert await store.runs(mode="rehearsal") == []


async def test_a_rehearsal_is_listed_with_its_verdict(store, started, draft):
    begun = started()
    rehearsal = replace(begun, body={**begun.body, "mode": "rehearsal"})
    lease, _ = await store.create("r1", [rehearsal], ME)
    verdict = {"word": "would stop at", "at": "clear"}
    end = draft("RunFinished", 2000, outcome="failed", because="no", verdict=verdict)
    await store.append(lease, 1, [end])
    (row,) = await store.runs(mode="rehearsal")
    assert (row.status, row.because) == ("failed", "would stop at clear")


async def test_the_status_in_the_list_follows_the_events(store, started, draft):
    lease, _ = await store.create("r1", [started()], ME)
    seen = []
    steps = [
        draft(
            "StepStarted",
            path="ask",
            plan={"type": "human.confirm", "params": {}, "asks": "confirm"},
        ),
        draft("Answered", path="ask", answer="yes"),
        draft("StepFinished", path="act", status="unknown"),
        draft("DoubtSettled", path="act", happened=True, reason="looked"),
        draft("RunFinished", outcome="unresolved", because=None),
    ]
    for seq, step in enumerate(steps, start=1):
        await store.append(lease, seq, [step])
        seen.append((await store.runs())[0].status)
    assert seen == ["waiting", "running", "in doubt", "running", "unresolved"]


async def test_a_run_is_found_by_the_beginning_of_its_id(store, started):
    for number, run in enumerate(("ab-1", "ab-2", "ab", "c_1", "c%1")):
        await store.create(run, [started("a", number)], ME)
    assert await store.find("ab-1") == "ab-1"
    assert await store.find("ab") == "ab"
    assert await store.find("c_") == "c_1"
    assert await store.find("last") == "c%1"
    with pytest.raises(Usage, match="several runs start with 'ab-': ab-1, ab-2"):
        await store.find("ab-")
    with pytest.raises(Usage, match="several runs"):
        await store.find("")


async def test_there_is_no_last_run_where_there_is_none(store):
    with pytest.raises(Usage, match="there is no run yet"):
        await store.find("last")


async def test_waiting_ends_at_once_where_there_is_more_already(store, started):
    await store.create("r1", [started()], ME)
    assert await store.wait_for_more("r1", 0, 60)
    assert not await store.wait_for_more("r1", 1, 0)
    assert not await store.wait_for_more("no", 0, 0)


async def test_waiting_ends_with_the_next_append_without_any_time_passing(store, started, draft):
    await store.create("r1", [started()], ME)
    await store.create("r2", [started()], ME)
    waiting = asyncio.create_task(store.wait_for_more("r1", 1, 60))
    others = asyncio.create_task(store.wait_for_more("r1", 2, 60))
    await asyncio.sleep(0)
    await store.append_outside("r2", draft())
    await store.append_outside("r1", draft())
    assert await waiting
    assert not others.done()
    await store.append_outside("r1", draft())
    assert await others


async def test_waiting_ends_when_its_time_is_over(store, started, clock):
    await store.create("r1", [started()], ME)
    waiting = asyncio.create_task(store.wait_for_more("r1", 1, 60))
    await clock.sleeping()
    clock.advance(61)
    assert not await waiting


async def test_who_listens_hears_of_each_event_it_does_not_know_until_it_ends(
    store, started, draft
):
    lease, _ = await store.create("r1", [started()], ME)
    heard, seen = asyncio.Queue(), 1
    end = store.listen("r1", lambda: seen, heard.put_nowait)
    await store.append_outside("r1", draft())
    assert await heard.get() is None
    seen = 2
    await store.append_outside("r1", draft())
    assert await heard.get() is None
    seen = 4
    await store.append(lease, 3, [draft()])  # known by whoever appended it
    await store.append_outside("r1", draft())
    assert await heard.get() is None
    end()
    end()
    await store.append_outside("r1", draft())
    await asyncio.sleep(0)
    assert heard.empty()


async def test_who_listens_hears_of_what_is_there_already(store, started, draft, clock):
    await store.create("r1", [started(), draft()], ME)
    heard = asyncio.Queue()
    end = store.listen("r1", lambda: 1, heard.put_nowait)
    assert await heard.get() is None
    end()


async def test_a_whole_journal_verifies_and_names_its_end(store, started, draft):
    lease, _ = await store.create("r1", [started()], ME)
    events = await store.append(lease, 1, [draft(path="a"), draft(path="b")])
    await store.create("r2", [started()], ME)
    assert await store.verify() == Verified(2, 4, {})
    assert await store.verify("r1") == Verified(1, 3, {"seq": 3, "hash": events[-1].hash})


async def test_the_first_hash_stands_on_the_genesis_and_each_on_the_one_before(store, started):
    lease, (first,) = await store.create("r1", [started()], ME)
    (second,) = await store.append(lease, 1, [Draft("StepProgressed", {"b": 1, "a": "ü"}, 7)])

    def by_hand(previous: str, event: Event) -> str:
        covered = {
            "run": event.run,
            "seq": event.seq,
            "at_us": event.at_us,
            "type": event.type,
            "version": event.version,
            "actor": dict(event.actor),
            "body": dict(event.body),
        }
        text = json.dumps(covered, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return sha256((previous + text).encode()).hexdigest()

    assert first.hash == by_hand(GENESIS, first)
    assert second.hash == by_hand(first.hash, second)


async def test_many_drivers_and_people_at_once_lose_nothing_and_mix_nothing(store, started, draft):
    async def drive(run):
        lease, _ = await store.create(run, [started()], ME)
        seq = 1
        for number in range(20):
            try:
                seq = (await store.append(lease, seq, [draft(number=number)] * 2))[-1].seq
            except Moved:
                seq = (await store.events(run))[-1].seq
                seq = (await store.append(lease, seq, [draft(number=number)] * 2))[-1].seq
        return run

    async def answer(run, count):
        for number in range(count):
            await store.append_outside(run, draft("Answered", number=number))

    runs = [f"r{number}" for number in range(20)]
    await store.create("asked", [started()], ME)
    await asyncio.gather(*map(drive, runs), *(answer("asked", 10) for _ in range(10)))
    for run in runs:
        events = await store.events(run)
        numbers = [event.body["number"] for event in events[1:]]
        assert numbers == [number for each in range(20) for number in (each, each)]
    assert await store.verify() == Verified(21, 20 * 41 + 101, {})


async def test_a_refused_call_leaves_those_made_with_it_alone(store, started, draft):
    leases = [(await store.create(f"r{n}", [started()], ME))[0] for n in range(30)]
    stale = await store.take("r0", OTHER, force=True)
    await store.take("r0", ME, force=True)
    results = await asyncio.gather(
        *(store.append(lease, 1 + (n % 3 == 1), [draft()]) for n, lease in enumerate(leases)),
        store.append(stale, 1, [draft()]),
        store.create("r5", [started()], ME),
        return_exceptions=True,
    )
    kinds = [type(result) for result in results]
    expected = [Moved if n % 3 == 1 else list for n in range(30)]
    assert kinds == [Fenced, *expected[1:], Fenced, JournalError]
    assert (await store.verify()).events == 30 + kinds.count(list)


async def test_two_appends_behind_the_same_seq_give_one_winner(store, started, draft):
    lease, _ = await store.create("r1", [started()], ME)
    results = await asyncio.gather(
        *(store.append(lease, 1, [draft(n=n)]) for n in range(10)), return_exceptions=True
    )
    assert [type(result) for result in results] == [list] + [Moved] * 9
    assert len(await store.events("r1")) == 2
