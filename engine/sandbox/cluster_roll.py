"""What controllers and nodes do in the stand-in cluster: deployments roll, pods start or do not.

Time is counted in ticks. In one tick a deployment notices its new template, or old pods go, new
ones come, and pods of the tick before get ready: as many at once as `maxSurge` and
`maxUnavailable` allow. A pod whose image is bad never gets ready, so its deployment stays where it
is, as in reality.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

from engine.sandbox.cluster_kinds import BY_NAME, Kind, pod_reason
from engine.sandbox.cluster_pods import (
    EVENT_REASONS,
    PODS,
    Image,
    is_ready,
    new_pod,
    owner,
    started,
    tell,
)
from engine.sandbox.cluster_store import Store

Json = dict[str, Any]

DEPLOYMENTS = BY_NAME["apps/v1", "Deployment"]
REPLICASETS = BY_NAME["apps/v1", "ReplicaSet"]

REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
CHANGE_CAUSE = "kubernetes.io/change-cause"
HASH = "pod-template-hash"


class Roller:
    """Brings what is there towards what is asked for, one tick at a time."""

    def __init__(self, store: Store, images: Mapping[str, Image]) -> None:
        self.store = store
        self.images = images
        self.given_up: dict[str, int] = {}
        """Deployments whose progress deadline has passed, with the generation it was about."""

    def tick(self) -> bool:
        """One tick for all deployments. False when nothing is left to do."""
        before = self.store.version
        for deployment in self.store.list(DEPLOYMENTS):
            self._tick(deployment)
        return self.store.version != before

    def settle(self) -> None:
        """Ticks until nothing moves."""
        while self.tick():
            pass

    def _tick(self, deployment: Json) -> None:
        status = deployment.get("status", {})
        paused = deployment["spec"].get("paused")
        self._start_pods(deployment)
        if status.get("observedGeneration") != deployment["metadata"]["generation"]:
            if not paused:
                self._observe(deployment)
        elif not paused:
            self._roll(deployment)
        self._write_status(deployment)

    def _observe(self, deployment: Json) -> None:
        """The new template gets its replica set, and that the next revision."""
        current = self._current(deployment) or self._new_replicaset(deployment)
        newest = max((revision(rs) for rs in self._replicasets(deployment)), default=0)
        notes = dict(current["metadata"].get("annotations") or {})
        own = int(notes.get(REVISION, 0))
        if own < newest or not own:
            if own:
                former = [part for part in (notes.get(REVISION_HISTORY), str(own)) if part]
                notes[REVISION_HISTORY] = ",".join(former)
            notes[REVISION] = str(newest + 1)
        notes |= self._notes_of(deployment)
        self._save(REPLICASETS, current, ("metadata", "annotations"), notes)
        told = {**(deployment["metadata"].get("annotations") or {}), REVISION: notes[REVISION]}
        self._save(DEPLOYMENTS, deployment, ("metadata", "annotations"), told)

    def _notes_of(self, deployment: Json) -> Json:
        cause = (deployment["metadata"].get("annotations") or {}).get(CHANGE_CAUSE)
        return {CHANGE_CAUSE: cause} if cause else {}

    def _new_replicaset(self, deployment: Json) -> Json:
        template = copy.deepcopy(deployment["spec"]["template"])
        digest = template_hash(template)
        meta = deployment["metadata"]
        template.setdefault("metadata", {}).setdefault("labels", {})[HASH] = digest
        selector = copy.deepcopy(deployment["spec"]["selector"])
        selector.setdefault("matchLabels", {})[HASH] = digest
        return self.store.create(
            REPLICASETS,
            meta["namespace"],
            {
                "metadata": {
                    "name": f"{meta['name']}-{digest}",
                    "labels": template["metadata"]["labels"],
                    "annotations": {},
                    "ownerReferences": [owner(deployment)],
                },
                "spec": {"replicas": 0, "selector": selector, "template": template},
            },
        )

    def _start_pods(self, deployment: Json) -> None:
        """Pods of the tick before get ready, or show why they do not."""
        for rs in self._replicasets(deployment):
            for pod in self._pods(rs):
                if pod_reason(pod) == "ContainerCreating":
                    self._start(pod)

    def _start(self, pod: Json) -> None:
        pod = self._save(PODS, pod, ("status",), started(pod, self.images))
        if not is_ready(pod):
            reason = pod_reason(pod)
            called = EVENT_REASONS.get(reason, "BackOff")
            image = pod["spec"]["containers"][0]["image"]
            tell(self.store, "Warning", called, f"{reason}: image {image}", pod)

    def _roll(self, deployment: Json) -> None:
        current = self._current(deployment)
        if current is None:
            return
        wanted = deployment["spec"].get("replicas", 1)
        surge, unavailable = _limits(deployment, wanted)
        sets = self._replicasets(deployment)
        old = [rs for rs in sets if rs is not current and self._pods(rs)]
        counts = {rs["metadata"]["name"]: len(self._pods(rs)) for rs in sets}
        ready = sum(is_ready(pod) for rs in sets for pod in self._pods(rs))
        spare = ready - (wanted - unavailable)
        for rs in old:
            pods = sorted(self._pods(rs), key=is_ready)
            for pod in pods:
                if is_ready(pod) and spare <= 0:
                    break
                spare -= is_ready(pod)
                counts[rs["metadata"]["name"]] -= 1
        room = wanted + surge - sum(len(self._pods(rs)) for rs in sets)
        name = current["metadata"]["name"]
        missing = wanted - counts[name]
        counts[name] += min(missing, max(room, 0)) if missing > 0 else missing
        for rs in sets:
            self._scale(deployment, rs, counts[rs["metadata"]["name"]])

    def _scale(self, deployment: Json, rs: Json, wanted: int) -> None:
        pods = sorted(self._pods(rs), key=is_ready)
        if len(pods) != wanted:
            way = "up" if len(pods) < wanted else "down"
            text = f"Scaled {way} replica set {rs['metadata']['name']} to {wanted}"
            tell(self.store, "Normal", "ScalingReplicaSet", text, deployment)
        for pod in pods[: max(0, len(pods) - wanted)]:
            self.store.delete(PODS, pod["metadata"]["namespace"], pod["metadata"]["name"])
        for _ in range(wanted - len(pods)):
            self.store.create(PODS, rs["metadata"]["namespace"], new_pod(rs, self.store.stamp()))
        rs = self._save(REPLICASETS, rs, ("spec", "replicas"), wanted)
        now = self._pods(rs)
        ready = sum(is_ready(pod) for pod in now)
        status = {"replicas": len(now), "readyReplicas": ready, "availableReplicas": ready,
                  "observedGeneration": rs["metadata"]["generation"]}  # fmt: skip
        self._save(REPLICASETS, rs, ("status",), status)

    def _write_status(self, deployment: Json) -> None:
        meta = deployment["metadata"]
        deployment = self.store.get(DEPLOYMENTS, meta["namespace"], meta["name"])
        current = self._current(deployment)
        pods = [pod for rs in self._replicasets(deployment) for pod in self._pods(rs)]
        ready = sum(is_ready(pod) for pod in pods)
        wanted = deployment["spec"].get("replicas", 1)
        updated = len(self._pods(current)) if current else 0
        done = updated == wanted == len(pods) == ready
        status = {
            "observedGeneration": meta["generation"],
            "replicas": len(pods),
            "updatedReplicas": updated,
            "readyReplicas": ready,
            "availableReplicas": ready,
            "unavailableReplicas": max(0, wanted - ready),
            "conditions": self._conditions(deployment, done, ready),
        }
        kept = {key: value for key, value in status.items() if value or key == "conditions"}
        self._save(DEPLOYMENTS, deployment, ("status",), kept)

    def _conditions(self, deployment: Json, done: bool, ready: int) -> list[Json]:
        wanted = deployment["spec"].get("replicas", 1)
        _, unavailable = _limits(deployment, wanted)
        enough = ready >= wanted - unavailable
        meta = deployment["metadata"]
        stuck = not done and self.given_up.get(meta["uid"]) == meta["generation"]
        reason = "NewReplicaSetAvailable" if done else "ReplicaSetUpdated"
        if stuck:
            reason = "ProgressDeadlineExceeded"
        return [
            _condition("Available", enough, "MinimumReplicas"),
            _condition("Progressing", not stuck, reason),
        ]

    def unfinished(self) -> list[Json]:
        """Deployments that wait for pods, and whose deadline has not passed."""
        return [
            found
            for found in self.store.list(DEPLOYMENTS)
            if _reason_of_progress(found) == "ReplicaSetUpdated"
        ]

    def give_up(self, deployment: Json) -> None:
        """Its progress deadline has passed."""
        meta = deployment["metadata"]
        self.given_up[meta["uid"]] = meta["generation"]
        self._write_status(deployment)

    def _replicasets(self, deployment: Json) -> list[Json]:
        return self._owned(REPLICASETS, deployment)

    def _pods(self, rs: Json) -> list[Json]:
        return self._owned(PODS, rs)

    def _owned(self, kind: Kind, by: Json) -> list[Json]:
        uid = by["metadata"]["uid"]
        return [
            found
            for found in self.store.list(kind, by["metadata"]["namespace"])
            if any(o["uid"] == uid for o in found["metadata"].get("ownerReferences") or [])
        ]

    def _current(self, deployment: Json) -> Json | None:
        """The replica set of the template that is asked for."""
        digest = template_hash(deployment["spec"]["template"])
        for rs in self._replicasets(deployment):
            if rs["metadata"]["labels"].get(HASH) == digest:
                return rs
        return None

    def _save(self, kind: Kind, found: Json, path: tuple[str, ...], value: Any) -> Json:
        made = copy.deepcopy(found)
        at = made
        for part in path[:-1]:
            at = at.setdefault(part, {})
        at[path[-1]] = value
        del made["metadata"]["resourceVersion"]
        return self.store.replace(kind, made)


def revision(found: Json) -> int:
    return int((found["metadata"].get("annotations") or {}).get(REVISION, 0))


def template_hash(template: Json) -> str:
    """The same for the same template, whether or not it carries the hash already."""
    plain = copy.deepcopy(template)
    (plain.get("metadata", {}).get("labels") or {}).pop(HASH, None)
    text = json.dumps(_without_nothing(plain), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _without_nothing(value: Any) -> Any:
    """Without nulls and empty mappings, which mean the same as what is left out."""
    if isinstance(value, dict):
        made = {k: _without_nothing(v) for k, v in value.items()}
        return {k: v for k, v in made.items() if v not in (None, {}, [])}
    if isinstance(value, list):
        return [_without_nothing(item) for item in value]
    return value


def _limits(deployment: Json, wanted: int) -> tuple[int, int]:
    """How many pods there may be too many, and too few, while it rolls."""
    strategy = deployment["spec"].get("strategy") or {}
    if strategy.get("type") == "Recreate":
        return 0, wanted
    rolling = strategy.get("rollingUpdate") or {}
    surge = _share(rolling.get("maxSurge", "25%"), wanted, math.ceil)
    unavailable = _share(rolling.get("maxUnavailable", "25%"), wanted, math.floor)
    return (surge, unavailable) if surge or unavailable else (0, 1)


def _share(value: Any, wanted: int, rounded: Any) -> int:
    if isinstance(value, str) and value.endswith("%"):
        return int(rounded(wanted * float(value[:-1]) / 100))
    return int(value)


def _condition(type: str, holds: bool, reason: str) -> Json:
    return {"type": type, "status": "True" if holds else "False", "reason": reason}


def _reason_of_progress(deployment: Json) -> str | None:
    conditions = deployment.get("status", {}).get("conditions") or []
    return next((c["reason"] for c in conditions if c["type"] == "Progressing"), None)
