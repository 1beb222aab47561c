"""Starts what a runbook talks to, for the time of its run, with the runbook's fault in place.

An environment named `sandbox` says which services there are and what is broken for which runbook
(see `spec`); the kinds of services are in modules of their names. Everything listens on the
loopback only, lives in a temporary folder and ends with the run, however the run ends.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from engine.errors import Diagnosed, Diagnostic, Place
from engine.language.model import Call, Runbook, walk_runbook
from engine.sandbox import postgres, redis
from engine.sandbox.aws import Aws, aws_service, missing_aws
from engine.sandbox.behind import writer
from engine.sandbox.celery import Celery, CelerySettings, celery_service, missing_celery
from engine.sandbox.http import Answering, http_service
from engine.sandbox.inbox import Inbox, Letter
from engine.sandbox.meta import MetaService
from engine.sandbox.process import NotStarted, new_folder
from engine.sandbox.prometheus import PrometheusService
from engine.sandbox.routes import Behaviour
from engine.sandbox.spec import (
    Fault,
    ServiceSpec,
    Wrong,
    broken,
    read_faults,
    read_services,
    services_named,
)
from engine.wiring.hurry import hurry_of

if TYPE_CHECKING:
    from engine.sandbox.cluster import Cluster
    from engine.sandbox.host import Host

__all__ = ["KINDS", "Fault", "NotStarted", "Sandbox", "connections_of", "fault_of", "missing"]

KINDS = (
    *("aws", "celery", "cluster", "host", "http", "inbox", "meta", "postgres", "prometheus"),
    "redis",
)

UPON_OTHERS = ("celery",)
"""Kinds that need services of other kinds to be up, and name them: see `_stands_on`."""

ANSWERING: Mapping[str, Callable[[ServiceSpec], Answering]] = {
    "http": Behaviour.read,
    "inbox": Inbox.read,
    "meta": MetaService.read,
    "prometheus": PrometheusService.read,
}
"""Kinds that answer HTTP in this process."""

Progress = Callable[[str], None]


class EnvironmentLike(Protocol):
    """What is read of an `engine.config.Environment`."""

    @property
    def file(self) -> str: ...
    @property
    def services(self) -> Mapping[str, Any]: ...
    @property
    def faults(self) -> Mapping[str, Any]: ...
    @property
    def connections(self) -> Mapping[str, Any]: ...
    def place_of(self, *path: str | int) -> Place: ...


def fault_of(environment: EnvironmentLike, runbook: str) -> Fault | None:
    """The fault the environment has for a runbook (`pack/name`), or None. Raises Diagnosed."""
    with _diagnosed(environment):
        services = read_services(environment.services, KINDS)
        return read_faults(environment.faults, services).get(runbook.rpartition("/")[2])


def connections_of(runbook: Runbook) -> frozenset[str]:
    """The connections a runbook uses, with those of the runbooks it calls."""
    books = (runbook, *runbook.calls.values())
    return frozenset(
        entry.target
        for book in books
        for entry in walk_runbook(book)
        if isinstance(entry, Call) and entry.target
    )


def missing(environment: EnvironmentLike, connections: Collection[str]) -> tuple[str, ...]:
    """What is not installed here and these connections need: a sentence each, with the cure."""
    lacks = {
        "aws": missing_aws(),
        "celery": missing_celery(),
        "cluster": "" if shutil.which("kubectl") else "no kubectl: install it from kubernetes.io",
        "host": "" if shutil.which("git") else "no git: install it",
        "redis": "" if redis.redis_server() else f"no redis-server: {redis.missing_redis()}",
        "postgres": ""
        if postgres.postgres_home()
        else f"no PostgreSQL: {postgres.missing_postgres()}",
    }
    kinds = {spec.kind for spec in _needed(environment, connections)}
    return tuple(lacks[kind] for kind in sorted(kinds) if lacks.get(kind))


def _needed(environment: EnvironmentLike, connections: Collection[str]) -> tuple[ServiceSpec, ...]:
    """The services behind these connections. Raises Diagnosed."""
    with _diagnosed(environment):
        services = read_services(environment.services, KINDS)
        wanted = {}
        for name in sorted(connections):
            connection = environment.connections.get(name)
            where = f"connections.{name}"
            for service in sorted(services_named(connection.settings)) if connection else ():
                if service not in services:
                    known = f"under `services` there are {', '.join(sorted(services)) or 'none'}"
                    raise Wrong(f"there is no service {service!r}", where, known)
                for other in _stands_on(services[service], services):
                    wanted[other] = services[other]
                wanted[service] = services[service]
        # people are told by the contacts' channels, which no step names
        wanted |= {name: spec for name, spec in services.items() if spec.kind == "inbox"}
        return tuple(wanted.values())


def _stands_on(spec: ServiceSpec, services: Mapping[str, ServiceSpec]) -> tuple[str, ...]:
    """The services that this one needs. Raises Wrong."""
    if spec.kind != "celery":
        return ()
    broker = CelerySettings.read(spec).broker
    if broker not in services or services[broker].kind != "redis":
        known = ", ".join(name for name, one in services.items() if one.kind == "redis") or "none"
        where = f"services.{spec.name}.broker"
        raise Wrong(f"{broker!r} is no service of kind redis", where, f"there are {known}")
    return (broker,)


@contextmanager
def _diagnosed(environment: EnvironmentLike) -> Iterator[None]:
    """What is wrong with the environment's text is told with its place in it."""
    try:
        yield
    except Wrong as e:
        place = environment.place_of(*e.path)
        raise Diagnosed((Diagnostic("RB830", e.message, place, e.help),)) from e


class Sandbox:
    """The services a run needs, while it lasts.

        async with Sandbox(environment, "stratum/redis-memory-pressure", {"cache"}) as sandbox:
            sandbox.services["cache.url"]

    Only the services behind `connections` are started, all at once. `with_fault=False` starts them
    healthy.
    """

    def __init__(
        self,
        environment: EnvironmentLike,
        runbook: str,
        connections: Collection[str],
        on_progress: Progress | None = None,
        *,
        with_fault: bool = True,
    ) -> None:
        self.environment = environment
        self.fault = fault_of(environment, runbook) if with_fault else None
        self._healthy = _needed(environment, connections)
        self.specs = tuple(broken(spec, self.fault) for spec in self._healthy)
        self.services: dict[str, str] = {}
        """`cache.url` and its like, once they are up."""
        self.behaviours: dict[str, Answering] = {}
        """The http services: their state, the requests they got, problems of their description."""
        self.clusters: dict[str, Cluster] = {}
        """The stand-in API servers: their objects."""
        self.hosts: dict[str, Host] = {}
        self.clouds: dict[str, Aws] = {}
        self.workers: dict[str, Celery] = {}
        self._tell = on_progress or (lambda _text: None)
        self._folder = Path()
        self._open: dict[str, AsyncExitStack] = {}

    @property
    def folder(self) -> Path:
        """Where its services keep their files, while it is up."""
        return self._folder

    @property
    def inputs(self) -> Mapping[str, Any]:
        """What stands in for inputs the run does not give; see `Fault`."""
        return self.fault.inputs if self.fault else {}

    async def __aenter__(self) -> Sandbox:
        others = postgres.account() is not None and any(s.kind == "postgres" for s in self.specs)
        self._folder = new_folder(passable=others)
        try:
            await self._start(self.specs)
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stop()

    async def _start(self, specs: Collection[ServiceSpec]) -> None:
        """All at once, but those that stand on others after them."""
        await self._start_all([spec for spec in specs if spec.kind not in UPON_OTHERS])
        await self._start_all([spec for spec in specs if spec.kind in UPON_OTHERS])

    async def _start_all(self, specs: Collection[ServiceSpec]) -> None:
        """At once; when one cannot, the others are stopped too and its error counts."""
        starting = [asyncio.create_task(self._start_one(spec)) for spec in specs]
        try:
            ended = await asyncio.gather(*starting, return_exceptions=True)
        except BaseException:
            for task in starting:
                task.cancel()
            await asyncio.gather(*starting, return_exceptions=True)
            raise
        for result in ended:
            if isinstance(result, BaseException):
                raise result

    async def _start_one(self, spec: ServiceSpec) -> None:
        started = time.monotonic()
        folder = self._folder / spec.name
        folder.mkdir()
        stack = AsyncExitStack()
        self._open[spec.name] = stack
        with _diagnosed(self.environment):
            told = await stack.enter_async_context(self._service(spec, folder))
        self.services.update({f"{spec.name}.{key}": value for key, value in told.items()})
        took_s = time.monotonic() - started
        self._tell(
            f"{spec.kind} for {spec.name!r} is up at {told['host']}:{told['port']} ({took_s:.1f} s)"
        )

    def _service(
        self, spec: ServiceSpec, folder: Path
    ) -> AbstractAsyncContextManager[dict[str, str]]:
        if spec.kind == "redis":
            return redis.redis_service(spec, folder)
        if spec.kind == "postgres":
            return postgres.postgres_service(spec, folder, Path(self.environment.file).parent)
        if spec.kind == "aws":
            cloud = self.clouds[spec.name] = Aws(spec, folder)
            return aws_service(cloud)
        if spec.kind == "celery":
            url = self.services[f"{spec.settings['broker']}.url"]
            worker = self.workers[spec.name] = Celery(spec, folder, url, self.states)
            return celery_service(worker)
        if spec.kind == "cluster":
            from engine.sandbox.cluster import Cluster, cluster_service  # noqa: PLC0415  many modules

            cluster = self.clusters[spec.name] = Cluster(spec)
            return cluster_service(cluster, folder)
        if spec.kind == "host":
            from engine.sandbox.host import Host, host_service  # noqa: PLC0415  with a sandbox only

            host = self.hosts[spec.name] = Host(spec, folder)
            return host_service(host)
        behaviour = ANSWERING[spec.kind](spec)
        if isinstance(behaviour, Behaviour | PrometheusService):
            behaviour.others = self.states
        self.behaviours[spec.name] = behaviour
        if isinstance(behaviour, Inbox):
            from engine.sandbox.inbox_mail import inbox_service  # noqa: PLC0415  as above

            return inbox_service(behaviour, lambda: datetime.now(UTC))
        return http_service(behaviour, lambda: datetime.now(UTC), writer(self.services))

    @property
    def has_inbox(self) -> bool:
        return any(spec.kind == "inbox" for spec in self.specs)

    @property
    def hurried(self) -> str:
        """In words, how fast people are called here."""
        hurry = hurry_of(self.environment.services) or 1
        return f"; people are called {hurry:g} times as fast as written" if hurry > 1 else ""

    @property
    def letters(self) -> list[Letter]:
        """What came to its inboxes, in the order it came."""
        inboxes = [one for one in self.behaviours.values() if isinstance(one, Inbox)]
        return sorted((n for one in inboxes for n in one.letters), key=lambda one: one.at)

    def states(self) -> dict[str, Any]:
        """What templates see of the other services, by name: the state of HTTP services, the
        deployments of clusters, the files of hosts, the services of AWS.
        """
        found: dict[str, Any] = {
            name: behaviour.state
            for name, behaviour in self.behaviours.items()
            if isinstance(behaviour, Behaviour | PrometheusService)
        }
        found |= {name: {"deployments": one.deployments()} for name, one in self.clusters.items()}
        found |= {name: one.seen() for name, one in self.clouds.items()}
        return found | {name: {"files": one.files()} for name, one in self.hosts.items()}

    async def _stop(self) -> None:
        """Ends all of it at once. What is cut short by a cancellation is killed, and the folder
        goes.
        """
        try:
            await self._close(tuple(self._open))
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    async def _close(self, names: Collection[str]) -> None:
        """Ends these services, at once, and removes what they kept."""
        opened = {name: self._open.pop(name) for name in names}
        ended = await asyncio.gather(
            *(stack.aclose() for stack in opened.values()), return_exceptions=True
        )
        for name in opened:
            shutil.rmtree(self._folder / name, ignore_errors=True)
        for result in ended:
            if isinstance(result, BaseException):
                raise result

    async def put_fault(self, fault: Fault | None) -> tuple[str, ...]:
        """Puts this fault in the place of the one it has: the services of both start anew, with
        those that stand on them; the others go on. Gives the names of what was started.
        """
        concerned = {name for one in (self.fault, fault) if one for name in one.services}
        healthy = {spec.name: spec for spec in self._healthy}
        concerned |= {
            name
            for name, spec in healthy.items()
            if concerned.intersection(_stands_on(spec, healthy))
        }
        await self._close([name for name in self._open if name in concerned])
        self.fault = fault
        self.specs = tuple(broken(spec, fault) for spec in self._healthy)
        await self._start([spec for spec in self.specs if spec.name in concerned])
        return tuple(spec.name for spec in self.specs if spec.name in concerned)
