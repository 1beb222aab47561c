"""What people press and open: buttons in Slack, links in mails.

A press and a link carry a claim that we signed, count once, and stop counting after a day. Opening
a link only asks: mail scanners open links. Whatever does not count does nothing, and stands in the
ledger with its reason.
"""

from __future__ import annotations

import hashlib
import html
import json
from collections.abc import Callable
from typing import Any

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from engine.channels.fitting import one_line
from engine.channels.inbound import (
    LINK_S,
    Claim,
    Press,
    check,
    read_press,
    sign,
    usable,
    verify_slack,
)
from engine.clock import MICROSECONDS
from engine.config.contacts import Person
from engine.core.events import Actor, spoken
from engine.errors import JournalError, Refused, RunbookError
from engine.journal.ledger import Arrived, Verdict
from engine.server import answering, problems
from engine.server.asked import asked, reader_of
from engine.server.parts import Parts, address_of
from engine.wiring import new_id

TAKES, LINK_TAKES = "acknowledged", "acknowledged by a link"
"""What a claim says that takes what a run calls for, of a button and of a link; all others answer a
question. A button is no link: everybody in a channel of Slack can read what its buttons hold, and
of a press Slack says whose it is.
"""

KEPT_MAX_BYTES = 4096
"""Of a press or a link that is written down: it is evidence, not work."""

AGAIN_US = 60 * MICROSECONDS
"""What is not from us and comes again from one address within this is one row of the ledger, with
how often it came: otherwise whoever knows the address could fill the disk.
"""

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>{title}</title><style>
:root{{color-scheme:light dark}}
body{{font:16px/1.5 system-ui;max-width:40em;margin:2em auto;padding:0 1em;overflow-wrap:anywhere}}
button{{font:inherit;padding:.6em 1.4em;margin:0 1em .5em 0}}
</style><body><h1>{title}</h1><p>{text}</p>{form}</body></html>"""
SECURITY = (
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
BACK = '<p><a href="">Back to the question</a></p>'
FORM = '<form method="post"><button>Take it</button></form>'


def presser(
    keys: tuple[str, ...], now_us: Callable[[], int], takes: str = TAKES
) -> Callable[[str, str, str], str] | None:
    """The value of a button: of a run, what it calls for, and the message. None without a key."""
    signing = usable(keys)
    if not signing:
        return None

    def press(run: str, escalation: str, key: str) -> str:
        until_s = now_us() // MICROSECONDS + LINK_S
        return sign(Claim(key, run, escalation, "", until_s, takes), signing[0])

    return press


def linker(
    keys: tuple[str, ...], now_us: Callable[[], int], url: str
) -> Callable[[str, str, str], str] | None:
    """The same as a link, of a server that is reached at `url`."""
    claim = presser(keys, now_us, LINK_TAKES)
    if claim is None:
        return None
    return lambda run, escalation, key: f"{url}/take/{claim(run, escalation, key)}"


async def slack(request: Request) -> Response:
    """Somebody pressed a button. Slack wants an answer within three seconds."""
    parts: Parts = request.app.state.parts
    settings = parts.settings
    if not settings.slack_secrets or not _keys(parts):
        raise problems.ours("no signing secret of Slack, or no key for links, is configured here")
    body = await request.body()
    try:
        verify_slack(settings.slack_secrets, request.headers, body, _now_s(parts))
    except Refused as error:
        await _told(parts, "slack", kept_press(body), _refused(error), address_of(request))
        await parts.door.slow_down(address_of(request))
        raise problems.Problem(401, "unauthorized", "Not Slack", error.message) from error
    press: Press | None = None
    try:
        press = read_press(body)
        claim = check(press.value, _keys(parts), _now_s(parts))
        actor = Actor(await _person(parts, claim, press.user), "slack", press.user)
        if claim.answer == LINK_TAKES:
            raise Refused("this is a link of a mail, and no button")
        if claim.answer == TAKES:
            who, remark = await _take(parts, claim, actor, "Slack")
            text, word = f"Taken by {who}.", "taken"
            text = f"Held, too, by {who}. {remark}" if remark else text
        else:
            said = answering.Word(claim.answer, press.reason, actor)
            text, word = await answering.answer(parts, claim, said), claim.answer
    except RunbookError as error:
        await _told(parts, "slack", kept_press(body), _refused(error))
        return _said_back(parts, press, f"Nothing done: {error.message}")
    await _told(parts, "slack", kept_press(body), Verdict("joined", word, None, claim.run))
    return _said_back(parts, press, text)


def _said_back(parts: Parts, press: Press | None, text: str) -> Response:
    """Slack has its answer at once; whoever pressed hears of it behind that."""
    later = BackgroundTask(answering.say_back, parts, press, text) if press is not None else None
    return JSONResponse({"response_type": "ephemeral", "text": text}, background=later)


async def ask(request: Request) -> Response:
    """A link that answers: opened, it shows what is asked; pressed there, it counts."""
    parts: Parts = request.app.state.parts
    text = str(request.path_params["claim"])
    pressed = request.method == "POST"
    came = ""
    try:
        claim = await _claim(request, text)
        state, one, person = await answering.asked_by_link(parts, claim)
        if pressed:
            word = answering.read_form(await request.body(), claim)
            came = await answering.answer(parts, claim, word)
    except RunbookError as error:
        await _told(parts, "link", _kept(text), _refused(error), address_of(request))
        return _page("Nothing done", f"{error.message}.", BACK if pressed else "", 403)
    if not pressed:
        looked = request.method == "GET"  # a HEAD shows nothing: no target is asked for it
        preview = await answering.previewed(parts, one, claim.run) if looked else ""
        shown = answering.form(state, one, preview)
        return _page(state.runbook.title, f"You are {person.name}.", shown, 200)
    await _told(parts, "link", _kept(text), Verdict("joined", word.answer, None, claim.run))
    return _page("Recorded", came, "", 200)


async def link(request: Request) -> Response:
    """A link of a mail: opened, it asks; pressed there, it counts."""
    parts: Parts = request.app.state.parts
    text = str(request.path_params["claim"])
    pressed, remark = request.method == "POST", ""
    try:
        claim = await _claim(request, text)
        if claim.answer != LINK_TAKES:
            raise Refused("this link takes nothing: it is a button, or answers a question")
        asks = await asked(parts, claim)
        if pressed:
            reader = claim.who or await reader_of(parts, claim)
            _, remark = await _take(parts, claim, Actor(reader, "link", claim.id), "mail")
    except RunbookError as error:
        await _told(parts, "link", _kept(text), _refused(error), address_of(request))
        return _page("Nothing done", error.message, "", 403)
    if pressed:
        await _told(parts, "link", _kept(text), Verdict("joined", "taken", None, claim.run))
        said = remark or f"You have taken what run {claim.run} calls for."
        return _page("Recorded" if remark else "Taken", said, "", 200)
    return _page(asks.title, asks.text, FORM if asks.open else "", 200)


async def _take(parts: Parts, claim: Claim, actor: Actor, via: str) -> tuple[str, str]:
    """Records it, once for each claim: what people call whoever took it, and what there is to say
    besides. Raises Refused, Usage.
    """
    await parts.store.find(claim.run)
    now_us = parts.engine.clock.now_us()
    used = f"claim {hashlib.sha256(claim.id.encode()).hexdigest()[:32]}"
    await answering.take_turn(parts, claim.run, used, "this was used already{by}")
    try:
        path = claim.escalation
        event = await parts.engine.acknowledge(claim.run, actor, "", path=path, via=via)
    except RunbookError:
        await parts.requests.end_note(claim.run, used, "failed", now_us, actor.name)
        raise
    who = spoken(event.actor)
    await parts.requests.end_note(claim.run, used, "said", now_us, who)
    parts.keeper.kick(claim.run)
    return who, (await parts.engine.met(event)).remark


async def _person(parts: Parts, claim: Claim, user: str) -> str:
    """Who this is to the pack of the run. Raises Refused for somebody it does not know, and where
    an answer could be of several: what one of them may say the other may not.
    """
    people = await people_of(parts, claim.run)
    found = [p.id for p in people if user in {str(address) for address in p.channels.values()}]
    if not found:
        raise Refused(f"Slack's {user} is nobody in the contacts of this pack")
    if len(found) > 1 and claim.answer != TAKES:
        several = " and ".join(found)
        raise Refused(f"Slack's {user} is {several} in the contacts of this pack: only one can be")
    return found[0]


async def people_of(parts: Parts, run: str) -> list[Person]:
    """Those the pack of a run knows. Raises Refused, Diagnosed."""
    events = await parts.store.events(run, 0, 1)
    if not events:
        raise Refused(f"there is no run {run}")
    pack = str(events[0].body["name"]).partition("/")[0]
    return list(parts.engine.books.contacts(pack).people.values())


async def _claim(request: Request, text: str) -> Claim:
    """What a link says. Raises Refused, and late, for one that we did not make, or that is old."""
    parts: Parts = request.app.state.parts
    try:
        return check(text, _keys(parts), _now_s(parts))
    except Refused:
        await parts.door.slow_down(address_of(request))
        raise


def _refused(error: RunbookError) -> Verdict:
    return Verdict("refused", error.message)


async def _told(
    parts: Parts, source: str, body: bytes, verdict: Verdict, address: str | None = None
) -> None:
    """Into the ledger; one that is full or broken holds up nobody. `address`: from where somebody
    sent it whom we do not know.
    """
    now_us = parts.engine.clock.now_us()
    name = new_id(now_us)
    about = f"{verdict.word}: {verdict.why}"
    known = name if address is None else f"{address}\n{verdict.why}\n{now_us // AGAIN_US}"
    arrived = Arrived(source, "press", about, (f"{source}\n{known}",), body[:KEPT_MAX_BYTES])
    try:
        await parts.ledger.take(name, arrived, now_us, verdict)
    except (JournalError, Refused) as error:
        parts.log.warning("a press is not written down", why=error.message)


def kept_press(body: bytes) -> bytes:
    """What of a press is written down: neither what makes it count, nor where it is answered; who
    reads the ledger could use them.
    """
    try:
        press = read_press(body)
    except Refused:
        return b"no press of a button"
    claim = press.value.partition(".")[0]
    kept = {"user": press.user, "claim": claim, "reason": press.reason, "channel": press.channel}
    return json.dumps(kept).encode()


def _kept(text: str) -> bytes:
    """What a link said, without what makes it count: who reads the ledger could use it."""
    return text.partition(".")[0].encode("utf-8", "replace")


def _keys(parts: Parts) -> list[bytes]:
    return usable(parts.settings.link_keys)


def _now_s(parts: Parts) -> float:
    return parts.engine.clock.now_us() / MICROSECONDS


def _page(title: str, text: str, form: str, status: int) -> Response:
    headers: dict[str, Any] = {
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "Content-Security-Policy": SECURITY,
        "X-Content-Type-Options": "nosniff",
        "X-Robots-Tag": "noindex",
    }
    said = {"title": html.escape(one_line(title)), "text": html.escape(one_line(text))}
    page = PAGE.format(**said, form=form)
    return HTMLResponse(page, status, headers)


ROUTES = [
    Route("/webhooks/slack", slack, methods=["POST"]),
    Route("/take/{claim}", link, methods=["GET", "POST"]),
    Route("/ask/{claim}", ask, methods=["GET", "POST"]),
]
