"""What kubectl prints on stderr, taken apart: its messages, and with `-v=6` a line for each
request.

The requests tell what no exit status does: whether the change was sent, and whether it was
answered. The line is written when the answer is there, or when it is certain that none comes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

TRACE_FLAG = "-v=6"
"""The level at which kubectl logs method, URL and status; bodies and headers begin at 8."""

_KLOG = re.compile(r"[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+ ")
_BEFORE_1_33 = re.compile(r"\] ([A-Z]+) (\S+) (?:(\d{3})\b[^\n]*)? ?in \d+ milliseconds")
_SINCE_1_33 = re.compile(r'verb="([A-Z]+)" url="([^"]*)" status="(\d{3})?')
_READS = frozenset({"GET", "HEAD", "OPTIONS"})

NOT_SENT = re.compile(r"connection refused|was refused|dial tcp|no such host|lookup ")
"""Words of an error that came before anything was sent."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `status` is None when no answer came."""

    method: str
    url: str
    status: int | None

    @property
    def changes(self) -> bool:
        return self.method not in _READS and "dryRun=All" not in self.url


def requests_in(stderr: str) -> list[Request]:
    hits = (_SINCE_1_33.search(li) or _BEFORE_1_33.search(li) for li in stderr.splitlines())
    return [Request(hit[1], hit[2], int(hit[3]) if hit[3] else None) for hit in hits if hit]


def messages_in(stderr: str) -> list[str]:
    """The lines that are meant for people: no log lines, and no objects printed between them."""
    found, inside = [], False
    for line in stderr.splitlines():
        if inside:
            inside = line.strip() != "}]"
        elif _KLOG.match(line):
            inside = line.endswith("[{")
        elif line.strip():
            found.append(line.strip())
    return found


def may_have_changed(requests: list[Request], error: str, *, killed: bool, verb: str) -> bool:
    """Whether a change of this process may have reached the server.

    error: what kubectl said at its end. killed: it was ended by us, so that what was under way is
    not in the trace.
    """
    changes = [request for request in requests if request.changes]
    for request in changes:
        if request.status is None and not NOT_SENT.search(error):
            return True
        if request.status is not None and (request.status < 400 or request.status >= 500):
            return True
    if killed:
        answered = any(request.status for request in requests)
        return answered or (not requests and verb in SENDS_AT_ONCE)
    lost = any(words in error for words in LOST)
    return not requests and lost  # a trace that we cannot read proves nothing


SENDS_AT_ONCE = frozenset({"delete"})
"""The verbs whose first request may be the change itself; all others get the object first."""

LOST = ("EOF", "connection reset", "timeout", "Timeout", "deadline exceeded", "broken pipe")
"""Words of an error that may come after the request was sent."""
