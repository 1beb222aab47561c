"""An inbox: stands in for the places where people are told, and keeps what comes there.

    kind: inbox
    hurry: 60                           # people are called so many times as fast as written
    down: [slack]                       # doors that take nothing

The channels of a sandbox are the real ones; its connections lead here. A path may begin with
`/to/NAME`, for channels that lead to one place and have no address: NAME is whom it is for.

| connection | leads here by |
|---|---|
| `pagerduty` | `base_url: ${service:NAME.url}`, `routing_key: ${service:NAME.routing_key}` |
| `pagerduty_notes` | `base_url: ${service:NAME.url}`, `token`, `from_email` |
| `slack` | `base_url: ${service:NAME.url}/api`, `token` |
| `slack_webhook` | `url: ${service:NAME.url}/services/...` |
| `twilio` | `base_url: ${service:NAME.url}`, `account`, `token`, `sender` |
| `sendgrid` | `base_url: ${service:NAME.url}`, `token`, `sender` |
| `statuspage` | `base_url: ${service:NAME.url}`, `token`, `page` |
| `webhook` | `url: ${service:NAME.url}/...` |
| `mail` | `host: ${service:NAME.host}`, `port: ${service:NAME.smtp_port}`, `tls: none`, `sender` |

Tells `url`, `host`, `port`, `smtp_port`, `token`, `routing_key`, `account`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from engine.sandbox.routes import REQUESTS_KEPT, Answer, Request
from engine.sandbox.spec import ServiceSpec, Wrong, only
from engine.wiring.hurry import HURRY, HURRY_MAX

DOORS = (
    *("mail", "pagerduty", "pagerduty_notes", "sendgrid", "slack", "slack_webhook"),
    *("statuspage", "twilio", "webhook"),
)
"""By the names of the adapters that knock."""

LETTERS_KEPT = 500
"""The latest of them: a run sends a few, and a sandbox stays up for a day at most."""

TEXT_KEPT_CHARS = 4000
"""Of one: as long as a message of a runbook may be."""

NEWS_KEPT = 50
"""What became of one letter: it is taken, it is over, and what is told again meanwhile."""

TOKEN = "sandbox-inbox-token"  # noqa: S105 - it opens nothing anywhere
ROUTING_KEY = "sandbox0inbox0routing0key0000000"
ACCOUNT = "ACsandboxinbox"


@dataclass(slots=True)
class Letter:
    """What came, and what came of it. `key`: by what later messages name it."""

    number: int
    at: datetime
    by: str
    to: str
    title: str
    text: str
    key: str
    news: list[tuple[datetime, str]] = field(default_factory=list)
    buttons: list[dict[str, str]] = field(default_factory=list)
    """Of Slack, those that can be pressed now: what a press of one would come with."""

    def to_json(self) -> dict[str, Any]:
        news = [{"at": _face(at), "text": text} for at, text in self.news]
        known = {"number": self.number, "at": _face(self.at), "by": self.by, "to": self.to}
        return {**known, "title": self.title, "text": self.text, "news": news} | (
            {"buttons": self.buttons} if self.buttons else {}
        )


def _face(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")


@dataclass(slots=True)
class Inbox:
    """An inbox without a network."""

    name: str
    down: frozenset[str] = frozenset()
    hurry: float = HURRY
    letters: list[Letter] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    tells: Mapping[str, str] = field(
        default_factory=lambda: {"token": TOKEN, "routing_key": ROUTING_KEY, "account": ACCOUNT}
    )
    came: int = 0
    heard: Callable[[Letter, str], None] | None = None
    """Told of every letter, and of news of one (else empty)."""

    @classmethod
    def read(cls, spec: ServiceSpec) -> Inbox:
        """The service as an environment writes it. Raises Wrong."""
        where = f"services.{spec.name}"
        only(spec.settings, ("hurry", "down"), where)
        hurry = spec.settings.get("hurry", HURRY)
        right = isinstance(hurry, int | float) and not isinstance(hurry, bool)
        if not right or not 1 <= hurry <= HURRY_MAX:
            what = f"takes a number from 1 to {HURRY_MAX:g}, not {hurry!r}"
            raise Wrong(what, f"{where}.hurry", "people are called so many times as fast")
        down = spec.settings.get("down") or []
        if not isinstance(down, list) or not set(map(str, down)) <= set(DOORS):
            known = f"the doors are {', '.join(DOORS)}"
            raise Wrong(f"takes a list of doors, not {down!r}", f"{where}.down", known)
        return cls(spec.name, frozenset(map(str, down)), float(hurry))

    def answer(self, request: Request, now: datetime) -> Answer:
        """What the service behind the door answers that the request knocks at."""
        from engine.sandbox.inbox_doors import knock  # noqa: PLC0415  when something comes

        self.requests = [*self.requests[1 - REQUESTS_KEPT :], request]
        return knock(self, request, now)

    def take(self, now: datetime, by: str, to: str, said: tuple[str, str], key: str) -> Letter:
        """Keeps what came: its title and text. What is said again of a thing is news of it."""
        title, text = (part.strip()[:TEXT_KEPT_CHARS] for part in said)
        known = self.of(by, key)
        if known is not None:
            self.tell(now, known, f"told again: {title}")
            return known
        self.came += 1
        letter = Letter(self.came, now, by, to, title, text, key)
        self.letters = [*self.letters[1 - LETTERS_KEPT :], letter]
        if self.heard is not None:
            self.heard(letter, "")
        return letter

    def tell(self, now: datetime, letter: Letter, text: str) -> None:
        """What became of it."""
        said = text.strip()[:TEXT_KEPT_CHARS]
        letter.news = [*letter.news[1 - NEWS_KEPT :], (now, said)]
        if self.heard is not None:
            self.heard(letter, said)

    def of(self, by: str, key: str) -> Letter | None:
        found = (one for one in reversed(self.letters) if (one.by, one.key) == (by, key))
        return next(found, None) if key else None
