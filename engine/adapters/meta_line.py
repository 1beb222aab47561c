"""Sends the calls of one attempt to Meta: the version pinned, the token in the header, the budget
kept, every refusal understood.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.adapters.http_answer import HttpAnswer
from engine.adapters.http_line import Line
from engine.adapters.http_request import Body, Call
from engine.adapters.meta_call import VALIDATE_ONLY, checked_params, only_reads
from engine.adapters.meta_errors import blocked, refusal, scrubbed, told
from engine.adapters.meta_usage import Usage, use_of
from engine.errors import AdapterError
from engine.plugin import StepContext

if TYPE_CHECKING:
    from engine.adapters.meta import MetaAdapter

IN_DOUBT = ": the change may have been made"
"""What the HTTP line says of a POST. Ours that only read change nothing, whatever their method."""


@dataclass(frozen=True, slots=True)
class Graphed:
    """What Meta answered: the body without tokens, and what its headers told.

    version: that answered, None where it does not say
    warnings: what a person should know although the call was carried out
    date: the `Date` header
    """

    body: Any
    version: str | None
    warnings: tuple[str, ...]
    date: str | None


class GraphLine:
    """The calls of one attempt. Without `writes` it sends nothing that changes anything: what
    leaves is looked at octet by octet, see `only_reads`.
    """

    __slots__ = ("_adapter", "_line", "_writes", "context")

    def __init__(self, adapter: MetaAdapter, context: StepContext, *, writes: bool) -> None:
        self._adapter = adapter
        self._writes = writes
        methods = frozenset({"GET", "POST", "DELETE"} if writes else {"GET", "POST"})
        self._line = Line(adapter.opened(), context, methods)
        self.context = context

    @property
    def usage(self) -> Usage:
        return self._adapter.budget.now()

    async def get(self, path: str, params: Mapping[str, Any] | None = None) -> Graphed:
        """A GET. Raises AdapterError for every refusal."""
        query = checked_params(params or {}) | self._adapter.proof
        return await self._send(self._call("GET", path, query=query), path)

    async def examine(self, token: str, asking: str | None) -> Graphed:
        """What Meta knows of a token: `debug_token`.

        It wants the token as a parameter. Graph takes the parameters of a GET as a form when the
        form says `method=GET` (so did its own first libraries with every call), which keeps the
        token out of the address and thus out of every log on the way.

        asking: the token that asks, where it is not the connection's own
        """
        form = {"input_token": token, "method": "GET"}
        form |= self._adapter.proof_of(asking) if asking else self._adapter.proof
        headers = {"Authorization": f"Bearer {asking}"} if asking else {}
        call = self._call("POST", "debug_token", form=form, headers=headers)
        return await self._send(call, "debug_token")

    async def validate(self, path: str, params: Mapping[str, Any]) -> Graphed:
        """Meta's own dry run of a change, for paths that are known to take it: see the reader."""
        form = checked_params(params) | {"execution_options": VALIDATE_ONLY} | self._adapter.proof
        return await self._send(self._call("POST", path, form=form), path)

    async def change(self, method: str, path: str, params: Mapping[str, Any]) -> Graphed:
        """A POST or DELETE that changes something. Raises AdapterError for `success: false` too."""
        given = checked_params(params) | self._adapter.proof
        if method == "POST":
            call = self._call(method, path, form=given)
        else:
            call = self._call(method, path, query=given)
        return await self._send(call, path, change=True)

    async def batch(self, entries: str) -> Graphed:
        """Many calls in one; `entries` is the JSON of their list."""
        form = {"batch": entries, "include_headers": "true"} | self._adapter.proof
        return await self._send(self._call("POST", "", form=form), "", change=True)

    def refuse_blocked(self, path: str) -> None:
        """Raises AdapterError while Meta is known to refuse calls to this path."""
        met = self._adapter.budget.block(use_of(path))
        if met is not None:
            raise blocked(met.limit, met.blocked_for_s, self._adapter.blocked_wait_s)

    def observe(self, headers: Mapping[str, str]) -> None:
        """Takes the usage headers of one call of a batch into the budget."""
        self._adapter.budget.observe(headers)

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Call:
        where = f"/{self._adapter.version}/{path}"
        return self._line.change(method, where, query, Body(form=form), headers or {})

    async def _send(self, call: Call, path: str, *, change: bool = False) -> Graphed:
        if not self._writes and not only_reads(call):
            raise AdapterError("the reading side sends nothing that could write", retryable=False)
        self.refuse_blocked(path)
        try:
            found = await self._line.send(call)
        except AdapterError as e:
            if change or not e.maybe_done:
                raise
            raise AdapterError(
                e.message.removesuffix(IN_DOUBT), help=e.help, retryable=e.retryable,
                detail=e.detail,
            ) from e  # fmt: skip
        problems = self._adapter.budget.observe(found.headers)
        self._refuse(found, path, change)
        version = found.headers.get("facebook-api-version")
        warnings = (*_version_warning(self._adapter.version, version), *problems)
        return Graphed(scrubbed(found.json), version, warnings, found.headers.get("date"))

    def _refuse(self, found: HttpAnswer, path: str, change: bool) -> None:
        """Raises AdapterError for an answer that is a refusal, whatever its status."""
        body = found.json
        met = self._adapter.budget.block(use_of(path))
        if isinstance(body, dict) and isinstance(body.get("error"), dict):
            said = refusal(body["error"], found.status, met.blocked_for_s if met else 0.0)
            raise told(said, change=change, wait_max_s=self._adapter.blocked_wait_s)
        if not 200 <= found.status < 300:
            said = refusal({}, found.status, met.blocked_for_s if met else 0.0)
            raise told(said, change=change, wait_max_s=self._adapter.blocked_wait_s)
        if isinstance(body, dict) and body.get("success") is False:
            raise AdapterError(
                f"Meta answers {found.status} and says success: false",
                help="it gives no reason; read the object to see how it is",
                detail={"kind": "unknown", "status": found.status},
            )
        if not isinstance(body, dict | list):
            raise _no_graph(found, change)


def _no_graph(found: HttpAnswer, change: bool) -> AdapterError:
    if found.cut:
        what, hint = "more than 1 MiB", "ask for fewer `fields` or a smaller `limit`"
    else:
        what, hint = "no JSON", "does the base_url lead to Meta?"
    return AdapterError(
        f"the answer is {what}" + (IN_DOUBT if change else ""),
        help=hint,
        maybe_done=change,
        retryable=not found.cut,
        detail={"status": found.status, "problem": found.json_problem},
    )


def _version_warning(asked: str, answered: str | None) -> tuple[str, ...]:
    if answered is None or answered == asked:
        return ()
    return (f"version {answered} answered although {asked} was asked: {asked} has expired",)
