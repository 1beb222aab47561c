"""A real Celery worker over a Redis of the sandbox, with a backlog that drains when it is helped.

    kind: celery
    broker: broker                      # the name of a service of kind redis
    app: app.worker                     # what operators give to `celery -A`; made for the sandbox
    queues: [high_priority, default]    # what the worker takes from
    workers: 8                          # how many tasks it does at a time; 0: there is no worker
    tasks: {sync_audience: 2ms}         # by name, how long each takes
    backlog:                            # what waits when the sandbox is up
      - {queue: default, task: sync_audience, count: 1500}

`queues` and `workers` may be templates over the other services, and are followed while the sandbox
is up: `workers: "{{ services.cluster.deployments['stratum-workers'].replicas }}"`. A list of queues
as one text has commas. Without the service that a template needs, `workers` is 0 and `queues` all.

Tells `broker` (its address), `app`, `home` (the folder of the application), `bin` (that of the real
`celery`), `host`, `port`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from engine.errors import Place
from engine.language.model import Template
from engine.language.template import TemplateProblem, render
from engine.sandbox.process import Child, Command, NotStarted
from engine.sandbox.spec import ServiceSpec, Wrong, entries, only, seconds, whole_number

WORKERS_MAX = 32
"""Threads of the one worker: more wait for the broker, not for each other."""
TASK_MAX_S = 3600.0
"""Longer than any run in a sandbox: a task that never ends."""
BACKLOG_MAX = 5_000
"""Of one entry: sending takes half a second for a thousand."""
FOLLOW_S = 0.05
"""How often it is looked whether the worker is to change."""
QUEUES = "default"
APP_FILE = Path(__file__).with_name("celery_app.py.txt")
"""The application: a text, because it is imported by the worker and by nothing of ours."""

Others = Callable[[], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Backlog:
    """Tasks that wait."""

    queue: str
    task: str
    count: int


@dataclass(frozen=True, slots=True)
class CelerySettings:
    broker: str
    app: str
    queues: Any
    workers: Any
    tasks: Mapping[str, float]
    backlog: tuple[Backlog, ...]

    @classmethod
    def read(cls, spec: ServiceSpec) -> CelerySettings:
        where, written = f"services.{spec.name}", spec.settings
        only(written, ("broker", "app", "queues", "workers", "tasks", "backlog"), where)
        if not isinstance(written.get("broker"), str):
            raise Wrong("has no broker", where, "name a service of kind redis with `broker`")
        app = str(written.get("app", "app.worker"))
        if not all(part.isidentifier() for part in app.split(".")):
            raise Wrong(f"{app!r} is no name of a module", f"{where}.app")
        tasks = {
            str(name): seconds(takes, f"{where}.tasks.{name}", TASK_MAX_S)
            for name, takes in (written.get("tasks") or {}).items()
        }
        return cls(
            broker=written["broker"],
            app=app,
            queues=_followed(written.get("queues", [QUEUES]), f"{where}.queues"),
            workers=_followed(written.get("workers", 1), f"{where}.workers"),
            tasks=tasks,
            backlog=tuple(
                _backlog(entry, place, tasks)
                for place, entry in entries(written.get("backlog"), f"{where}.backlog")
            ),
        )


def _backlog(written: Mapping[str, Any], where: str, tasks: Mapping[str, float]) -> Backlog:
    only(written, ("queue", "task", "count"), where)
    task = str(written.get("task"))
    if task not in tasks:
        raise Wrong(f"there is no task {task!r}", f"{where}.task", f"there are {', '.join(tasks)}")
    count = whole_number(written.get("count", 1), f"{where}.count", BACKLOG_MAX)
    return Backlog(str(written.get("queue", QUEUES)), task, count)


def _followed(written: Any, where: str) -> Any:
    return Template(written, Place(where, 1, 1)) if isinstance(written, str) else written


class Celery:
    """One application with its worker."""

    def __init__(self, spec: ServiceSpec, folder: Path, broker_url: str, others: Others) -> None:
        self.settings = CelerySettings.read(spec)
        self.home = folder / "home"
        self.broker_url = broker_url
        self.problems: list[str] = []
        self._others = others
        self._where = f"services.{spec.name}"
        self._worker: Child | None = None
        self._now: dict[str, Any] = {}

    async def start(self) -> None:
        """The application, its backlog, then the worker that is wanted."""
        *packages, module = self.settings.app.split(".")
        place = self.home.joinpath(*packages)
        place.mkdir(parents=True)
        self._wanted_file = place / "wanted.json"
        text = APP_FILE.read_text(encoding="utf-8")
        (place / f"{module}.py").write_text(text, encoding="utf-8")
        (place / "tasks.json").write_text(json.dumps(dict(self.settings.tasks)), encoding="utf-8")
        await asyncio.to_thread(self._send)
        await self._follow_once()

    def _send(self) -> None:
        # 0.3 s, paid by a sandbox only
        from celery import (  # type: ignore[import-untyped]  # noqa: PLC0415
            Celery as Application,
        )

        with Application(broker=self.broker_url) as app, app.connection_for_write() as connection:
            producer = app.amqp.Producer(connection)
            for entry in self.settings.backlog:
                for _ in range(entry.count):
                    app.send_task(entry.task, queue=entry.queue, producer=producer)

    async def follow(self) -> None:
        """Changes the worker when the other services say so, until it is cancelled."""
        while True:
            await asyncio.sleep(FOLLOW_S)
            try:
                await self._follow_once()
            except (Wrong, NotStarted) as e:
                if e.message not in self.problems:
                    self.problems.append(e.message)

    async def _follow_once(self) -> None:
        wanted = self._wanted()
        if wanted == self._now:
            return
        self._wanted_file.with_suffix(".new").write_text(json.dumps(wanted), encoding="utf-8")
        self._wanted_file.with_suffix(".new").replace(self._wanted_file)
        self._now = wanted
        if wanted["workers"] and self._worker is None:
            self._worker = await Child.start(self._command(wanted["queues"]))
        elif not wanted["workers"] and self._worker is not None:
            await self.stop()

    def _wanted(self) -> dict[str, Any]:
        scope = {"services": self._others()}
        workers = _rendered(self.settings.workers, scope)
        queues = _rendered(self.settings.queues, scope)
        if isinstance(queues, str):
            queues = [part.strip() for part in queues.split(",") if part.strip()]
        every = sorted({entry.queue for entry in self.settings.backlog}) or [QUEUES]
        number = int(workers) if isinstance(workers, str) and workers.isdigit() else workers
        return {
            "workers": whole_number(number or 0, f"{self._where}.workers", WORKERS_MAX * 100),
            "queues": [str(queue) for queue in queues] if queues else every,
        }

    def _command(self, queues: list[str]) -> Command:
        words = [sys.executable, "-m", "celery", "-A", self.settings.app, "worker"]
        words += ["--pool", "threads", "--concurrency", str(WORKERS_MAX), "-Q", ",".join(queues)]
        words += ["--loglevel", "INFO", "--hostname", f"worker@{self.settings.app}"]
        words += ["--without-gossip", "--without-mingle", "-O", "fair"]
        return Command(
            words,
            self.home,
            ready=lambda line: line.rstrip().endswith(" ready."),
            stop_signal=signal.SIGKILL,  # a task of it may never end, and nothing of it is kept
            env={
                "PATH": os.environ.get("PATH", os.defpath),
                "CELERY_BROKER_URL": self.broker_url,
                "C_FORCE_ROOT": "1",
                "PYTHONDONTWRITEBYTECODE": "1",
            },
        )

    async def stop(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            await worker.stop()


def _rendered(written: Any, scope: Mapping[str, Any]) -> Any:
    """What a template says now; None while it speaks of a service that is not up."""
    if not isinstance(written, Template):
        return written
    try:
        return render(written, scope)
    except TemplateProblem:
        return None


@asynccontextmanager
async def celery_service(celery: Celery) -> AsyncIterator[dict[str, str]]:
    """The application with its backlog, and the worker as long as one is wanted."""
    if lacks := missing_celery():
        raise NotStarted(lacks)
    following: asyncio.Task[None] | None = None
    try:
        await celery.start()
        following = asyncio.create_task(celery.follow())
        host, _, port = celery.broker_url.rpartition("//")[2].partition("/")[0].partition(":")
        yield {
            "broker": celery.broker_url,
            "app": celery.settings.app,
            "home": str(celery.home),
            "bin": str(Path(sys.executable).parent),
            "host": host,
            "port": port,
        }
    finally:
        if following is not None:
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following
        await celery.stop()


def missing_celery() -> str:
    """What is not installed here and this kind needs, with the cure; "" where all is there."""
    if find_spec("celery") is None:
        return "no celery: pip install 'celery[redis]', or 'runbook[sandbox-more]'"
    return ""
