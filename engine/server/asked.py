"""What stands behind a link of a message: whom it was sent to, and what is asked of them."""

from __future__ import annotations

from dataclasses import dataclass

from engine.channels.inbound import Claim
from engine.core.escalation import left
from engine.core.summons import ENDED_WELL
from engine.runner.wording import clock_face
from engine.server.parts import Parts

NOBODY_NAMED = "a link"
"""Who took it, where the message that the link stood in is not in the journal."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A page. `open`: there is something to take still."""

    title: str
    text: str
    open: bool


async def reader_of(parts: Parts, claim: Claim) -> str:
    """Whom the message with this link was sent to: links may be passed on, and `means` says that it
    was one.
    """
    for event in await parts.store.events(claim.run):
        if event.type == "TellStarted" and event.body["key"] == claim.id:
            return str(event.body["who"])
    return NOBODY_NAMED


async def asked(parts: Parts, claim: Claim) -> Asked:
    """What somebody who opens the link reads, before they take it. Raises Usage."""
    state = await parts.engine.state(claim.run)
    one = state.escalations.get(claim.escalation)
    said = one.words.get(one.level, {}) if one is not None else {}
    title = said.get("title") or state.runbook.title
    what = f"{title} ({state.runbook.name} in {state.environment}, run {claim.run})."
    if one is not None and one.acknowledged is not None and one.taken:
        taken = one.acknowledged
        who, when = state.called(taken["by"]), clock_face(taken["at_us"])
        return Asked("Taken already", f"{who} took it at {when}. {what}", False)
    end = state.finished
    if claim.escalation in left(state) and end is not None and end["outcome"] not in ENDED_WELL:
        return Asked("Take it?", f"{what} The run is over, and nobody took it so far.", True)
    if one is None or one.closed is not None:
        return Asked("Over", f"Nobody is called for this any more. {what}", False)
    return Asked("Take it?", f"{what} Nobody else is called once you take it.", True)
