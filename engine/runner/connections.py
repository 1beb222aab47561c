"""The open connections of one run: made when first asked for, shared by its steps, closed in
reverse.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any, Final

from engine.config import Connection, Environment
from engine.errors import AdapterError, RunbookError, Usage
from engine.language.shape import Shape
from engine.language.words import did_you_mean
from engine.plugin import Adapter
from engine.registry import Registry
from engine.secret import Vault, is_told, reveal

MARK_DIGITS: Final = 4
"""Of the hash of a place that is hidden: another place has the same mark once in 65,536 times, and
what is behind it cannot be found by guessing, as too many guesses fit.
"""

FAULT = "a fault of the adapter, not of the target"
"""Help for what no adapter may raise."""


def fault(error: Exception) -> str:
    """An exception of a plugin in one line."""
    return f"{type(error).__name__}: {error}"


class Connections:
    """Adapters by the name a runbook calls them. Making one connects to nothing yet."""

    def __init__(self, environment: Environment, registry: Registry, vault: Vault) -> None:
        self._environment = environment
        self._registry = registry
        self._vault = vault
        self._made: dict[str, Adapter] = {}

    def adapter(self, name: str) -> Adapter:
        """The adapter of a connection. Raises RunbookError when there is none of that name."""
        made = self._made.get(name)
        if made is None:
            connection = self._connection(name)
            make: Any = self._registry.adapter(connection.adapter)
            settings = self._vault.bind(connection.settings, f"connection {name}")
            made = self._made[name] = make(**self._taken(connection, settings))
        return made

    def fingerprints(self, names: tuple[str, ...]) -> dict[str, str]:
        """Where each connection points, without secrets. Resolves them, so that they are known
        before any event is written. Raises Usage for one that is missing, and for settings that
        lead nowhere.
        """
        for name in names:
            where = f"connection {name}"
            for text in _texts(self._connection(name).settings):
                self._vault.resolve(text, where)
        return {name: self._shown(self._fingerprint(name)) for name in names}

    def learn(self, names: tuple[str, ...]) -> None:
        """Makes their secrets known, as far as they can be had, so that `redact` takes them out."""
        for name in names:
            connection = self._environment.connections.get(name)
            for text in _texts(connection.settings if connection else {}):
                self._vault.learn(text)

    def _shown(self, where: str) -> str:
        """As it may stand in an event. A reference that is all of a host or a path is hidden there
        as a secret is, and where it leads to is told apart by a mark.
        """
        shown = self.redact(where)
        if shown == where:
            return where
        return f"{shown} #{sha256(where.encode()).hexdigest()[:MARK_DIGITS]}"

    def _fingerprint(self, name: str) -> str:
        """Nothing is asked for it: what goes wrong lies in the settings, or in the adapter."""
        try:
            return self.adapter(name).fingerprint()
        except AdapterError as e:
            raise Usage(f"connection {name}: {e.message}", help=e.help) from e
        except RunbookError:
            raise
        except Exception as e:
            raise RunbookError(self.redact(f"connection {name}: {fault(e)}"), help=FAULT) from e

    def redact(self, text: str) -> str:
        """A text without the secrets that these connections know."""
        return self._vault.redactor().text(text)

    def redact_json(self, value: Any) -> Any:
        """A value without the secrets that these connections know."""
        return self._vault.redactor().json(value)

    async def close(self) -> list[str]:
        """Closes all, last made first. What could not be closed is told, and does not stop the
        rest.
        """
        problems = []
        for name, adapter in reversed(self._made.items()):
            try:
                await adapter.close()
            except Exception as error:  # noqa: BLE001 - a plugin may raise anything; the run is over
                problems.append(f"connection {name} did not close: {fault(error)}")
        self._made.clear()
        return problems

    def _connection(self, name: str) -> Connection:
        found = self._environment.connections.get(name)
        if found is None:
            raise RunbookError(
                f"environment {self._environment.name} has no connection `{name}`",
                help=did_you_mean(name, self._environment.connections),
            )
        return found

    def _taken(self, connection: Connection, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Settings as the adapter takes them: durations as seconds and so on."""
        parameters = self._registry.connection(connection.adapter) or {}
        return {
            name: _take(parameters[name].shape, value) if name in parameters else value
            for name, value in settings.items()
        }


def _take(shape: Shape, value: Any) -> Any:
    """A setting as the adapter takes it; what a sandbox's service tells is text, also a number."""
    if is_told(value) and shape.json_schema().get("type") in ("integer", "number"):
        text = reveal(value)
        value = int(text) if text.isdecimal() else text
    return shape.take(value)


def _texts(settings: Any) -> Iterator[str]:
    if isinstance(settings, str):
        yield settings
    elif isinstance(settings, Mapping):
        for value in settings.values():
            yield from _texts(value)
    elif isinstance(settings, list | tuple):
        for value in settings:
            yield from _texts(value)
