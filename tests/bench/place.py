"""Where a benchmark works: a folder with books, a journal, a service to ask, a launcher."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from engine.config import Books
from engine.core.events import Actor
from engine.journal.contract import Store
from engine.journal.open import open_store
from engine.registry import Registry
from engine.wiring import Engine

HERE = Path(__file__).parent
ALICE = Actor("alice", "os-user")

ONE_CHECK = """  - id: check_{n}
    title: Is it healthy
    check: http.request
    target: api
    with: {{path: /health}}
    expect: {{json.status: healthy}}
"""


class Launched(NamedTuple):
    """What a program took."""

    code: int
    wall_s: float
    cpu_s: float
    rss_mb: float


@dataclass(frozen=True)
class Place:
    """A folder to work in, and the URL of a service that always answers the same."""

    folder: Path
    url: str
    launcher: subprocess.Popen[str]

    def book(self, name: str, steps: str) -> str:
        path = self.folder / "books" / "p" / f"{name}.yaml"
        path.write_text(f"title: {name}\nsteps:\n{steps}")
        return f"p/{name}"

    def checks(self, count: int) -> str:
        """A runbook of so many HTTP checks with one expectation each."""
        steps = "".join(ONE_CHECK.format(n=n) for n in range(1, count + 1))
        return self.book(f"checks-{count}", steps)

    def values(self, count: int) -> str:
        """A runbook of so many trivial steps."""
        step = "  - {{id: v{n}, check: run.value, with: {{value: {n}}}}}\n"
        steps = "".join(step.format(n=n) for n in range(1, count + 1))
        return self.book(f"values-{count}", steps)

    def store_url(self, name: str) -> str:
        return f"sqlite:///{self.folder}/{name}.db"

    @asynccontextmanager
    async def engine(self, journal: str) -> AsyncIterator[Engine]:
        store = open_store(self.store_url(journal))
        try:
            yield self.new_engine(store)
        finally:
            await store.close()

    def new_engine(self, store: Store) -> Engine:
        """One that has read no runbook yet."""
        return Engine(books=Books([self.folder / "books"]), registry=Registry(), store=store)

    def launch(self, argv: Sequence[str]) -> Launched:
        """Runs a program to its end, without what would make it write no byte code."""
        env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "RUNBOOK"))}
        order = {"argv": list(argv), "env": env, "cwd": str(self.folder)}
        assert self.launcher.stdin is not None
        assert self.launcher.stdout is not None
        self.launcher.stdin.write(json.dumps(order) + "\n")
        self.launcher.stdin.flush()
        told = Launched(**json.loads(self.launcher.stdout.readline()))
        if told.code != 0:
            raise RuntimeError(f"{' '.join(argv)} ended with {told.code}")
        return told

    def runbook(self, name: str, journal: str) -> Launched:
        """`runbook run` as a person types it, its output read by nobody."""
        program = str(Path(sys.executable).with_name("runbook"))
        books = str(self.folder / "books")
        where = ["--books", books, "--store", self.store_url(journal)]
        return self.launch([program, *where, "run", name, "--env", "bench"])


@contextmanager
def place(folder: Path) -> Iterator[Place]:
    environments = folder / "books" / "p" / "environments"
    environments.mkdir(parents=True)
    with _helper("target.py") as target, _helper("launcher.py", "-I", "-S") as launcher:
        assert target.stdout is not None
        url = f"http://127.0.0.1:{target.stdout.readline().strip()}"
        text = f"connections:\n  api: {{adapter: http, base_url: '{url}'}}\n"
        (environments / "bench.yaml").write_text(text)
        yield Place(folder, url, launcher)


@contextmanager
def _helper(script: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, *options, str(HERE / script)]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield process
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(10)
