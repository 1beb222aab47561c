"""Kubernetes by the kubectl binary: one connection is one context and one namespace.

kubectl and not a client library: it is what the people on call know, it brings every way to log in
(exec plugins, OIDC, certificates), and what a step does is what it does when typed. It is run by an
argument list, without a shell, with context, namespace and kubeconfig always named, and sees of the
environment PATH, HOME and what the connection gives it.
"""

from __future__ import annotations

import asyncio
import os

from engine.adapters.kubectl_config import Place
from engine.adapters.kubectl_line import PROCESSES_MAX, Call, Line, Link
from engine.adapters.kubectl_reader import KubectlReader
from engine.adapters.kubectl_writer import KubectlWriter
from engine.language.shape import Duration
from engine.plugin import StepContext, reveal

__all__ = ["KubectlAdapter", "KubectlReader", "KubectlWriter"]

PASSED_ON = ("PATH", "HOME")
"""What kubectl sees of our environment: where credential plugins are, and what is theirs."""

NO_PREFERENCES = {"KUBECTL_KUBERC": "false", "KUBERC": "off"}
"""kubectl 1.33 and later: a person's own aliases and default flags (~/.kube/kuberc) stay out."""


class KubectlAdapter:
    """A connection to a Kubernetes cluster.

    context: of the kubeconfig
    namespace: what all steps are about
    kubeconfig: where it is, or its text; ~/.kube/config unless said. $KUBECONFIG is not looked at
    binary: the kubectl to run, by name or path
    request_timeout_s: for one request to the server
    timeout_s: for one command
    env: variables that kubectl sees besides PATH and HOME, such as those of a credential plugin
    """

    family = "kubectl"

    def __init__(  # noqa: PLR0913 - the settings of a connection
        self,
        context: str,
        namespace: str,
        *,
        kubeconfig: str | None = None,
        binary: str = "kubectl",
        request_timeout_s: Duration = Duration(10.0),  # noqa: B008 - a float
        timeout_s: Duration = Duration(30.0),  # noqa: B008 - a float
        env: dict[str, str] | None = None,
    ) -> None:
        self._context = context
        self._namespace = namespace
        self._kubeconfig = kubeconfig
        self._binary = binary
        self._limits = (float(request_timeout_s), float(timeout_s))
        self._env = env or {}
        self._link: Link | None = None

    @property
    def link(self) -> Link:
        if self._link is None:
            place = Place(reveal(self._kubeconfig) if self._kubeconfig else None)
            context = reveal(self._context)
            passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
            given = {name: reveal(value) for name, value in self._env.items()}
            self._link = Link(
                binary=reveal(self._binary),
                context=context,
                namespace=reveal(self._namespace),
                place=place,
                server=place.server(context),
                request_timeout_s=self._limits[0],
                timeout_s=self._limits[1],
                env={**passed, **NO_PREFERENCES, **given},
                slots=asyncio.Semaphore(PROCESSES_MAX),
            )
        return self._link

    def fingerprint(self) -> str:
        """`context/namespace at host:port`: a context may be pointed at another cluster."""
        link = self.link
        where = f" at {link.server}" if link.server else ""
        return f"{link.context}/{link.namespace}{where}"

    async def ping(self) -> str:
        line = Line(self.link, StepContext(run="", path="ping"), writes=False)
        found = (await line.json(Call("version", ("--output=json",))))[0]
        version = (found.get("serverVersion") or {}).get("gitVersion", "of an unknown version")
        return f"Kubernetes {version} at {self.link.server or self.link.context}"

    def reader(self, context: StepContext) -> KubectlReader:
        return KubectlReader(Line(self.link, context, writes=False))

    def writer(self, context: StepContext) -> KubectlWriter:
        return KubectlWriter(Line(self.link, context, writes=True))

    async def close(self) -> None:
        if self._link is not None:
            self._link.place.close()
            self._link = None
