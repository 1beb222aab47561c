"""The ledger: what is taken once, found again, and removed when it is old."""

from __future__ import annotations

import pytest

from engine.errors import Refused, Usage
from engine.journal import ledger as module
from engine.journal.ledger import Arrived, Ledger, Verdict
from engine.journal.requests import Requests
from engine.journal.schema import make_file
from engine.journal.sqlite import SqliteStore

DAY_US = 86_400_000_000


@pytest.fixture
async def store(tmp_path):
    make_file(tmp_path / "journal.db")
    made = SqliteStore(tmp_path / "journal.db")
    yield made
    await made.close()


@pytest.fixture
def ledger(store):
    return Ledger(store)


def arrived(*keys, source="pagerduty", about="disk", **more):
    return Arrived(source, "incident.triggered", about, keys, b'{"a": 1}', **more)


async def test_any_known_key_makes_it_the_same_delivery(ledger):
    assert await ledger.take("d1", arrived("a", "b"), 1) == ("d1", True)
    assert await ledger.take("d2", arrived("b", "c"), 2) == ("d1", False)
    assert await ledger.take("d3", arrived("c"), 3) == ("d3", True)
    row, body = await ledger.get("d1")
    assert (row.times, row.last_us, body) == (2, 2, b'{"a": 1}')


async def test_a_group_is_the_same_only_when_each_of_its_alerts_is_known(ledger):
    assert await ledger.take("d1", arrived("a", "b", all_keys=True), 1) == ("d1", True)
    assert await ledger.take("d2", arrived("a", "c", all_keys=True), 2) == ("d2", True)
    assert await ledger.take("d3", arrived("c", "b", "a", all_keys=True), 3) == ("d2", False)


async def test_the_first_verdict_counts_and_its_runs_are_found(ledger):
    await ledger.take("d1", arrived("a"), 1)
    assert await ledger.unsettled(10) == ["d1"]
    told = [Verdict("refused", "no", "p/a"), Verdict("started", "", "p/b", "r1")]
    await ledger.settle("d1", told, 2)
    await ledger.settle("d1", [Verdict("ignored", "late")], 3)
    row = (await ledger.latest(run="r1"))[0]
    assert (row.id, row.verdict, row.settled_us) == ("d1", "started", 2)
    assert list(row.verdicts) == told
    assert await ledger.unsettled(10) == []


async def test_it_is_searched_by_source_verdict_and_words_in_pages(ledger):
    for number in range(6):
        source = "webhook:a" if number % 2 else "pagerduty"
        await ledger.take(
            f"d{number}", arrived(str(number), source=source, about=f"Disk {number}"), 9
        )
    assert [row.id for row in await ledger.latest(source="webhook")] == ["d5", "d3", "d1"]
    assert [row.id for row in await ledger.latest(text="disk 4")] == ["d4"]
    assert len(await ledger.latest(verdict="open")) == 6
    first = await ledger.latest(limit=4)
    rest = await ledger.latest(before=(first[-1].received_us, first[-1].id))
    assert [row.id for row in [*first, *rest]] == [f"d{n}" for n in range(5, -1, -1)]


async def test_too_many_that_wait_are_left_with_their_sender(ledger, monkeypatch):
    monkeypatch.setattr(module, "OPEN_MAX", 2)
    for number in range(2):
        await ledger.take(f"d{number}", arrived(str(number)), 1)
    with pytest.raises(Refused, match="wait already"):
        await ledger.take("d9", arrived("9"), 1)
    assert await ledger.take("d9", arrived("1"), 1) == ("d1", False)


async def test_old_ones_are_removed_when_they_are_settled_and_only_then(ledger):
    for name in ("d1", "d2", "d3"):
        await ledger.take(name, arrived(name), 3 * DAY_US if name == "d3" else 1)
    for name in ("d1", "d3"):
        await ledger.settle(name, [Verdict("ignored", "")], 5)
    assert await ledger.prune(4 * DAY_US, 2) == 1
    assert [row.id for row in await ledger.latest()] == ["d3", "d2"]
    assert await ledger.take("d4", arrived("d1"), 4 * DAY_US) == ("d4", True)
    with pytest.raises(Usage, match="no delivery d1"):
        await ledger.get("d1")


async def test_a_key_of_a_request_stands_for_one_run_for_a_day(store):
    requests = Requests(store)
    assert await requests.reserve("k", "x", "r1", 1) == ("r1", True)
    assert await requests.reserve("k", "x", "r2", 2) == ("r1", False)
    with pytest.raises(Refused, match="another request"):
        await requests.reserve("k", "y", "r3", 3)
    assert await requests.reserve("k", "y", "r3", 2 * DAY_US) == ("r3", True)
