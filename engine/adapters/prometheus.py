"""Prometheus: questions in PromQL, over the HTTP adapter's connection."""

from __future__ import annotations

from engine.adapters.http import HttpAdapter
from engine.adapters.prometheus_answer import answered
from engine.adapters.prometheus_reader import PrometheusReader
from engine.errors import AdapterError
from engine.language.shape import Duration
from engine.plugin import StepContext, reveal

__all__ = ["PrometheusAdapter", "PrometheusReader"]


class PrometheusAdapter:
    """A connection to Prometheus, or to what speaks its HTTP API (Thanos, Mimir, VictoriaMetrics).

    base_url: where it is, with its path prefix: what stands before /api/v1
    headers: sent with every request, such as X-Scope-OrgID
    bearer: token for `Authorization: Bearer`
    username: for basic authentication
    password: for basic authentication
    timeout_s: for the whole of one answer; Prometheus is told, and ends the query then
    verify: false trusts any certificate; for tests only
    ca_file: certificates to trust besides the usual ones, PEM
    """

    family = "prometheus"

    def __init__(  # noqa: PLR0913 - the settings of a connection
        self,
        base_url: str,
        *,
        headers: dict[str, str] | None = None,
        bearer: str | None = None,
        username: str | None = None,
        password: str | None = None,
        timeout_s: Duration = Duration(30.0),  # noqa: B008 - a float
        verify: bool = True,
        ca_file: str | None = None,
    ) -> None:
        self._base_url = base_url
        self._headers = headers or {}
        self._bearer = bearer
        self._login = (username, password)
        self._trust = (verify, ca_file)
        self._timeout_s = timeout_s
        self._http: HttpAdapter | None = None

    def fingerprint(self) -> str:
        return HttpAdapter(self._base_url).fingerprint()

    async def ping(self) -> str:
        http = self._opened()
        reader = http.reader(StepContext(run="", path="ping"))
        answered(await reader.get("/api/v1/query", query={"query": "1"}), "1")
        return f"{http.address.authority} answers queries"

    def reader(self, context: StepContext) -> PrometheusReader:
        timeout_s = min(self._timeout_s, context.timeout_s)
        return PrometheusReader(self._opened().reader(context), timeout_s)

    def writer(self, context: StepContext) -> PrometheusReader:  # noqa: ARG002 - as the door asks
        raise AdapterError("Prometheus is only asked, nothing is changed there", retryable=False)

    async def close(self) -> None:
        http, self._http = self._http, None
        if http is not None:
            await http.close()

    def _opened(self) -> HttpAdapter:
        """The connection, made late: its token is revealed no sooner than it is needed."""
        if self._http is None:
            headers = dict(self._headers)
            if self._bearer is not None:
                headers["Authorization"] = f"Bearer {reveal(self._bearer)}"
            username, password = self._login
            verify, ca_file = self._trust
            self._http = HttpAdapter(
                self._base_url,
                headers=headers,
                username=username,
                password=password,
                timeout_s=self._timeout_s,
                verify=verify,
                ca_file=ca_file,
            )
        return self._http
