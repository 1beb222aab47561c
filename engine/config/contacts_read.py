"""Reads a `contacts.yaml`: what fits, and everything that is wrong in it, each with its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import Any

from engine.config.asking import check_roles, read_questions
from engine.config.contacts import CONSOLE, Channel, Contacts, Level, Person, Severity, Words
from engine.config.fields import Fields, plain
from engine.config.links import read_link
from engine.config.one_name import check_one_name
from engine.config.rotas_read import RotaReader, read_quiet
from engine.config.times import check_levels, check_severity, seconds, waited
from engine.language import nodes
from engine.language.model import Template
from engine.language.nodes import Node, Scalar, Sequence
from engine.language.template import analyse
from engine.language.words import did_you_mean, listed, named

KEYS = (
    *("channels", "link", "messages", "people", "policies"),
    *("questions", "quiet", "roles", "rotas", "severities"),
)
PERSON_KEYS = ("channels", "name", "os_user", "pagerduty", "quiet", "roles")
TEXT_KEYS = ("name", "os_user", "pagerduty")
LEVEL_KEYS = ("after", "by", "repeat", "unless", "who")
LEVEL_MEANT = MappingProxyType({"until": "unless"})
POLICY_KEYS = ("levels", "reopen_after", "respond_within", "severity", "informs")
REPEAT_KEYS = ("every", "times")
CHANNEL_KEYS = ("connection", "to")
SEVERITY_KEYS = ("critical", "page", "policy", "questions", "respond_within", "status")
KINDS = ("page", "status", "acknowledged", "resolved", "question", "answered")
"""Of messages."""

WORDS_KEYS = ("text", "title")
WORDS = frozenset(
    {
        *("title", "policy", "level", "wrong", "found", "done", "asked", "runbook", "environment"),
        *("severity", "by_us", "kind", "taken_by", "note", "outcome", "because", "after", "anew"),
        *("happens", "why", "became", "by", "foreseen"),
    }
)
"""Names in a message's templates; see `engine.core.words`."""

STATUS_KEYS = ("by", "every")
UNLESS = ("acknowledged", "resolved")
PAGES = ("critical", "error", "warning", "info")

REPEATS_MAX = 100
"""How often one level may be told again: more is no call for help but noise."""

LEVELS_MAX = 20
"""Of one policy: nobody has more people to wake one after the other."""


@dataclass(slots=True)
class ContactsReader:
    """Reads one file."""

    fields: Fields
    informs: set[str] = field(default_factory=set)
    """Policies that say so."""

    def read(self, root: Node) -> Contacts:
        fields = self.fields
        found = {key.text: node for key, node in fields.mapping(root, "contacts", KEYS)}
        get = found.get
        declared = fields.all_of(get("roles"), "roles", self._role)
        people = fields.all_of(get("people"), "people", self._person)
        self._check_users(people)
        if "roles" in found:
            self._check_roles(get("people"), declared)
        roles = {role: "" for person in people.values() for role in person.roles} | declared
        rotas = fields.all_of(get("rotas"), "rotas", RotaReader(fields, people).read)
        channels = fields.all_of(get("channels"), "channels", self._channel)
        times: dict[str, dict[str, float]] = {"reopen_after": {}, "respond_within": {}}
        severity_of: dict[str, str] = {}
        read = partial(self._policy, times=times, severity_of=severity_of)
        policies = fields.all_of(get("policies"), "policies", read)
        severities = fields.all_of(get("severities"), "severities", self._severity)
        quiet = read_quiet(fields, found["quiet"], "quiet") if "quiet" in found else None
        more: dict[str, Any] = {"rotas": rotas, "channels": channels, "severities": severities}
        more |= {"reopen_after_s": times["reopen_after"], "quiet": quiet}
        more |= {"respond_within_s": times["respond_within"], "severity_of": severity_of}
        more["informs"] = frozenset(self.informs)
        more["messages"] = self._messages(get("messages"))
        more["questions"] = read_questions(fields, get("questions"), self._repeat)
        more["link"] = read_link(fields, found["link"]) if "link" in found else None
        contacts = Contacts(people, roles, policies, fields.file, **more)
        Checker(fields, contacts).check(found)
        warnings = tuple(d for d in fields.collector.found if d.severity == "warning")
        return replace(contacts, warnings=warnings)

    def _messages(self, node: Node | None) -> dict[str, Words]:
        found = {}
        for key, value in self.fields.mapping(node, "messages", KINDS):
            given = {k.text: v for k, v in self.fields.mapping(value, key.text, WORDS_KEYS)}
            parts = [self._template(given.get(name), name, key) for name in ("title", "text")]
            if parts[0] is not None and parts[1] is not None:
                found[key.text] = Words(parts[0], parts[1])
        return found

    def _template(self, node: Node | None, name: str, key: Scalar) -> Template | None:
        if node is None:
            what = f"the message {named(key.text)} has no {named(name)}"
            self.fields.error("RB803", what, key, "it takes a title and a text")
            return None
        text = self.fields.text(node, name)
        if text is None:
            return None
        found = analyse(text, bare=False)
        for problem in found.problems:
            self.fields.error("RB829", problem.message, node, problem.help)
        for root in sorted({parts[0] for parts in found.names} - WORDS):
            hint = did_you_mean(root, WORDS, f"there are {listed(sorted(WORDS), 'and')}")
            self.fields.error("RB829", f"a message knows no {named(root)}", node, hint)
        return Template(text, node.place)

    def _role(self, _key: Scalar, node: Node) -> str:
        if isinstance(node, Scalar) and node.value is None:
            return ""
        return self.fields.text(node, "roles") or ""

    def _person(self, key: Scalar, node: Node) -> Person:
        given = {k.text: v for k, v in self.fields.mapping(node, key.text, PERSON_KEYS)}
        text = {k: self.fields.text(given[k], k) for k in TEXT_KEYS if k in given}
        roles = self.fields.texts(given["roles"], "roles") if "roles" in given else ()
        addresses = self.fields.mapping(given.get("channels"), "channels")
        channels = {k.text: _address(v) for k, v in addresses}
        quiet = read_quiet(self.fields, given["quiet"], "quiet") if "quiet" in given else None
        name = text.get("name") or key.text
        known = (text.get("os_user"), roles, channels, quiet, text.get("pagerduty"))
        return Person(key.text, name, key.place, *known)

    def _check_users(self, people: Mapping[str, Person]) -> None:
        """A user, here or of PagerDuty, is one person: two with the same would make the record say
        either.
        """
        for key in ("os_user", "pagerduty"):
            seen: dict[str, Person] = {}
            for person in people.values():
                user = getattr(person, key)
                if user is not None and user in seen:
                    what = f"{named(person.id)} and {named(seen[user].id)} have the same {key}"
                    self.fields.collector.add("RB821", f"{what} {named(user)}", person.place)
                elif user is not None:
                    seen[user] = person

    def _check_roles(self, people: Node | None, declared: Mapping[str, str]) -> None:
        for _, person in self.fields.mapping(people, "people"):
            roles = [n for k, n in pairs(person) if k == "roles"]
            for node in (item for role in roles for item in items(role)):
                if isinstance(node, Scalar) and node.text not in declared:
                    what = f"unknown role {named(node.text)}"
                    hint = did_you_mean(node.text, declared, "declare it under 'roles'")
                    self.fields.error("RB820", what, node, hint)

    def _channel(self, key: Scalar, node: Node) -> Channel:
        given = {k.text: v for k, v in self.fields.mapping(node, key.text, CHANNEL_KEYS)}
        text = {k: self.fields.text(v, k) for k, v in given.items()}
        if key.text == CONSOLE:
            what = "the channel 'console' is always there, and is no connection"
            self.fields.error("RB823", what, key)
        elif "connection" not in given:
            what = f"the channel {named(key.text)} has no 'connection'"
            hint = "name a connection of the environments, such as `connection: slack`"
            self.fields.error("RB823", what, key, hint)
        return Channel(key.text, text.get("connection"), key.place, text.get("to"))

    def _policy(
        self,
        key: Scalar,
        node: Node,
        times: dict[str, dict[str, float]],
        severity_of: dict[str, str],
    ) -> tuple[Level, ...]:
        if isinstance(node, nodes.Mapping) and node.pairs:
            given = {k.text: v for k, v in self.fields.mapping(node, key.text, POLICY_KEYS)}
            for name, of in times.items():
                if name in given:
                    of[key.text] = seconds(self.fields, given[name], name) or 0.0
            if "severity" in given:
                severity_of[key.text] = self.fields.text(given["severity"], "severity") or ""
            self._informs(key.text, given.get("informs"))
            if "levels" not in given:
                what = f"the policy {named(key.text)} has no 'levels'"
                self.fields.error("RB803", what, key, "a list of {who: [...], by: [...]}")
                return ()
            node = given["levels"]
        if not isinstance(node, Sequence) or not node.items:
            self.fields.wrong(key.text, "a list of levels", node, "each is {who: [...], by: [...]}")
            return ()
        if len(node.items) > LEVELS_MAX:
            self.fields.error("RB826", f"a policy has at most {LEVELS_MAX} levels", node)
        return tuple(self._level(item) for item in node.items[:LEVELS_MAX])

    def _informs(self, name: str, node: Node | None) -> None:
        value = getattr(node, "value", None)
        if node is not None and not isinstance(value, bool):
            self.fields.wrong("informs", "true or false", node)
        if value is True:
            self.informs.add(name)

    def _level(self, node: Node) -> Level:
        given = {k.text: v for k, v in self.fields.mapping(node, "level", LEVEL_KEYS, LEVEL_MEANT)}
        if "who" not in given:
            self.fields.error("RB803", "a level has no 'who'", node, "name people or roles")
        who = self.fields.some(given["who"], "who") if "who" in given else ()
        by = self.fields.some(given["by"], "by") if "by" in given else (CONSOLE,)
        after_s = waited(self.fields, given.get("after"), "after")
        unless = "acknowledged"
        if "unless" in given:
            unless = self.fields.one_of(given["unless"], "unless", UNLESS, unless)
        every_s, times = self._repeat(given.get("repeat"))
        return Level(who, node.place, by, after_s or 0.0, unless, every_s, times)

    def _repeat(self, node: Node | None, name: str = "repeat") -> tuple[float | None, int]:
        if node is None:
            return None, 0
        every, times, called = node, 1, name
        if isinstance(node, nodes.Mapping):
            given = {k.text: v for k, v in self.fields.mapping(node, name, REPEAT_KEYS)}
            if "every" not in given:
                what = f"{named(name)} has no 'every'"
                self.fields.error("RB803", what, node, "{every: 5m, times: 3}")
                return None, 0
            every, called = given["every"], "every"
            times = self._times(given["times"]) if "times" in given else REPEATS_MAX
        return seconds(self.fields, every, called), times

    def _times(self, node: Node) -> int:
        value = node.value if isinstance(node, Scalar) else None
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= REPEATS_MAX:
            self.fields.wrong("times", f"a number from 1 to {REPEATS_MAX}", node)
            return 1
        return value

    def _severity(self, key: Scalar, node: Node) -> Severity:
        fields = self.fields
        given = {k.text: v for k, v in fields.mapping(node, key.text, SEVERITY_KEYS)}
        found: dict[str, Any] = {}
        if "respond_within" in given:
            found["respond_within_s"] = seconds(fields, given["respond_within"], "respond_within")
        if "policy" in given:
            found["policy"] = fields.text(given["policy"], "policy")
        if "page" in given:
            found["page"] = fields.one_of(given["page"], "page", PAGES, "critical")
        if "critical" in given:
            value = getattr(given["critical"], "value", None)
            if not isinstance(value, bool):
                fields.wrong("critical", "true or false", given["critical"])
            found["critical"] = value is True
        if "status" in given:
            status = {k.text: v for k, v in fields.mapping(given["status"], "status", STATUS_KEYS)}
            for missing in sorted(set(STATUS_KEYS) - set(status)):
                what = f"'status' has no {named(missing)}"
                fields.error("RB803", what, given["status"], "{every: 15m, by: [room]}")
            if "every" in status:
                found["status_every_s"] = seconds(fields, status["every"], "every")
            found["status_by"] = fields.some(status["by"], "by") if "by" in status else ()
        if "questions" in given:
            found["questions"] = read_questions(fields, given["questions"], self._repeat)
        return Severity(key.text, key.place, **found)


@dataclass(slots=True)
class Checker:
    """Names that lead nowhere, once everything is read."""

    fields: Fields
    contacts: Contacts

    def check(self, found: Mapping[str, Node]) -> None:
        rotas = {
            name for name, _ in pairs(found.get("rotas"))
        }  # what is wrong in one is told there
        for _, policy in self.fields.mapping(found.get("policies"), "policies"):
            levels = policy.get("levels") if isinstance(policy, nodes.Mapping) else policy
            self._of_severity(policy)
            for level in items(levels) if levels is not None else ():
                self._level(level, rotas)
        for checked in self.contacts.policies.values():
            check_levels(self.fields, checked)
        for name, rota in self.contacts.rotas.items():
            if name in self.contacts.people or name in self.contacts.roles:
                what = f"{named(name)} is a rota, and a person or a role too"
                self.fields.collector.add("RB824", what, rota.place, "give it a name of its own")
        for _, given in self.fields.mapping(found.get("rotas"), "rotas"):
            for node in (n for k, n in pairs(given) if k == "channel" and isinstance(n, Scalar)):
                self._by(node)
        for key, severity in self.fields.mapping(found.get("severities"), "severities"):
            self._severity(severity)
            within_s = self.contacts.severities[key.text].respond_within_s
            check_severity(self.fields, severity, within_s, self.contacts)
        self._questions(found.get("questions"))
        if "channels" in found:
            self._addresses(found.get("people"))

    def _of_severity(self, policy: Node) -> None:
        known = self.contacts.severities
        for node in (n for k, n in pairs(policy) if k == "severity" and isinstance(n, Scalar)):
            if node.text not in known:
                hint = did_you_mean(node.text, known, "declare it under 'severities'")
                self.fields.error("RB839", f"no severity is named {named(node.text)}", node, hint)

    def _level(self, level: Node, rotas: set[str]) -> None:
        contacts = self.contacts
        known = {CONSOLE, *contacts.people, *contacts.roles, *rotas, *contacts.channels}
        for key, node in pairs(level):
            for item in items(node):
                if not isinstance(item, Scalar):
                    continue
                if key == "who" and item.text not in known:
                    hint = did_you_mean(item.text, known, "name a person, a role or a rota")
                    what = f"nobody is named {named(item.text)}"
                    self.fields.error("RB822", what, item, hint)
                elif key == "who" and item.text not in rotas and not self._anybody(item.text):
                    hint = "give it to somebody under 'people'"
                    what = f"nobody has the role {named(item.text)}"
                    self.fields.warn("RB825", what, item, hint)
                elif key == "by":
                    self._by(item)
                if key == "who":
                    check_one_name(self.fields, contacts, item, CONSOLE)

    def _anybody(self, who: str) -> bool:
        contacts = self.contacts
        return who in {CONSOLE, *contacts.people, *contacts.channels} or bool(contacts.in_role(who))

    def _by(self, item: Scalar) -> None:
        """Without `channels` any name goes: the file is older than channels, or says who only."""
        known = {CONSOLE, *self.contacts.channels}
        if self.contacts.channels and item.text not in known:
            hint = did_you_mean(item.text, known, f"there are {listed(sorted(known), 'and')}")
            self.fields.error("RB823", f"no channel is named {named(item.text)}", item, hint)

    def _severity(self, node: Node) -> None:
        for name, value in pairs(node):
            known = self.contacts.policies
            if name == "policy" and isinstance(value, Scalar) and value.text not in known:
                hint = did_you_mean(value.text, known, "declare it under 'policies'")
                self.fields.error("RB827", f"no policy is named {named(value.text)}", value, hint)
            if name == "questions":
                self._questions(value)
            if name == "status":
                for item in (i for k, n in pairs(value) if k == "by" for i in items(n)):
                    if isinstance(item, Scalar):
                        self._by(item)

    def _questions(self, node: Node | None) -> None:
        check_roles(self.fields, node, self.contacts.roles)
        for item in (i for k, n in pairs(node) if k == "by" for i in items(n)):
            if isinstance(item, Scalar):
                self._by(item)

    def _addresses(self, people: Node | None) -> None:
        for _, person in self.fields.mapping(people, "people"):
            for _, given in ((k, n) for k, n in pairs(person) if k == "channels"):
                for key, value in self.fields.mapping(given, "channels"):
                    if key.text not in self.contacts.channels:
                        self._by(key)
                    elif not isinstance(value, Scalar) or not value.text.strip():
                        self.fields.wrong(key.text, "an address", value)


def _address(node: Node) -> Any:
    """As it was written: without quotes a telephone number is a number, and has no `+`."""
    number = isinstance(node, Scalar) and isinstance(node.value, int | float)
    return node.text if isinstance(node, Scalar) and number else plain(node)


def items(node: Node) -> tuple[Node, ...]:
    return node.items if isinstance(node, Sequence) else (node,)


def pairs(node: Node | None) -> list[tuple[str, Node]]:
    return [(key.text, value) for key, value in getattr(node, "pairs", ())]
