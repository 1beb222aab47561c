"""Approval of exactly what will happen, by the right people, once each, in time."""

from __future__ import annotations

import pytest

from engine.core.approval import Approval, refusal
from engine.core.decide import decide
from engine.core.events import Actor
from engine.core.judge import finished
from tests.core.world import HANG, SECOND, World, book, run

TEXT = """
steps:
  - id: a
    action: t.strike
    approve: {by: [lead], count: 2, reason_min: 5, within: 10m}
  - {id: b, check: t.look}
"""
BOB, CAROL = Actor("bob", "os-user"), Actor("carol", "os-user")


def asked(text: str = TEXT) -> World:
    return run(book(text), on_time=False)


def say(world: World, actor: Actor, **more):
    question = decide(world.state).ask[0]
    body = {
        "path": "a",
        "hash": question.params["hash"],
        "reason": "looked at it",
        "roles": ["lead"],
    }
    world.put(more.pop("type", "Approved"), {**body, **more}, actor)


def test_an_action_that_needs_approval_waits_for_it():
    world = asked()
    assert world.performed == []
    assert [q.kind for q in decide(world.state).ask] == ["approve"]
    assert [e.type for e in world.events] == ["RunStarted", "ApprovalRequested"]


def test_it_acts_once_enough_people_agreed():
    world = asked()
    say(world, BOB)
    world.go(on_time=False)
    assert world.performed == []
    say(world, CAROL)
    assert world.go().outcome == "resolved"
    assert [p for p, _ in world.performed] == ["a", "b"]
    started = next(e for e in world.events if e.type == "StepStarted")
    requested = next(e for e in world.events if e.type == "ApprovalRequested")
    assert started.body["hash"] == requested.body["hash"]


def test_whoever_is_known_by_several_names_has_one_voice_and_is_the_requester_by_any_of_them():
    world = asked()
    say(world, BOB)
    say(world, CAROL, persons=["bob", "robert"])
    assert len(world.state.steps["a"].approval.given) == 1
    say(world, CAROL, persons=["alice", "lee"])
    assert len(world.state.steps["a"].approval.given) == 1
    say(world, CAROL, persons=["carol", "cy"])
    assert world.go().outcome == "resolved"


def test_a_denial_ends_it():
    world = asked()
    say(world, BOB, type="Denied", reason="not today")
    assert world.go().outcome == "failed"
    assert world.why("a") == "bob denied it: not today"
    assert world.performed == []


def test_when_the_time_is_over_people_are_told_and_it_fails():
    world = asked()
    world.go()
    assert world.outcome == "failed"
    assert world.why("a") == "nobody approved it in time (0 of 2 did)"
    assert world.performed == [("a/expired/escalate", 1)]
    told = next(e.body["plan"] for e in world.events if e.body.get("kind") == "escalate")
    assert told["policy"] == "default"
    assert told["message"] == "`a` is not done: nobody approved it in time (0 of 2 did)"


def test_an_approval_does_not_count_while_people_are_told_that_none_came():
    world = asked()
    hash_ = decide(world.state).ask[0].params["hash"]
    world.script = {"a/expired/escalate": HANG}
    world.go()
    said = {"path": "a", "hash": hash_, "reason": "looked at it", "roles": ["lead"]}
    world.now_us = world.state.started_us
    world.put("Approved", said, BOB)
    assert world.state.steps["a"].approval.given == []


def test_on_failure_of_an_expired_step_follows_and_may_make_up_for_it():
    handled = "    on_failure: [{id: other, action: t.act}]\n    approve:"
    world = asked(TEXT.replace("    approve:", handled)).go()
    performed = [path for path, _ in world.performed]
    assert performed == ["a/expired/escalate", "a/on_failure/other", "b"]
    assert world.outcome == "resolved"


def test_a_cancel_while_people_are_told_ends_the_run():
    world = asked()
    world.script = {"a/expired/escalate": HANG}
    world.go()
    world.put("CancelRequested", {"reason": "enough"})
    told = finished("a/expired/escalate", "passed", attempt=1)
    world.put(told.type, told.body)
    assert world.go().outcome == "cancelled"


@pytest.mark.parametrize(
    ("said", "actor"),
    [
        ({"hash": "0" * 64}, BOB),
        ({"roles": ["viewer"]}, BOB),
        ({"reason": "ok"}, BOB),
        ({}, Actor("alice", "os-user")),
        ({}, Actor("bob", "as", "alice")),
        ({}, Actor("alice", "as", "bob")),
    ],
    ids=["hash", "role", "reason", "requester", "via the requester", "as the requester"],
)
def test_what_does_not_count_lets_nothing_run(said, actor):
    world = asked()
    say(world, actor, **said)
    say(world, CAROL)
    world.go(on_time=False)
    assert world.performed == []


def test_one_person_is_one_voice():
    world = asked()
    say(world, BOB)
    say(world, BOB, reason="looked at it again")
    say(world, Actor("carol", "as", "bob"))
    world.go(on_time=False)
    assert world.performed == []


def test_an_approval_that_comes_too_late_does_not_count():
    world = asked()
    say(world, BOB)
    world.now_us += 11 * 60 * SECOND
    hash_ = world.state.steps["a"].hash
    body = {"path": "a", "hash": hash_, "reason": "looked at it", "roles": ["lead"]}
    world.put("Approved", body, CAROL)
    world.go()
    assert world.performed == [("a/expired/escalate", 1)]
    assert world.outcome == "failed"


def test_a_replayed_approval_of_another_step_does_not_count():
    text = TEXT.replace(
        "{id: b, check: t.look}", "{id: c, action: t.strike, approve: {by: [lead]}}"
    )
    world = asked(text)
    first = world.state.steps["a"].hash
    say(world, BOB)
    say(world, CAROL)
    world.go(on_time=False)
    world.put("Approved", {"path": "c", "hash": first, "reason": "looked", "roles": ["lead"]}, BOB)
    world.go(on_time=False)
    assert [p for p, _ in world.performed] == ["a"]


ASKED = {"hash": "h", "by": ["lead"], "count": 2, "reason_min": 10, "expires_us": 100}
SAID = {"hash": "h", "roles": ["lead"], "reason": "long enough"}
BY_BOB = {"name": "bob", "reason": "long enough", "persons": frozenset({"bob", "rob"})}
BY_DAN = {"name": "dan", "reason": "long enough", "persons": frozenset({"dan"})}
DECIDED, AGAIN = "it was decided already", "they have approved it already"
OWN = "whoever asked for it may not decide it"
SHORT = "the reason has to be at least 10 characters"


@pytest.mark.parametrize(
    ("known", "said", "at_us", "why"),
    [
        ({}, {}, 99, None),
        ({}, {}, 100, "the time for it is over"),
        ({"expires_us": None}, {}, 10**18, None),
        (
            {},
            {"hash": "i"},
            0,
            "it names another plan hash: what would happen has changed since it was looked at",
        ),
        ({"denied": {"name": "bob", "reason": "no"}}, {}, 0, DECIDED),
        ({"given": [BY_BOB, BY_DAN]}, {}, 0, DECIDED),
        ({"given": [BY_BOB]}, {}, 0, None),
        ({"given": [BY_BOB]}, {"persons": ["rob"]}, 0, AGAIN),
        ({"given": [BY_BOB]}, {"persons": ["alice"]}, 0, OWN),
        ({}, {"roles": ["viewer"]}, 0, "it takes one of the roles lead"),
        ({"by": ["lead", "dba"]}, {"roles": []}, 0, "it takes one of the roles lead, dba"),
        ({"by": ["lead", "dba"]}, {"roles": ["viewer", "dba"]}, 0, None),
        ({"by": []}, {"roles": []}, 0, None),
        ({}, {"reason": "ten chars."}, 0, None),
        ({}, {"reason": "   nine chr   "}, 0, SHORT),
        ({"reason_min": 0}, {"reason": ""}, 0, None),
    ],
)
def test_who_may_agree_to_what_until_when_and_why_else_it_does_not_count(known, said, at_us, why):
    approval = Approval.of({**ASKED, **known})
    approval.given, approval.denied = known.get("given", []), known.get("denied")
    requester = {"name": "alice", "means": "os-user"}
    assert refusal(approval, {**SAID, **said}, {"name": "cy"}, requester, at_us) == why


def test_what_is_asked_for_says_why_and_in_old_journals_it_was_the_runbook():
    assert Approval.of({**ASKED, "why": "plan"}) == Approval("h", ("lead",), 2, 10, 100, why="plan")
    assert Approval.of(ASKED).why == "approve"


@pytest.mark.parametrize(
    ("first", "then", "performed"),
    [
        (["Approved", "Approved"], "Denied", ["a", "b"]),
        (["Denied"], "Approved", []),
        (["Approved", "Denied"], "Approved", []),
    ],
)
def test_what_is_said_behind_a_decision_changes_nothing(first, then, performed):
    """Also where it comes before the engine went on."""
    world = asked()
    body = {"path": "a", "hash": world.state.steps["a"].hash, "reason": "looked", "roles": ["lead"]}
    for type_, actor in zip([*first, then], (BOB, CAROL, Actor("dan", "token")), strict=False):
        world.put(type_, body, actor)
    world.go()
    assert [path for path, _ in world.performed] == performed


def test_propose_asks_approval_of_every_action():
    world = run(
        book("steps: [{id: a, action: t.act}]"), more={"autonomy": "propose"}, on_time=False
    )
    assert [q.kind for q in decide(world.state).ask] == ["approve"]


def test_a_plan_that_is_carried_out_asks_where_reality_moved_away():
    text = "steps: [{id: a, action: t.act}, {id: b, action: t.act}]"
    first = run(book(text))
    hashes = {e.body["path"]: e.body["hash"] for e in first.events if e.type == "StepStarted"}
    same = run(book(text), more={"planned": hashes}, on_time=False)
    assert same.outcome == "resolved"
    moved = run(book(text), more={"planned": {**hashes, "b": "0" * 64}}, on_time=False)
    assert [p for p, _ in moved.performed] == ["a"]
    assert [q.id for q in decide(moved.state).ask] == ["b"]
