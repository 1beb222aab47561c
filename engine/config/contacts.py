"""Who there is: people, their roles, and whom an escalation tells, from a pack's `contacts.yaml`.

```yaml
people:
  ana: {name: Ana Lim, os_user: ana, roles: [on-call], channels: {email: ana@example.com}}
roles:
  on-call: Whoever carries the pager this week
policies:
  default:
    - {who: [on-call], by: [console], until: acknowledged}
    - {who: [ana], by: [email], after: 15m}
```
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.config.fields import Fields, plain
from engine.errors import Place
from engine.language.nodes import Node, Scalar, Sequence
from engine.language.words import did_you_mean, named

KEYS = ("people", "policies", "roles")
PERSON_KEYS = ("channels", "name", "os_user", "roles")
LEVEL_KEYS = ("after", "by", "until", "who")
UNTIL = ("acknowledged", "resolved")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody. `id` is the key in the file, `name` what people call them."""

    id: str
    name: str
    place: Place
    os_user: str | None = None
    roles: tuple[str, ...] = ()
    channels: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Level:
    """A level of an escalation policy: whom it tells, by what, how long after the one before."""

    who: tuple[str, ...]
    place: Place
    by: tuple[str, ...] = ("console",)
    after_s: float = 0.0
    until: str = "acknowledged"


@dataclass(frozen=True, slots=True)
class Contacts:
    """The contacts of a pack; empty where it has no `contacts.yaml`."""

    people: Mapping[str, Person] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)
    """Every role that is declared or that somebody has, with what it is."""
    policies: Mapping[str, tuple[Level, ...]] = field(default_factory=dict)
    file: str | None = None

    def person(self, os_user: str) -> Person | None:
        return next((p for p in self.people.values() if p.os_user == os_user), None)

    def roles_of(self, os_user: str) -> frozenset[str]:
        """The roles of an operating-system user; none when the file does not name them."""
        person = self.person(os_user)
        return frozenset(person.roles) if person else frozenset()

    def roles_of_person(self, name: str) -> frozenset[str]:
        """The roles of somebody who is named: by the id in the file, or else as `roles_of` does."""
        person = self.people.get(name)
        return frozenset(person.roles) if person else self.roles_of(name)

    def in_role(self, role: str) -> tuple[Person, ...]:
        return tuple(p for p in self.people.values() if role in p.roles)


@dataclass(slots=True)
class ContactsReader:
    """Reads one file."""

    fields: Fields

    def read(self, root: Node) -> Contacts:
        found = {key.text: node for key, node in self.fields.mapping(root, "contacts", KEYS)}
        declared = self.fields.all_of(found.get("roles"), "roles", self._role)
        people = self.fields.all_of(found.get("people"), "people", self._person)
        self._check_users(people)
        if "roles" in found:
            self._check_roles(found.get("people"), declared)
        roles = {role: "" for person in people.values() for role in person.roles} | declared
        policies = self.fields.all_of(found.get("policies"), "policies", self._policy)
        self._check_policies(found.get("policies"), {*people, *roles})
        return Contacts(people, roles, policies, self.fields.file)

    def _role(self, _key: Scalar, node: Node) -> str:
        if isinstance(node, Scalar) and node.value is None:
            return ""
        return self.fields.text(node, "roles") or ""

    def _person(self, key: Scalar, node: Node) -> Person:
        given = {k.text: v for k, v in self.fields.mapping(node, key.text, PERSON_KEYS)}
        text = {k: self.fields.text(given[k], k) for k in ("name", "os_user") if k in given}
        roles = self.fields.texts(given["roles"], "roles") if "roles" in given else ()
        channels = {
            k.text: plain(v) for k, v in self.fields.mapping(given.get("channels"), "channels")
        }
        name = text.get("name") or key.text
        return Person(key.text, name, key.place, text.get("os_user"), roles, channels)

    def _check_users(self, people: Mapping[str, Person]) -> None:
        """An operating-system user is one person: two with the same would make the record say
        either.
        """
        seen: dict[str, Person] = {}
        for person in people.values():
            user = person.os_user
            if user is not None and user in seen:
                what = f"{named(person.id)} and {named(seen[user].id)} have the same os_user"
                self.fields.collector.add("RB821", f"{what} {named(user)}", person.place)
            elif user is not None:
                seen[user] = person

    def _check_roles(self, people: Node | None, declared: Mapping[str, str]) -> None:
        for _, person in self.fields.mapping(people, "people"):
            roles = [n for k, n in _pairs(person) if k == "roles"]
            for node in (item for role in roles for item in _items(role)):
                if isinstance(node, Scalar) and node.text not in declared:
                    what = f"unknown role {named(node.text)}"
                    hint = did_you_mean(node.text, declared, "declare it under 'roles'")
                    self.fields.error("RB820", what, node, hint)

    def _policy(self, key: Scalar, node: Node) -> tuple[Level, ...]:
        if not isinstance(node, Sequence) or not node.items:
            self.fields.wrong(key.text, "a list of levels", node, "each is {who: [...], by: [...]}")
            return ()
        return tuple(self._level(item) for item in node.items)

    def _level(self, node: Node) -> Level:
        given = {k.text: v for k, v in self.fields.mapping(node, "level", LEVEL_KEYS)}
        if "who" not in given:
            self.fields.error("RB803", "a level has no 'who'", node, "name people or roles")
        who = self.fields.texts(given["who"], "who") if "who" in given else ()
        by = self.fields.texts(given["by"], "by") if "by" in given else ("console",)
        after_s = self.fields.seconds(given["after"], "after") if "after" in given else 0.0
        until = "acknowledged"
        if "until" in given:
            until = self.fields.one_of(given["until"], "until", UNTIL, until)
        return Level(who, node.place, by, after_s or 0.0, until)

    def _check_policies(self, policies: Node | None, known: set[str]) -> None:
        for _, levels in self.fields.mapping(policies, "policies"):
            whos = [n for level in _items(levels) for k, n in _pairs(level) if k == "who"]
            for node in (item for who in whos for item in _items(who)):
                if isinstance(node, Scalar) and node.text not in known:
                    what = f"nobody is named {named(node.text)}"
                    hint = did_you_mean(node.text, known, "name a person or a role")
                    self.fields.error("RB822", what, node, hint)


def _items(node: Node) -> tuple[Node, ...]:
    return node.items if isinstance(node, Sequence) else (node,)


def _pairs(node: Node) -> list[tuple[str, Node]]:
    return [(key.text, value) for key, value in getattr(node, "pairs", ())]
