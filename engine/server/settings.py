"""The configuration of `runbook serve`: a YAML file, read and checked like a runbook.

```yaml
listen: 127.0.0.1:8600
public_url: https://runbook.example.com      # what messages and notes point to
environment: production                      # of triggered runs whose rule names none
rehearse_in: staging                         # where what is stale is rehearsed
pagerduty:
  secrets: ["${env:PAGERDUTY_WEBHOOK_SECRET}"]        # several while one is being rotated
  token: "${env:PAGERDUTY_TOKEN}"                     # for notes, alerts and lost deliveries
  from: runbook@example.com
  subscription: PABC123
  reconcile: 5m
  notes: true
alertmanager:
  tokens: ["${env:ALERTMANAGER_TOKEN}"]
  basic: {user: alertmanager, password: "${env:ALERTMANAGER_PASSWORD}"}
slack: {secrets: ["${env:SLACK_SIGNING_SECRET}"]}     # of the app whose buttons people press
links: {keys: ["${env:RUNBOOK_LINK_KEY}"]}            # sign buttons and links; the first signs
webhooks:
  deploys: {kind: signed, secrets: ["${env:DEPLOYS_SECRET}"]}     # Standard Webhooks
  backups: {kind: token, secrets: ["${env:BACKUPS_TOKEN}"]}
sign_on:
  issuer: https://login.example.com
  client_id: runbook
  client_secret: "${env:OIDC_SECRET}"
  groups: {sre: [operator, approver:stratum]}
deliveries: {keep: 90d}
drive_max: 5000                              # runs at once; what comes beyond waits in the ledger
requests_per_minute: 600                     # of one token
grace: 20s                                   # for running steps, at the end
```

Every value of a secret is a reference. A file that is not there means the defaults: an API, and no
door for webhooks.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.channels.inbound import KEY_MIN_BYTES, usable
from engine.config.fields import Fields
from engine.config.links import is_address
from engine.errors import Collector, Diagnosed, RunbookError, Usage
from engine.language.nodes import Node, Scalar
from engine.language.source import parse, read
from engine.secret import Vault, has_reference
from engine.server.identity import Grants, read_grants

VARIABLE = "RUNBOOK_SERVE"
"""The environment variable that names the configuration file."""

DEFAULT_LISTEN = "127.0.0.1:8600"
DEFAULT_ENVIRONMENT = "production"
DRIVE_MAX = 5000
"""Runs that are driven at once: also those that only wait for the next level of people to be
called, which must not wait for a place. One that waits takes 31 KiB; what comes beyond waits in
the ledger.
"""
DRIVE_LIMIT = 10_000
PER_MINUTE = 600
"""Requests of one token: ten a second, more than a page that shows a run needs."""
PER_MINUTE_LIMIT = 1_000_000
GRACE_S = 20.0
"""How long running steps are waited for at the end: Kubernetes kills after 30 s, systemd 90."""
RECONCILE_S = 300.0
KEEP_S = 90 * 86_400.0
PAGERDUTY_URL = "https://api.pagerduty.com"

_KEYS = (
    "alertmanager", "deliveries", "drive_max", "environment", "grace", "links", "listen",
    "pagerduty", "public_url", "rehearse_in", "requests_per_minute", "sign_on", "slack", "webhooks",
)  # fmt: skip
_PAGERDUTY_KEYS = (
    "from", "notes", "reconcile", "secrets", "subscription", "token", "url",
)  # fmt: skip
_SIGN_ON_KEYS = ("client_id", "client_secret", "everybody", "groups", "groups_claim", "issuer")
_WEBHOOK_KINDS = ("signed", "token")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_LISTEN = re.compile(r"(?:\[[0-9a-fA-F:]+\]|[^:\s]+):(\d{1,5})")


@dataclass(frozen=True, slots=True)
class PagerDuty:
    """`secrets` sign what it sends us; `token` is for what we ask and tell it."""

    secrets: tuple[str, ...] = field(default=(), repr=False)
    token: str | None = field(default=None, repr=False)
    sender: str | None = None
    subscription: str | None = None
    reconcile_s: float = RECONCILE_S
    notes: bool = True
    url: str = PAGERDUTY_URL


@dataclass(frozen=True, slots=True)
class Alertmanager:
    """Any of these credentials is enough."""

    tokens: tuple[str, ...] = field(default=(), repr=False)
    user: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Webhook:
    """A door for anybody who signs (Standard Webhooks) or brings a token."""

    name: str
    kind: str
    secrets: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignOn:
    """People come by OpenID Connect; `groups`: what a group of theirs may do."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    groups: Mapping[str, Grants]
    everybody: Grants = field(default_factory=dict)
    groups_claim: str = "groups"


@dataclass(frozen=True, slots=True)
class Settings:
    """The configuration, with the values of its secrets; never shown, never logged."""

    host: str = "127.0.0.1"
    port: int = 8600
    public_url: str = ""
    environment: str = DEFAULT_ENVIRONMENT
    rehearse_in: str | None = None
    pagerduty: PagerDuty | None = None
    alertmanager: Alertmanager | None = None
    webhooks: Mapping[str, Webhook] = field(default_factory=dict)
    slack_secrets: tuple[str, ...] = field(default=(), repr=False)
    link_keys: tuple[str, ...] = field(default=(), repr=False)
    sign_on: SignOn | None = None
    keep_s: float = KEEP_S
    drive_max: int = DRIVE_MAX
    requests_per_minute: int = PER_MINUTE
    grace_s: float = GRACE_S
    vault: Vault = field(default_factory=lambda: Vault(os.environ), repr=False, compare=False)


def read_settings(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """The settings of a file. Raises Diagnosed with everything that is wrong in it, Usage."""
    vault = Vault(environ)
    if path is None:
        return Settings(vault=vault)
    if not path.is_file():
        raise Usage(f"the configuration {path} is not there", help="name it with --config FILE")
    collector = Collector()
    text = read(path, collector)
    root = parse(text, str(path), collector) if text is not None else None
    made = None
    if root is not None:
        made = _Reader(Fields(str(path), collector), vault).read(root)
    if collector.errors or made is None:
        raise Diagnosed(tuple(collector.found), {str(path): text or ""})
    return made


class _Reader:
    def __init__(self, fields: Fields, vault: Vault) -> None:
        self._fields = fields
        self._vault = vault

    def read(self, root: Node) -> Settings:
        given = self._pairs(root, "the configuration", _KEYS)
        host, port = self._listen(given.get("listen"))
        deliveries = self._pairs(given.get("deliveries"), "deliveries", ("keep",))
        return Settings(
            host=host,
            port=port,
            public_url=self._public_url(given.get("public_url")),
            environment=self._text(given, "environment") or DEFAULT_ENVIRONMENT,
            rehearse_in=self._text(given, "rehearse_in"),
            pagerduty=self._pagerduty(given.get("pagerduty")),
            alertmanager=self._alertmanager(given.get("alertmanager")),
            webhooks=self._webhooks(given.get("webhooks")),
            slack_secrets=self._listed(given, "slack", "secrets"),
            link_keys=self._keys(given.get("links")),
            sign_on=self._sign_on(given.get("sign_on")),
            keep_s=self._seconds(deliveries, "keep", KEEP_S),
            drive_max=self._count(given, "drive_max", DRIVE_MAX, DRIVE_LIMIT),
            requests_per_minute=self._count(
                given, "requests_per_minute", PER_MINUTE, PER_MINUTE_LIMIT
            ),
            grace_s=self._seconds(given, "grace", GRACE_S),
            vault=self._vault,
        )

    def _pairs(self, node: Node | None, name: str, keys: tuple[str, ...]) -> dict[str, Node]:
        return {key.text: value for key, value in self._fields.mapping(node, name, keys)}

    def _text(self, given: Mapping[str, Node], name: str) -> str | None:
        return self._fields.text(given[name], name) if name in given else None

    def _public_url(self, node: Node | None) -> str:
        text = "" if node is None else self._fields.text(node, "public_url") or ""
        if node is not None and text and not is_address(text):
            self._fields.wrong("public_url", "an address like https://runbook.example.com", node)
        return text.rstrip("/")

    def _seconds(self, given: Mapping[str, Node], name: str, default: float) -> float:
        found = self._fields.seconds(given[name], name) if name in given else None
        return default if found is None else found

    def _count(self, given: Mapping[str, Node], name: str, default: int, most: int) -> int:
        node = given.get(name)
        value = node.value if isinstance(node, Scalar) else None
        if node is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= most:
            self._fields.wrong(name, f"a number from 1 to {most:,}", node)
            return default
        return value

    def _listen(self, node: Node | None) -> tuple[str, int]:
        text = DEFAULT_LISTEN if node is None else self._fields.text(node, "listen") or ""
        found = _LISTEN.fullmatch(text)
        if found is None or int(found[1]) > 65_535:
            if node is not None and text:
                self._fields.wrong("listen", "an address like 127.0.0.1:8600", node)
            return "127.0.0.1", 8600
        return text.rpartition(":")[0].strip("[]"), int(found[1])

    def _secret(self, node: Node, name: str) -> str | None:
        """The value of a reference. A secret that is written down is an error: files are shared."""
        text = self._fields.text(node, name)
        if text is None:
            return None
        if not has_reference(text):
            help_ = "put it into an environment variable or a file: ${env:NAME}, ${file:/path}"
            self._fields.error("RB850", f"the secret `{name}` is written down", node, help_)
            return None
        try:
            return self._vault.resolve(text, name)
        except RunbookError as error:
            self._fields.error("RB851", error.message, node, error.help)
            return None

    def _secrets(self, node: Node | None, name: str) -> tuple[str, ...]:
        if node is None:
            return ()
        found = [self._secret(at, name) for _, at in self._fields.texts_with_places(node, name)]
        return tuple(value for value in found if value is not None)

    def _listed(self, given: Mapping[str, Node], name: str, key: str) -> tuple[str, ...]:
        inner = self._pairs(given.get(name), name, (key,))
        return self._secrets(inner.get(key), key)

    def _keys(self, node: Node | None) -> tuple[str, ...]:
        """The keys of buttons and links. Who guesses a short one takes whatever they like."""
        inner = self._pairs(node, "links", ("keys",)).get("keys")
        given = () if inner is None else self._fields.texts_with_places(inner, "keys")
        found = [(at, key) for _, at in given if (key := self._secret(at, "keys")) is not None]
        for at, key in found:
            if not usable([key]):
                what = f"a key of `links` takes {KEY_MIN_BYTES} bytes or more, and has {len(key)}"
                self._fields.error("RB851", what, at, "make one: openssl rand -base64 32")
        return tuple(key for _, key in found)

    def _pagerduty(self, node: Node | None) -> PagerDuty | None:
        if node is None:
            return None
        given = self._pairs(node, "pagerduty", _PAGERDUTY_KEYS)
        token = self._secret(given["token"], "token") if "token" in given else None
        return PagerDuty(
            secrets=self._secrets(given.get("secrets"), "secrets"),
            token=token,
            sender=self._text(given, "from"),
            subscription=self._text(given, "subscription"),
            reconcile_s=self._seconds(given, "reconcile", RECONCILE_S),
            notes=self._flag(given.get("notes"), "notes"),
            url=(self._text(given, "url") or PAGERDUTY_URL).rstrip("/"),
        )

    def _flag(self, node: Node | None, name: str) -> bool:
        if node is None:
            return True
        if isinstance(node, Scalar) and isinstance(node.value, bool):
            return node.value
        self._fields.wrong(name, "true or false", node)
        return True

    def _alertmanager(self, node: Node | None) -> Alertmanager | None:
        if node is None:
            return None
        given = self._pairs(node, "alertmanager", ("basic", "tokens"))
        basic = self._pairs(given.get("basic"), "basic", ("password", "user"))
        password = self._secret(basic["password"], "password") if "password" in basic else None
        tokens = self._secrets(given.get("tokens"), "tokens")
        if not given:
            help_ = "add `tokens` or `basic`: nobody would be let in"
            self._fields.error("RB852", "alertmanager has no credential", node, help_)
        return Alertmanager(tokens, self._text(basic, "user"), password)

    def _webhooks(self, node: Node | None) -> dict[str, Webhook]:
        found: dict[str, Webhook] = {}
        for key, value in self._fields.mapping(node, "webhooks"):
            given = self._pairs(value, key.text, ("kind", "secrets"))
            if not _NAME.fullmatch(key.text):
                self._fields.wrong("webhooks", "names like deploys or nightly-backup", key)
            kind = "signed"
            if "kind" in given:
                kind = self._fields.one_of(given["kind"], "kind", _WEBHOOK_KINDS, "signed")
            secrets = self._secrets(given.get("secrets"), "secrets")
            if "secrets" not in given:
                help_ = "add `secrets`: nobody would be let in"
                self._fields.error("RB852", f"webhook {key.text} has no secret", key, help_)
            found[key.text] = Webhook(key.text, kind, secrets)
        return found

    def _sign_on(self, node: Node | None) -> SignOn | None:
        if node is None:
            return None
        given = self._pairs(node, "sign_on", _SIGN_ON_KEYS)
        for key in ("client_id", "client_secret", "issuer"):
            if key not in given:
                self._fields.error("RB852", f"sign_on needs `{key}`", node)
        groups = {
            key.text: self._grants(value, key.text)
            for key, value in self._fields.mapping(given.get("groups"), "groups")
        }
        everybody = self._grants(given["everybody"], "everybody") if "everybody" in given else {}
        secret = given.get("client_secret")
        return SignOn(
            issuer=(self._text(given, "issuer") or "").rstrip("/"),
            client_id=self._text(given, "client_id") or "",
            client_secret=(self._secret(secret, "client_secret") if secret else None) or "",
            groups=groups,
            everybody=everybody,
            groups_claim=self._text(given, "groups_claim") or "groups",
        )

    def _grants(self, node: Node, name: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for text, at in self._fields.texts_with_places(node, name):
            try:
                for pack, roles in read_grants([text]).items():
                    found[pack] = (*found.get(pack, ()), *roles)
            except Usage as error:
                self._fields.error("RB853", error.message, at, error.help)
        return found
