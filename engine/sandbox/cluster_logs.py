"""What the pods of the stand-in cluster have printed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from engine.sandbox.cluster_kinds import BY_NAME
from engine.sandbox.cluster_pods import PODS, Image, image_of
from engine.sandbox.cluster_store import ApiProblem, Store

Json = dict[str, Any]

REPLICASETS = BY_NAME["apps/v1", "ReplicaSet"]


@dataclass(frozen=True, slots=True)
class Line:
    """A line, and how long before its pod was made (or last looked at) it was printed."""

    text: str
    ago_s: float = 0.0


@dataclass(slots=True)
class Logs:
    """The lines of each deployment's pods, by namespace and name, unless their image has its
    own.
    """

    store: Store
    images: Mapping[str, Image]
    lines: dict[tuple[str, str], tuple[Line, ...]] = field(default_factory=dict)

    def of(self, pod: Json, query: Mapping[str, str]) -> bytes:
        """What `GET pods/x/log` answers. Raises ApiProblem for a container that prints nothing
        yet.
        """
        container = self._container(pod, query.get("container", ""))
        self._check_started(pod, container["name"])
        now = self.store.now().astimezone(UTC)
        found = [(now - timedelta(seconds=line.ago_s), line.text)
                 for line in self._lines(pod, container)]  # fmt: skip
        found = [(at, text) for at, text in found if at >= _since(query, now)]
        if "tailLines" in query:
            found = found[max(0, len(found) - int(query["tailLines"])) :]
        stamped = query.get("timestamps") in ("true", "1")
        texts = [f"{_stamp(at)} {text}" if stamped else text for at, text in found]
        octets = "".join(f"{text}\n" for text in texts).encode()
        return octets[: int(query["limitBytes"])] if "limitBytes" in query else octets

    def _container(self, pod: Json, name: str) -> Json:
        containers: list[Json] = pod["spec"]["containers"]
        named = [c for c in containers if c["name"] == name or not name]
        if not named:
            message = f"container {name} is not valid for pod {pod['metadata']['name']}"
            raise ApiProblem(400, "BadRequest", message, PODS)
        return named[0]

    def _check_started(self, pod: Json, container: str) -> None:
        for status in pod.get("status", {}).get("containerStatuses") or []:
            waiting = status["state"].get("waiting", {}).get("reason")
            if status["name"] == container and waiting and not status["restartCount"]:
                name = pod["metadata"]["name"]
                message = f'container "{container}" in pod "{name}" is waiting to start: {waiting}'
                raise ApiProblem(400, "BadRequest", message, PODS)

    def _lines(self, pod: Json, container: Json) -> tuple[Line, ...]:
        own = image_of(self.images, container["image"]).logs
        if own is not None:
            return own
        namespace = pod["metadata"]["namespace"]
        return self.lines.get((namespace, self._deployment(pod)), ())

    def _deployment(self, pod: Json) -> str:
        """The name of what the pod belongs to; its own, where it belongs to nothing."""
        meta = pod["metadata"]
        for owner in meta.get("ownerReferences") or []:
            rs = self.store.find(REPLICASETS, meta["namespace"], owner["name"])
            for above in (rs or {}).get("metadata", {}).get("ownerReferences") or []:
                return str(above["name"])
        return str(meta["name"])


def _since(query: Mapping[str, str], now: datetime) -> datetime:
    if "sinceSeconds" in query:
        return now - timedelta(seconds=float(query["sinceSeconds"]))
    if "sinceTime" in query:
        return datetime.fromisoformat(query["sinceTime"])
    return datetime.min.replace(tzinfo=UTC)


def _stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
