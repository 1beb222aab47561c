"""What a PostgreSQL server or its client library complained of, in the user's words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from engine.adapters.sql_text import Statement, where
from engine.errors import AdapterError

Phase = Literal["connect", "transaction", "commit", "outside"]
"""How far it had come: no session yet; in a transaction that COMMIT was not sent for; COMMIT was
sent; or a statement outside any transaction was sent.
"""

DETAIL_MAX_CHARS = 500
"""Of one text of the server in the detail of an error: a CHECK or a trigger may quote a whole row.
"""


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as the server reports it. Without `state` it is the client's: the connection is
    gone.
    """

    text: str
    state: str | None = None
    detail: str | None = None
    hint: str | None = None
    position: int | None = None
    """Counted in characters from 1, in the text that was sent."""

    @property
    def lost(self) -> bool:
        """The session is over: nothing more comes from it."""
        return self.state is None or self.state[:2] == "08" or self.state[:4] == "57P0"


_WORDS: dict[str, str] = {
    "25006": "the statement would change something, and a check only reads: {text}",
    "55P03": "a lock was not given in time: {text}",
    "40001": "another transaction was faster, and this one cannot be put in a row with it: {text}",
    "40P01": "the server found a deadlock, and ended this transaction: {text}",
    "53300": "the server takes no more connections: {text}",
    "57P01": "the server ended the session: {text}",
    "57P03": "the server does not take sessions now: {text}",
}
_HELP: dict[str, str] = {
    "25001": "VACUUM, ANALYZE and REINDEX are sql.maintenance",
    "25006": "a change is an action: sql.execute or sql.transaction",
    "42501": "the role of this connection lacks a right: GRANT it, or use another connection",
    "42601": "the statement goes to the server as it stands; try it in psql",
    "42P18": "say the type of the parameter where it stands, as in `:since::timestamptz`",
    "42P01": "check the name, its schema and the connection's search_path",
    "28P01": "check the password in the connection's url",
    "28000": "check the role in the connection's url, and pg_hba.conf of the server",
    "3D000": "check the database in the connection's url",
    "53300": "the check sql.activity shows who holds them, as long as it can connect itself",
}
_HOPELESS = ("22", "23", "25", "28", "2F", "3D", "3F", "42", "0A", "P0", "XX", "54")
"""Classes of SQLSTATE where the same statement fails again."""


def sql_error(problem: Problem, phase: Phase, statement: Statement | None = None) -> AdapterError:
    """What to raise. `maybe_done` follows from the phase: only a COMMIT sent, or a statement
    outside any transaction, can have taken place when the connection is lost.
    """
    state = problem.state
    detail: dict[str, object] = {"sqlstate": state} if state else {}
    for name in ("detail", "hint"):
        if text := getattr(problem, name):
            detail[name] = text[:DETAIL_MAX_CHARS]
    message = _message(problem, phase)
    if statement is not None and problem.position:
        offset = statement.source_offset(problem.position - 1)
        message += f" ({where(statement.source, min(offset, len(statement.source)))})"
        detail["offset"] = offset
    return AdapterError(
        message,
        help=problem.hint or _HELP.get(state or ""),
        maybe_done=problem.lost and phase in ("commit", "outside"),
        retryable=not (state or "").startswith(_HOPELESS),
        detail=detail,
    )


def _message(problem: Problem, phase: Phase) -> str:
    text = problem.text.strip().partition("\n")[0].strip()
    if problem.state == "42601" and "multiple commands" in text:
        return "there is more than one statement, and one is sent at a time"
    if problem.state == "57014":
        return f"{_stopped(text)}; {_fate(phase)}"
    text = _WORDS.get(problem.state or "", "{text}").format(text=text)
    if not problem.lost:
        return text
    if problem.state is None:
        text = f"the connection was lost: {text}"
    return f"{text}; {_fate(phase)}"


def _stopped(text: str) -> str:
    if "statement timeout" in text:
        return "the statement did not finish in its time, and the server stopped it"
    if "lock timeout" in text:
        return "the statement waited too long for a lock, and the server stopped it"
    return f"somebody stopped the statement: {text}"


def _fate(phase: Phase) -> str:
    return {
        "connect": "nothing was sent",
        "transaction": "nothing was committed",
        "commit": "COMMIT was sent, so it may or may not have taken place",
        "outside": "it runs outside a transaction, so a part of it may have taken place",
    }[phase]


_LOGIN = "the server refused the login"
_REFUSALS: tuple[tuple[str, str, str], ...] = (
    (r"password authentication failed|no password supplied", "28P01", _LOGIN),
    (r"no pg_hba\.conf entry|role .* (does not exist|is not permitted)", "28000", _LOGIN),
    (r"database .* does not exist", "3D000", "there is no such database"),
    (r"too many (clients|connections)|connection slots", "53300", "it takes no more connections"),
    (
        r"is (starting up|shutting down|not yet accepting|in rec)",
        "57P03",
        "it takes no sessions now",
    ),
    (r"[Cc]onnection refused", "", "nothing listens there"),
    (r"could not translate host|[Nn]ame or service not known", "", "the host name is not known"),
    (r"SSL|certificate", "08001", "no secure connection could be made"),
)
"""Errors of connecting carry no SQLSTATE in libpq, only text."""


def connect_error(text: str, target: str) -> AdapterError:
    """What to raise when no session came about. Nothing was sent, so nothing can have happened."""
    reason = text.strip().partition("\n")[0].strip()
    reason = re.sub(r"^connection failed: ", "", reason)
    reason = re.sub(r"^connection to server (at|on) .*? failed: ", "", reason)
    for pattern, state, words in _REFUSALS:
        if re.search(pattern, text):
            return AdapterError(
                f"cannot connect to {target}: {words} ({reason})",
                help=_HELP.get(state),
                retryable=state not in ("28P01", "28000", "3D000"),
                detail={"sqlstate": state} if state else {},
            )
    return AdapterError(f"cannot connect to {target}: {reason}")
