"""What a run asks is answered by a button in Slack, a link in a mail, the command line: end to end.

A real server, Slack's stand-in, a real mail server. Whatever does not count does nothing, says why,
and stands in the ledger.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import hmac
import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from aiosmtpd.smtp import SMTP

from engine.channels.inbound import Claim, check, sign
from engine.channels.mail import MailChannel
from engine.channels.slack import SlackChannel
from engine.core.events import Actor
from engine.errors import Refused
from engine.runner.telling import Stake
from engine.sandbox.http import http_service
from engine.server import answering
from tests.channels.test_mail import Server
from tests.channels.vendors import Hook, SlackApi
from tests.runs import lab
from tests.server.conftest import Serving, serving_in

SECRET, KEY = "slack-signing-secret", "link-key-of-32-characters-length"

CONTACTS = """people:
  ana: {name: Ana, roles: [boss], channels: {slack: U1}}
  bea: {name: Bea, os_user: bmay, roles: [boss], channels: {slack: U777, mail: bea@example.com}}
  cy: {name: Cy, roles: [boss], channels: {mail: cy@example.com}}
  dan: {name: Dan, roles: [other], channels: {slack: U9}}
channels:
  slack: {connection: chat}
  mail: {connection: mail}
questions: {by: [slack, mail]}
"""

APPROVE = """title: Asks first
steps:
  - id: act
    title: Free them
    action: lab.act
    target: there
    with: {word: orders}
    approve: {by: [boss], COUNTwithin: 1h, reason_min: 10}
"""
CONFIRM = """title: Looks
who: [boss]
steps:
  - {id: sure, check: human.confirm, with: {question: Is it green?}}
"""
DO = """title: Does
who: [boss]
steps:
  - {id: hand, action: human.do, with: {instructions: Turn the key}}
"""
DOUBT = """title: Loses an answer
who: [boss]
steps:
  - id: hit
    action: lab.strike
    target: there
    with: {word: lost}
    probe: {check: lab.look, target: there, with: {word: gone}, expect: result.none}
"""
GOOD = "they wait since noon"


@dataclass
class Desk:
    """A server that asks people, and what reaches them."""

    serving: Serving
    slack: SlackApi
    mail: Server
    hook: Hook
    hook_url: str

    async def asks(self, text: str, told: int, person: str = "ana") -> str:
        """A run of this runbook, once so many people were told of what it asks."""
        self.serving.write(text, "p/asking")
        token = await self.serving.token("operator", person=person)
        body = {"runbook": "p/asking", "environment": "test"}
        run = str((await self.serving.call("POST", "/runs", token, body)).json()["run"])
        await self.until(run, lambda events: self.count(events, "question") == told)
        return run

    @staticmethod
    def count(events: Any, kind: str) -> int:
        keys = [e.body["key"] for e in events if e.type == "Told"]
        starts = {e.body["key"]: e.body["kind"] for e in events if e.type == "TellStarted"}
        return sum(starts[key] == kind for key in keys)

    async def until(self, run: str, holds: Any) -> list[Any]:
        store = self.serving.parts.store
        async with asyncio.timeout(20):
            while True:
                events = await store.events(run)
                if holds(events):
                    return list(events)
                await store.wait_for_more(run, events[-1].seq if events else 0, 5)

    async def over(self, run: str) -> str:
        """Why the question is over, once the run ended and everybody heard of it, in any order."""
        await self.serving.ended(run)
        closed = lambda events: [e for e in events if e.type == "EscalationClosed"]  # noqa: E731
        return str(closed(await self.until(run, closed))[-1].body["why"])

    def button(self, label: str, user: str = "U777") -> str:
        """The value of a button in the last message to somebody."""
        message = next(m for m in reversed(self.slack.taken) if m["channel"] == user)
        elements = next(b["elements"] for b in message["blocks"] if b["type"] == "actions")
        return str(next(one["value"] for one in elements if one["text"]["text"] == label))

    async def press(
        self, value: str, *, user: str = "U777", reason: str | None = GOOD, secret: str = SECRET
    ) -> Any:
        fields = {"b": {"runbook:reason": {"type": "plain_text_input", "value": reason}}}
        payload = {
            "type": "block_actions",
            "user": {"id": user},
            "actions": [{"value": value, "type": "button"}],
            "channel": {"id": "C1"},
            "message": {"ts": "1"},
            "state": {"values": fields},
            "response_url": f"{self.hook_url}/actions/T0/1/x",
        }
        body = urlencode({"payload": json.dumps(payload)}).encode()
        at = str(self.serving.clock.now_us() // 1_000_000)
        signed = hmac.new(secret.encode(), b"v0:" + at.encode() + b":" + body, hashlib.sha256)
        headers = {
            "x-slack-request-timestamp": at,
            "x-slack-signature": f"v0={signed.hexdigest()}",
        }
        return await self.serving.http.post("/webhooks/slack", content=body, headers=headers)

    def link(self, to: str) -> str:
        """The path of the link in the last mail to somebody."""
        mail = next(m for m in reversed(self.mail.mails) if m["To"] == to)
        found = re.search(r"https://runbook.example(/ask/\S+)", mail.get_content())
        assert found is not None, mail.get_content()
        return found[1]

    async def said(self, run: str) -> list[tuple[str, str]]:
        """What counted: who said what."""
        words = ("Approved", "Denied", "Answered", "DoubtSettled")
        events = await self.serving.parts.store.events(run)
        people = [e for e in events if e.type in words and e.actor["means"] != "engine"]
        return [(e.actor["name"], e.type) for e in people]

    async def verdicts(self) -> list[tuple[str, str]]:
        rows = await self.serving.parts.ledger.latest()
        return [(row.source, row.verdict) for row in rows]

    async def heard(self) -> list[str]:
        """What whoever pressed was told back, and nobody else."""
        assert all(body["response_type"] == "ephemeral" for body, _, _ in self.hook.taken)
        assert all(body["replace_original"] is False for body, _, _ in self.hook.taken)
        return [body["text"] for body, _, _ in self.hook.taken]


@pytest.fixture
async def desk(books, tmp_path, monkeypatch) -> AsyncIterator[Desk]:
    now = lambda: datetime(2026, 11, 21, tzinfo=UTC)  # noqa: E731
    mail, slack, hook = Server(), SlackApi(), Hook()
    open_: list[SMTP] = []

    def smtp() -> SMTP:
        open_.append(SMTP(mail, enable_SMTPUTF8=True))
        return open_[-1]

    listening = await asyncio.get_running_loop().create_server(smtp, "127.0.0.1", 0)
    async with AsyncExitStack() as stack:
        url = (await stack.enter_async_context(http_service(slack, now)))["url"]
        hook_url = str((await stack.enter_async_context(http_service(hook, now)))["url"])
        monkeypatch.setattr(answering, "SLACK_ANSWERS", (f"{hook_url}/",))
        port = listening.sockets[0].getsockname()[1]
        (books / "p/contacts.yaml").write_text(CONTACTS)
        (books / "p/environments/test.yaml").write_text(
            "connections:\n"
            "  there: {adapter: lab}\n"
            f"  chat: {{adapter: slack, token: xoxb-token, base_url: '{url}'}}\n"
            f"  mail: {{adapter: mail, host: 127.0.0.1, port: {port}, sender: ops@example.com, "
            "tls: none}\n"
        )
        given: dict[str, Any] = {"slack_secrets": (SECRET,), "link_keys": (KEY,)}
        given |= {"public_url": "https://runbook.example"}
        given["channels"] = (SlackChannel, MailChannel)
        serving = await stack.enter_async_context(
            serving_in(books, tmp_path / "journal.db", **given)
        )
        yield Desk(serving, slack, mail, hook, hook_url)
    for protocol in open_:
        if protocol.transport is not None:
            protocol.transport.abort()
    listening.close()


def texts(message: Any) -> str:
    """All that stands in a message in Slack."""
    return json.dumps(message["blocks"], ensure_ascii=False)


async def test_an_approval_is_given_by_a_button_and_the_message_says_so_in_its_place(desk):
    run = await desk.asks(APPROVE.replace("COUNT", ""), told=2)
    assert [m["channel"] for m in desk.slack.taken] == ["U777"]  # not the requester, nor others
    assert [m["To"] for m in desk.mail.mails] == ["cy@example.com"]
    told = texts(desk.slack.taken[0])
    for part in ("May `Free them` be done?", "lab.act on there (here)", "word: orders", run):
        assert part in told
    assert "Reason (at least 10 characters)" in told
    answer = await desk.press(desk.button("Approve"))
    assert answer.json()["text"] == f"Approved by Bea: {GOOD}"
    assert await desk.over(run) == f"Approved by Bea: {GOOD}"
    assert lab.Target.effects["orders"] == 1
    assert await desk.said(run) == [("bea", "Approved")]
    (message,) = desk.slack.taken
    assert [b["type"] for b in message["blocks"]] == ["header", "section", "context"]
    assert f"Approved by Bea: {GOOD}" in texts(message)
    assert [m["Subject"] for m in desk.mail.mails] == [
        "Asked: Asks first: May `Free them` be done?",
        "Approved by Bea: Asks first: May `Free them` be done?",
    ]
    assert desk.slack.problems == []
    assert await desk.heard() == [f"Approved by Bea: {GOOD}"]
    server = "https://runbook.example"  # that drives the run: no `link` in the contacts is needed
    assert f"<{server}/runs/{run}|open>" in texts(message)
    assert f"The run: {server}/runs/{run}" in desk.mail.mails[0].get_content()


async def test_a_denial_is_given_by_a_button(desk):
    run = await desk.asks(APPROVE.replace("COUNT", ""), told=2)
    await desk.press(desk.button("Deny"), reason="<!channel> not today")
    await desk.over(run)
    assert await desk.heard() == ["Denied by Bea: &lt;!channel&gt; not today"]
    assert await desk.said(run) == [("bea", "Denied")]
    assert lab.Target.effects["orders"] == 0
    (section,) = [b for b in desk.slack.taken[0]["blocks"] if b["type"] == "section"]
    assert section["text"]["type"] == "plain_text"  # nothing in a reason is a mention
    assert "Denied by Bea: <!channel> not today" in section["text"]["text"]


async def test_a_decision_on_the_command_line_takes_the_buttons_away_too(desk):
    run = await desk.asks(APPROVE.replace("COUNT", ""), told=2)
    engine = desk.serving.parts.engine
    await engine.approve(run, "act", "seen on the console", Actor("bmay", "os-user"))
    desk.serving.parts.keeper.kick(run)
    await desk.over(run)
    assert [b["type"] for b in desk.slack.taken[0]["blocks"]] == ["header", "section", "context"]
    assert "Approved by Bea: seen on the console" in texts(desk.slack.taken[0])


async def test_an_approval_by_two_says_who_is_missing_and_nobody_counts_twice(desk):
    run = await desk.asks(APPROVE.replace("COUNT", "count: 2, "), told=2)
    first = await desk.press(desk.button("Approve"))
    assert first.json()["text"].endswith("1 of 2 approved it (Bea): 1 more is needed")
    for label in ("Approve", "Deny"):
        again = await desk.press(desk.button(label))
        assert again.json()["text"] == "Nothing done: you have answered this already"
    await desk.until(run, lambda events: desk.count(events, "counted") == 1)
    (message,) = desk.slack.taken
    assert "1 of 2 approved it (Bea): 1 more is needed" in texts(message)
    assert [b["type"] for b in message["blocks"]][-2:] == ["input", "actions"]
    path = desk.link("cy@example.com")
    assert "1 of 2 approved it (Bea)" in (await desk.serving.http.get(path)).text
    await desk.serving.http.post(path, data={"answer": "approve", "reason": "I saw it too"})
    await desk.over(run)
    assert await desk.said(run) == [("bea", "Approved"), ("cy", "Approved")]


async def test_a_reason_that_is_too_short_is_answered_to_whoever_pressed_and_may_be_mended(desk):
    run = await desk.asks(APPROVE.replace("COUNT", ""), told=2)
    for reason in ("hm", None, "   hm      "):
        refused = await desk.press(desk.button("Approve"), reason=reason)
        assert "has to be at least 10 characters" in refused.json()["text"]
    assert await desk.said(run) == []
    assert len(await desk.heard()) == 3
    await desk.press(desk.button("Approve"))
    await desk.over(run)
    assert await desk.said(run) == [("bea", "Approved")]


def claim_of(desk: Desk, **other: Any) -> str:
    """The claim of the button Approve, with something else in it, signed by us."""
    now_s = desk.serving.clock.now_us() / 1e6
    given = check(desk.button("Approve"), [KEY.encode()], now_s)
    known = {name: getattr(given, name) for name in Claim.__slots__}
    return sign(Claim(**{**known, **other}), KEY.encode())


async def test_a_press_that_does_not_count_does_nothing_and_says_why(desk):
    run = await desk.asks(APPROVE.replace("COUNT", ""), told=2)
    good = desk.button("Approve")
    foreign = sign(check(good, [KEY.encode()], 0), b"another-key-of-32-characters-len")
    presses: list[tuple[str, dict[str, Any], str]] = [
        (good, {"user": "U404"}, "nobody in the contacts"),
        (good, {"user": "U9"}, "it takes one of the roles boss"),
        (good, {"user": "U1"}, "whoever asked for it may not decide it"),
        (foreign, {}, "was not made here"),
        (f"{good[:-3]}xxx", {}, "was not made here"),
        (claim_of(desk, plan_hash="0" * 64), {}, "another plan hash"),
        (claim_of(desk, plan_hash=""), {}, "another plan hash"),
        (claim_of(desk, answer="yes"), {}, "is no answer to this question"),
        (claim_of(desk, answer=""), {}, "is no answer to this question"),
        (claim_of(desk, escalation="ask:act#2"), {}, "answers no question"),
        (claim_of(desk, run="20260101-000000-aaaaaaaa"), {}, "no run"),
    ]
    for value, more, why in presses:
        text = (await desk.press(value, **more)).json()["text"]
        assert text.startswith("Nothing done: "), text
        assert why in text
    assert (await desk.press(good, secret="another")).status_code == 401
    assert await desk.said(run) == []
    assert lab.Target.effects["orders"] == 0
    assert await desk.verdicts() == [("slack", "refused")] * (len(presses) + 1)
    refused = [
        (e.actor["name"], e.body["why"])
        for e in await desk.serving.parts.store.events(run)
        if e.type == "ApprovalRefused"
    ]
    assert refused == [
        ("dan", "it takes one of the roles boss"),
        ("ana", "whoever asked for it may not decide it"),
    ]


async def test_a_press_behind_the_end_of_its_question_does_nothing(desk):
    run = await desk.asks(APPROVE.replace("COUNT", ""), told=2)
    good = desk.button("Approve")
    await desk.press(desk.button("Deny"))
    await desk.over(run)
    late = (await desk.press(good)).json()["text"]
    assert late == f"Nothing done: it is not asked any more. Denied by Bea: {GOOD}"
    assert await desk.said(run) == [("bea", "Denied")]


async def test_a_button_is_good_until_its_question_expires(desk):
    run = await desk.asks(APPROVE.replace("COUNT", ""), told=2)
    good = desk.button("Approve")
    desk.serving.clock.t_us += 3_601_000_000
    assert "too old" in (await desk.press(good)).json()["text"]
    assert await desk.said(run) == []


@pytest.mark.parametrize(
    ("expires_us", "until_s"),
    [(None, 1000 + 7 * 86_400), (1_500_000_000, 1500), (10**18, 1000 + 7 * 86_400)],
)
def test_a_button_says_exactly_what_it_answers_and_is_good_for_a_week_at_most(expires_us, until_s):
    made = answering.staker((KEY, "an-older-key-of-32-characters-len"), lambda: 1_000_000_000)
    assert made is not None
    text = made(Stake("r1", "ask:act#1", "m1", "ana", "approve", "ab" * 32, expires_us))
    claim = check(text, [KEY.encode()], until_s)
    assert claim == Claim("m1", "r1", "ask:act#1", "ana", until_s, "approve", "ab" * 32)
    assert answering.staker((), lambda: 0) is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"answer=approve&reason=seen+it", ("approve", "seen it")),
        (b"answer=approve", ("approve", "")),
        (b"", ("", "")),
        (b"answer=deny&reason=" + b"x" * 5000, ("deny", "x" * 1000)),
        (b"answer=approve&answer=deny", None),
        (b"answer=approve&reason=a&reason=b", None),
        (b"answer=\xff\xfe", None),
        (b"answer=approve&" + b"&".join(b"f%d=1" % n for n in range(50)), None),
    ],
)
def test_a_form_says_one_thing_or_nothing_and_whose_word_it_is_says_the_link(body, said):
    claim = Claim("m1", "r1", "ask:act#1", "cy", 0, "")
    if said is None:
        with pytest.raises(Refused, match="no form of ours"):
            answering.read_form(body, claim)
        return
    word = answering.read_form(body, claim)
    assert ((word.answer, word.reason), word.actor) == (said, Actor("cy", "link", "m1"))


async def test_whoever_asked_for_it_as_a_user_of_the_machine_does_not_approve_it_in_slack(desk):
    run = await desk.asks(APPROVE.replace("COUNT", ""), told=2, person="bmay")
    assert [m["channel"] for m in desk.slack.taken] == ["U1"]  # bea is bmay, and is not asked
    answer = await desk.press(desk.button("Approve", "U1"), user="U777")
    assert "whoever asked for it may not decide it" in answer.json()["text"]
    assert await desk.said(run) == []


async def test_two_people_approve_by_their_links(desk):
    two = CONTACTS.replace("{slack: U777, mail: bea@example.com}", "{mail: bea@example.com}")
    desk.serving.write(two, "p/contacts")
    run = await desk.asks(APPROVE.replace("COUNT", "count: 2, "), told=2)
    for who in ("bea", "cy"):
        form = {"answer": "approve", "reason": GOOD}
        await desk.serving.http.post(desk.link(f"{who}@example.com"), data=form)
    await desk.over(run)
    assert await desk.said(run) == [("bea", "Approved"), ("cy", "Approved")]


async def test_a_link_of_somebody_who_has_left_counts_no_more(desk):
    run = await desk.asks(APPROVE.replace("COUNT", ""), told=2)
    path = desk.link("cy@example.com")
    left = "\n".join(line for line in CONTACTS.splitlines() if "  cy:" not in line)
    desk.serving.write(left, "p/contacts")
    answer = await desk.serving.http.post(path, data={"answer": "approve", "reason": GOOD})
    assert (answer.status_code, "cy is nobody" in answer.text) == (403, True)
    assert await desk.said(run) == []


async def test_two_presses_at_once_are_one(desk):
    run = await desk.asks(APPROVE.replace("COUNT", "count: 2, "), told=2)
    value = desk.button("Approve")
    answers = await asyncio.gather(*(desk.press(value) for _ in range(5)))
    texts_ = sorted(answer.json()["text"][:8] for answer in answers)
    assert texts_ == ["Nothing "] * 4 + ["Recorded"]
    assert await desk.said(run) == [("bea", "Approved")]


async def test_nobody_can_use_a_link_that_stands_in_the_ledger(desk):
    await desk.asks(APPROVE.replace("COUNT", ""), told=2)
    path = desk.link("cy@example.com")
    await desk.serving.http.post(path, data={"answer": "approve", "reason": "hm"})
    (row,) = await desk.serving.parts.ledger.latest(source="link")
    kept = (await desk.serving.parts.ledger.get(row.id))[1].decode()
    assert kept
    assert (await desk.serving.http.get(f"/ask/{kept}")).status_code == 403
    assert (await desk.serving.http.get(path)).status_code == 200


async def test_a_link_of_a_mail_shows_what_is_asked_and_counts_once_it_is_pressed(desk):
    run = await desk.asks(APPROVE.replace("COUNT", ""), told=2)
    path = desk.link("cy@example.com")
    for _ in range(3):
        opened = await desk.serving.http.get(path)
        assert (opened.status_code, opened.headers["cache-control"]) == (200, "no-store")
    preview = "Preview: would act on orders"
    for part in ("May `Free them` be done?", preview, 'value="approve"', 'value="deny"'):
        assert part in opened.text
    assert await desk.said(run) == []
    short = await desk.serving.http.post(path, data={"answer": "approve", "reason": "hm"})
    assert (short.status_code, "at least 10" in short.text) == (403, True)
    assert '<a href="">Back to the question</a>' in short.text
    said = await desk.serving.http.post(path, data={"answer": "approve", "reason": GOOD})
    assert (said.status_code, f"Approved by Cy: {GOOD}" in said.text) == (200, True)
    await desk.over(run)
    assert await desk.said(run) == [("cy", "Approved")]
    again = await desk.serving.http.post(path, data={"answer": "deny", "reason": GOOD})
    assert again.status_code == 403
    assert await desk.said(run) == [("cy", "Approved")]
    assert f"Approved by Cy: {GOOD}" in texts(desk.slack.taken[0])
    assert await desk.verdicts() == [("link", "refused"), ("link", "joined"), ("link", "refused")]


async def test_a_button_is_no_link_and_a_link_no_button_and_neither_takes_anything(desk):
    run = await desk.asks(APPROVE.replace("COUNT", ""), told=2)
    form = {"answer": "approve", "reason": GOOD}
    button, link = desk.button("Approve"), desk.link("cy@example.com")
    for path in (f"/ask/{button}", f"/take/{button}", link.replace("/ask/", "/take/"), "/ask/x.y"):
        assert (await desk.serving.http.get(path)).status_code == 403
        assert (await desk.serving.http.post(path, data=form)).status_code == 403
    pressed = await desk.press(link.removeprefix("/ask/"))
    assert pressed.json()["text"].startswith("Nothing done: ")
    assert await desk.said(run) == []


@pytest.mark.parametrize(
    ("text", "label", "said", "line"),
    [
        (CONFIRM, "Yes", "Answered", "Answered yes by Bea: they wait since noon"),
        (CONFIRM, "No", "Answered", "Answered no by Bea: they wait since noon"),
        (DO, "Done", "Answered", "Done by Bea: they wait since noon"),
        (DO, "Not done", "Answered", "Not done by Bea: they wait since noon"),
        (
            DOUBT,
            "It happened",
            "DoubtSettled",
            "Settled by Bea: it happened (they wait since noon)",
        ),
    ],
)
async def test_other_questions_are_answered_by_buttons_of_whoever_has_the_role(
    desk, text, label, said, line
):
    lab.Target.on["lost"] = lab.fails(maybe_done=True)
    lab.Target.on["gone"] = lab.fails(maybe_done=False)
    run = await desk.asks(text, told=3)
    other = await desk.press(desk.button(label), user="U9")
    assert "it takes one of the roles boss" in other.json()["text"]
    assert (await desk.press(desk.button(label))).json()["text"] == line
    await desk.over(run)
    assert await desk.said(run) == [("bea", said)]
    for message in desk.slack.taken:  # ana's and bea's
        assert line in texts(message)


async def test_a_doubt_is_not_settled_without_a_reason(desk):
    lab.Target.on["lost"] = lab.fails(maybe_done=True)
    lab.Target.on["gone"] = lab.fails(maybe_done=False)
    run = await desk.asks(DOUBT, told=3)
    answer = await desk.press(desk.button("It happened"), reason=None)
    assert "say how you know" in answer.json()["text"]
    assert await desk.said(run) == []


async def test_a_secret_key_that_is_rotated_keeps_the_buttons_that_are_out(desk):
    await desk.asks(CONFIRM, told=3)
    with pytest.raises(Refused):
        check(desk.button("Yes"), [b"the-next-key-of-32-characters-.."], 0)
    assert check(desk.button("Yes"), [b"the-next-key-of-32-characters-..", KEY.encode()], 0)


async def test_it_is_answered_on_the_next_server_where_the_first_one_died(desk, tmp_path, books):
    run = await desk.asks(CONFIRM, told=3)
    value = desk.button("Yes")
    await desk.serving.parts.keeper.close(5)
    given: dict[str, Any] = {"slack_secrets": (SECRET,), "link_keys": (KEY,)}
    given["channels"] = (SlackChannel, MailChannel)
    async with serving_in(books, tmp_path / "journal.db", **given) as second:
        desk.serving = second
        await desk.press(value)
        await desk.over(run)
    assert "Answered yes by Bea" in texts(desk.slack.taken[-1])


async def test_whom_slack_could_mean_two_of_answers_nothing_there(desk, books):
    """Else whoever asked for it could approve it, as the other whom they are in the contacts."""
    both = CONTACTS.replace("{name: Ana, roles: [boss], channels: {slack: U1}}", "{name: Ana}")
    both = both.replace("slack: U9}", "slack: U777}")
    (books / "p/contacts.yaml").write_text(both)
    run = await desk.asks(APPROVE.replace("COUNT", ""), told=2)
    said = (await desk.press(desk.button("Approve"))).json()["text"]
    assert said == (
        "Nothing done: Slack's U777 is bea and dan in the contacts of this pack: only one can be"
    )
    assert await desk.said(run) == []


async def test_what_a_link_shows_reads_as_it_would_be_carried_out(desk):
    told = APPROVE.replace("COUNT", "").replace("word: orders", 'word: "a\u202eb<c"')
    await desk.asks(told, told=2)
    shown = (await desk.serving.http.get(desk.link("cy@example.com"))).text
    assert "word: a\ufffdb&lt;c" in shown


async def test_there_is_no_button_that_nobody_takes_in_and_links_are_there_all_the_same(
    desk, books, tmp_path
):
    """A server without the signing secret of Slack answers every press with an error."""
    async with serving_in(books, tmp_path / "other.db", link_keys=(KEY,)) as bare:
        assert not bare.parts.engine.press.pressed
    engine = desk.serving.parts.engine
    engine.press = dataclasses.replace(engine.press, pressed=False)
    await desk.asks(APPROVE.replace("COUNT", ""), told=2)
    (message,) = desk.slack.taken
    assert [block["type"] for block in message["blocks"]] == ["header", "section", "context"]
    assert (await desk.serving.http.get(desk.link("cy@example.com"))).status_code == 200
