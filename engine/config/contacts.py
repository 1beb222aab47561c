"""Who there is: people, their roles, and whom an escalation tells, from a pack's `contacts.yaml`.

```yaml
people:
  ana: {name: Ana Lim, os_user: ana, roles: [on-call], channels: {email: ana@example.com}}
roles:
  on-call: Whoever carries the pager this week
rotas:
  primary: {order: [ana, bo], since: 2026-01-05, handover: "MON 09:00", timezone: Europe/Berlin}
  platform: {pagerduty: PXYZ123, connection: schedules, channel: page}
channels:
  email: {connection: mail}
  room: {connection: slack, to: "#incidents"}
quiet: {from: "22:00", until: "07:00", timezone: Europe/Berlin}
questions: {by: [email], remind: {every: 15m, times: 2}}
link: https://runbook.example.com/runs/{run}
messages:
  page: {title: "{{ severity }} {{ title }}", text: "{{ wrong }} - {{ asked }}"}
severities:
  SEV1: {respond_within: 5m, policy: urgent, critical: true, status: {every: 15m, by: [room]}}
policies:
  default:
    - {who: [on-call], by: [console], unless: acknowledged}
    - {who: [ana], by: [room, email], after: 15m, repeat: {every: 10m, times: 3}}
  urgent:
    reopen_after: 1h
    respond_within: 10m
    levels:
      - {who: [primary], by: [email]}
```

What the keys mean is in the manual: `runbook docs escalation`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.config.asking import Questions
from engine.config.rotas import Quiet, Rota
from engine.errors import Diagnostic, Place
from engine.language.model import Template

CONSOLE = "console"
"""The channel that is always there: whoever reads the standard error of the process."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody. `id` is the key in the file, `name` what people call them."""

    id: str
    name: str
    place: Place
    os_user: str | None = None
    roles: tuple[str, ...] = ()
    channels: Mapping[str, Any] = field(default_factory=dict)
    """Where they are told, by the name of a channel: an address, a number, a user's id."""
    quiet: Quiet | None = None
    pagerduty: str | None = None
    """Who they are to PagerDuty: a user's id, or the e-mail address of their login."""


@dataclass(frozen=True, slots=True)
class Level:
    """A level of an escalation policy: whom it tells, by what, how long after the one before.

    `by`: channels in order; where one fails the next is taken. `unless`: what makes it needless.
    """

    who: tuple[str, ...]
    place: Place
    by: tuple[str, ...] = ("console",)
    after_s: float = 0.0
    unless: str = "acknowledged"
    every_s: float | None = None
    """It is told again after this, as long as nothing makes it needless."""
    times: int = 0
    """How often it is told again."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A way to reach people: a connection of the environment, and where to, unless a person has an
    address of their own there.
    """

    name: str
    connection: str | None
    place: Place
    to: str | None = None


@dataclass(frozen=True, slots=True)
class Severity:
    """What a severity asks for."""

    name: str
    place: Place
    respond_within_s: float | None = None
    policy: str | None = None
    critical: bool = False
    """Told in quiet hours too."""
    status_every_s: float | None = None
    """While a run of it is open, how it stands is told this often."""
    status_by: tuple[str, ...] = ()
    page: str = "critical"
    """The severity of PagerDuty's events."""
    questions: Questions | None = None
    """How people are told of questions, if otherwise than else."""


@dataclass(frozen=True, slots=True)
class Words:
    """A message in the pack's own words."""

    title: Template
    text: Template


@dataclass(frozen=True, slots=True)
class Contacts:
    """The contacts of a pack; empty where it has no `contacts.yaml`."""

    people: Mapping[str, Person] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)
    """Every role that is declared or that somebody has, with what it is."""
    policies: Mapping[str, tuple[Level, ...]] = field(default_factory=dict)
    file: str | None = None
    rotas: Mapping[str, Rota] = field(default_factory=dict)
    channels: Mapping[str, Channel] = field(default_factory=dict)
    severities: Mapping[str, Severity] = field(default_factory=dict)
    reopen_after_s: Mapping[str, float] = field(default_factory=dict)
    """Of policies: an acknowledged escalation begins anew after this, if nothing is resolved."""
    respond_within_s: Mapping[str, float] = field(default_factory=dict)
    """Of policies: how long whoever is called last has to take it, where a run does not say."""
    severity_of: Mapping[str, str] = field(default_factory=dict)
    """Of policies: as what is told by them, whatever the severity of a run is."""
    informs: frozenset[str] = frozenset()
    """Policies that let people know, and ask nobody to take anything."""
    messages: Mapping[str, Words] = field(default_factory=dict)
    """What is said in the pack's own words, by kind."""
    link: str | None = None
    """Where a run is looked at; `{run}` stands for its id."""
    quiet: Quiet | None = None
    """Quiet hours of everybody who has none of their own."""
    questions: Questions | None = None
    """How people are told of what a run asks; None: they are not."""
    warnings: tuple[Diagnostic, ...] = field(default=(), compare=False)

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
