"""What kubectl's errors mean: in words, of which kind, and whether another try can help."""

from __future__ import annotations

import re
from dataclasses import dataclass

from engine.adapters.kubectl_process import OUTPUT_MAX_BYTES, Ran
from engine.adapters.kubectl_trace import may_have_changed, messages_in, requests_in
from engine.errors import AdapterError

MESSAGE_MAX_CHARS = 600
"""Of what kubectl said: an admission webhook's refusal may be pages long; the rest is in detail."""

DETAIL_MAX_CHARS = 2048
"""Of what kubectl said, for the record."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """`words` may hold {server}, {said} and {timeout}."""

    kind: str
    pattern: re.Pattern[str]
    words: str
    retryable: bool
    help: str | None = None


def _meaning(
    kind: str, pattern: str, words: str, retryable: bool = False, help: str | None = None
) -> Meaning:
    return Meaning(kind, re.compile(pattern), words, retryable, help)


MEANINGS = (
    _meaning("kubeconfig", r'context "[^"]*" does not exist', "the kubeconfig has no such context:"
             " {said}", help="`context` of the connection names one of `kubectl config"
             " get-contexts`"),
    _meaning("kubeconfig", r"^error: stat |error loading config file|invalid configuration|"
             r"couldn't get version/kind; json parse error|yaml: ",
             "the kubeconfig cannot be used: {said}", help="see `kubeconfig` of the connection"),
    _meaning("credentials", r"getting credentials|exec plugin|executable \S+ not found",
             "the credentials for {server} cannot be had: {said}",
             help="the plugin sees PATH, HOME and what `env` of the connection gives it"),
    _meaning("unauthorized", r"\(Unauthorized\)|must be logged in|the server has asked for the "
             r"client to provide credentials", "{server} does not accept the credentials",
             help="have they expired?"),
    _meaning("forbidden", r"\(Forbidden\)|is forbidden", "not allowed: {said}",
             help="the account of this context needs a role that allows it"),
    _meaning("conflict", r"\(Conflict\)|the object has been modified",
             "somebody else changed it in the same moment: {said}", True),
    _meaning("exists", r"\(AlreadyExists\)", "it is there already: {said}"),
    _meaning("not_found", r"\(NotFound\)", "not found: {said}"),
    _meaning("no_kind", r"doesn't have a resource type|no matches for kind|could not find the "
             r"requested resource", "{server} has no such kind: {said}",
             help="`kubectl api-resources` lists the kinds there are"),
    _meaning("invalid", r"\(Invalid\)|\(BadRequest\)|is invalid|error validating|unknown field|"
             r"\(UnsupportedMediaType\)|\(RequestEntityTooLarge\)",
             "the server refuses it: {said}"),
    _meaning("moved", r"Expected replicas to be|Precondition failed",
             "it is not as expected: {said}"),
    _meaning("busy", r"\(TooManyRequests\)|Too many requests",
             "{server} has too much to do: {said}", True),
    _meaning("server", r"\((?:InternalError|ServiceUnavailable|ServerTimeout|Timeout)\)|"
             r"internal error|currently unable to handle", "{server} has a problem: {said}", True),
    _meaning("dns", r"no such host|server misbehaving", "the name of {server} is not known to DNS",
             True),
    _meaning("refused", r"connection refused|was refused", "{server} refuses connections", True,
             "is the cluster up, and the server of the kubeconfig right?"),
    _meaning("certificate", r"x509:|tls: ", "no TLS with {server}: {said}"),
    _meaning("timeout", r"[Tt]imeout|deadline exceeded|timed out",
             "{server} did not answer within {timeout}", True),
    _meaning("lost", r"EOF|connection reset|broken pipe|connection lost|use of closed",
             "{server} closed the connection before it had answered", True),
    _meaning("unreachable", r"Unable to connect|dial tcp|no route to host|unreachable",
             "no connection to {server}: {said}", True),
)  # fmt: skip
"""In this order: the first whose pattern is in what kubectl said."""

_PREFIX = re.compile(r"^(?:error: |Error from server(?: \(\w+\))?: |Error: |The )")


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked, for the words of its error. `server` is `host:port`."""

    verb: str
    server: str
    timeout_s: float
    changes: bool


def told(ran: Ran, asked: Asked) -> AdapterError:
    """The error of a process that did not do as asked."""
    said = last_message(ran.stderr)
    requests = requests_in(ran.stderr)
    killed = ran.code is None
    maybe = asked.changes and may_have_changed(requests, said, killed=killed, verb=asked.verb)
    if killed:
        return _killed(ran, asked, maybe)
    meaning = next((m for m in MEANINGS if m.pattern.search(said)), None)
    kind, retryable, help_ = "kubectl", False, None
    message = f"kubectl {asked.verb} ended with {ran.code}: {_short(said) or 'it said nothing'}"
    if meaning is not None:
        kind, retryable, help_ = meaning.kind, meaning.retryable, meaning.help
        message = meaning.words.format(
            server=asked.server, said=_short(said), timeout=_seconds(asked.timeout_s)
        )
    return _error(message, kind, help_, (maybe, retryable), ran)


def _killed(ran: Ran, asked: Asked, maybe: bool) -> AdapterError:
    if ran.why == "enough":
        limit = f"{OUTPUT_MAX_BYTES // 1024**2} MiB"
        message = f"kubectl {asked.verb} printed more than {limit}"
        help_ = "ask for less: by name, with a selector, or with a smaller tail"
        return _error(message, "too_much", help_, (maybe, False), ran)
    message = f"{asked.server} did not answer within {_seconds(asked.timeout_s)}"
    return _error(message, "timeout", None, (maybe, True), ran)


def _error(
    message: str, kind: str, help_: str | None, verdict: tuple[bool, bool], ran: Ran
) -> AdapterError:
    maybe, retryable = verdict
    return AdapterError(
        message + (": the change may have been made" if maybe else ""),
        help=help_,
        maybe_done=maybe,
        retryable=retryable,
        detail={
            "kind": kind,
            "exit_code": ran.code,
            "said": "\n".join(messages_in(ran.stderr))[-DETAIL_MAX_CHARS:],
        },
    )


def last_message(stderr: str) -> str:
    """What kubectl ended with: its errors, without warnings."""
    messages = [m for m in messages_in(stderr) if not m.startswith("Warning:")]
    errors = [m for m in messages if m.startswith(("error:", "Error", "Unable", "The connection"))]
    return " ".join(errors or messages[-1:])


def _short(said: str) -> str:
    bare = _PREFIX.sub("", said, count=1)
    return bare if len(bare) <= MESSAGE_MAX_CHARS else f"{bare[:MESSAGE_MAX_CHARS]} ..."


def _seconds(seconds: float) -> str:
    return f"{seconds:g} s"
