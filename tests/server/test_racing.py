"""Two people press, open, call or type in the same moment: whoever is second is told the truth.

The journal lets another word in first, once, between what somebody's answer was made for and its
append: so these races come out the same every time.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from engine.core.events import Actor
from tests.runs import lab
from tests.server.conftest import pd_event
from tests.server.test_asking import APPROVE, CONFIRM, CONTACTS, GOOD, Desk, desk
from tests.server.test_taking import called

__all__ = ["desk"]

ANA, CY = Actor("ana", "token", "t3"), Actor("cy", "token", "t1")
ONE = APPROVE.replace("COUNT", "")
SECOND = "yours is recorded, and changes nothing: "


def first(desk: Desk, say: Callable[[], Awaitable[Any]]) -> None:
    """The next word that is appended finds this one in front of it, and nothing else: whoever
    drives the run writes what comes of the first only behind both.
    """
    store = desk.serving.parts.store
    outside, drive = store.append_outside, store.append
    said = asyncio.Event()

    async def later(*of: Any) -> Any:
        await said.wait()
        return await drive(*of)

    async def behind(run: str, draft: Any) -> Any:
        store.append_outside, store.append = outside, later
        try:
            await say()
            return await outside(run, draft)
        finally:
            store.append = drive
            said.set()

    store.append_outside = behind


def approves(desk: Desk, run: str, actor: Actor = CY, *, deny: bool = False) -> Any:
    engine = desk.serving.parts.engine
    return lambda: engine.approve(run, "act", "cy was first", actor, deny=deny)


async def by_slack(desk: Desk, run: str, label: str) -> str:
    return str((await desk.press(desk.button(label, "U777"))).json()["text"])


async def by_mail(desk: Desk, run: str, label: str) -> str:
    word = {"Approve": "approve", "Deny": "deny", "Yes": "yes", "No": "no"}[label]
    path = desk.link("cy@example.com")
    answer = await desk.serving.http.post(path, data={"answer": word, "reason": GOOD})
    return str(answer.text)


async def by_api(desk: Desk, run: str, label: str) -> str:
    token = await desk.serving.token("operator", "approver", person="bea")
    call = desk.serving.call
    if label in ("Approve", "Deny"):
        answer = await call("POST", f"/runs/{run}/{label.lower()}", token, {"reason": GOOD})
    else:
        answer = await call("POST", f"/runs/{run}/answer", token, {"answer": label.lower()})
    assert answer.status_code == 409
    return str(answer.json()["detail"])


WAYS = [by_slack, by_mail, by_api]
BEA = Actor("bea", "token", "t2")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("label", "deny"), [("Approve", False), ("Deny", False), ("Approve", True)]
)
async def test_whoever_decides_behind_somebody_else_is_told_who_did(desk, way, label, deny):
    run = await desk.asks(ONE, told=2)
    who = BEA if way is by_mail else CY
    first(desk, approves(desk, run, who, deny=deny))
    said = await way(desk, run, label)
    name, word = ("Bea" if way is by_mail else "Cy"), ("denied" if deny else "approved")
    assert f"{SECOND}it was decided already: {name} {word} it at " in said
    desk.serving.parts.keeper.kick(run)
    await desk.over(run)
    assert lab.Target.effects["orders"] == (0 if deny else 1)


@pytest.mark.parametrize("way", WAYS)
async def test_whoever_answers_behind_somebody_else_is_told_who_did(desk, way):
    run = await desk.asks(CONFIRM, told=3)
    engine = desk.serving.parts.engine
    first(desk, lambda: engine.answer(run, "sure", "no", "it is red", ANA))
    assert f"{SECOND}Ana answered no at " in await way(desk, run, "Yes")
    desk.serving.parts.keeper.kick(run)
    assert (await desk.serving.ended(run)).body["outcome"] == "failed"


async def test_whoever_takes_a_run_behind_somebody_else_is_told_who_did(desk, books):
    run, button, link = await called(desk, books)
    engine = desk.serving.parts.engine
    first(desk, lambda: engine.acknowledge(run, ANA))
    assert f"Nothing done: {SECOND}Ana took it at " in (await desk.press(button)).json()["text"]
    assert (await desk.serving.http.post(link)).status_code == 403
    token = await desk.serving.token("operator", person="bea")
    answer = await desk.serving.call("POST", f"/runs/{run}/ack", token, {})
    assert answer.status_code in (400, 409)
    types = [e.type for e in await desk.serving.parts.store.events(run)]
    assert types.count("Acknowledged") == 2


@pytest.mark.parametrize("way", ["link", "api", "pagerduty"])
async def test_every_way_of_taking_tells_who_was_first(desk, books, way):
    run, _, link = await called(desk, books)
    engine = desk.serving.parts.engine
    first(desk, lambda: engine.acknowledge(run, ANA))
    if way == "link":
        said = (await desk.serving.http.post(link)).text
    elif way == "api":
        token = await desk.serving.token("operator", person="bea")
        said = (await desk.serving.call("POST", f"/runs/{run}/ack", token, {})).json()["detail"]
    else:
        body = pd_event(5, "incident.acknowledged", incident_key=f"{run}:call:1.1")
        await desk.serving.pagerduty(body)
        _, (verdict,) = await desk.serving.next_settled()
        assert verdict.word == "ignored"
        said = verdict.why
    lead = "it acknowledges nothing of ours: " if way == "pagerduty" else SECOND
    assert f"{lead}Ana took it at " in said


async def test_one_button_that_two_press_at_once_counts_once_and_the_second_hears_so(desk, books):
    run, button, _ = await called(desk, books)
    said = await asyncio.gather(desk.press(button, user="U777"), desk.press(button, user="U1"))
    texts = sorted(one.json()["text"] for one in said)
    assert len([text for text in texts if text.startswith("Taken by ")]) == 1
    assert texts[0].startswith("Nothing done: this was used already, ")
    again = (await desk.press(button, user="U777")).json()["text"]
    (taker,) = [t.removeprefix("Taken by ")[:-1] for t in texts if t.startswith("Taken by ")]
    assert again == f"Nothing done: this was used already, by {taker}"
    types = [e.type for e in await desk.serving.parts.store.events(run)]
    assert types.count("Acknowledged") == 1


async def test_a_link_that_is_confirmed_twice_at_once_counts_once(desk, books):
    run, _, link = await called(desk, books)
    said = await asyncio.gather(*(desk.serving.http.post(link) for _ in range(5)))
    assert sorted(one.status_code for one in said) == [200, 403, 403, 403, 403]
    types = [e.type for e in await desk.serving.parts.store.events(run)]
    assert types.count("Acknowledged") == 1


async def test_who_cancels_behind_somebody_else_hears_it_over_the_api(desk):
    run = await desk.asks(ONE, told=2)
    engine = desk.serving.parts.engine
    first(desk, lambda: engine.cancel(run, "wrong one", ANA))
    token = await desk.serving.token("operator", person="bea")
    answer = await desk.serving.call("POST", f"/runs/{run}/cancel", token, {"reason": "no"})
    assert answer.status_code == 200
    assert answer.json()["remark"].startswith("Ana asked it to stop at ")


async def test_an_approval_that_meets_a_cancel_is_not_told_to_have_counted(desk):
    run = await desk.asks(ONE, told=2)
    engine = desk.serving.parts.engine
    first(desk, lambda: engine.cancel(run, "wrong one", ANA))
    assert "changes nothing: Ana asked it to stop at " in await by_slack(desk, run, "Approve")
    desk.serving.parts.keeper.kick(run)
    assert (await desk.serving.ended(run)).body["outcome"] == "cancelled"
    assert lab.Target.effects["orders"] == 0


async def test_the_api_says_what_came_of_a_word_that_counted(desk, books):
    run = await desk.asks(APPROVE.replace("COUNT", "count: 2, "), told=2)
    token = await desk.serving.token("approver", "operator", person="bea")
    said = await desk.serving.call("POST", f"/runs/{run}/approve", token, {"reason": GOOD})
    assert (said.json()["given"], said.json()["remark"]) == ("1 of 2", "")
    (books / "p/contacts.yaml").write_text(CONTACTS)
    assert json.loads(said.text)["type"] == "Approved"
