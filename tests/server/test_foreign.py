"""A forged, replayed, expired or foreign button, link or event does nothing and is recorded: over
the socket, at a `runbook serve` of its own.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import os
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest

from engine.channels.inbound import Claim, sign
from engine.server.inbound import LINK_TAKES, TAKES
from tests.server.conftest import pd_event, signed
from tests.server.process import Server, server
from tests.server.test_inbound import CALLS, CONTACTS, KEY, SECRET

MORE = """slack: {secrets: ["${env:SLACK_SECRET}"]}
links: {keys: ["${env:LINK_KEY}"]}
public_url: https://runbook.example
"""

REACTS = """title: Hears of what others acknowledge
triggers: [{pagerduty: {event: incident.acknowledged, match: {title: "*theirs*"}}}]
steps: [{end: resolved}]
"""


@dataclass
class Desk:
    """A server, a run of it that calls people, and what came of what is sent to it."""

    serving: Server
    run: str = ""
    asked: int = 0

    def post(self, path: str, *, again: bool = False, **more: Any) -> httpx.Response:
        return self.send("POST", path, again=again, **more)

    def send(self, method: str, path: str, *, again: bool = False, **more: Any) -> httpx.Response:
        """From an address of its own: who is wrong twice waits. `again`: from the last one."""
        self.asked += not again
        address = f"127.{self.asked // 250 + 1}.{os.getpid() % 250}.{self.asked % 250 + 1}"
        transport = httpx.HTTPTransport(local_address=address)
        with httpx.Client(transport=transport, timeout=60) as client:
            return client.request(method, f"{self.serving.url}{path}", **more)

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with sqlite3.connect(self.serving.journal) as connection:
            return connection.execute(sql, values).fetchall()

    def taken(self) -> int:
        sql = "SELECT count(*) FROM events WHERE run = ? AND type = 'Acknowledged'"
        return int(self.rows(sql, self.run)[0][0])

    def ledger(self) -> list[tuple[str, str, str, int, bytes]]:
        """Source, verdict, what it is about, how often it came, what is kept of it."""
        sql = "SELECT source, verdict, about, times, body FROM deliveries ORDER BY received_us"
        return self.rows(sql)

    def claim(self, takes: str = TAKES, *, key: str = KEY, id_: str = "m1", **more: Any) -> str:
        until_s = int(time.time()) + 999
        given = {"run": self.run, "escalation": "call", "who": "", "until_s": until_s}
        return sign(Claim(id_, answer=takes, **{**given, **more}), key.encode())

    def press(self, value: Any, *, user: str = "U777", **more: Any) -> httpx.Response:
        body = pressed(value, user=user)
        return self.slack(body, **more)

    def slack(
        self, body: bytes, *, secret: str = SECRET, at: str | None = None, sent: bytes | None = None
    ) -> httpx.Response:
        at = str(int(time.time())) if at is None else at
        text = b"v0:" + at.encode() + b":" + body
        made = hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()
        headers = {"x-slack-request-timestamp": at, "x-slack-signature": f"v0={made}"}
        return self.post("/webhooks/slack", content=sent or body, headers=headers)


def pressed(value: Any, user: Any = "U777", **more: Any) -> bytes:
    payload = {
        "type": "block_actions",
        "token": "a-token-of-slacks",
        "user": {"id": user},
        "actions": [{"value": value}],
        "response_url": "https://hooks.slack.com/actions/T0/1/response-url-secret",
        **more,
    }
    return urlencode({"payload": json.dumps(payload)}).encode()


@pytest.fixture(scope="module")
def up(tmp_path_factory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("foreign")
    pack = folder / "books/p"
    (pack / "environments").mkdir(parents=True)
    (pack / "environments/test.yaml").write_text("connections: {}\n")
    (pack / "calls.yaml").write_text(CALLS)
    (pack / "reacts.yaml").write_text(REACTS)
    (pack / "contacts.yaml").write_text(CONTACTS)
    with server(folder, more=MORE, SLACK_SECRET=SECRET, LINK_KEY=KEY) as made:
        yield made


ADDRESSES = itertools.count(1, 100)
"""Where the addresses of a test begin."""


@pytest.fixture
def desk(up) -> Desk:
    """With a run that calls for somebody now, and the only one that does."""
    made = Desk(up, asked=next(ADDRESSES))
    token = up.token("ana", "--role", "operator", "--for", "1d")
    body = {"runbook": "p/calls", "environment": "test"}
    headers = {"Authorization": f"Bearer {token}"}
    made.run = made.post("/api/v1/runs", json=body, headers=headers).json()["run"]
    sql = "SELECT count(*) FROM events WHERE run = ? AND type = 'LevelDue'"
    until = time.monotonic() + 120
    while made.rows(sql, made.run) == [(0,)]:
        assert time.monotonic() < until, up.log()[-2000:]
    return made


STAMPS = {
    "old": lambda: str(int(time.time()) - 400),
    "of tomorrow": lambda: str(int(time.time()) + 400),
    "of 5,000 digits": lambda: "9" * 5000,
    "of 400 digits": lambda: "9" * 400,
    "below nothing": lambda: "-1",
    "no number": lambda: "soon",
    "of other digits": lambda: "\u0661".encode().decode("latin-1"),
    "empty": lambda: "",
}


@pytest.mark.parametrize("stamp", STAMPS)
def test_a_press_at_another_time_does_nothing_and_is_recorded(desk, stamp):
    before = sum(row[3] for row in desk.ledger())
    text = b"x=1"
    at = STAMPS[stamp]()
    made = hmac.new(SECRET.encode(), b"v0:" + at.encode("latin-1") + b":" + text, hashlib.sha256)
    headers = [
        (b"x-slack-request-timestamp", at.encode("latin-1")),
        (b"x-slack-signature", f"v0={made.hexdigest()}".encode()),
    ]
    answer = desk.post("/webhooks/slack", content=text, headers=headers)
    assert answer.status_code == 401
    assert desk.taken() == 0
    assert sum(row[3] for row in desk.ledger()) == before + 1


def test_a_press_that_is_forged_foreign_expired_or_used_does_nothing_and_is_recorded(desk):
    good, before = desk.claim(), sum(row[3] for row in desk.ledger())
    unsigned = [
        desk.press(good, secret="of another app of ours"),
        desk.slack(pressed(good), sent=pressed(good) + b"&payload=x"),
        desk.slack(pressed("x"), sent=pressed(good)),
        desk.post("/webhooks/slack", content=pressed(good)),
    ]
    assert [answer.status_code for answer in unsigned] == [401] * 4
    twice = pressed(good) + b"&" + pressed(good)
    nothing = [
        desk.press(good, user="U1"),
        desk.press(desk.claim(key="another-key-of-32-characters-len")),
        desk.press(desk.claim(until_s=int(time.time()) - 1)),
        desk.press(desk.claim(run="20260101-000000-aaaaaaaa")),
        desk.press(desk.claim(escalation="another")),
        desk.press(desk.claim(LINK_TAKES)),
        desk.press(good[:-1] + ("A" if good[-1] != "A" else "B")),
        desk.press("\ud800." + "\udc00"),
        desk.press(["x"]),
        desk.press("x" * 100_000),
        desk.slack(twice),
        desk.slack(b"payload=%7B%22type%22%3A1%7D"),
        desk.slack(b"payload=" + b"%5B" * 5000),
        desk.slack(b"&".join([b"a=1"] * 5000)),
        desk.slack(b"\xff\xfe"),
        desk.slack(b""),
    ]
    assert {answer.status_code for answer in nothing} == {200}
    assert all(answer.json()["text"].startswith("Nothing done: ") for answer in nothing)
    assert desk.taken() == 0
    assert sum(row[3] for row in desk.ledger()) == before + len(unsigned) + len(nothing)
    assert desk.press(good).json()["text"] == "Taken by Bea."
    assert "used already" in desk.press(good).json()["text"]
    assert desk.taken() == 1


def test_what_makes_a_press_or_a_link_count_is_in_neither_the_ledger_nor_the_log(desk):
    good, link = desk.claim(), desk.claim(LINK_TAKES, id_="m2")
    desk.press(good, user="U1")
    desk.press(good, secret="the-secret-that-we-have-not-yet")
    desk.press(desk.claim(key="another-key-of-32-characters-len"))
    desk.post(f"/ask/{link}")
    desk.send("GET", f"/take/{link}")
    kept = b"\n".join(bytes(row[4]) for row in desk.ledger()) + desk.serving.log().encode()
    for secret in (good.partition(".")[2], link.partition(".")[2], "response-url-secret", SECRET):
        assert secret.encode() not in kept
        assert quote(secret).encode() not in kept
    assert b"a-token-of-slacks" not in kept


def test_what_a_button_holds_is_no_link_since_everybody_in_the_channel_can_read_it(desk):
    answer = desk.post(f"/take/{desk.claim()}")
    assert (answer.status_code, desk.taken()) == (403, 0)


def test_a_link_that_is_looked_at_takes_nothing(desk):
    path = f"/take/{desk.claim(LINK_TAKES)}"
    for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"):
        for purpose in ("", "prefetch"):
            desk.send(method, path, headers={"Purpose": purpose, "Sec-Purpose": purpose})
    assert desk.taken() == 0
    opened = desk.send("GET", path)
    assert opened.status_code == 200
    policy = opened.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert (opened.headers["cache-control"], opened.headers["referrer-policy"]) == (
        "no-store",
        "no-referrer",
    )
    assert opened.headers["x-content-type-options"] == "nosniff"


def test_a_link_that_is_forged_foreign_expired_or_used_does_nothing_and_is_recorded(desk):
    good, before = desk.claim(LINK_TAKES), sum(row[3] for row in desk.ledger())
    packed, _, mac = good.partition(".")
    bad = [
        *(packed, f"{packed}.", f".{mac}", f"{packed}.{mac[:-2]}", f"{packed}x.{mac}", "x" * 5000),
        *("%ED%A0%80.x", "%00", "%2e%2e%2fapi", f"{packed}.{mac}.{mac}"),
        desk.claim(LINK_TAKES, key="another-key-of-32-characters-len"),
        desk.claim(LINK_TAKES, until_s=int(time.time()) - 1),
        desk.claim("approve"),
        desk.claim(LINK_TAKES, run="20260101-000000-aaaaaaaa"),
    ]
    answers = [desk.post(f"/take/{one}") for one in bad]
    refused = [answer for answer in answers if answer.status_code == 403]
    assert {answer.status_code for answer in answers} <= {403, 404}
    assert len(refused) >= len(bad) - 1  # a slash is of another page, which is not there
    assert desk.taken() == 0
    assert sum(row[3] for row in desk.ledger()) == before + len(refused)
    assert desk.post(f"/take/{good}").status_code == 200
    assert desk.post(f"/take/{good}").status_code == 403
    assert desk.taken() == 1


def test_who_knocks_often_fills_no_disk(desk):
    before = desk.ledger()
    for number in range(4):
        desk.post("/take/forged.thing", again=number > 0)
    after = desk.ledger()
    assert len(after) - len(before) <= 2  # a minute may end meanwhile
    assert sum(row[3] for row in after) == sum(row[3] for row in before) + 4


def test_an_event_of_pagerdutys_that_is_not_of_a_run_of_ours_takes_nothing(desk):
    keys = ["last:call:1", "last::", "2:call:1", ":call:1", f"{desk.run}:", f"{desk.run}:call"]
    keys += [desk.run[:-1] + ":call:1", f"{desk.run}:another:1", "theirs", ":", "::"]
    sent = 0
    for number, key in enumerate(keys):
        body = pd_event(300 + number, "incident.acknowledged", incident_key=key, title="other")
        sent += deliver(desk, body)
    for type_ in ("unacknowledged", "reassigned", "escalated", "delegated", "resolved"):
        key = f"{desk.run}:call:1"
        sent += deliver(desk, pd_event(400, f"incident.{type_}", incident_key=key, id=type_))
    assert sent == len(keys) + 5
    settled(desk)
    assert desk.taken() == 0


def test_an_event_about_an_incident_of_others_still_starts_what_hears_of_it(desk):
    body = pd_event(500, "incident.acknowledged", incident_key="their:key:1", title="theirs")
    deliver(desk, body)
    settled(desk)
    assert desk.ledger()[-1][:2] == ("pagerduty", "started")


def test_an_event_of_pagerdutys_that_comes_again_under_another_name_is_one(desk):
    body = json.loads(pd_event(600, "incident.acknowledged", incident_key=f"{desk.run}:call:1"))
    body["event"]["agent"] = {"id": "PNOBODY", "summary": "<b>Eve</b>\n", "type": "user_reference"}
    octets, before = json.dumps(body).encode(), len(desk.ledger())
    header = f"v1={'0' * 64},v1={signed(octets).partition('=')[2]}"
    for name in ("one", "two", "three"):
        headers = {"x-pagerduty-signature": header, "x-webhook-id": name}
        assert desk.post("/webhooks/pagerduty", content=octets, headers=headers).status_code == 202
    settled(desk)
    assert (desk.taken(), len(desk.ledger())) == (1, before + 1)
    headers = {"x-pagerduty-signature": f"v1={'0' * 64}", "x-webhook-id": "four"}
    assert desk.post("/webhooks/pagerduty", content=octets, headers=headers).status_code == 401


def deliver(desk: Desk, body: bytes) -> int:
    data = json.loads(body)
    data["event"]["id"] = hashlib.sha256(body + desk.run.encode()).hexdigest()
    octets = json.dumps(data).encode()
    headers = {"x-pagerduty-signature": signed(octets)}
    answer = desk.post("/webhooks/pagerduty", content=octets, headers=headers)
    return int(answer.status_code == 202)


def settled(desk: Desk) -> None:
    until = time.monotonic() + 120
    while desk.rows("SELECT count(*) FROM deliveries WHERE settled_us IS NULL") != [(0,)]:
        assert time.monotonic() < until, desk.serving.log()[-2000:]


def test_it_is_not_taken_over_the_api_by_whom_the_token_does_not_let(desk):
    made = desk.serving.token
    tokens = {
        None: 401,
        "rbk_00000000_forged": 401,
        "\u00e9" * 10: 401,
        "x" * 5000: 401,
        made("eve", "--role", "viewer", "--for", "1d"): 403,
        made("eve", "--role", "approver", "--for", "1d"): 403,
        made("eve", "--role", "operator:q", "--for", "1d"): 404,
        made("eve", "--role", "admin", "--scope", "read", "--for", "1d"): 403,
    }
    for token, status in tokens.items():
        header = f"Bearer {token}".encode("latin-1")
        headers = {} if token is None else {b"authorization": header}
        answer = desk.post(f"/api/v1/runs/{desk.run}/ack", json={}, headers=headers)
        assert (answer.status_code, desk.taken()) == (status, 0), token
    good = made("bea", "--role", "operator:p", "--for", "1d")
    headers = {"authorization": f"Bearer {good}"}
    assert desk.post(f"/api/v1/runs/{desk.run}/ack", json={}, headers=headers).status_code == 200
    again = desk.post(f"/api/v1/runs/{desk.run}/ack", json={}, headers=headers)
    assert (again.status_code, desk.taken()) == (400, 1)


def test_a_link_that_answers_is_not_answered_by_another_claim_nor_by_two_answers(desk):
    """The links of questions: `test_asking` has those that count."""
    ours = {"answer": "approve", "reason": "because it has to be"}
    until = int(time.time()) + 999
    claims = [
        desk.claim("", who="bea"),
        desk.claim("", who="bea", escalation="ask:call#1"),
        desk.claim("approve", who="bea"),
        desk.claim("", who=""),
        desk.claim("", who="eve", until_s=until),
        desk.claim(LINK_TAKES, who="bea"),
    ]
    before = sum(row[3] for row in desk.ledger())
    for claim in claims:
        assert desk.post(f"/ask/{claim}", data=ours).status_code == 403
        assert desk.send("HEAD", f"/ask/{claim}").status_code == 403
    assert sum(row[3] for row in desk.ledger()) == before + 2 * len(claims)
    assert desk.taken() == 0
