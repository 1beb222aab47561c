"""One host of an SSH connection: where it is, who we are there, and which keys are trusted.

Pure, but for reading the files of known hosts and keys, late.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.adapters.command_call import refusal
from engine.errors import RunbookError
from engine.language.words import did_you_mean, listed, named
from engine.plugin import reveal

if TYPE_CHECKING:
    import asyncssh

SSH_PORT = 22

KNOWN_HOSTS_MAX_BYTES = 4 * 1024 * 1024
"""Of a file of known hosts; 20,000 hosts have as much."""

JUMPS_MAX = 4
"""Hosts in a row on the way to the target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One host, with references for secrets."""

    host: str
    user: str
    known_hosts: str
    port: int = SSH_PORT
    key: str | None = None
    passphrase: str | None = None
    agent: bool = False

    @property
    def where(self) -> str:
        """`user@host:port`, for people and for the plan hash."""
        return f"{reveal(self.user)}@{self.address}"

    @property
    def address(self) -> str:
        return f"{reveal(self.host)}:{self.port}"

    def trusted(self) -> asyncssh.SSHKnownHosts:
        """The known hosts. Raises RunbookError when they cannot be read."""
        import asyncssh  # noqa: PLC0415 - 100 ms that only a connection over SSH costs

        given = reveal(self.known_hosts)
        text = _file(given, "known_hosts") if _is_path(given) else given
        try:
            return asyncssh.import_known_hosts(text)
        except ValueError as e:
            hint = "`known_hosts` is the absolute path of a file, or its lines"
            raise refusal(f"known_hosts of {self.address} cannot be read: {e}", hint) from e

    def private_key(self) -> asyncssh.SSHKey | None:
        """The key to log in with. Raises RunbookError when it cannot be read."""
        if self.key is None:
            return None
        import asyncssh  # noqa: PLC0415 - as above

        given = reveal(self.key)
        text = _file(given, "key") if _is_path(given) else given
        phrase = reveal(self.passphrase) if self.passphrase else None
        try:
            return asyncssh.import_private_key(f"{text.rstrip()}\n", phrase)
        except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError, ValueError) as e:
            raise _unreadable(self.where, e) from e


def _unreadable(where: str, error: Exception) -> RunbookError:
    if "assphrase" in str(error):
        hint = "give the connection its `passphrase`, as a secret reference"
        return refusal(f"the key for {where} is encrypted: {error}", hint)
    hint = "`key` is a private key in OpenSSH or PEM form, or the path of its file"
    return refusal(f"the key for {where} cannot be read: {error}", hint)


def jumps(settings: Mapping[str, Any] | None, target: Host) -> tuple[Host, ...]:
    """The hosts on the way to the target, first first. What one does not say it has of the next.

    Raises RunbookError for a setting there is none of.
    """
    if settings is None:
        return ()
    known = [field.name for field in fields(Host)]
    given = dict(settings)
    further = given.pop("jump", None)
    for name in given:
        if name not in known:
            hint = did_you_mean(name, known, f"a jump host has {listed(known, 'and')}")
            raise RunbookError(f"`jump` has no setting {named(name)}", help=hint)
    if "host" not in given:
        raise RunbookError("`jump` needs a `host`", help="the host to go through")
    same = ["user", "known_hosts"]
    if not {"key", "agent"} & set(given):
        same += ["key", "passphrase", "agent"]
    host = Host(**{name: getattr(target, name) for name in same} | given)
    _check_types(host)
    found = (*jumps(further, host), host)
    if len(found) > JUMPS_MAX:
        raise RunbookError(f"more than {JUMPS_MAX} jump hosts in a row")
    return found


def _check_types(host: Host) -> None:
    for field in fields(Host):
        value = getattr(host, field.name)
        wanted: Any = {"port": int, "agent": bool}.get(field.name, str)
        if value is not None and not isinstance(value, wanted):
            raise RunbookError(f"`jump.{field.name}` takes a {wanted.__name__}, not {value!r}")


def _is_path(text: str) -> bool:
    return text.startswith(("/", "~")) and "\n" not in text


def _file(path: str, what: str) -> str:
    try:
        with Path(path).expanduser().open("rb") as file:
            return file.read(KNOWN_HOSTS_MAX_BYTES).decode("utf-8", "replace")
    except OSError as e:
        raise refusal(f"`{what}` cannot be read: {path}: {e.strerror}") from e
