"""An engine whose runs go on at a server: what is asked of it is asked there."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from typing import Any

from engine.cli.remote import RemoteStore
from engine.config import Books
from engine.core.events import Actor, Event
from engine.core.guards import Switch
from engine.errors import RunbookError, Usage
from engine.registry import Registry
from engine.wiring import Engine, Faces, Question, RunResult
from engine.wiring.ended import ended

_NO_FACES = Faces()


class RemoteEngine(Engine):
    """The same calls as `Engine`. Who acts is what the server knows of the token."""

    def __init__(self, books: Books, registry: Registry, store: RemoteStore) -> None:
        super().__init__(books=books, registry=registry, store=store)
        self._api = store.api

    async def run(  # noqa: PLR0913 - as `Engine.run`
        self,
        name: str,
        *,
        environment: str,
        inputs: Mapping[str, Any],
        faces: Faces = _NO_FACES,
        rehearsal: bool = False,
        plan: str | None = None,
        through: str | None = None,
        forced: Mapping[str, int] | None = None,
        **_here: Any,
    ) -> RunResult:
        """Asks the server for a run, and looks on until it is over or waits for people only."""
        if forced:
            raise Usage("--explore is not done over --server", help="do it where the packs are")
        body: dict[str, Any] = {"runbook": name, "environment": environment}
        body |= {"inputs": dict(inputs)}
        body |= {"rehearse": rehearsal, "plan": plan, "through": through}
        begun = await self._api.post("/runs", body, key=secrets.token_hex(16))
        return await self.look_on(begun["run"], faces)

    async def resume(self, run: str, *, faces: Faces = _NO_FACES, **_here: Any) -> RunResult:
        """Has the server take it up, and looks on."""
        seen = (await self.store.events(run))[-1].seq
        await self.ask_to_resume(run)
        return await self.look_on(run, faces, seen)

    async def ask_to_resume(self, run: str) -> str:
        """What the run waits for, where it was under way already; else empty."""
        told = await self._api.post(f"/runs/{run}/resume")
        return str(told.get("remark", ""))

    async def undo(
        self, run: str, reason: str, *, faces: Faces = _NO_FACES, **_here: Any
    ) -> RunResult:
        """Has the server undo it, and looks on."""
        seen = (await self.store.events(run))[-1].seq
        await self._api.post(f"/runs/{run}/undo", {"reason": reason})
        return await self.look_on(run, faces, seen)

    async def answer(
        self,
        run: str,
        path: str,
        answer: str,
        note: str,
        actor: Actor,  # noqa: ARG002 - the server knows
    ) -> Event:
        """See `People.answer`."""
        body = {"answer": answer, "step": path or None, "note": note}
        return await self._said(run, "answer", body)

    async def acknowledge(
        self,
        run: str,
        actor: Actor,  # noqa: ARG002 - the server knows
        note: str = "",
        *,
        path: str = "",
        via: str = "",  # noqa: ARG002 - it is the API
    ) -> Event:
        """See `People.acknowledge`."""
        return await self._said(run, "ack", {"step": path or None, "note": note})

    async def settle(self, run: str, path: str, happened: bool, reason: str, actor: Actor) -> Event:  # noqa: ARG002
        """See `People.settle`."""
        body = {"happened": happened, "reason": reason, "step": path or None}
        return await self._said(run, "settle", body)

    async def cancel(self, run: str, reason: str, actor: Actor) -> Event:  # noqa: ARG002
        """See `People.cancel`."""
        return await self._said(run, "cancel", {"reason": reason})

    async def pause(self, run: str, reason: str, actor: Actor) -> Event:  # noqa: ARG002
        """See `People.pause`."""
        return await self._said(run, "pause", {"reason": reason})

    async def approve(  # noqa: PLR0913 - as `People.approve`
        self,
        run: str,
        path: str,
        reason: str,
        actor: Actor,  # noqa: ARG002 - the server knows
        *,
        hash: str | None = None,
        deny: bool = False,
    ) -> Event:
        """See `People.approve`."""
        body = {"step": path or None, "reason": reason, "hash": hash}
        return await self._said(run, "deny" if deny else "approve", body)

    async def preview(
        self,
        run: str,
        path: str,
        services: Mapping[str, str] | None = None,  # noqa: ARG002 - they are there
    ) -> Mapping[str, Any]:
        """See `People.preview`."""
        found = await self._api.get(f"/runs/{run}/preview", step=path or None)
        return {**found, "question": _question(found["question"])}

    async def freeze(self, why: str, actor: Actor) -> Switch:  # noqa: ARG002
        """See `Guarding.freeze`."""
        return Switch(**await self._api.post("/guards/freeze", {"reason": why}))

    async def thaw(self, why: str, actor: Actor) -> Switch:  # noqa: ARG002
        """See `Guarding.thaw`."""
        return Switch(**await self._api.post("/guards/thaw", {"reason": why}))

    async def guard_rows(self) -> list[dict[str, Any]]:
        """See `Guarding.guard_rows`."""
        return list((await self._api.get("/guards"))["items"])

    async def _said(self, run: str, what: str, body: Mapping[str, Any]) -> Event:
        told = await self._api.post(f"/runs/{run}/{what}", body)
        return (await self.store.events(run, told["seq"] - 1, 1))[0]

    async def look_on(self, run: str, faces: Faces, seen: int = 0) -> RunResult:
        """Shows what happens, asks who sits here, until the run is over or waits for others."""
        if faces.started is not None:
            faces.started(run)
        asking: asyncio.Task[None] | None = None
        left: set[tuple[str, str]] = set()
        try:
            while True:
                asked = asking is not None and not asking.done()
                known = {*left}  # before the row is read: what is open in it is open behind that
                row = await self._api.get(f"/runs/{run}")
                events = await self.store.events(run, seen)  # behind what the row says, or more
                for event in events:
                    seen = event.seq
                    if faces.observe is not None:
                        faces.observe(event)
                result = await self._result_of(run, row, events)
                if result is not None:
                    to_ask = [one for one in result.questions if (one.path, one.kind) not in known]
                    if faces.ask is None or not to_ask:
                        return result
                    if asked and asking is not None and asking.done():
                        continue  # the row is perhaps older than what they said
                    if asking is None or asking.done():
                        asking = asyncio.create_task(self._ask(run, to_ask[0], faces, left))
                await self.store.wait_for_more(run, seen, 5.0)
        finally:
            if asking is not None:
                asking.cancel()

    async def _result_of(
        self, run: str, row: Mapping[str, Any], events: list[Event]
    ) -> RunResult | None:
        """How it ended, or for whom it waits; None while it goes on."""
        for event in events:
            if event.type == "RunRefused":
                return RunResult(run, "refused", 6, event.body["reason"])
        if row["status"] in ("running", "queued"):
            return None
        state = await self.state(run)
        if state.finished is not None and state.over:
            return ended(state, state.finished)
        questions = tuple(_question(one) for one in row["questions"])
        if any(one.kind == "doubt" for one in questions):
            return RunResult(run, "in doubt", 3, None, questions)
        if state.paused is not None:
            return RunResult(run, "paused", 7, state.paused, questions)
        return RunResult(run, "waiting", 7, None, questions) if questions else None

    async def _ask(
        self, run: str, question: Question, faces: Faces, left: set[tuple[str, str]]
    ) -> None:
        """`left`: takes what stays open, for whoever else may answer it."""
        answered = None
        if faces.ask is not None and question.kind != "doubt":
            answered = await faces.ask(question)
        if answered is None:
            left.add((question.path, question.kind))
            return
        try:
            await self._api.post(*_said(run, question, *answered))
        except RunbookError as error:  # somebody else was first, or it is not theirs to say
            left.add((question.path, question.kind))
            faces.say(error.message)


def _question(found: Mapping[str, Any]) -> Question:
    return Question(**{**found, "answers": tuple(found["answers"])})


def _said(run: str, question: Question, answer: str, note: str) -> tuple[str, dict[str, Any]]:
    """Where what somebody typed is sent to, and how."""
    if question.kind != "approve":
        body = {"answer": answer, "step": question.path, "note": note}
        return f"/runs/{run}/answer", body
    known = {"step": question.path, "reason": note, "hash": question.evidence["hash"]}
    return f"/runs/{run}/{answer}", known
