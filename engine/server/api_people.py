"""What people say to runs: `/api/v1/runs/RUN/answer`, `approve`, `cancel` and the like."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from engine.core.events import Event
from engine.core.held import holding, mend_of, why_of
from engine.server.api_models import (
    Answer,
    Approval,
    Name,
    Reason,
    Recorded,
    Resumed,
    Settling,
    Taking,
)
from engine.server.api_shown import question_json
from engine.server.parts import ApproveRun, DoRun, Parts, PartsHere, ReadRun, SpeakRun

router = APIRouter(tags=["people"])


async def _recorded(parts: Parts, event: Event) -> dict[str, Any]:
    """What is answered: what became of it where it stands, not of what was read before."""
    parts.keeper.kick(event.run)
    met = await parts.engine.met(event)
    known = {"run": event.run, "seq": event.seq, "type": event.type, "held": None, "mend": None}
    state = await parts.engine.state(event.run)
    if holding(state):
        known |= {"held": why_of(state), "mend": mend_of(state) or None}
    return {**known, "took": list(met.of), "given": met.given, "remark": met.remark}


@router.post("/runs/{run}/answer", response_model=Recorded)
async def answer(said: Answer, of: SpeakRun, parts: PartsHere) -> Any:
    """Answers a question of the run."""
    step, actor = said.step or "", of.principal.actor
    event = await parts.engine.answer(of.run, step, said.answer, said.note, actor)
    return await _recorded(parts, event)


@router.post("/runs/{run}/ack", response_model=Recorded)
async def ack(said: Taking, of: SpeakRun, parts: PartsHere) -> Any:
    """Takes what the run calls people for: nobody else is called."""
    actor, step = of.principal.actor, said.step or ""
    event = await parts.engine.acknowledge(of.run, actor, said.note, path=step, via="API")
    return await _recorded(parts, event)


@router.post("/runs/{run}/settle", response_model=Recorded)
async def settle(said: Settling, of: SpeakRun, parts: PartsHere) -> Any:
    """Says whether an action in doubt happened."""
    step, actor = said.step or "", of.principal.actor
    event = await parts.engine.settle(of.run, step, said.happened, said.reason, actor)
    return await _recorded(parts, event)


@router.post("/runs/{run}/cancel", response_model=Recorded)
async def cancel(said: Reason, of: SpeakRun, parts: PartsHere) -> Any:
    """Asks the run to stop: it stops what can be stopped, and waits for what cannot."""
    event = await parts.engine.cancel(of.run, said.reason, of.principal.actor)
    return await _recorded(parts, event)


@router.post("/runs/{run}/pause", response_model=Recorded)
async def pause(said: Reason, of: SpeakRun, parts: PartsHere) -> Any:
    """Lets the run begin nothing new, until it is resumed."""
    event = await parts.engine.pause(of.run, said.reason, of.principal.actor)
    return {"run": event.run, "seq": event.seq, "type": event.type}


@router.post("/runs/{run}/resume", status_code=202, response_model=Resumed)
async def resume(of: SpeakRun, parts: PartsHere) -> Any:
    """Takes the run up: one that was paused, or that nobody drives. Of one that is under way by
    itself `remark` says so, and for what it waits until when.
    """
    return {"run": of.run, "remark": await parts.keeper.resume(of.run, of.principal.actor)}


@router.post("/runs/{run}/undo", status_code=202)
async def undo(said: Reason, of: DoRun, parts: PartsHere) -> dict[str, str]:
    """Undoes what a finished run did, the last first."""
    await parts.keeper.undo(of.run, said.reason, of.principal.actor)
    return {"run": of.run}


@router.post("/runs/{run}/approve", response_model=Recorded)
async def approve(said: Approval, of: ApproveRun, parts: PartsHere) -> Any:
    """Agrees to exactly what a step would do."""
    return await _say(said, of, parts, deny=False)


@router.post("/runs/{run}/deny", response_model=Recorded)
async def deny(said: Approval, of: ApproveRun, parts: PartsHere) -> Any:
    """Denies what a step waits to do."""
    return await _say(said, of, parts, deny=True)


async def _say(said: Approval, of: ApproveRun, parts: Parts, *, deny: bool) -> Any:
    event = await parts.engine.approve(
        of.run, said.step or "", said.reason, of.principal.actor, hash=said.hash, deny=deny
    )
    return await _recorded(parts, event)


@router.get("/runs/{run}/preview")
async def preview(of: ReadRun, parts: PartsHere, step: Name | None = None) -> Any:
    """What a step that waits for approval would do, asked afresh of its target."""
    found = dict(await parts.engine.preview(of.run, step or ""))
    return {**found, "question": question_json(found["question"])}
