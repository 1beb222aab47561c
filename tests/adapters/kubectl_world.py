"""The stand-in cluster with the deployments of a document, and a connection to it."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.adapters.kubectl import KubectlAdapter
from engine.plugin import StepContext
from engine.registry import Registry
from engine.sandbox.cluster import Cluster, cluster_service
from engine.sandbox.spec import ServiceSpec

SETTINGS: Mapping[str, Any] = {
    "namespace": "production",
    "pace": "5ms",
    "deployments": {
        "stratum-api": {
            "image": "stratum/api:1.5.0",
            "history": ["stratum/api:1.3.0", "stratum/api:1.4.0"],
            "container": "api",
            "replicas": 3,
            "env": {"DATABASE_POOL_SIZE": "10"},
            "logs": [
                "GET /health 200",
                {"ago": "5m", "text": "ERROR connection refused"},
                {"ago": "2h", "text": "ERROR long ago"},
            ],
        },
        "stratum-workers": {"image": "stratum/workers:7", "history": ["stratum/workers:6"]},
    },
    "images": {"*:broken": "ImagePullBackOff", "*:crashes": "CrashLoopBackOff"},
    "hpas": {"stratum-api": {"min": 3, "max": 10, "cpu": 80, "now": 45}},
    "metrics": True,
}


@dataclass
class World:
    """A cluster that is up."""

    cluster: Cluster
    told: Mapping[str, str]
    env: Mapping[str, str] = field(default_factory=dict)

    def adapter(self, **more: Any) -> KubectlAdapter:
        given = {k: self.told[k] for k in ("context", "namespace", "kubeconfig")}
        return KubectlAdapter(**{**given, **more})

    def connection(self, **more: Any) -> dict[str, Any]:
        given = {k: self.told[k] for k in ("context", "namespace", "kubeconfig")}
        return {"adapter": "kubectl", **given, **more}

    def object(self, kind: str, name: str) -> dict[str, Any]:
        return self.cluster.state()[f"{kind}/production/{name}"]

    def kubeconfig(self, *, port: int | None = None, token: str | None = None) -> str:
        """The text of the kubeconfig, with another port or a token in it."""
        config = json.loads(Path(self.told["kubeconfig"]).read_text())
        if port is not None:
            config["clusters"][0]["cluster"]["server"] = f"http://127.0.0.1:{port}"
        if token is not None:
            config["users"][0]["user"] = {"token": token}
        return json.dumps(config)

    async def typed(self, *words: str) -> str:
        """What the command prints when it is typed."""
        args = ["kubectl", f"--kubeconfig={self.told['kubeconfig']}", *words]
        kept = {k: os.environ[k] for k in ("PATH", "HOME") if k in os.environ}
        process = await asyncio.create_subprocess_exec(
            *args, stdout=-1, stderr=-2, env=kept
        )  # fmt: skip
        out, _ = await process.communicate()
        assert process.returncode == 0, out.decode()
        return out.decode()


@asynccontextmanager
async def world(folder: Path, **more: Any) -> AsyncIterator[World]:
    """A cluster; `more` are settings over the usual ones."""
    made = Cluster(ServiceSpec("cluster", "cluster", {**SETTINGS, **more}))
    async with cluster_service(made, _made(folder)) as told:
        yield World(made, told)


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


async def step(
    adapter: KubectlAdapter, type_: str, kind: str = "check", timeout_s: float = 20.0, **given: Any
) -> Any:
    """What a step of this type comes to."""
    found = Registry().step(type_, kind)  # type: ignore[arg-type]
    context = StepContext(run="r", path="s", key="r:s", timeout_s=timeout_s)
    taken = {name: found.signature.parameters[name].shape.take(v) for name, v in given.items()}
    side = adapter.writer(context) if kind == "action" else adapter.reader(context)
    return await found.call(side, taken)


async def preview(adapter: KubectlAdapter, type_: str, **given: Any) -> Any:
    """What a rehearsal shows of an action."""
    found = Registry().step(type_, "action")
    context = StepContext(run="r", path="s", key="r:s", timeout_s=20.0)
    taken = {name: found.signature.parameters[name].shape.take(v) for name, v in given.items()}
    return await found.would(adapter.reader(context), taken)
