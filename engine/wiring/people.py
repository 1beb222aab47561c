"""What people say to a run: answers, approvals, settled doubts, cancel, pause."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

from engine.config import Contacts, Environment
from engine.core.approval import refusal
from engine.core.decide import open_questions
from engine.core.effects import Question as Asked
from engine.core.events import Actor, Draft, Event
from engine.core.state import State
from engine.core.too_late import decided
from engine.errors import Refused, Usage
from engine.language.catalog import Kind
from engine.language.model import Runbook
from engine.runner.given import Asker
from engine.runner.rehearse import Readings, Rehearser
from engine.secret import Vault
from engine.wiring.admission import asks_who, not_of, person_behind, roles_of
from engine.wiring.faces import Faces, Question
from engine.wiring.guarding import withdraw
from engine.wiring.on_call import Asked as Answers
from engine.wiring.on_call import carriers, trouble_of
from engine.wiring.prompt import Prompt
from engine.wiring.taking import Taking
from engine.wiring.whom import names_of


class People(Taking):
    """Every method records an event of a person, or says why it does not count."""

    async def answer(self, run: str, path: str, answer: str, note: str, actor: Actor) -> Event:
        """Records a person's answer. `path` may be the step's id, or empty for the only open
        question.

        Raises Usage when there is no such open question, or it takes another answer.
        """
        state = await self.state(run)
        asked = _open_question(state, path, ("confirm", "do", "acknowledge"))
        if answer not in asked.answers:
            choices = " or ".join(asked.answers)
            raise Usage(f"`{asked.id}` takes {choices}, not `{answer}`")
        body = {"path": asked.path, "answer": answer, "note": note}
        return await self._put(state, "Answered", body, actor)

    async def settle(self, run: str, path: str, happened: bool, reason: str, actor: Actor) -> Event:
        """Records a person's word on whether an action in doubt happened. Raises Usage."""
        state = await self.state(run)
        asked = _open_question(state, path, ("doubt",))
        body = {"path": asked.path, "happened": happened, "reason": reason}
        return await self._put(state, "DoubtSettled", body, actor)

    async def cancel(self, run: str, reason: str, actor: Actor) -> Event:
        """Asks a run to stop. Whoever drives it does so; one that nobody drives, once it is
        resumed.
        """
        state = await self.state(run)
        if state.finished is not None:
            calls = f"it calls people still: `runbook ack {run}` ends that"
            over = f"run {run} is over: {state.finished['outcome']}"
            raise Usage(over, help=calls if state.calling else None)
        body = self._redacted(state, {"reason": reason})
        actor = self._known(state.runbook, actor)
        asked = Draft("CancelRequested", body, self.clock.now_us(), actor)
        left = await withdraw(self.store, run, asked) if state.queued else None
        return await self._behind(state, left or await self.store.append_outside(run, asked))

    async def questions(self, run: str) -> tuple[Question, ...]:
        """What a run waits for people to say, whether or not somebody drives it now."""
        state = await self.state(run)
        return tuple([await self.question(asked) for asked in open_questions(state)])

    async def pause(self, run: str, reason: str, actor: Actor) -> Event:
        """Lets a run begin nothing new, until it is resumed. What is under way comes to its end."""
        state = await self._open(run)
        return await self._put(state, "PauseRequested", {"reason": reason}, actor)

    async def unpause(self, run: str, actor: Actor) -> bool:
        """Lets a run that somebody drives begin new steps again; whether it was paused."""
        state = await self._open(run)
        if state.paused is None:
            return False
        await self._put(state, "ContinueRequested", {"reason": ""}, actor)
        return True

    async def approve(  # noqa: PLR0913 - one sentence: who says what of which hash, and why
        self,
        run: str,
        path: str,
        reason: str,
        actor: Actor,
        *,
        hash: str | None = None,
        deny: bool = False,
    ) -> Event:
        """Records that a person agrees to exactly what a step would do, or denies it.

        `hash`: the plan hash they looked at; the present one when it is not given. Raises Usage
        when nothing waits for approval there, Refused (and records it) when it does not count.
        """
        state, wanted = await self.state(run), "deny" if deny else "approve"
        if (late := _decided(state, path)) is not None:
            step = state.steps[late]
            known = decided(state, step.approval) if step.approval is not None else None
            over = known or "it is not asked any more, or its time is over"
            told = {"path": late, "hash": hash or step.hash, "reason": reason, "roles": []}
            told |= {"wanted": wanted, "why": over}
            await self._say(state, "ApprovalRefused", told, actor)
            raise Refused(f"this does not count: {over}")
        _check_open(state)
        asked = _open_question(state, path, ("approve",))
        approval = state.steps[asked.path].approval
        contacts = self.books.contacts(state.runbook.name.partition("/")[0])
        by = approval.by if approval is not None else ()
        roles, unknown = await self.roles(state.runbook, state.environment, actor, by)
        body = {
            "path": asked.path,
            "hash": hash or asked.params["hash"],
            "reason": reason,
            "roles": sorted(roles),
            **_persons(contacts, actor),
        }
        self._may_speak_as(state, actor)
        now_us = self.clock.now_us()
        why = refusal(approval, body, actor.to_json(), state.actor, now_us) if approval else "gone"
        if why is not None:
            why = f"{why} ({unknown})" if unknown is not None else why
            told = {**body, "wanted": wanted, "why": why}
            await self._say(state, "ApprovalRefused", told, actor)
            raise Refused(f"this does not count: {why}")
        try:
            return await self._put(state, "Denied" if deny else "Approved", body, actor)
        except Refused as error:  # somebody else decided it in the same moment: the trail says so
            told = {**body, "wanted": wanted, "why": error.message}
            await self._say(state, "ApprovalRefused", told, actor)
            raise

    async def roles(
        self, runbook: Runbook, environment: str, actor: Actor, by: Collection[str]
    ) -> tuple[frozenset[str], str | None]:
        """The roles of whoever acts, and the rotas among `by` in which they are on call now; and
        why that is not known of one, where they lack it.
        """
        pack = runbook.name.partition("/")[0]
        contacts = self.books.contacts(pack)
        roles, person = roles_of(contacts, actor), person_behind(contacts, actor)
        wanted = [contacts.rotas[name] for name in by if name in contacts.rotas]
        if person is None or not wanted or roles & set(by):
            return roles, None
        asked: Answers = {}
        if any(rota.connection is not None for rota in wanted):
            asked = await self.asked_now(pack, environment)
        at_us = self.clock.now_us()
        on = {r.name for r in wanted if person.id in carriers(contacts, r, asked, at_us)}
        troubles = [trouble_of(r, asked[r.name], at_us) for r in wanted if r.name in asked]
        return roles | on, next((t for t in troubles if t and not on), None)

    async def check_who(self, runbook: Runbook, place: Environment, actor: Actor) -> None:
        """Raises Refused for who is not of those whom it takes to start it."""
        if not asks_who(runbook, place, actor):
            return
        roles, unknown = await self.roles(runbook, place.name, actor, runbook.who)
        if not roles & set(runbook.who):
            contacts = self.books.contacts(runbook.name.partition("/")[0])
            raise not_of(runbook, contacts, actor, unknown)

    def _may_speak_as(self, state: State, actor: Actor) -> None:
        place = self._environment(state.runbook, state.environment)
        if actor.means == "as" and not place.may_speak_as(actor.via or ""):
            raise Refused(
                f"{actor.via} may not use --as in environment {place.name}",
                help="`allow_as` of the environment says who may",
            )

    async def preview(
        self, run: str, path: str, services: Mapping[str, str] | None = None
    ) -> Mapping[str, Any]:
        """What a step that waits for approval would do, asked afresh of its target.

        `{question, preview}` or `{question, error}`: nothing is recorded, nothing can be written.
        """
        state = await self._open(run)
        asked = _open_question(state, path, ("approve",))
        step = state.steps[asked.path]
        place = self._environment(state.runbook, state.environment)
        async with self._connected(place, Vault(os.environ, services)) as connections:
            rehearser = Rehearser(run, self.registry, Readings(connections), self.clock)
            body = {"path": step.path, "kind": "action", "attempt": 1, "plan": step.plan}
            outcome = await rehearser(body, lambda _text: None)
            redact = connections.redact_json
            question = await self.question(asked)
            if outcome.error is not None:
                return {"question": question, "error": redact(outcome.error["message"])}
            return {"question": question, "preview": redact((outcome.result or {})["preview"])}

    async def _open(self, run: str) -> State:
        state = await self.state(run)
        _check_open(state)
        return state

    async def typed(self, run: str, body: dict[str, Any], actor: Actor) -> Event:
        """Records an answer to a question that was open when it was put. Raises Refused where it
        is not any more.
        """
        return await self._put(await self.state(run), "Answered", body, actor)

    def _asker(self, run: str, faces: Faces, actor: Actor, redact: Any) -> Asker | None:
        if faces.ask is None:
            return None
        return partial(Prompt(self, run, faces, actor, redact).ask, faces.ask)

    async def question(self, asked: Asked) -> Question:
        """A question in the words of its step type."""
        text, evidence = asked.title, None
        if asked.text is not None:
            text = asked.text
        elif asked.kind in ("confirm", "do"):
            kind: Kind = "check" if asked.kind == "confirm" else "action"
            told = await self.registry.step(asked.type, kind).call(None, asked.params)
            text, evidence = told.text, told.evidence
        elif asked.kind == "acknowledge":
            text = asked.params["message"] or asked.title
        elif asked.kind == "doubt":
            text = f"did `{asked.title}` ({asked.type}) happen?"
            evidence = asked.params.get("params")
        elif asked.kind == "approve":
            text = f"may `{asked.title}` ({asked.type}) be done?"
            evidence = {k: asked.params[k] for k in ("target", "params", "max_affected", "hash")}
        asked_for = (asked.path, asked.id, asked.kind, asked.type, asked.title)
        return Question(*asked_for, text, asked.answers, evidence)


def _check_open(state: State) -> None:
    """Raises Usage for a run that is over."""
    if state.over:
        outcome = (state.finished or {}).get("outcome")
        raise Usage(f"run {state.run} is over: {outcome}")


def _persons(contacts: Contacts, actor: Actor) -> dict[str, Any]:
    """Every name that the contacts have for whoever acts: who asked for a run as a user of this
    machine may not approve it by their token or in Slack.
    """
    by_user = actor.means == "os-user"
    person = contacts.person(actor.name) if by_user else contacts.people.get(actor.name)
    names = names_of(person) if person is not None else frozenset[str]()
    return {"persons": sorted(names)} if names - {actor.name} else {}


def _decided(state: State, path: str) -> str | None:
    """The path of the step that is meant, where it asked for approval once and does not any more.

    Without a path, the only one that ever asked.
    """
    waiting = {asked.path for asked in open_questions(state) if asked.kind == "approve"}
    asked = {p: step for p, step in state.steps.items() if step.approval is not None}
    meant = [p for p, step in asked.items() if not path or path in (p, step.entry.id)]
    if len(meant) != 1 or meant[0] in waiting:
        return None
    return meant[0]


def _open_question(state: State, path: str, kinds: tuple[str, ...]) -> Asked:
    asked = [q for q in open_questions(state) if q.kind in kinds]
    found = [q for q in asked if not path or path in (q.path, q.id)]
    if len(found) == 1:
        return found[0]
    what = "nothing in doubt" if kinds == ("doubt",) else "no open question"
    if not asked:
        raise Usage(f"run {state.run} has {what}")
    where = f"at `{path}`" if path and not found else "that is the only one"
    open_paths = ", ".join(q.path for q in asked)
    raise Usage(f"run {state.run} has {what} {where}", help=f"open are: {open_paths}")
