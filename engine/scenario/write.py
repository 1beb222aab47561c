"""Writes a scenario of what a recorded run found and did."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.clock import to_iso
from engine.config import Books
from engine.core.events import Event, spoken
from engine.errors import RunbookError, Usage
from engine.language.model import Runbook
from engine.registry import Registry
from engine.scenario.calls import Callers
from engine.scenario.ending import ending
from engine.scenario.named import Fields, kept, named_fields
from engine.scenario.play import Played, play
from engine.scenario.read import Scenario, parse_scenarios
from engine.scenario.recorded import Found, found_in
from engine.scenario.report import Result, try_scenario
from engine.scenario.write_calls import Called
from engine.scenario.yaml_text import pairs

HEAD = """\
# Scenarios of {name}: what its steps find is given here, what must happen is asserted.
# `runbook test {name}` plays them, without any connection.

scenarios:
"""


@dataclass(frozen=True, slots=True)
class Written:
    """The text of a file with the new scenario at its end, and whether that holds today."""

    text: str
    name: str
    result: Result


@dataclass(frozen=True, slots=True)
class Stand:
    """What scenarios are played with. `books`, `callers`: whom runs call, where that is known."""

    registry: Registry
    books: Books | None = None
    callers: Callers | None = None


def with_scenario(
    events: Sequence[Event], runbook: Runbook, stand: Stand, before: str, name: str | None
) -> Written:
    """A scenario of a recorded run, behind those that a file has (`before`; empty: a new file).

    Raises Usage for a run that is no scenario, Diagnosed where the file is not right.
    """
    _refuse(events)
    fields = named_fields(runbook)
    # what was left out may have been asked for in a way that is not seen in the text; and whom a
    # run called may depend on how long its steps took, which a scenario does not know
    makers = (
        _Maker(events, runbook, kept_fields, alone)
        for kept_fields, alone in ((fields, stand), (None, stand), (fields, Stand(stand.registry)))
    )
    first: Written | None = None
    for maker in makers:
        made = _written(maker, before, name)
        if made.result.holds:
            return made
        first = first or made
    assert first is not None  # noqa: S101 - there are three
    return first


def _refuse(events: Sequence[Event]) -> None:
    first, types = events[0], {event.type for event in events}
    what = None
    if first.body["mode"] != "real":
        what = f"it is a {first.body['mode']}"
    elif "CancelRequested" in types:
        what = "it was cancelled, and a scenario has nobody who would"
    elif any(e.type == "EscalationReopened" and e.body.get("incident") for e in events):
        what = "whoever took it in PagerDuty had it no longer, and a scenario has no word for that"
    elif "RunFinished" not in types:
        what = "it is not over"
    if what is not None:
        raise Usage(f"run {first.run} makes no scenario: {what}")


def _written(maker: _Maker, before: str, name: str | None) -> Written:
    told = name or maker.name()
    runbook, stand = maker.runbook, maker.stand
    text = before or HEAD.format(name=runbook.name)
    if before:
        others = parse_scenarios(before, f"{runbook.name}.test.yaml", runbook)
        if any(one.name == told for one in others):
            raise Usage(f"there is a scenario named '{told}'", help="give another: --scenario NAME")
    lines = maker.lines(told, _indent(text))
    text = text.rstrip("\n") + ("\n\n" if before else "\n") + "\n".join(lines) + "\n"
    made: Scenario = parse_scenarios(text, f"{runbook.name}.test.yaml", runbook, stand.books)[-1]
    return Written(text, told, try_scenario(runbook, made, stand.registry, stand.callers))


_ITEM = re.compile(r"^scenarios:[^\n\[{]*\n(?:\s*#[^\n]*\n|\s*\n)*( *)- ", re.MULTILINE)


def _indent(text: str) -> str:
    """By how much the scenarios of a file are indented."""
    found = _ITEM.search(text)
    if found is not None:
        return found[1]
    if text.rstrip().endswith("scenarios:"):
        return "  "
    raise Usage(
        "the scenarios of this file are no list with a line each, so none can be put behind them",
        help="write `scenarios:` and below it items that begin with '- '",
    )


EXPIRED = "/expired/escalate"
"""How the path of a message ends that tells people of an approval nobody gave: it is the engine's
own step, whose id stands in no runbook.
"""


class _Maker:
    """Makes the scenario of one run. `fields`: what is kept of results; None: everything."""

    def __init__(
        self,
        events: Sequence[Event],
        runbook: Runbook,
        fields: Mapping[str, Fields] | None,
        stand: Stand,
    ) -> None:
        self.events = events
        self.runbook = runbook
        self.stand = stand
        self._fields = fields
        self._first = events[0]
        self._found = found_in(events)
        self._left_out: set[str] = set()
        called = Called(events)
        self._calls = called.any
        self._called = called if called.any and self._contacts() else None

    def name(self) -> str:
        return f"as in run {self._first.run}: {ending(self.events).outcome}"

    def lines(self, name: str, indent: str) -> list[str]:
        made = self._made(name)
        head, *rest = pairs(made, f"{indent}  ")
        at, environment = to_iso(self._first.at_us), self._first.body["environment"]
        when = at[:16].replace("T", " ")
        comments = [f"Recorded on {when} UTC in environment {environment}."]
        if self._left_out:
            count = len(self._left_out)
            others = "1 other is" if count == 1 else f"{count} others are"
            comments.append(
                "Of what the steps found, only the fields that the runbook's expressions name are "
                f"here; {others} left out."
            )
        if self._calls and self._called is None:
            comments.append(
                "Whom it called is left out: it would not be called again by a scenario."
            )
        return [
            f"{indent}- {head.lstrip()}",
            *(f"{indent}  # {comment}" for comment in comments),
            *rest,
        ]

    def _made(self, name: str) -> dict[str, Any]:
        body = self._first.body
        defaults = {key: one.default for key, one in self.runbook.inputs.items()}
        inputs = {k: v for k, v in body["inputs"].items() if k in defaults and defaults[k] != v}
        made = {
            "name": name,
            "inputs": inputs,
            "event": body["event"],
            "run": self._run(),
            "finds": self._finds(),
            "settles": self._settles(),
            "approves": self._approves(),
            "expect": self._expect(),
        }
        expect = made.pop("expect")
        if self._called is not None:
            made |= self._called.keys(lambda more: self._played({**made, **more}))
        played = self._played(made)
        if self._called is not None:
            expect |= self._called.expect(played)
        same = self.runbook.digest == body["digest"]
        if played is not None and same and sorted(played.steps) == sorted(expect["steps"]):
            expect["steps"] = list(played.steps)  # of two that begin together any may be first
        made["expect"] = expect
        return {key: value for key, value in made.items() if value not in ({}, None)}

    def _contacts(self) -> bool:
        """Whether there are contacts today by whom people are called where the run was."""
        if self.stand.callers is None:
            return False
        try:
            self.stand.callers(self.runbook, str(self._first.body["environment"]))
        except RunbookError:
            return False
        return True

    def _played(self, made: Mapping[str, Any]) -> Played | None:
        """What comes of a scenario; None where that cannot be played."""
        stand, runbook = self.stand, self.runbook
        keys = {**made, "name": "it", "expect": {"outcome": "resolved"}}
        keys = {key: value for key, value in keys.items() if value not in ({}, None)}
        text = "scenarios:\n  -" + "\n".join(pairs(keys, "    "))[3:] + "\n"
        try:
            one = parse_scenarios(text, f"{runbook.name}.test.yaml", runbook, stand.books)[-1]
            return play(runbook, one, stand.registry, stand.callers)
        except RunbookError:
            return None

    def _run(self) -> dict[str, str]:
        """What the name `run` says, as far as an expression asks; the time always, for ages."""
        asks = (self._fields or {}).get("run", set())
        told = {
            "id": self._first.run,
            "actor": self._first.actor["name"],
            "environment": self._first.body["environment"],
        }
        wanted = self._fields is None or () in asks
        named = {key: text for key, text in told.items() if wanted or (key,) in asks}
        return {"started_at": to_iso(self._first.at_us), **named}

    def _finds(self) -> dict[str, Any]:
        by_id: dict[str, dict[str, Any]] = {}
        for path, found in self._found.items():
            findings = self._findings(found)
            if findings:
                one = findings[0] if len(findings) == 1 else findings
                by_id.setdefault(found.id, {})[path] = one
        made: dict[str, Any] = {}
        for id_, by_path in by_id.items():
            first, *rest = by_path.values()
            made |= by_path if any(one != first for one in rest) else {id_: first}
        return made

    def _findings(self, found: Found) -> list[dict[str, Any]]:
        if found.kind not in ("check", "action", "escalate"):
            return []
        if found.kind == "escalate" and self._called is not None:
            return []
        answered = [event for _, event in found.answers if event.type == "Answered"]
        if answered:
            event = answered[0]
            said = {"answer": event.body["answer"], "note": event.body.get("note") or None}
            who = spoken(event.actor)  # as the run says it of them, where it says why it ended
            said |= {"by": who} if who != self._run().get("actor", "somebody") else {}
            return [{key: value for key, value in said.items() if value is not None}]
        made = [self._finding(found, came.outcome) for came in found.outcomes]
        if found.kind == "escalate" and not any("errored" in one for one in made):
            return []
        while len(made) > 1 and made[-1] == made[-2]:
            made.pop()
        return made

    def _finding(self, found: Found, outcome: Any) -> dict[str, Any]:
        error = outcome.error
        if error is None:
            result = dict(outcome.result or {})
            if self._fields is None:
                return result
            short = kept(result, self._fields.get(found.id, set()))
            self._left_out |= {f"{found.id}.{key}" for key in result if key not in short}
            return short
        doubt = found.kind == "action" and error["maybe_done"]
        told = {"unknown" if doubt else "errored": error["message"]}
        return told if error["retryable"] or doubt else {**told, "retryable": False}

    def _settles(self) -> dict[str, str]:
        return {
            path: "happened" if event.body["happened"] else "did-not"
            for path, found in self._found.items()
            for _, event in found.answers
            if event.type == "DoubtSettled"
        }

    def _approves(self) -> dict[str, str]:
        words = {"Approved": "approved", "Denied": "denied"}
        return {
            path: words[event.type]
            for path, found in self._found.items()
            for _, event in found.answers
            if event.type in words
        }

    def _expect(self) -> dict[str, Any]:
        end = ending(self.events)
        kinds = ("check", "action", "escalate")
        begun = [
            one.id
            for path, one in self._found.items()
            if one.kind in kinds and "-" not in one.id and not path.endswith(EXPIRED)
        ]
        messages = [{"policy": policy, "text": text} for policy, text in end.messages]
        because = {"because": end.because} if end.because else {}
        return {"outcome": end.outcome, **because, "steps": begun, "messages": messages}
