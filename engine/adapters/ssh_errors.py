"""What the SSH library's exceptions mean, in words."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.errors import AdapterError

if TYPE_CHECKING:
    import asyncssh

    from engine.adapters.ssh_hosts import Host


@dataclass(slots=True)
class Shown:
    """The host keys: those known of a host before, and the one it showed that is none of them."""

    known: list[str] = field(default_factory=list)
    key: asyncssh.SSHKey | None = None
    revoked: bool = False


def not_connected(
    error: Exception, host: Host, shown: Shown, *, through: str, timeout_s: float
) -> AdapterError:
    """Why there is no connection to a host: nothing was done there."""
    where = host.address + (f" (through {through})" if through else "")
    message, hint, retryable = _words(error, host, where, shown, timeout_s)
    detail: dict[str, object] = {"error": type(error).__name__}
    return AdapterError(message, help=hint, maybe_done=False, retryable=retryable, detail=detail)


def _words(
    error: Exception, host: Host, where: str, shown: Shown, timeout_s: float
) -> tuple[str, str | None, bool]:
    """Message, help, and whether another try can help."""
    name = type(error).__name__
    if name == "HostKeyNotVerifiable":
        return _untrusted(error, where, host, shown)
    if name == "PermissionDenied":
        hint = "is the key right, and in authorized_keys of that user?"
        return f"{where} does not let {host.where.partition('@')[0]} in: {error}", hint, False
    if isinstance(error, TimeoutError):
        return f"no connection to {where} within {timeout_s:g} s", None, True
    if isinstance(error, socket.gaierror):
        return f"the name {where.rpartition(':')[0]} is not known to DNS", None, True
    if isinstance(error, ConnectionRefusedError):
        return f"{where} refuses connections", "is sshd up, and the port right?", True
    if name == "ChannelOpenError":
        return f"{where} cannot be reached: {error}", "does the jump host allow forwarding?", True
    if name in ("KeyExchangeFailed", "ProtocolNotSupported", "ProtocolError", "MACError"):
        return f"no SSH with {where}: {error}", "does an SSH server answer there?", False
    return f"no connection to {where}: {error or name}", None, True


def _untrusted(
    error: Exception, where: str, host: Host, shown: Shown
) -> tuple[str, str | None, bool]:
    if shown.key is None:
        hint = "if the host was set up anew, replace its line in known_hosts"
        return f"the host key of {where} is not trusted: {error}", hint, False
    fingerprint = f"{shown.key.get_algorithm()} {shown.key.get_fingerprint()}"
    if shown.known:
        known = " and ".join(shown.known)
        hint = (
            "somebody may be in between; if the host was set up anew, compare the fingerprint with"
            " who runs it, and replace its line in known_hosts"
        )
        message = f"the host key of {where} has changed: it showed {fingerprint}, known is {known}"
        return message, hint, False
    line = known_hosts_line(host, shown.key)
    return (
        f"the host key of {where} is not in known_hosts: it showed {fingerprint}",
        f"compare the fingerprint with who runs the host, then add the line: {line}",
        False,
    )


def known_hosts_line(host: Host, key: asyncssh.SSHKey) -> str:
    """The line of known_hosts that trusts a key."""
    name, _, port = host.address.rpartition(":")
    public = " ".join(key.export_public_key().decode("ascii").split()[:2])
    return f"{name if port == '22' else f'[{name}]:{port}'} {public}"


def lost(error: Exception | None, where: str, *, sent: bool, acts: bool) -> AdapterError:
    """The connection is gone. `sent`: the command had been asked for by then."""
    maybe_done = sent and acts
    message = f"the connection to {where} was lost"
    message += " while the command ran" if sent else " before the command was asked for"
    if error is not None and str(error):
        message += f": {error}"
    if maybe_done:
        message += "; the change may have been made, and the command may still run there"
    elif sent:
        message += "; the command may still run there"
    detail: dict[str, object] = {"sent": sent}
    return AdapterError(message, maybe_done=maybe_done, detail=detail)
