"""What the HTTP client's exceptions mean: in words, and whether a change may have reached the
target.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

from engine.errors import AdapterError

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing (RFC 9110, 9.2.1), so that nothing can be in doubt."""


def told(
    error: Exception, *, method: str, where: str, sent: bool, timeout_s: float
) -> AdapterError:
    """The client's exception as ours. `where`: `host:port`; `sent`: the request began to leave."""
    cause = _root(error)
    name = type(error).__name__
    maybe_done = sent and method not in SAFE_METHODS
    message, hint, retryable = _words(name, cause, where, timeout_s)
    detail: dict[str, object] = {"error": type(cause).__name__, "sent": sent}
    if maybe_done:
        message = f"{message.rstrip('.')}: the change may have been made"
    return AdapterError(
        message, help=hint, maybe_done=maybe_done, retryable=retryable, detail=detail
    )


def _words(
    name: str, cause: BaseException, where: str, timeout_s: float
) -> tuple[str, str | None, bool]:
    """Message, help, and whether another try can help."""
    if isinstance(cause, socket.gaierror):
        host = where.rpartition(":")[0]
        return f"the name {host} is not known to DNS", "is the base_url right?", True
    if isinstance(cause, ssl.SSLCertVerificationError):
        hint = "give the connection `ca_file`, or mend the certificate"
        return f"the certificate of {where} is not trusted: {cause.verify_message}", hint, False
    if isinstance(cause, ssl.SSLError) and name.startswith("Connect"):
        hint = "does it speak TLS on this port?"
        return f"no TLS with {where}: {cause.reason or cause}", hint, False
    if isinstance(cause, ConnectionRefusedError):
        return f"{where} refuses connections", "is the service up, and the port right?", True
    return _by_name(name, cause, where, timeout_s)


def _by_name(
    name: str, cause: BaseException, where: str, timeout_s: float
) -> tuple[str, str | None, bool]:
    within = f"within {timeout_s:g} s"
    words = {
        "ConnectTimeout": f"no connection to {where} {within}",
        "ConnectError": f"no connection to {where}: {cause}",
        "PoolTimeout": f"no free connection to {where} {within}",
        "ProxyError": f"the proxy does not connect to {where}: {cause}",
        "WriteTimeout": f"{where} did not take the request {within}",
        "WriteError": f"{where} closed the connection while the request was sent",
        "ReadTimeout": f"{where} did not answer {within}",
        "TimeoutError": f"{where} did not finish its answer {within}",
        "ReadError": f"{where} closed the connection before it had answered",
        "RemoteProtocolError": f"{where} did not answer as HTTP asks: {cause}",
        "LocalProtocolError": f"the request cannot be sent: {cause}",
        "UnsupportedProtocol": f"the request cannot be sent: {cause}",
        "error": f"the body that {where} sent is not compressed as it says",
    }
    message = words.get(name, f"{where}: {name}: {cause}")
    return message, None, name not in ("LocalProtocolError", "UnsupportedProtocol")


def _root(error: BaseException) -> BaseException:
    """The telling exception below the client's wrapping: the first of the operating system's or
    TLS's.
    """
    for found in _chain(error):
        if isinstance(found, ssl.SSLWantReadError | ssl.SSLWantWriteError):
            continue  # it waited for the other side: how far it was, no fault
        if isinstance(found, ssl.SSLError | socket.gaierror | ConnectionError):
            return found
    return error


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        if isinstance(error, BaseExceptionGroup):
            for inner in error.exceptions:
                yield from _chain(inner)
        error = error.__cause__ or error.__context__
