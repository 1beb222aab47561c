"""Scenarios in which people are asked to approve: who is told, reminded, and whose word counts."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
import yaml

from engine.config import Books
from engine.registry import Registry
from engine.scenario.batch import Job, try_job
from engine.scenario.judging import judged
from engine.scenario.play import Played
from engine.scenario.schema import scenario_schema
from tests.scenario.shop_pack import CONTACTS, shop
from tests.scenario.test_calls import heard

REGISTRY = Registry()
FREE = """\
title: Orders that are stuck
steps:
  - id: free
    title: Free them
    action: run.set
    approve: {by: [lead, weekly], within: 20m, reason_min: 10, count: COUNT}
    with: {values: {freed: 1}}
"""
QUESTIONS = "questions: {by: [sms, room], after: 1m, remind: {every: 5m, times: 2}}\n"


def asked(folder: Path, text: str, count: int = 1) -> Played:
    runbook = FREE.replace("COUNT", str(count))
    played, scenario = heard(folder, text, runbook, contacts=CONTACTS + QUESTIONS)
    assert judged(scenario, played) == ()
    return played


def test_who_is_asked_is_reminded_until_somebody_of_the_role_agrees(tmp_path: Path):
    text = """
run: {started_at: "2027-01-14T12:00:00Z"}
approves: {free: [{at: 3m, by: bob, reason: ok}, {at: 9m, by: bob}]}
expect:
  outcome: resolved
  refused: [{at: 3m, who: bob, of: free, why: the reason has to be at least 10 characters}]
  asked:
    - {at: 1m, who: room, by: room}
    - {at: 1m, who: cem, by: sms}
    - {at: 6m, who: room, by: room}
    - {at: 6m, who: bob, by: sms}
    - {at: 6m, who: cem, by: sms}
"""
    lines = asked(tmp_path, text).heard.lines
    short = "the reason has to be at least 10 characters"
    assert f"3m       bob would approve `free`, and it does not count: {short}" in lines
    assert "9m       bob approved `free`" in lines


def test_a_word_of_somebody_else_does_not_count_and_the_request_ends_when_its_time_is_over(
    tmp_path: Path,
):
    text = """
run: {actor: bob, started_at: "2027-01-14T12:00:00Z"}
approves:
  free: [{at: 2m, by: ada}, {at: 4m, by: bob, says: denied}, {at: 5m, by: stranger}]
expect:
  outcome: failed
  refused:
    - {at: 2m, who: ada, why: "it takes one of the roles lead, weekly"}
    - {at: 4m, who: bob, why: whoever asked for it may not decide it}
    - {at: 5m, who: stranger}
"""
    asked(tmp_path, text)


def test_whoever_is_on_call_in_a_rota_that_may_approve_does(tmp_path: Path):
    text = """
run: {started_at: "DAYT12:00:00Z"}
approves: {free: {at: 2m, by: cem, says: denied}}
"""
    first = asked(tmp_path / "a", text.replace("DAY", "2027-01-14"))
    second = asked(tmp_path / "b", text.replace("DAY", "2027-01-07"))
    refused = [found.heard.refused for found in (first, second)]
    assert sorted(len(one) for one in refused) == [0, 1]


def test_two_agree_at_their_times_and_nobody_twice(tmp_path: Path):
    text = """
run: {started_at: "2027-01-14T12:00:00Z"}
approves: {free: [{at: 2m, by: bob}, {at: 3m, by: bob}, {at: 10m, by: cem}]}
expect:
  outcome: resolved
  refused: [{who: bob, why: they have approved it already}]
"""
    asked(tmp_path, text, 2)


def test_a_word_that_comes_before_it_is_asked_waits_for_the_question(tmp_path: Path):
    found = asked(tmp_path, "approves: {free: {at: 0s, by: bob}}\nexpect: {outcome: resolved}")
    assert found.heard.told == ()


def test_without_a_time_those_who_are_asked_agree_at_once(tmp_path: Path):
    asked(tmp_path, "approves: {free: approved}\nexpect: {outcome: resolved}", 2)
    asked(tmp_path / "b", "approves: {free: denied}\nexpect: {outcome: failed}")


@pytest.mark.parametrize(
    ("said", "right"),
    [
        ("approved", True),
        ("{at: 1m, by: bob}", True),
        ("[{at: 60, by: bob, says: denied, reason: not today}]", True),
        ("perhaps", False),
        ("[]", False),
        ("{by: bob}", False),
        ("{at: 1m}", False),
        ("{at: soon, by: bob}", False),
        ("{at: 1m, by: bob, says: no}", False),
        ("{at: 1m, by: bob, why: because}", False),
    ],
)
def test_the_schema_and_the_reader_agree(tmp_path: Path, said: str, right: bool):
    one = {"name": "it", "expect": {"outcome": "resolved"}}
    one |= {"approves": {"free": yaml.safe_load(said)}}
    whole = {"scenarios": [one]}
    assert jsonschema.Draft202012Validator(scenario_schema()).is_valid(whole) == right
    shop(tmp_path, FREE.replace("COUNT", "1"), yaml.safe_dump(whole))
    books = Books([tmp_path / "runbooks"])
    tried = try_job(Job(books, "shop/down", books.scenarios("shop/down")), REGISTRY, (), False)
    assert (tried.problem is None) == right
