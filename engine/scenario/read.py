"""Reads `<runbook>.test.yaml`: scenarios, or every diagnostic of the file at once.

What a scenario may say stands in `KEYS`: the reader goes by that table, and so does the JSON Schema
(`engine.scenario.schema`), so that neither can know a key that the other does not.

A finding is a result (a mapping), `{errored: why}`, `{unknown: why}` (an action in doubt), or for a
step that asks a person `{answer: yes, note: ...}`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from engine.config import Books
from engine.config.fields import Fields, plain
from engine.errors import Collector, Diagnosed, Place
from engine.language import nodes
from engine.language.model import Runbook
from engine.language.source import parse, read
from engine.language.words import did_you_mean, named
from engine.scenario import approving
from engine.scenario.calls import PRODUCTION, Calls, Sending, Taking
from engine.scenario.expected import OUTCOME, PLAYED, read_expected, speaks_of_calls
from engine.scenario.read_calls import (
    ACKNOWLEDGES_SCHEMA,
    CALLS_SCHEMA,
    CHANNELS_SCHEMA,
    UNTIL_SCHEMA,
    About,
    CallReader,
    Finding,
)

SCENARIOS_MAX = 1000
"""Scenarios of one file: a runbook with more ways than that is several runbooks."""

START_US = 1_800_000_000_000_000
"""When a scenario begins that does not say (2027-01-15T08:00Z): a fixed time, so that it plays the
same for ever.
"""

_TAKEN: Final = ("event", "began", "calls_in", "takings", "until_s")
_MERGED: Final = ("inputs", "finds", "settles", "approves", "channels")
"""What a scenario that is `like` another takes from it: whole, or key by key."""

SETTLES: Final = ("happened", "did-not")


@dataclass(frozen=True, slots=True)
class Began:
    """How the run of a scenario began: what the name `run` says in its expressions."""

    id: str = "scenario"
    started_us: int = START_US
    actor: str = "somebody"
    environment: str = "scenario"
    mode: str = "scenario"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario of a file."""

    name: str
    place: Place
    inputs: Mapping[str, Any] = field(default_factory=dict)
    event: Any = None
    began: Began = Began()
    finds: Mapping[str, tuple[Finding, ...]] = field(default_factory=dict)
    settles: Mapping[str, bool] = field(default_factory=dict)
    approves: Mapping[str, approving.Approves] = field(default_factory=dict)
    expect: Mapping[str, Any] = field(default_factory=dict)
    calls_in: str | None = None
    """The environment whose contacts are called."""
    takings: tuple[Taking, ...] = ()
    channels: Mapping[str, tuple[Sending, ...]] = field(default_factory=dict)
    until_s: float | None = None

    @property
    def calls(self) -> Calls | None:
        """How the levels of escalations are played; None where they are not."""
        said = self.calls_in is not None or approving.people(self.approves)
        said = said or bool(self.takings or self.channels)
        if not said and not speaks_of_calls(self.expect):
            return None
        return Calls(self.calls_in or PRODUCTION, self.takings, self.channels)


Scenarios = tuple[Scenario, ...]


def read_scenarios(path: Path, runbook: Runbook, books: Books | None = None) -> Scenarios:
    """The scenarios of a file. Raises Diagnosed with everything that is wrong in it.

    `books`: hold the contacts of the runbook's pack, where it is to be looked whether they have
    what is spoken of.
    """
    collector = Collector()
    text = read(path, collector)
    return _parsed(text, str(path), About.of(runbook, books), collector)


def parse_scenarios(
    text: str, file: str, runbook: Runbook, books: Books | None = None
) -> Scenarios:
    """The same of a text that is in no file yet."""
    return _parsed(text, file, About.of(runbook, books), Collector())


def _parsed(text: str | None, file: str, about: About, collector: Collector) -> Scenarios:
    root = parse(text, file, collector) if text is not None else None
    found: Scenarios = ()
    if root is not None:
        found = _Reader(Fields(file, collector), about).read(root)
    if collector.errors or root is None:
        raise Diagnosed(tuple(collector.found), {file: text or ""})
    return found


class _Reader(CallReader):
    """Reads one file."""

    def read(self, root: nodes.Node) -> Scenarios:
        made: list[Scenario] = []
        for key, value in self.fields.mapping(root, "the file", ("scenarios",)):
            if not isinstance(value, nodes.Sequence):
                self.fields.wrong(key.text, "a list of scenarios", value)
                continue
            if len(value.items) > SCENARIOS_MAX:
                self.fields.error("RB830", f"more than {SCENARIOS_MAX} scenarios", value)
            for item in value.items[:SCENARIOS_MAX]:
                made.append(self._scenario(item, made))
        self._names(made)
        return tuple(made)

    def _scenario(self, node: nodes.Node, before: Sequence[Scenario]) -> Scenario:
        found = {key.text: value for key, value in self.fields.mapping(node, "a scenario", KEYS)}
        for name, key in KEYS.items():
            if key.needed is not None and name not in found:
                self.fields.error("RB831", key.needed[0], node, key.needed[1])
        read = {KEYS[name].into: KEYS[name].read(self, value) for name, value in found.items()}
        like = read.pop("like", None)
        other = next((one for one in before if one.name == like), None)
        if other is not None:
            for name in _TAKEN:
                read.setdefault(name, getattr(other, name))
            for name in _MERGED:
                read[name] = {**getattr(other, name), **read.get(name, {})}
        elif like:
            hint = did_you_mean(like, [one.name for one in before], "it stands before this one")
            self.fields.error("RB835", f"no scenario here is named {named(like)}", node, hint)
        made = Scenario(**{"name": "", "place": node.place, **read})
        if made.calls is not None:
            self.check_calls(made.calls, made.finds, found, node)
        return made

    def _names(self, made: Iterable[Scenario]) -> None:
        seen: dict[str, Place] = {}
        for one in made:
            if one.name in seen:
                what = f"{named(one.name)} is the name of another scenario too"
                self.fields.collector.add("RB832", what, one.place, f"see {seen[one.name]}")
            seen[one.name] = one.place

    # -- the values of the keys --------------------------------------------------------------------

    def name(self, node: nodes.Node) -> str:
        return self.fields.text(node, "name") or ""

    def like(self, node: nodes.Node) -> str:
        return self.fields.text(node, "like") or ""

    def inputs(self, node: nodes.Node) -> Mapping[str, Any]:
        return self._plain(node, "inputs")

    def event(self, node: nodes.Node) -> Any:
        return plain(node)

    def began(self, node: nodes.Node) -> Began:
        given: dict[str, Any] = {}
        for key, value in self.fields.mapping(node, "run", RUN):
            text = self.fields.text(value, key.text)
            if text is None:
                continue
            given[key.text] = text
            if key.text == "started_at":
                del given["started_at"]
                given["started_us"] = self._moment(text, value)
        return Began(**given)

    def finds(self, node: nodes.Node) -> Mapping[str, tuple[Finding, ...]]:
        return self.fields.all_of(node, "finds", self._findings)

    def settles(self, node: nodes.Node) -> Mapping[str, bool]:
        return self.fields.all_of(node, "settles", lambda k, v: self._word(k, v, SETTLES))

    def approves(self, node: nodes.Node) -> Mapping[str, approving.Approves]:
        return self.fields.all_of(node, "approves", self._approves)

    def _approves(self, key: nodes.Scalar, node: nodes.Node) -> approving.Approves:
        self.step(key)
        return approving.read_approves(self.fields, key, node)

    def expect(self, node: nodes.Node) -> Mapping[str, Any]:
        return read_expected(self.fields, self.about.ids, node)

    def _moment(self, text: str, node: nodes.Node) -> int:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            self.fields.wrong(
                "started_at", "a time with its zone", node, "like 2027-01-15T08:00:00Z"
            )
            return START_US
        return round(moment.timestamp() * 1e6)

    def _plain(self, node: nodes.Node, name: str) -> Mapping[str, Any]:
        if not isinstance(node, nodes.Mapping):
            self.fields.wrong(name, "a mapping", node)
            return {}
        found: dict[str, Any] = plain(node)
        return found

    def _findings(self, key: nodes.Scalar, node: nodes.Node) -> tuple[Finding, ...]:
        self.step(key)
        items = node.items if isinstance(node, nodes.Sequence) else (node,)
        if not items:
            self.fields.wrong(key.text, "at least one finding", node)
            return (Finding(),)
        return tuple(self._finding(key, item) for item in items)

    def _finding(self, key: nodes.Scalar, node: nodes.Node) -> Finding:
        if not isinstance(node, nodes.Mapping):
            hint = "a result is a mapping, `{errored: why}` an error, `{unknown: why}` a doubt"
            self.fields.wrong(key.text, "what it finds", node, hint)
            return Finding()
        value: dict[str, Any] = plain(node)
        retryable = value.get("retryable", True) is not False
        for status in ("errored", "unknown"):
            if status in value and set(value) <= {status, "retryable"}:
                return Finding({}, status, str(value[status]), retryable)
        return Finding(value)

    def _word(self, key: nodes.Scalar, node: nodes.Node, words: tuple[str, str]) -> bool:
        """One of two words: whether it is the first."""
        self.step(key)
        return self.fields.one_of(node, key.text, words, words[0]) == words[0]


# -- the table -------------------------------------------------------------------------------------

RUN: Final[Mapping[str, str]] = {
    "id": "the id of the run; `scenario` unless given",
    "started_at": "when it begins: a time with its zone; 2027-01-15T08:00:00Z unless given",
    "actor": "who starts it; `somebody` unless given",
    "environment": "where; `scenario` unless given",
}

_FINDING: Final = {
    "type": "object",
    "description": "a result; or {errored: why}; {unknown: why}, an action in doubt; or for a step "
    "that asks a person {answer: yes | no | done | not-done | acknowledged, note: text, by: name}",
}


def _by_step(words: tuple[str, ...]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": {"enum": list(words)}}


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a scenario: how it is read, and what it means."""

    read: Callable[[_Reader, nodes.Node], Any]
    doc: str
    schema: Mapping[str, Any]
    into: str
    """The field of `Scenario` it becomes."""
    needed: tuple[str, str] | None = None
    """What is said when it is missing, and the help."""


KEYS: Final[Mapping[str, Key]] = {
    "name": Key(
        _Reader.name,
        "a sentence: what it shows",
        {"type": "string", "minLength": 1},
        "name",
        ("a scenario has a `name`", "say what it shows"),
    ),
    "like": Key(
        _Reader.like,
        "the name of a scenario before it: all that it says is taken, but for what it expects and "
        "what is said here",
        {"type": "string"},
        "like",
    ),
    "inputs": Key(_Reader.inputs, "what the run is started with", {"type": "object"}, "inputs"),
    "event": Key(_Reader.event, "what triggers the run: the name `event`", {}, "event"),
    "run": Key(
        _Reader.began,
        "how the run begins: what the name `run` says",
        {
            "type": "object",
            "properties": {k: {"type": "string", "description": d} for k, d in RUN.items()},
            "additionalProperties": False,
        },
        "began",
    ),
    "finds": Key(
        _Reader.finds,
        "by step id or path: what it finds; of a list each attempt the next, then the last",
        {
            "type": "object",
            "additionalProperties": {
                "anyOf": [_FINDING, {"type": "array", "items": _FINDING, "minItems": 1}]
            },
        },
        "finds",
    ),
    "settles": Key(
        _Reader.settles,
        "by step id or path: what a person says of an action in doubt",
        _by_step(SETTLES),
        "settles",
    ),
    "approves": Key(
        _Reader.approves,
        "by step id or path: whether those who are asked agree, at once; or who says so and when; "
        "nobody answers unless given",
        approving.SCHEMA,
        "approves",
    ),
    "calls": Key(
        _Reader.calls,
        "the environment by whose contacts people are called, level by level; production where "
        "`acknowledges`, `channels`, who approves, or what is expected say so without it",
        CALLS_SCHEMA,
        "calls_in",
    ),
    "acknowledges": Key(
        _Reader.acknowledges,
        "who takes it, and how long after the run began",
        ACKNOWLEDGES_SCHEMA,
        "takings",
    ),
    "channels": Key(
        _Reader.channels,
        "by channel, or person/channel: what it does with a message; of a list each message the "
        "next, then the last; without it a channel takes every message",
        CHANNELS_SCHEMA,
        "channels",
    ),
    "until": Key(
        _Reader.until,
        "how long after its beginning the run is played no further; to its end unless given",
        UNTIL_SCHEMA,
        "until_s",
    ),
    "expect": Key(
        _Reader.expect,
        "what must come of it: matchers over paths, as in a check's `expect`",
        {
            "type": "object",
            "minProperties": 1,
            "properties": {name: {"description": doc} for name, doc in PLAYED.items()},
            "patternProperties": {rf"^({'|'.join(PLAYED)})[.\[]": {}},
            "additionalProperties": False,
        },
        "expect",
        ("a scenario says what it expects", OUTCOME),
    ),
}
"""Every key of a scenario."""
