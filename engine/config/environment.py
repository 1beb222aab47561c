"""An environment of a pack: which connections its names mean, and how far a run may go by itself.

```yaml # runbooks/stratum/environments/staging.yaml autonomy: auto                      # guide |
propose | auto allow_as: [deploy]                  # operating-system users who may say `--as
somebody-else`; or true, false connections:
  cache: {adapter: redis, url: "${env:STRATUM_REDIS_URL}"}
services: {}                        # of a sandbox: what is started for the time of a run
faults: {}                          # of a sandbox: what is broken, by runbook
freeze: []                          # times at which nothing is changed, see `freeze`
severities: {}                      # what the pack's severities mean here
```

References to secrets stand in the settings of connections, and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from engine.config.fields import Fields, place_in, plain
from engine.config.freeze import Window, read_window
from engine.errors import Diagnostic, Place, RunbookError
from engine.language import nodes
from engine.language.catalog import Catalog, Parameter
from engine.language.nodes import Node, Scalar, Sequence
from engine.language.shape import ShapeError
from engine.language.words import did_you_mean, listed, named
from engine.secret import REFERENCE, SOURCES, has_reference, is_told

Autonomy = Literal["guide", "propose", "auto"]

AUTONOMIES = ("guide", "propose", "auto")

KEYS = (
    "allow_as",
    "autonomy",
    "connections",
    "description",
    "faults",
    "freeze",
    "services",
    "severities",
)

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_LITERAL_PASSWORD = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#\s:@]*:([^/?#\s@]+)@", re.IGNORECASE)
_TELLING = re.compile(
    r"pass(word|wd|phrase)?$|secret|token$|api_?key$|authorization", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection, read and checked. Strings in `settings` may hold secret references."""

    name: str
    adapter: str
    settings: Mapping[str, Any]
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """An environment, read and checked."""

    pack: str
    name: str
    file: str
    description: str = ""
    autonomy: Autonomy = "auto"
    allow_as: bool | tuple[str, ...] = False
    connections: Mapping[str, Connection] = field(default_factory=dict)
    services: Mapping[str, Any] = field(default_factory=dict)
    """Plain data; `place_of` says where it stands."""
    faults: Mapping[str, Any] = field(default_factory=dict)
    freeze: tuple[Mapping[str, Any], ...] = ()
    """As written; `windows` is what it means."""
    windows: tuple[Window, ...] = ()
    severities: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[Diagnostic, ...] = ()
    root: Node | None = field(default=None, compare=False, repr=False)

    def may_speak_as(self, os_user: str) -> bool:
        """Whether this operating-system user may name another as the actor of an event."""
        if isinstance(self.allow_as, bool):
            return self.allow_as
        return os_user in self.allow_as

    def place_of(self, *path: str | int) -> Place:
        """Where something stands in the file: `place_of("faults", "stratum/x", "redis")`."""
        if self.root is None:
            return Place(self.file, 1, 1)
        return place_in(self.root, path).place


@dataclass(slots=True)
class EnvironmentReader:
    """Reads one file. `only`: the connections whose settings are checked (None: all)."""

    fields: Fields
    catalog: Catalog
    only: Collection[str] | None = None

    def read(self, root: Node, pack: str, name: str) -> Environment:
        found = {key.text: node for key, node in self.fields.mapping(root, name, KEYS)}
        for key, node in found.items():
            if key != "connections":
                self._refuse_references(key, node)
        get = found.get
        return Environment(
            pack=pack,
            name=name,
            file=self.fields.file,
            description=self._text(get("description")),
            autonomy=self._autonomy(get("autonomy")),
            allow_as=self._allow_as(get("allow_as")),
            connections=self.fields.all_of(get("connections"), "connections", self._sound),
            services=self._data(get("services"), "services"),
            faults=self._data(get("faults"), "faults"),
            freeze=self._freeze(get("freeze")),
            windows=self._windows(get("freeze")),
            severities=self._data(get("severities"), "severities"),
            warnings=tuple(d for d in self.fields.collector.found if d.severity == "warning"),
            root=root,
        )

    def _text(self, node: Node | None) -> str:
        return (self.fields.text(node, "description") if node else None) or ""

    def _autonomy(self, node: Node | None) -> Any:
        return self.fields.one_of(node, "autonomy", AUTONOMIES, "guide") if node else "auto"

    def _allow_as(self, node: Node | None) -> bool | tuple[str, ...]:
        if node is None:
            return False
        if isinstance(node, Scalar) and isinstance(node.value, bool):
            return node.value
        if not isinstance(node, Sequence):
            self.fields.wrong("allow_as", "true, false or a list of operating-system users", node)
            return False
        return self.fields.texts(node, "allow_as")

    def _data(self, node: Node | None, name: str) -> dict[str, Any]:
        return {key.text: plain(value) for key, value in self.fields.mapping(node, name)}

    def _freeze(self, node: Node | None) -> tuple[Mapping[str, Any], ...]:
        if node is None:
            return ()
        if not isinstance(node, Sequence):
            self.fields.wrong("freeze", "a list of windows", node)
            return ()
        for item in node.items:
            if not isinstance(item, nodes.Mapping):
                self.fields.wrong("freeze", "windows that are mappings", item)
        return tuple(plain(item) for item in node.items if isinstance(item, nodes.Mapping))

    def _windows(self, node: Node | None) -> tuple[Window, ...]:
        items = node.items if isinstance(node, Sequence) else ()
        made = [read_window(self.fields, i) for i in items if isinstance(i, nodes.Mapping)]
        return tuple(window for window in made if window is not None)

    def _refuse_references(self, key: str, node: Node) -> None:
        for scalar in _scalars(node):
            if has_reference(scalar.text):
                self.fields.error(
                    "RB815",
                    f"a secret reference in {named(key)}",
                    scalar,
                    "references are read in the settings of connections only",
                )

    def _connection(self, key: Scalar, node: Node) -> Connection | None:
        name = key.text
        if not _NAME.fullmatch(name):
            self.fields.error(
                "RB817",
                f"{named(name)} cannot be the name of a connection",
                key,
                "one begins with a small letter and goes on with small letters, digits, - and _",
            )
        given = dict(self.fields.mapping(node, f"connections.{name}"))
        adapter = next((value for k, value in given.items() if k.text == "adapter"), None)
        if adapter is None:
            if isinstance(node, nodes.Mapping):
                hint = f"known adapters are {listed(self.catalog.adapters(), 'and')}"
                self.fields.error(
                    "RB803", f"the connection {named(name)} has no 'adapter'", key, hint
                )
            return None
        family = self.fields.text(adapter, "adapter")
        if family is None or not self._known_adapter(family, adapter):
            return None
        settings = {k: value for k, value in given.items() if k.text != "adapter"}
        for scalar in (s for value in settings.values() for s in _scalars(value)):
            self._check_references(scalar)
        if self.only is not None and name not in self.only:
            taken = {k.text: plain(value) for k, value in settings.items()}
        else:
            taken = self._settings(key, family, settings)
        return Connection(name, family, taken, key.place)

    def _sound(self, key: Scalar, node: Node) -> Connection | None:
        """None for one of which anything is wrong: what is left may be used without it."""
        collector = self.fields.collector
        before = len(collector.errors)
        made = self._connection(key, node)
        full = before >= collector.limit  # it would not tell of one more
        return made if len(collector.errors) == before and not full else None

    def _known_adapter(self, family: str, at: Node) -> bool:
        known = tuple(self.catalog.adapters())
        if family in known:
            return True
        hint = did_you_mean(family, known, f"known are {listed(known, 'and')}")
        self.fields.error("RB810", f"unknown adapter {named(family)}", at, hint)
        return False

    def _settings(self, key: Scalar, family: str, given: dict[Scalar, Node]) -> dict[str, Any]:
        try:
            parameters = self.catalog.connection(family) or {}
        except RunbookError as e:
            what = f"the adapter {named(family)} cannot be loaded: {e.message}"
            self.fields.error("RB818", what, key, e.help)
            return {}
        taken: dict[str, Any] = {}
        for setting, node in given.items():
            parameter = parameters.get(setting.text)
            if parameter is None:
                known = f"{family} takes {listed(sorted(parameters), 'and') or 'no settings'}"
                hint = did_you_mean(setting.text, parameters, known)
                self.fields.error("RB811", f"unknown setting {named(setting.text)}", setting, hint)
                continue
            self._warn_of_literal(setting.text, node)
            taken[setting.text] = self._take(parameter, node)
        missing = [p.name for p in parameters.values() if p.required and p.name not in taken]
        for name in missing:
            what = f"the connection {named(key.text)} needs {named(name)}"
            self.fields.error("RB813", what, key, parameters[name].doc or None)
        return taken

    def _take(self, parameter: Parameter, node: Node) -> Any:
        value = plain(node)
        if is_told(value) and parameter.shape.json_schema().get("type") in ("integer", "number"):
            return value  # a port of a sandbox's service: known once it is up
        try:
            return parameter.shape.take(value)
        except ShapeError as e:
            at = place_in(node, e.path)
            where = ".".join(str(part) for part in (parameter.name, *e.path))
            self.fields.error("RB812", f"{named(where)} {e.what}", at, parameter.doc or None)
            return None

    def _check_references(self, scalar: Scalar) -> None:
        for reference in REFERENCE.findall(scalar.text):
            source, colon, name = reference.partition(":")
            if source in SOURCES and colon and name:
                continue
            hint = did_you_mean(source, SOURCES) if colon else None
            usual = "one is ${env:NAME} or ${file:/path}"
            what = f"'${{{reference}}}' is no secret reference"
            self.fields.error("RB814", what, scalar, hint or usual)

    def _warn_of_literal(self, name: str, node: Node) -> None:
        """A password in the file is in every copy of it, and nothing knows that it must be kept out
        of records.
        """
        for key, scalar in _named_scalars(name, node):
            text = scalar.value
            if not isinstance(text, str) or has_reference(text):
                continue
            if _LITERAL_PASSWORD.search(text) or (text and _TELLING.search(key)):
                self.fields.warn(
                    "RB816",
                    f"{named(key)} seems to hold a password",
                    scalar,
                    "write a reference: ${env:NAME} or ${file:/run/secrets/name}",
                )


def _scalars(node: Node) -> list[Scalar]:
    return [scalar for _, scalar in _named_scalars("", node)]


def _named_scalars(name: str, node: Node) -> list[tuple[str, Scalar]]:
    """Every scalar in a node with the nearest key above it."""
    match node:
        case Scalar():
            return [(name, node)]
        case Sequence():
            return [found for item in node.items for found in _named_scalars(name, item)]
        case nodes.Mapping():
            return [found for key, value in node.pairs for found in _named_scalars(key.text, value)]
