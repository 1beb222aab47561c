"""Checks by kubectl, each against the bare process that asks the same and has its answer read."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
from pathlib import Path

from tests.adapters.kubectl_world import World, world
from tests.bench.place import ALICE, Place
from tests.bench.table import Row
from tests.bench.timing import Spent, Stopwatch, in_turns

TARGET = 1.2


async def kubectl(place: Place, rounds: int, count: int = 50) -> list[Row]:
    """Nothing where there is no kubectl."""
    if shutil.which("kubectl") is None:
        return []
    with tempfile.TemporaryDirectory() as folder:
        async with world(Path(folder) / "cluster") as one:
            return await _against(place, one, rounds, count)


async def _against(place: Place, one: World, rounds: int, count: int) -> list[Row]:
    step = "check: kubectl.get, target: cluster, with: {resource: deployment/stratum-api}"
    steps = "".join(f"  - {{id: c{number}, {step}}}\n" for number in range(count))
    book = place.book(f"kubectl-{count}", steps)
    file = place.folder / "books" / "p" / "environments" / "kubectl.yaml"
    file.write_text(json.dumps({"connections": {"cluster": one.connection()}}))
    async with place.engine("kubectl") as engine:

        async def ours() -> Spent:
            new = place.new_engine(engine.store)
            with Stopwatch() as watch:
                result = await new.run(book, environment="kubectl", inputs={}, actor=ALICE)
            assert result.status == "resolved"
            return watch.spent

        async def floor() -> Spent:
            with Stopwatch() as watch:
                for _ in range(count):
                    assert json.loads(await _bare(one))["kind"] == "Deployment"
            return watch.spent

        mine, bare = await in_turns(rounds, ours, floor)
    said = f"{count} checks by kubectl: wall"
    return [Row(said, mine.wall_s * 1e3, bare.wall_s * 1e3, "ms", rounds, TARGET)]


async def _bare(one: World) -> bytes:
    words = ["kubectl", f"--kubeconfig={one.told['kubeconfig']}", "--context=sandbox"]
    words += ["--namespace=production", "get", "deployment/stratum-api", "--output=json"]
    kept = {k: os.environ[k] for k in ("PATH", "HOME") if k in os.environ}
    process = await asyncio.create_subprocess_exec(*words, stdout=-1, env=kept)
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out
