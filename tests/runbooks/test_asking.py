"""Whom our runbooks ask, and by what: nobody waits for an answer that nobody was asked for."""

from __future__ import annotations

import pytest

from engine.language.model import Call, walk_runbook
from engine.wiring.calling import Directory
from engine.wiring.preview import preview
from engine.wiring.whom import questions
from tests.runbooks.test_packs import BOOKS, NAMES

ENVIRONMENTS = ("staging", "production")


@pytest.mark.parametrize("name", NAMES)
def test_who_is_to_approve_is_told_in_time_and_once_more_before_it_is_over(name, registry):
    runbook = BOOKS.load(name, registry)
    contacts = BOOKS.contacts(name.partition("/")[0])
    how = questions(contacts, contacts.severities.get(runbook.severity or ""))
    assert how is not None
    for entry in walk_runbook(runbook):
        if isinstance(entry, Call) and entry.approve is not None:
            assert entry.approve.within_s is not None
            assert how["after_us"] + how["every_us"] < entry.approve.within_s * 1e6
            assert how["times"] >= 1


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("name", NAMES)
def test_every_question_reaches_somebody_by_more_than_the_console(name, environment, registry):
    runbook = BOOKS.load(name, registry)
    asked: dict[str, list[str]] = {}
    for told in preview(BOOKS, registry, runbook, environment):
        if told.policy == "questions":
            asked.setdefault(told.escalation, []).append(told.who)
            assert told.by != ("console",)
            assert not [remark for remark in told.remarks if "not told" in remark]
    place = BOOKS.environment(name.partition("/")[0], environment, registry, only=())
    people = Directory(BOOKS, registry, runbook, place).contacts.people
    for who in asked.values():
        assert set(who) & set(people)  # and not a room alone


def test_no_pack_leads_to_an_address_that_nobody_has_put_there():
    for pack in BOOKS.packs():
        assert BOOKS.contacts(pack).link is None


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("ace-playbook/emergency-contacts", None),  # its one action is a note of the run itself
        ("ace-playbook/staged-rollback", "Take the commit back"),
        ("terminal-strategist/cooldown-cleanup", "Delete it, it is over"),  # may be done twice
    ],
)
def test_a_doubt_is_shown_of_an_action_that_somebody_may_be_asked_about(name, asked, registry):
    told = preview(BOOKS, registry, BOOKS.load(name, registry), "production")
    found = {one.when.split("`")[1] for one in told if "nobody knows" in one.when}
    assert found == ({asked} if asked else set())
