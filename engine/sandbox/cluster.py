"""A stand-in for a Kubernetes API server, for the real kubectl and whatever else speaks its API.

    kind: cluster
    namespace: production
    pace: 100ms                          # between two moments of a roll
    deployments:
      stratum-api:
        image: "stratum/api:1.5.0"
        history: ["stratum/api:1.4.0"]   # what it had before, oldest first
        container: api                   # else named as the deployment
        replicas: 3
        env: {DATABASE_POOL_SIZE: "10"}
        labels: {app: stratum-api}       # the default
        deadline: 10m                    # of its progress
        logs: ["GET /health 200", {ago: 5m, text: "ERROR ..."}]
    images:                              # by name or pattern; others get ready
      "*:broken": ImagePullBackOff       # or CrashLoopBackOff, ErrImagePull, OOMKilled, Pending
      "stratum/api:1.5.0": {logs: ["ERROR ..."]}
    hpas:
      stratum-api: {min: 3, max: 10, cpu: 80, now: 45}
    objects: [{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {a: b}}]
    metrics: true                        # kubectl top is served
    forbidden: ["delete *"]
    conflicts: {deployments: 1}          # the next change meets one
    slow: {"patch deployments": 2s}

Deployments roll pod by pod; replica sets, revisions, events and pods' logs are kept as the real one
keeps them; `dryRun=All` changes nothing. Tells `kubeconfig` (a file), `context`, `namespace`,
`url`, `host`, `port`.
"""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.sandbox.cluster_api import NAMESPACES, Api, defaulted
from engine.sandbox.cluster_http import serving
from engine.sandbox.cluster_logs import Logs
from engine.sandbox.cluster_roll import DEPLOYMENTS, Roller
from engine.sandbox.cluster_seed import Seed, SeedProblem, Workload
from engine.sandbox.cluster_store import ApiProblem, Store
from engine.sandbox.spec import ServiceSpec

Json = dict[str, Any]

REVISION = "deployment.kubernetes.io/revision"

CONTEXT = "sandbox"
"""The name of the context in the kubeconfig, of its cluster and of its user."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Cluster:
    """One cluster, made of its description. Raises Wrong for one that cannot be read."""

    def __init__(self, spec: ServiceSpec, now: Callable[[], datetime] = _utc_now) -> None:
        self.seed = Seed.read(spec)
        self.store = Store(now)
        self.logs = Logs(self.store, self.seed.images)
        self.roller = Roller(self.store, self.seed.images)
        self.switches = self.seed.switches
        self.api = Api(self.store, self.logs, self.switches, self._on_write)
        self._written = asyncio.Event()
        self._still = asyncio.Event()
        self._still.set()
        self._alarms: dict[str, asyncio.TimerHandle] = {}
        self._plant()

    async def settled(self) -> None:
        """Waits until nothing rolls any more."""
        await self._still.wait()

    async def run(self) -> None:
        """Rolls what is written, tick by tick, for ever."""
        self._written.set()  # what was planted may wait for pods already
        while True:
            await self._written.wait()
            self._written.clear()
            while self.roller.tick():  # noqa: ASYNC110 - time itself is waited for
                await asyncio.sleep(self.seed.pace_s)
            self._set_alarms()
            if not self._written.is_set():
                self._still.set()

    def state(self) -> dict[str, Json]:
        """All objects but events, by `resource/namespace/name`; for comparisons."""
        return {
            "/".join(key): copy.deepcopy(found)
            for key, found in self.store.objects.items()
            if key[0] != "events"
        }

    def deployments(self) -> dict[str, Json]:
        """What other services of the sandbox see: `{name: {image, images, env, replicas, ready,
        settled, revision}}`.
        """
        found = {}
        for key, held in self.store.objects.items():
            if not key[0].startswith("deployments"):
                continue
            spec = held["spec"]["template"]["spec"]["containers"]
            status = held.get("status") or {}
            settled = status.get("updatedReplicas", 0) == status.get("readyReplicas", 0)
            found[held["metadata"]["name"]] = {
                "image": spec[0]["image"],
                "images": {one["name"]: one["image"] for one in spec},
                "env": {one["name"]: one.get("value") for one in spec[0].get("env") or []},
                "replicas": held["spec"].get("replicas", 1),
                "ready": status.get("readyReplicas", 0),
                "settled": settled,
                "revision": held["metadata"].get("annotations", {}).get(REVISION),
            }
        return found

    def kubeconfig(self, port: int) -> str:
        """For clients, as JSON, which is YAML."""
        cluster = {"server": f"http://127.0.0.1:{port}"}
        context = {"cluster": CONTEXT, "user": CONTEXT, "namespace": self.seed.namespace}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": CONTEXT, "cluster": cluster}],
            "users": [{"name": CONTEXT, "user": {}}],
            "contexts": [{"name": CONTEXT, "context": context}],
            "current-context": CONTEXT,
        }
        return json.dumps(config, indent=1)

    def _on_write(self) -> None:
        self._still.clear()
        self._written.set()

    def _plant(self) -> None:
        try:
            for name in self.seed.namespaces:
                self.store.create(NAMESPACES, "", {"metadata": {"name": name}})
            for workload in self.seed.workloads:
                self._grow(workload)
            for kind, manifest in self.seed.others:
                meta = manifest["metadata"]
                self.store.create(kind, meta.get("namespace", self.seed.namespace), manifest)
        except ApiProblem as e:
            raise SeedProblem(f"the sandbox's cluster cannot be made: {e.message}") from e
        self.roller.settle()

    def _grow(self, workload: Workload) -> None:
        """A deployment with its history: each image it had was rolled out, one after the other."""
        namespace = self.seed.namespace
        self.logs.lines[namespace, workload.name] = workload.logs
        first, *later = workload.images
        usual = defaulted(DEPLOYMENTS, workload.manifest(first))
        self.store.create(DEPLOYMENTS, namespace, usual)
        for image in later:
            self.roller.settle()
            found = copy.deepcopy(self.store.get(DEPLOYMENTS, namespace, workload.name))
            found["spec"]["template"]["spec"]["containers"][0]["image"] = image
            self.store.replace(DEPLOYMENTS, found)
        self.roller.settle()

    def _set_alarms(self) -> None:
        """Each deployment that waits for its pods gives up at its deadline."""
        waiting = {d["metadata"]["uid"]: d for d in self.roller.unfinished()}
        for uid in [uid for uid in self._alarms if uid not in waiting]:
            self._alarms.pop(uid).cancel()
        loop = asyncio.get_running_loop()
        for uid, found in waiting.items():
            if uid not in self._alarms:
                limit_s = found["spec"]["progressDeadlineSeconds"]
                self._alarms[uid] = loop.call_later(limit_s, self._give_up, uid)

    def _give_up(self, uid: str) -> None:
        self._alarms.pop(uid, None)
        for found in self.roller.unfinished():
            if found["metadata"]["uid"] == uid:
                self.roller.give_up(found)

    def close(self) -> None:
        for alarm in self._alarms.values():
            alarm.cancel()


@asynccontextmanager
async def cluster_service(cluster: Cluster, folder: Path) -> AsyncIterator[dict[str, str]]:
    """The cluster, served on a port of the loopback, with its kubeconfig in a folder."""
    async with serving(cluster.api) as port:
        file = folder / "kubeconfig"
        file.touch(mode=0o600)
        file.write_text(cluster.kubeconfig(port), encoding="utf-8")
        running = asyncio.create_task(cluster.run())
        try:
            yield {
                "kubeconfig": str(file),
                "context": CONTEXT,
                "namespace": cluster.seed.namespace,
                "url": f"http://127.0.0.1:{port}",
                "host": "127.0.0.1",
                "port": str(port),
            }
        finally:
            running.cancel()
            cluster.close()
            await asyncio.gather(running, return_exceptions=True)
