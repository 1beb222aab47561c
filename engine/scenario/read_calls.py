"""Reads what a scenario says of people who are called: `calls`, `acknowledges`, `channels`,
`until`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from engine.config import Books, Contacts
from engine.config.contacts import CONSOLE
from engine.config.fields import Fields, plain
from engine.core.summons import OWN
from engine.language import nodes
from engine.language.duration import DURATION_PATTERN
from engine.language.model import Escalate, Runbook, walk_runbook
from engine.language.words import did_you_mean, listed, named
from engine.scenario.calls import DOWN, OK, Calls, Sending, Taking


@dataclass(frozen=True, slots=True)
class Finding:
    """What one attempt finds. `status` is None for a result, else `errored` or `unknown`."""

    result: Mapping[str, Any] = field(default_factory=dict)
    status: str | None = None
    why: str = ""
    retryable: bool = True


@dataclass(frozen=True, slots=True)
class About:
    """What scenarios can speak of: `ids` of steps, `escalates` of those that tell people; and what
    the contacts of the pack have, where they are at hand.
    """

    ids: frozenset[str]
    escalates: frozenset[str]
    pack: str
    books: Books | None = None

    @classmethod
    def of(cls, runbook: Runbook, books: Books | None) -> About:
        """Of a runbook and of those it calls; probes have ids of their own."""
        texts = (runbook, *runbook.calls.values())
        entries = [entry for book in texts for entry in walk_runbook(book)]
        probes = [p for entry in entries if (p := getattr(entry, "probe", None)) is not None]
        tells = frozenset(entry.id for entry in entries if isinstance(entry, Escalate))
        ids = frozenset(entry.id for entry in (*entries, *probes))
        return cls(ids, tells, runbook.name.partition("/")[0], books)


class CallReader:
    """Reads one file."""

    def __init__(self, fields: Fields, about: About) -> None:
        self.fields = fields
        self.about = about

    def step(self, key: nodes.Scalar, *others: str) -> None:
        """That there is such a step."""
        if key.text.rpartition("/")[2] not in self.about.ids and key.text not in others:
            hint = did_you_mean(key.text, sorted((*self.about.ids, *others)))
            self.fields.error("RB833", f"there is no step {named(key.text)}", key, hint)

    # -- the values of the keys --------------------------------------------------------------------

    def calls(self, node: nodes.Node) -> str | None:
        return self.fields.text(node, "calls")

    def until(self, node: nodes.Node) -> float | None:
        return self.fields.seconds(node, "until")

    def acknowledges(self, node: nodes.Node) -> tuple[Taking, ...]:
        items = node.items if isinstance(node, nodes.Sequence) else (node,)
        return tuple(self._taking(item) for item in items)

    def _taking(self, node: nodes.Node) -> Taking:
        found = {k.text: v for k, v in self.fields.mapping(node, "acknowledges", ACKNOWLEDGES)}
        if "at" not in found:
            if isinstance(node, nodes.Mapping):
                what, hint = "who takes it says when", "`{at: 16m, by: lead}`"
                self.fields.error("RB831", what, node, hint)
            return Taking(0.0)
        texts = {
            key: self.fields.text(found[key], key) for key in ("by", "step", "note") if key in found
        }
        if isinstance(at := found.get("step"), nodes.Scalar) and texts["step"]:
            self.step(at, OWN)
        at_s = self.fields.seconds(found["at"], "at") or 0.0
        return Taking(at_s, texts.get("by"), texts.get("step"), texts.get("note") or "")

    def channels(self, node: nodes.Node) -> Mapping[str, tuple[Sending, ...]]:
        return self.fields.all_of(node, "channels", self._sendings)

    def _sendings(self, key: nodes.Scalar, node: nodes.Node) -> tuple[Sending, ...]:
        items = node.items if isinstance(node, nodes.Sequence) else (node,)
        if not items:
            self.fields.wrong(key.text, "at least one thing that it does", node)
        return tuple(self._sending(key, item) for item in items)

    def _sending(self, key: nodes.Scalar, node: nodes.Node) -> Sending:
        if not isinstance(node, nodes.Mapping):
            word = self.fields.one_of(node, key.text, tuple(_WORDS), "ok")
            return _WORDS[word]
        found = {k.text: v for k, v in self.fields.mapping(node, key.text, SENDING)}
        made: dict[str, Any] = {}
        for status in ("errored", "unknown"):
            if status in found:
                made |= {"status": status, "why": str(plain(found[status]))}
        if "retryable" in found:
            made["retryable"] = plain(found["retryable"]) is not False
        for name, into in (("takes", "takes_s"), ("retry_after", "retry_after_s")):
            if name in found:
                made[into] = self.fields.seconds(found[name], name) or 0.0
        return Sending(**made)

    # -- what they say together --------------------------------------------------------------------

    def check_calls(
        self,
        calls: Calls,
        finds: Mapping[str, tuple[Finding, ...]],
        found: Mapping[str, nodes.Node],
        node: nodes.Node,
    ) -> None:
        """Whether a scenario and the contacts go together. `found`: its keys."""
        scripted = found.get("finds")
        for key, _ in scripted.pairs if isinstance(scripted, nodes.Mapping) else ():
            tells = key.text.rpartition("/")[2] in self.about.escalates
            if tells and not all("answer" in one.result for one in finds.get(key.text, ())):
                what = f"{named(key.text)} tells people, and the levels are played"
                hint = "say under `channels` what becomes of the messages"
                self.fields.error("RB837", what, key, hint)
        books, pack = self.about.books, self.about.pack
        if books is None or pack not in books.packs():
            return
        known = books.environments(pack)
        if calls.environment not in known:
            what = f"the pack {named(pack)} has no environment {named(calls.environment)}"
            hint = f"`calls` says whose contacts are called; it has {listed(known, 'and')}"
            hint = did_you_mean(calls.environment, known, hint) or hint
            self.fields.error("RB838", what, found.get("calls", node), hint)
        channels = found.get("channels")
        contacts = books.contacts(pack)
        for key, _ in channels.pairs if isinstance(channels, nodes.Mapping) else ():
            self._known(key, contacts)

    def _known(self, key: nodes.Scalar, contacts: Contacts) -> None:
        """Whether the contacts have a channel, and somebody."""
        who, _, channel = key.text.rpartition("/")
        channels = (*contacts.channels, CONSOLE)
        if channel not in channels:
            hint = did_you_mean(channel, channels, f"they have {listed(channels, 'and')}")
            self.fields.error("RB836", f"the contacts have no channel {named(channel)}", key, hint)
        everybody = (*contacts.people, *contacts.rotas, *channels)
        if who and who not in everybody:
            hint = did_you_mean(who, everybody, "it is PERSON/CHANNEL, or a channel alone")
            self.fields.error("RB836", f"the contacts have nobody named {named(who)}", key, hint)


# -- the tables ------------------------------------------------------------------------------------

_WORDS: Final[Mapping[str, Sending]] = {"ok": OK, "down": DOWN}

ACKNOWLEDGES: Final[Mapping[str, str]] = {
    "at": "how long after the run began, like 16m",
    "by": "who; whoever started the run unless given",
    "step": "the step that calls, or `run` for the run's own; all that is open unless given",
    "note": "what they say",
}

SENDING: Final[Mapping[str, str]] = {
    "errored": "it did not take the message: why",
    "unknown": "it may or may not have taken the message: why",
    "retryable": "false: to try again does not help",
    "retry_after": "it says that it takes messages again after this",
    "takes": "how long it takes to answer; 10ms unless given",
}

_DURATION: Final = {"anyOf": [{"type": "string", "pattern": DURATION_PATTERN}, {"type": "number"}]}
_TEXT: Final = {"type": "string", "minLength": 1}


def _described(keys: Mapping[str, str], schemas: Mapping[str, Any]) -> dict[str, Any]:
    return {name: {"description": doc, **schemas.get(name, {})} for name, doc in keys.items()}


_TAKING: Final = {
    "type": "object",
    "properties": _described(
        ACKNOWLEDGES, {"at": _DURATION, "by": _TEXT, "step": _TEXT, "note": _TEXT}
    ),
    "required": ["at"],
    "additionalProperties": False,
}
_SENDING: Final = {
    "anyOf": [
        {"enum": list(_WORDS)},
        {
            "type": "object",
            "properties": _described(
                SENDING,
                {"retryable": {"type": "boolean"}, "retry_after": _DURATION, "takes": _DURATION},
            ),
            "additionalProperties": False,
        },
    ]
}

CALLS_SCHEMA: Final = _TEXT
UNTIL_SCHEMA: Final = _DURATION
ACKNOWLEDGES_SCHEMA: Final = {"anyOf": [_TAKING, {"type": "array", "items": _TAKING}]}
CHANNELS_SCHEMA: Final = {
    "type": "object",
    "additionalProperties": {
        "anyOf": [_SENDING, {"type": "array", "items": _SENDING, "minItems": 1}]
    },
}
