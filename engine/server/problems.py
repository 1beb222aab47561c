"""Errors over HTTP: problem details (RFC 9457), one type for each kind of error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from engine.errors import Diagnosed, JournalError, NotYet, Refused, RunbookError, Usage
from engine.language.words import listed
from engine.server.identity import ROLES

MEDIA_TYPE = "application/problem+json"
TRY_AGAIN_S = 5
"""What a sender is told to wait where the fault is ours."""

_KINDS: Mapping[type[RunbookError], tuple[int, str, str]] = {
    Diagnosed: (422, "diagnosed", "The runbook is wrong"),
    Usage: (400, "usage", "The request is wrong"),
    NotYet: (501, "not-yet", "Not executed by this version"),
    Refused: (409, "refused", "Refused"),
    JournalError: (503, "journal", "The journal cannot be read or written"),
}


class Problem(Exception):
    """An answer that is an error."""

    def __init__(  # noqa: PLR0913 - the fields of a problem
        self,
        status: int,
        kind: str,
        title: str,
        detail: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        help: str | None = None,
    ) -> None:
        super().__init__(detail or title)
        self.status = status
        self.body = _body(status, kind, title, detail or title)
        self.body |= {"help": help} if help else {}
        self.headers = dict(headers or {})


def unauthorized() -> Problem:
    detail = "send `Authorization: Bearer TOKEN`; `runbook token make` makes one"
    return Problem(
        401, "unauthorized", "Who are you?", detail, headers={"WWW-Authenticate": "Bearer"}
    )


def forbidden(permission: str, pack: str | None) -> Problem:
    where = f"in the pack {pack}" if pack else "for all packs"
    roles = listed(role for role, may in ROLES.items() if permission in may)
    detail = f"this takes the permission `{permission}` (of the role {roles}) {where}"
    return Problem(403, "forbidden", "Not yours to do", detail)


def not_found(what: str) -> Problem:
    return Problem(404, "not-found", "Not there", what)


def ours(detail: str) -> Problem:
    """The fault is on this side, and passes: ask again."""
    headers = {"Retry-After": str(TRY_AGAIN_S)}
    return Problem(503, "unavailable", "Not now", detail, headers=headers)


def of_error(error: RunbookError) -> Problem:
    """An error of the engine as an answer."""
    kinds = (told for kind, told in _KINDS.items() if isinstance(error, kind))
    status, word, title = next(kinds, (500, "error", "An error"))
    headers = {"Retry-After": str(TRY_AGAIN_S)} if status == 503 else {}
    problem = Problem(status, word, title, error.message, headers=headers, help=error.help)
    if isinstance(error, Diagnosed):
        problem.body["errors"] = [
            {"code": d.code, "what": d.what, "place": str(d.place), "help": d.help}
            for d in error.diagnostics
        ]
    return problem


def _body(status: int, kind: str, title: str, detail: str) -> dict[str, Any]:
    return {"type": f"urn:runbook:{kind}", "title": title, "status": status, "detail": detail}


def answer(problem: Problem) -> JSONResponse:
    return JSONResponse(problem.body, problem.status, problem.headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Every error that a route raises is answered so."""

    async def told(_request: Request, error: Exception) -> JSONResponse:
        if isinstance(error, Problem):
            return answer(error)
        if isinstance(error, RunbookError):
            return answer(of_error(error))
        if isinstance(error, RequestValidationError):
            return answer(_invalid(error))
        if isinstance(error, HTTPException):
            title = str(error.detail)
            headers = dict(error.headers or {})
            return answer(Problem(error.status_code, "http", title, headers=headers))
        raise error

    for kind in (Problem, RunbookError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, told)


def _invalid(error: RequestValidationError) -> Problem:
    count = len(error.errors())
    many = "a value that does not fit" if count == 1 else f"{count} values that do not fit"
    problem = Problem(422, "invalid", "The request does not fit", f"the request has {many}")
    problem.body["errors"] = [
        {"where": "/".join(map(str, one["loc"])), "what": one["msg"]} for one in error.errors()
    ]
    return problem
