"""People who answer what a run asks, by a button in Slack or a link of their own in a mail.

A claim is bound to the question (which ends with it), the plan hash and the answer; the engine
judges who may answer, as it does for everybody. Whatever does not count does nothing, is answered
with its reason, and stands in the ledger.
"""

from __future__ import annotations

import asyncio
import hashlib
import html
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from engine.adapters.http import Body
from engine.channels.calling import Calling
from engine.channels.fitting import plain
from engine.channels.inbound import QUESTION_S, REASON_MAX_CHARS, Claim, Press, sign, usable
from engine.channels.slack import escaped
from engine.clock import MICROSECONDS
from engine.core.events import Actor
from engine.core.questions import became, ended, missing
from engine.core.state import State
from engine.core.summons import Escalation
from engine.core.words import words
from engine.errors import Refused, RunbookError
from engine.runner.telling import BUTTONS, Stake, reason_label
from engine.runner.wording import text_of
from engine.server.parts import Parts
from engine.wiring.admission import one_of

if TYPE_CHECKING:
    from engine.config import Person
    from engine.wiring import Engine

SLACK_ANSWERS = ("https://hooks.slack.com/", "https://hooks.slack-gov.com/")
"""Where a press says that it is answered; anything else is not Slack's and is not called."""

TURN_S = 60
"""How long an answer is taken to be under way of which nothing was heard since: then it was cut
short, and the engine judges it anew. At once, where a server took it in that is gone.
"""

PREVIEW_S = 5.0
"""For a preview on a page: whoever opened it would rather decide without than wait."""

FIELDS_MAX = 10
"""Of a form: it has two."""


@dataclass(frozen=True, slots=True)
class Word:
    """What somebody says in answer to a question."""

    answer: str
    reason: str
    actor: Actor


def staker(keys: tuple[str, ...], now_us: Callable[[], int]) -> Callable[[Stake], str] | None:
    """The value of a button that answers, and the end of a link. None without a key."""
    signing = usable(keys)
    if not signing:
        return None

    def stake(one: Stake) -> str:
        until_s = now_us() // MICROSECONDS + QUESTION_S
        if one.expires_us is not None:
            until_s = min(until_s, one.expires_us // MICROSECONDS)
        place = (one.key, one.run, one.escalation, one.who, until_s, one.answer, one.hash)
        return sign(Claim(*place), signing[0])

    return stake


async def answer(parts: Parts, claim: Claim, word: Word) -> str:
    """Records somebody's answer, and says what came of it. Raises Refused, Usage."""
    state, _ = await asked(parts, claim)
    used = f"answer {_digest(claim.escalation, word.actor.name)}"
    await take_turn(parts, claim.run, used, "you have answered this already")
    now_us = parts.engine.clock.now_us()
    try:
        await _record(parts, claim, state, word)
    except RunbookError:
        await parts.requests.end_note(claim.run, used, "failed", now_us, word.actor.name)
        raise
    await parts.requests.end_note(claim.run, used, "said", now_us, word.actor.name)
    parts.keeper.kick(claim.run)
    for event in await parts.store.events(claim.run, state.seq):
        state.apply(event)
    return _what_came(state, claim, word)


async def take_turn(parts: Parts, run: str, used: str, over: str) -> None:
    """What is said counts once, however often and wherever it is pressed; `over` is told then, with
    who said it where it has a place for that (`{by}`).
    What did not count, and what was cut short, may be said again. Raises Refused.
    """
    now_us = parts.engine.clock.now_us()
    known = await parts.requests.begin_note(run, used, now_us)
    if known is None or known.state == "failed" or parts.requests.cut_short(known):
        return  # the first time, or what they said did not count
    if known.state == "said":
        raise Refused(over.format(by=f", by {known.detail}"), help=f"runbook watch {run}")
    if now_us - known.at_us < TURN_S * MICROSECONDS:
        raise Refused(over.format(by=", or is taken in right now"), help=f"runbook watch {run}")


async def asked(parts: Parts, claim: Claim) -> tuple[State, Escalation]:
    """The question that a claim answers. Raises Refused when it is not asked (any more)."""
    await parts.store.find(claim.run)
    state = await parts.engine.state(claim.run)
    one = state.escalations.get(claim.escalation)
    if one is None or not one.question:
        raise Refused("this answers no question of that run")
    end = one.became or became(state, one)
    if end is not None:
        raise Refused(f"it is not asked any more. {ended(state, end)}")
    if claim.plan_hash != (one.question.get("hash") or ""):
        raise Refused("it names another plan hash: what would happen has changed since it was sent")
    return state, one


async def asked_by_link(parts: Parts, claim: Claim) -> tuple[State, Escalation, Person]:
    """The same for a link, which is one person's own, and whose. Raises Refused, also when the
    contacts know them no more.
    """
    if not claim.who or claim.answer:
        raise Refused("this is nobody's own link")
    state, one = await asked(parts, claim)
    contacts = parts.engine.books.contacts(state.runbook.name.partition("/")[0])
    if claim.who not in contacts.people:
        raise Refused(f"{claim.who} is nobody in the contacts of this pack")
    return state, one, contacts.people[claim.who]


async def _record(parts: Parts, claim: Claim, state: State, word: Word) -> None:
    """The rules are the engine's. Raises Refused, Usage."""
    one = state.escalations[claim.escalation]
    engine, run, path = parts.engine, claim.run, str(one.question["path"])
    kind, reason, actor = str(one.question["kind"]), word.reason.strip(), word.actor
    if word.answer not in [answer for _, answer, _ in BUTTONS[kind]]:
        raise Refused(f"`{word.answer}` is no answer to this question")
    if kind == "approve":
        deny = word.answer == "deny"
        await engine.approve(run, path, reason, actor, hash=claim.plan_hash, deny=deny)
        return
    await _check_roles(engine, state, one, actor)
    if kind == "doubt":
        if not reason:
            raise Refused("say how you know: a reason is needed")
        await engine.settle(run, path, word.answer == "happened", reason, actor)
    else:
        await engine.answer(run, path, word.answer, reason, actor)


async def _check_roles(engine: Engine, state: State, one: Escalation, actor: Actor) -> None:
    who = one.question["who"]
    if not who:
        return
    roles, unknown = await engine.roles(state.runbook, state.environment, actor, who)
    if not set(who) & roles:
        contacts = engine.books.contacts(state.runbook.name.partition("/")[0])
        why = f" ({unknown})" if unknown is not None else ""
        raise Refused(f"it takes {one_of(contacts, who)}{why}")


def _what_came(state: State, claim: Claim, word: Word) -> str:
    one = state.escalations[claim.escalation]
    end = one.became or became(state, one)
    if end is not None:
        return ended(state, end)
    approval = state.steps[one.question["path"]].approval
    left = missing(state, approval) if approval is not None else ""
    return f"Recorded: {word.answer}" + (f". {left}" if left else "")


def _digest(escalation: str, name: str) -> str:
    return hashlib.sha256(f"{escalation}\n{name}".encode()).hexdigest()[:32]


# -- Slack -----------------------------------------------------------------------------------------


async def say_back(parts: Parts, press: Press, text: str) -> None:
    """Tells whoever pressed, and nobody else, what came of it. Slack takes no answer to a press
    but by the address that it names.
    """
    url = press.response_url or ""
    if not url.startswith(SLACK_ANSWERS):
        return
    calling = Calling(url)
    try:
        body: dict[str, Any] = {"response_type": "ephemeral", "replace_original": False}
        body["text"] = escaped(text)
        await calling.post("", Body(json=body))
    except RunbookError as error:
        parts.log.warning("who pressed is not told what came of it", why=error.message)
    finally:
        await calling.close()


# -- a link ----------------------------------------------------------------------------------------


def read_form(body: bytes, claim: Claim) -> Word:
    """What was said on the page of a link. Raises Refused."""
    try:
        fields = parse_qs(body.decode(), max_num_fields=FIELDS_MAX)
    except ValueError as error:
        raise Refused("this is no form of ours") from error
    if any(len(values) > 1 for values in fields.values()):
        raise Refused("this is no form of ours: it says something twice")
    said = fields.get("answer", [""])[0]
    reason = fields.get("reason", [""])[0][:REASON_MAX_CHARS]
    return Word(said, reason, Actor(claim.who, "link", claim.id))


async def previewed(parts: Parts, one: Escalation, run: str) -> str:
    """What the target says, now, that an action would do; nothing is written. Empty for others."""
    if one.question["kind"] != "approve":
        return ""
    try:
        async with asyncio.timeout(PREVIEW_S):
            found = await parts.engine.preview(run, str(one.question["path"]))
    except TimeoutError:
        return f"Preview: its target did not answer within {PREVIEW_S:g} s"
    except RunbookError as error:
        return f"Preview: could not be had: {error.message}"
    if "error" in found:
        return f"Preview: could not be had: {found['error']}"
    preview = found["preview"]
    return "\n".join([f"Preview: {preview['text']}", preview.get("diff") or ""]).strip()


def form(state: State, one: Escalation, preview: str) -> str:
    """What is asked, as the inside of a page: the words of the message, and a form."""
    said = words(state, one.key, 1)
    text = html.escape(plain(f"{text_of(said, 'question')}\n\n{preview}".strip()))
    label = html.escape(reason_label(said) or "")
    buttons = "".join(
        f'<button name="answer" value="{answer}">{html.escape(label)}</button>'
        for label, answer, _ in BUTTONS[str(one.question["kind"])]
    )
    return (
        f'<pre style="white-space:pre-wrap">{text}</pre><form method="post">'
        f'<p><label>{label}<br><textarea name="reason" rows="3" maxlength="{REASON_MAX_CHARS}" '
        f'style="width:100%"></textarea></label></p>{buttons}</form>'
    )
