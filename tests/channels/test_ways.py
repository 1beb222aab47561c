"""What is particular to one vendor: how a message is found again, and what becomes of it there."""

from __future__ import annotations

import json

import pytest

from engine.adapters.http import HttpAnswer
from engine.channels import slack
from engine.channels.calling import Calling
from engine.errors import AdapterError
from tests.channels.test_channels import PAGE, made


async def test_a_status_is_a_status_update_of_the_incident_and_so_is_its_end(serve):
    found = await made("pagerduty_notes", serve)
    first = await found.send(kind="status", text="open for 15 min")
    assert first["status_update"] is True
    await found.send(kind="resolved", text="it is over", receipt=first, key="end")
    await found.send(kind="acknowledged", receipt=await found.send(), key="taken")
    assert [text in found.vendor.updates for text in found.vendor.taken] == [
        True,
        True,
        False,
        False,
    ]
    assert all("[runbook " not in text for text in found.vendor.updates)


async def test_a_status_update_whose_answer_was_lost_is_found_in_the_log_of_the_incident(serve):
    found = await made("pagerduty_notes", serve)
    found.vendor.mood = ["lost"]
    assert (await found.refused(kind="status")).maybe_done
    receipt = await found.send(kind="status", attempt=2)
    assert (receipt["status_update"], len(found.vendor.updates)) == (True, 1)
    await found.send(kind="status", key="the next one", attempt=2)
    assert len(found.vendor.updates) == 2


async def test_an_account_without_status_updates_gets_notes(serve):
    found = await made("pagerduty_notes", serve)
    found.vendor.no_updates = True
    receipt = await found.send(kind="status")
    assert PAGE.key in found.vendor.taken[0]
    assert (receipt["follows"], "status_update" in receipt) == (True, False)
    await found.send(kind="status", attempt=2)
    assert len(found.vendor.taken) == 1


async def test_an_incident_is_a_part_of_a_path_whatever_it_is_called(serve):
    found = await made("pagerduty_notes", serve)
    found.to = "PINC1/merge?x=1#"
    await found.refused()
    assert found.vendor.requests[-1].target == "/incidents/PINC1%2Fmerge%3Fx%3D1%23/notes"


@pytest.mark.parametrize(("to", "place"), [("U1", "D1"), ("#incidents", "C1"), ("C1", "C1")])
async def test_slack_is_looked_through_wherever_it_was_posted(serve, to, place):
    found = await made("slack", serve)
    found.to = to
    found.vendor.mood = ["lost"]
    await found.refused()
    receipt = await found.send(attempt=2)
    assert (receipt["channel"], len(found.vendor.taken)) == (place, 1)
    assert found.vendor.problems == []


async def test_a_name_that_slack_does_not_list_is_not_posted_to_once_more(serve):
    found = await made("slack", serve)
    found.to = "#unseen"
    error = await found.refused(attempt=2)
    assert (error.maybe_done, error.retryable) == (True, False)
    assert "#unseen" in error.message
    assert found.vendor.taken == []


async def test_what_slack_certainly_did_not_post_need_not_be_looked_for(serve):
    found = await made("slack", serve)
    found.to, found.vendor.mood = "U1", [429]
    await found.refused()
    await found.send(attempt=2)
    assert [r.target for r in found.vendor.requests] == ["/chat.postMessage"] * 2


@pytest.mark.parametrize("word", ["fatal_error", "internal_error"])
async def test_what_slack_may_have_done_before_it_failed_is_in_doubt(serve, word):
    said = HttpAnswer(200, "", {}, 0.0, 0, False, {"ok": False, "error": word})
    with pytest.raises(AdapterError) as caught:
        slack._ok(said, Calling("https://slack.com"))
    assert (caught.value.maybe_done, caught.value.retryable) == (True, True)


async def test_a_page_is_told_loudly_and_a_status_is_not(serve):
    found = await made("pagerduty", serve)
    await found.send(severity="critical")
    await found.send(severity="critical", kind="status")
    sent = [json.loads(r.body)["payload"]["severity"] for r in found.vendor.requests]
    assert sent == ["critical", "info"]


async def test_a_short_message_that_twilio_gives_up_at_once_is_no_doubt(serve):
    found = await made("twilio", serve)
    found.vendor.status = "failed"
    error = await found.refused()
    assert (error.maybe_done, error.detail) == (False, {"code": 30007})
    found.vendor.status = "queued"
    await found.send(attempt=2)  # what failed is not what is looked for
    assert [m["status"] for m in found.vendor.taken] == ["failed", "queued"]


async def test_a_short_message_is_found_again_behind_words_that_twilio_put_before_it(serve):
    found = await made("twilio", serve)
    await found.send()
    found.vendor.taken[0]["body"] = "Sent from a trial account - " + found.vendor.taken[0]["body"]
    await found.send(attempt=2)
    assert len(found.vendor.taken) == 1


async def test_a_mail_by_sendgrid_belongs_to_the_one_before_and_can_be_answered_by_a_link(serve):
    found = await made("sendgrid", serve)
    first = await found.send(take_link="https://runbook.example.com/take/x")
    await found.send(kind="resolved", key="over", receipt=first)
    page, over = found.vendor.taken
    assert "\nTake it: https://runbook.example.com/take/x\n" in page["content"][0]["value"]
    assert over["headers"]["In-Reply-To"] == page["headers"]["Message-ID"] == first["message_id"]


async def test_a_key_that_is_not_ascii_goes_into_a_header_all_the_same(serve):
    found = await made("webhook", serve)
    await found.send(key="r1:call:j\u00f6rg/\U0001f525:page")
    body, headers, _ = found.vendor.taken[0]
    assert body["key"] == "r1:call:j\u00f6rg/\U0001f525:page"
    assert headers["idempotency-key"] == "r1:call:j%C3%B6rg/%F0%9F%94%A5:page"


async def test_customers_read_no_update_twice(serve):
    found = await made("statuspage", serve)
    found.vendor.mood = ["lost"]
    await found.refused()
    first = await found.send(attempt=2)
    found.vendor.mood = ["lost"]
    await found.refused(kind="status", key="second", text="still looking", thread=first)
    await found.send(kind="status", key="second", text="still looking", thread=first, attempt=2)
    found.vendor.mood = ["lost"]
    await found.refused(kind="resolved", key="end", text="it is over", receipt=first)
    await found.send(kind="resolved", key="end", text="it is over", receipt=first, attempt=2)
    (incident,) = found.vendor.taken
    told = [(one["status"], one["body"]) for one in reversed(incident["incident_updates"])]
    assert told[1:] == [("investigating", "still looking"), ("resolved", "it is over")]
    assert len(told) == 3


async def test_slack_finds_a_message_again_without_its_metadata(serve):
    found = await made("slack", serve)
    await found.send()
    del found.vendor.taken[0]["metadata"]
    await found.send(attempt=2)
    assert len(found.vendor.taken) == 1
    await found.send(key="another", attempt=2)
    assert len(found.vendor.taken) == 2


async def test_customers_read_what_is_for_them_and_not_what_is_for_those_who_are_called(serve):
    found = await made("statuspage", serve)
    text = "Orders are late\n\nTake it: runbook ack r1\n\nFound:\n- FAILED Is there room"
    first = await found.send(text=text, public=("Orders", "Orders are late"))
    incident = found.vendor.taken[0]
    assert (incident["name"], incident["body"]) == ("Orders", "Orders are late")
    await found.send(text=text, public=("Orders", ""), kind="status", thread=first)
    assert found.vendor.taken[0]["body"] == "Orders"


async def test_a_run_that_ended_otherwise_is_not_resolved_for_customers(serve):
    found = await made("statuspage", serve)
    first = await found.send(kind="status")
    await found.send(kind="resolved", outcome="failed", receipt=first)
    assert found.vendor.taken[0]["status"] == "identified"
    await found.send(kind="resolved", key="again", outcome="resolved", receipt=first)
    assert found.vendor.taken[0]["status"] == "resolved"
