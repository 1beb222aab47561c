"""The stand-ins against the vendors' own clients: these take a stand-in for the vendor, and say the
same things to it as our channels.

Where a vendor's document cannot be had from a package index (PagerDuty's and Statuspage's), this is
the nearest judge there is.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
from typing import Any

import pytest
from pagerduty import EventsApiV2Client, RestApiV2Client
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.webhook import WebhookClient

from tests.channels import vendors
from tests.channels.messages import PAGE
from tests.channels.test_channels import made


def sent(vendor: vendors.Vendor, number: int = -1) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(vendor.requests[number].body)
    return found


async def test_pagerdutys_client_triggers_acknowledges_and_resolves_as_we_do(serve):
    ours = await made("pagerduty", serve)
    for kind in ("page", "acknowledged", "resolved"):
        await ours.channel.send(dataclasses.replace(PAGE, kind=kind))
    theirs = vendors.PagerDutyEvents()
    url = await serve(theirs)

    def ask() -> list[str]:
        with EventsApiV2Client("k" * 32) as client:
            client._url = url  # it takes no plain HTTP by its front door
            key = client.trigger(
                PAGE.title,
                PAGE.source,
                dedup_key=PAGE.group,
                severity=PAGE.severity,
                custom_details={"text": PAGE.text, "run": PAGE.run},
                links=[{"href": PAGE.link, "text": "the run"}],
            )
            return [key, client.acknowledge(key), client.resolve(key)]

    assert await asyncio.to_thread(ask) == [PAGE.group] * 3
    assert theirs.problems == []
    assert theirs.taken == ours.vendor.taken
    for number in range(3):
        extra = {"client", "client_url"} if number == 0 else set()
        assert sent(ours.vendor, number).keys() - extra == sent(theirs, number).keys()
        same = {k: v for k, v in sent(ours.vendor, number).items() if k not in extra}
        assert same == sent(theirs, number)
    assert vendors.header(theirs.requests[0], "Content-Type") == "application/json"


async def test_pagerdutys_client_writes_notes_and_status_updates_as_we_do(serve):
    ours = await made("pagerduty_notes", serve)
    await ours.send()
    await ours.send(kind="status", key="status")
    theirs = vendors.PagerDutyRest()
    url = await serve(theirs)

    def ask() -> tuple[Any, Any, Any]:
        with RestApiV2Client("pd-rest-token", default_from="bot@example.com") as client:
            client._url = url
            note = client.rpost("incidents/PINC1/notes", json={"content": "a note"})
            body = {"message": "an update"}
            update = client.rpost("incidents/PINC1/status_updates", json=body)
            return note, update, client.rget("incidents/PINC1/notes")

    note, update, notes = await asyncio.to_thread(ask)
    assert theirs.problems == []
    assert (note["content"], update["message"]) == ("a note", "an update")
    assert [one["content"] for one in notes] == ["a note"]
    for number in range(2):
        mine, other = ours.vendor.requests[number], theirs.requests[number]
        assert (mine.method, mine.target) == (other.method, other.target)
        for name in ("Authorization", "From", "Accept", "Content-Type"):
            assert vendors.header(mine, name) == vendors.header(other, name)
    assert sent(ours.vendor, 0).keys() == sent(theirs, 0).keys() == {"note"}
    assert sent(ours.vendor, 1).keys() == sent(theirs, 1).keys() == {"message"}


async def test_slacks_client_posts_updates_and_reads_as_we_do(serve):
    ours = await made("slack", serve)
    receipt = await ours.send()
    await ours.send(key="more", thread=receipt)
    await ours.send(kind="resolved", receipt=receipt)
    posted = sent(ours.vendor, 0)
    theirs = vendors.SlackApi()
    client = WebClient("xoxb-token", base_url=f"{await serve(theirs)}/")

    def ask() -> list[Any]:
        first = client.chat_postMessage(**posted)
        place = {"channel": first["channel"], "ts": first["ts"]}
        more = {**posted, "thread_ts": first["ts"], "reply_broadcast": True}
        client.chat_postMessage(**more)
        client.chat_update(**place, text="over", blocks=sent(ours.vendor, 2)["blocks"])
        found = client.conversations_replies(**place, limit=100, include_all_metadata=True)
        list_ = client.conversations_list(limit=999, cursor="dGVhbQ==")
        opened = client.conversations_open(users="U1")
        return [found["messages"], list_["channels"], opened["channel"]["id"], client.auth_test()]

    messages, channels, opened, who = await asyncio.to_thread(ask)
    assert theirs.problems == []
    assert [m["text"] for m in messages][:1] == ["over"]
    assert (channels[0]["id"], opened, who["user"]) == ("C1", "D1", "runbook")
    for number in range(3):
        mine, other = ours.vendor.requests[number], theirs.requests[number]
        assert mine.target == other.target
        assert vendors.header(other, "Content-Type").startswith("application/json")
        assert vendors.header(mine, "Authorization") == vendors.header(other, "Authorization")
        assert sent(ours.vendor, number).keys() == sent(theirs, number).keys()


async def test_slacks_client_is_told_what_is_wrong(serve):
    theirs = vendors.SlackApi()
    client = WebClient("xoxb-token", base_url=f"{await serve(theirs)}/")
    with pytest.raises(SlackApiError, match="channel_not_found"):
        await asyncio.to_thread(client.chat_postMessage, channel="#gone", text="hello")
    hooks = vendors.SlackHooks()
    hook = WebhookClient(f"{await serve(hooks)}/services/T0/B0/secret")
    blocks = [{"type": "header", "text": {"type": "plain_text", "text": "hello"}}]
    assert (await asyncio.to_thread(hook.send, text="hello", blocks=blocks)).body == "ok"
    assert (await asyncio.to_thread(hook.send, text="")).body == "invalid_payload"
