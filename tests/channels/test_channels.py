"""Every channel against a counterpart that judges what is sent: taken, refused, slow, too often,
and with its answer lost.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from engine.channels import pagerduty, sendgrid, slack, statuspage, twilio, webhook
from engine.channels.calling import Calling, blocked_s, retry_after_s, said
from engine.channels.sms import parts
from engine.errors import AdapterError
from engine.plugin.channel import Button, Message
from tests.channels import vendors

PAGE = Message(
    key="r1:on_failure/call:1.1.1:ana:page",
    group="r1:on_failure/call:1.1",
    run="r1",
    kind="page",
    title="[SEV1] Redis is full: 97 % <!channel> & more",
    text="What is wrong\n- FAILED Is there room\n" + "x" * 500,
    name="Ana Lim",
    source="stratum/redis in production",
    link="https://runbook.example.com/runs/r1",
    buttons=(Button("Take it", "opaque-1"),),
)


@dataclasses.dataclass
class Made:
    """A channel, its counterpart, and where the reader is."""

    channel: Any
    vendor: vendors.Vendor
    to: str | None = None

    async def send(self, **more: Any) -> Any:
        return await self.channel.send(dataclasses.replace(PAGE, to=self.to, **more))

    async def refused(self, **more: Any) -> AdapterError:
        with pytest.raises(AdapterError) as caught:
            await self.send(**more)
        return caught.value


def quick(channel: Any) -> Any:
    """The same, with little patience."""
    if callable(getattr(channel, "_calling", None)):
        channel._calling()  # made now: its patience is set below
    for part in vars(channel).values():
        if isinstance(part, Calling):
            part._timeout_s = 1.5
    return channel


FAMILIES = (
    *("webhook", "slack_webhook", "slack", "pagerduty", "pagerduty_notes"),
    *("twilio", "sendgrid", "statuspage"),
)


async def made(family: str, serve: Any) -> Made:
    found = await _made(family, serve)
    serve.channels.append(found.channel)
    return found


async def _made(family: str, serve: Any) -> Made:
    if family == "webhook":
        hook = vendors.Receiver()
        return Made(webhook.WebhookChannel(f"{await serve(hook)}/in", secret="s3cr3t"), hook)
    if family == "slack_webhook":
        hooks = vendors.SlackHooks()
        url = f"{await serve(hooks)}/services/T0/B0/secret"
        return Made(slack.SlackWebhookChannel(url), hooks)
    if family == "slack":
        api = vendors.SlackApi()
        return Made(slack.SlackChannel("xoxb-token", base_url=await serve(api)), api, "#incidents")
    if family == "pagerduty":
        events = vendors.PagerDutyEvents()
        return Made(pagerduty.PagerDutyChannel("k" * 32, base_url=await serve(events)), events)
    if family == "pagerduty_notes":
        rest = vendors.PagerDutyRest()
        url = await serve(rest)
        channel: Any = pagerduty.PagerDutyNotesChannel(
            "pd-rest-token", from_email="bot@example.com", base_url=url
        )
        return Made(channel, rest, "PINC1")
    if family == "twilio":
        sms = vendors.Twilio()
        url = await serve(sms)
        channel = twilio.TwilioChannel("AC0", "twilio-token", sender="+491510", base_url=url)
        return Made(channel, sms, "+4915100001")
    if family == "sendgrid":
        grid = vendors.SendGrid()
        url = await serve(grid)
        channel = sendgrid.SendGridChannel("SG.key", sender="ops@example.com", base_url=url)
        return Made(channel, grid, "ana@example.com")
    page = vendors.StatusPage()
    url = await serve(page)
    return Made(statuspage.StatusPageChannel("pg", "sp-key", base_url=url), page)


@pytest.fixture(params=FAMILIES)
async def one(request, serve):
    return await made(request.param, serve)


async def test_a_message_is_taken_and_there_is_a_receipt(one):
    receipt = await one.send()
    assert one.vendor.problems == []
    assert len(one.vendor.taken) == 1
    assert receipt["id"]
    assert json.loads(json.dumps(receipt)) == receipt


async def test_the_longest_message_is_within_the_limits_of_the_vendor(one):
    limit = one.channel.text_max_chars
    await one.send(title="<" * 200, text="&" * limit)
    assert one.vendor.problems == []


async def test_too_many_messages_are_no_doubt_and_the_time_to_come_again_is_known(one):
    one.vendor.mood = [429]
    error = await one.refused()
    assert (error.maybe_done, error.retryable) == (False, True)
    assert error.detail["blocked_for_s"] == 7.0
    assert one.vendor.taken == []


async def test_a_fault_of_the_vendor_is_in_doubt_and_may_be_tried_again(one):
    one.vendor.mood = [500]
    error = await one.refused()
    assert (error.maybe_done, error.retryable) == (True, True)


@pytest.mark.parametrize("mood", ["lost", "slow"])
async def test_a_message_whose_answer_does_not_come_is_in_doubt(one, mood):
    quick(one.channel)
    one.vendor.mood = [mood]
    error = await one.refused()
    assert error.maybe_done
    assert len(one.vendor.taken) == 1


async def test_nobody_there_is_no_doubt(one):
    channel = one.channel
    for part in vars(channel).values():
        if isinstance(part, Calling):
            part._base_url = "http://127.0.0.1:9"
    if hasattr(channel, "_base_url"):
        channel._base_url = "http://127.0.0.1:9"
    error = await one.refused()
    assert (error.maybe_done, error.retryable) == (False, True)


async def test_what_knows_its_key_leaves_one_message_when_the_answer_was_lost(one):
    if not one.channel.again:
        assert one.channel.family in ("webhook", "slack_webhook", "sendgrid")
        return
    one.vendor.mood = ["lost"]
    await one.refused()
    receipt = await one.send(attempt=2)
    assert receipt["id"]
    if isinstance(one.vendor, vendors.PagerDutyEvents):
        assert len(one.vendor.incidents) == 1
    else:
        assert len(one.vendor.taken) == 1


async def test_a_message_that_did_not_arrive_is_sent_when_it_is_tried_again(one):
    one.vendor.mood = [429]
    await one.refused()
    await one.send(attempt=2)
    assert len(one.vendor.taken) == 1
    assert "GET" not in [request.method for request in one.vendor.requests]  # nothing to look for


async def test_a_wrong_key_is_refused_and_not_tried_again(serve):
    for family, attribute, wrong in (
        ("slack", "_token", "xoxb-other"),
        ("pagerduty", "_key", "short"),
        ("sendgrid", "_token", "SG.other"),
        ("statuspage", "_token", "other"),
    ):
        found = await made(family, serve)
        setattr(found.channel, attribute, wrong)
        error = await found.refused()
        assert (error.maybe_done, error.retryable) == (False, False), family


async def test_every_channel_says_where_it_leads_and_whether_somebody_is_there(one):
    assert one.channel.fingerprint().startswith("127.0.0.1:")
    assert await one.channel.ping()
    assert one.vendor.taken == []


async def test_pagerduty_is_told_that_it_was_taken_and_that_it_is_over(serve):
    found = await made("pagerduty", serve)
    receipt = await found.send()
    assert receipt["follows"] is True
    await found.send(kind="acknowledged", receipt=receipt)
    await found.send(kind="resolved", receipt=receipt)
    assert [(action, key) for action, key, _ in found.vendor.taken] == [
        ("trigger", PAGE.group),
        ("acknowledge", PAGE.group),
        ("resolve", PAGE.group),
    ]


async def test_a_key_that_is_too_long_for_pagerduty_becomes_its_digest(serve):
    found = await made("pagerduty", serve)
    await found.send(group="g" * 300)
    assert len(found.vendor.taken[0][1]) == 64


async def test_slack_keeps_a_run_in_one_thread_and_brings_it_up_to_date(serve):
    found = await made("slack", serve)
    first = await found.send()
    second = await found.send(key="other", thread=first)
    assert second["ts"] != first["ts"]
    assert found.vendor.taken[1]["thread_ts"] == first["ts"]
    await found.send(kind="acknowledged", title="Taken by Bo", receipt=first)
    assert len(found.vendor.taken) == 2
    assert found.vendor.taken[0]["text"] == "Taken by Bo"
    kinds = [block["type"] for block in found.vendor.taken[0]["blocks"]]
    assert "actions" not in kinds


async def test_slack_gets_no_mention_out_of_what_a_system_said(serve):
    found = await made("slack", serve)
    await found.send()
    posted = found.vendor.taken[0]
    assert "<!channel>" not in posted["text"]
    kinds = {b["text"]["type"] for b in posted["blocks"] if "text" in b}
    assert kinds == {"plain_text"}
    assert posted["blocks"][-1]["elements"][0]["value"] == "opaque-1"


async def test_slack_names_what_is_wrong_and_says_whether_it_helps_to_try_again(serve):
    found = await made("slack", serve)
    found.to = "#gone"
    error = await found.refused()
    assert error.message == "Slack: channel_not_found"
    assert not error.retryable
    hooks = await made("slack_webhook", serve)
    hooks.channel._calling._base_url += "x"
    error = await hooks.refused()
    assert (error.message, error.retryable) == ("Slack: no_service", False)


async def test_a_webhook_is_signed_and_carries_its_key(serve):
    found = await made("webhook", serve)
    await found.send()
    body, headers, raw = found.vendor.taken[0]
    known = {name.lower(): value for name, value in headers.items()}
    assert known["x-runbook-signature"] == webhook.signature("s3cr3t", raw)
    assert known["idempotency-key"] == PAGE.key == body["key"]
    assert body["kind"] == "page"


async def test_a_status_page_has_one_incident_a_run(serve):
    found = await made("statuspage", serve)
    first = await found.send()
    await found.send(kind="status", thread=first, text="still looking")
    await found.send(kind="resolved", receipt=first, text="it is over")
    (incident,) = found.vendor.taken
    assert (incident["status"], incident["body"]) == ("resolved", "it is over")


async def test_a_short_message_is_short_and_differs_from_the_next_by_its_mark(serve):
    found = await made("twilio", serve)
    await found.send(text="y" * 5000)
    assert parts(found.vendor.taken[0]["body"]) == 4
    await found.send(text="y" * 5000, key="another")
    first, second = (m["body"] for m in found.vendor.taken)
    assert first != second


async def test_a_note_goes_to_the_incident_that_started_the_run(serve):
    found = await made("pagerduty_notes", serve)
    found.to = None
    error = await found.refused()
    assert "no incident" in error.message
    await found.send(incident="PINC1")
    assert PAGE.key in found.vendor.taken[0]


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (
            {"error": {"message": "Invalid Input", "code": 2001, "errors": ["Content is empty"]}},
            ["Invalid Input (2001)", "Content is empty"],
        ),
        ({"code": 21211, "message": "no number", "status": 400}, ["no number (21211)"]),
        (
            {"errors": [{"message": "is no address", "field": "from.email", "help": None}]},
            ["is no address (from.email)"],
        ),
        (
            {"error": ["name can't be blank", "body is too long"]},
            ["name can't be blank", "body is too long"],
        ),
        ({"error": "Could not authenticate"}, ["Could not authenticate"]),
        (
            {"status": "invalid event", "message": "Event is bad", "errors": ["a"]},
            ["Event is bad", "a"],
        ),
        ({"error": {"error": {"error": {"error": {"error": "deep"}}}}}, []),
        ([{"error": 7}, None, "", {}], []),
    ],
)
def test_what_a_vendor_says_is_wrong_is_read_out_of_its_json(found, told):
    assert list(said(found)) == told


DATE = "Sat, 21 Nov 2026 10:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "12", "ratelimit-reset": "50"}, 12.0),
        ({"date": DATE, "retry-after": "Sat, 21 Nov 2026 10:01:30 GMT"}, 90.0),
        ({"date": DATE, "retry-after": "Sat, 21 Nov 2026 09:59:59 GMT"}, 0.0),
        ({"date": DATE, "retry-after": "Sun, 22 Nov 2026 10:00:00 GMT"}, 3600.0),
        ({"date": DATE, "retry-after": "Sat, 21 Nov 2026 10:00:20"}, 20.0),
        ({"ratelimit-reset": "50"}, 50.0),  # PagerDuty
        ({"date": DATE, "x-ratelimit-reset": "1795255230"}, 30.0),  # SendGrid
        ({"date": DATE, "x-ratelimit-reset": "1795255199"}, 0.0),
        ({"date": "soon", "retry-after": "soon", "x-ratelimit-reset": "soon"}, 0.0),
        ({}, 0.0),
    ],
)
def test_when_to_come_again_is_read_from_what_each_service_says(headers, seconds):
    assert blocked_s(headers) == seconds


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        *(("7", 7.0), ("0", 0.0), ("-3", 0.0), ("nan", 0.0), ("1e99", 3600.0), ("soon", 0.0)),
        *(("", 0.0), (None, 0.0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0)),
    ],
)
def test_retry_after_is_read_with_care(value, seconds):
    assert retry_after_s(value) == seconds


ASKED = dataclasses.replace(
    PAGE,
    kind="question",
    key="r1:ask:free#1:1.1.1:ana:slack",
    title="Asked: Orders: May `Free them` be done?",
    text="May `Free them` be done?",
    buttons=(Button("Approve", "opaque-1"), Button("Deny", "opaque-2", danger=True)),
    reason="Reason (at least 10 characters)",
)


def kinds(message: Any) -> list[str]:
    return [block["type"] for block in message["blocks"]]


async def test_slack_shows_a_question_with_its_field_and_buttons_until_it_is_closed(serve):
    found = await made("slack", serve)
    first = await found.channel.send(dataclasses.replace(ASKED, to="U1"))
    assert (first["follows"], first["edits"]) == (True, True)
    (message,) = found.vendor.taken
    field, actions = message["blocks"][-2:]
    assert field["label"]["text"] == "Reason (at least 10 characters)"
    assert (field["element"]["action_id"], field["dispatch_action"]) == ("runbook:reason", False)
    assert [(b["text"]["text"], b["value"], b.get("style")) for b in actions["elements"]] == [
        ("Approve", "opaque-1", None),
        ("Deny", "opaque-2", "danger"),
    ]
    block = field["block_id"]
    counted = dataclasses.replace(ASKED, kind="counted", key=f"{ASKED.key}:2", to="U1")
    await found.channel.send(dataclasses.replace(counted, receipt=first))
    assert kinds(found.vendor.taken[0])[-2:] == ["input", "actions"]
    assert found.vendor.taken[0]["blocks"][-2]["block_id"] != block  # as Slack asks of an update
    answered = dataclasses.replace(ASKED, kind="answered", text="Approved by bea", to="U1")
    await found.channel.send(dataclasses.replace(answered, receipt=first))
    (message,) = found.vendor.taken
    assert kinds(message) == ["header", "section", "context"]
    assert found.vendor.problems == []


async def test_a_webhook_of_slack_and_a_text_message_have_no_buttons_but_say_how_to_answer(serve):
    hooks = await made("slack_webhook", serve)
    await hooks.channel.send(ASKED)
    assert kinds(hooks.vendor.taken[0]) == ["header", "section", "context"]


async def test_pagerduty_has_an_incident_for_a_question_that_its_answer_resolves(serve):
    found = await made("pagerduty", serve)
    receipt = await found.channel.send(ASKED)
    assert receipt["follows"] is True
    await found.channel.send(dataclasses.replace(ASKED, kind="answered", receipt=receipt))
    assert [action for action, _, _ in found.vendor.taken] == ["trigger", "resolve"]
    assert len({key for _, key, _ in found.vendor.taken}) == 1


async def test_no_question_stands_on_a_status_page(serve):
    found = await made("statuspage", serve)
    with pytest.raises(AdapterError, match="customers are asked nothing") as caught:
        await found.channel.send(ASKED)
    assert caught.value.retryable is False
    assert found.vendor.taken == []


async def test_a_mail_of_sendgrid_has_the_links_that_a_mail_has(serve):
    found = await made("sendgrid", serve)
    more = {"to": "ana@example.com", "answer_link": "https://r.example/ask/c"}
    await found.channel.send(dataclasses.replace(ASKED, **more))
    text = found.vendor.taken[0]["content"][0]["value"]
    assert "Answer here (your own link, do not pass it on):\nhttps://r.example/ask/c" in text
    await found.send(take_link="https://r.example/take/c")
    assert "Take it: https://r.example/take/c" in found.vendor.taken[1]["content"][0]["value"]
