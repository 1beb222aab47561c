"""Pods of the stand-in cluster: what their containers look like, which depends on the image."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from engine.sandbox.cluster_kinds import BY_NAME, ready_of
from engine.sandbox.cluster_store import Store

Json = dict[str, Any]

PODS = BY_NAME["v1", "Pod"]
EVENTS = BY_NAME["v1", "Event"]

BAD_STATES = ("CrashLoopBackOff", "ErrImagePull", "ImagePullBackOff", "OOMKilled", "Pending")
"""How a pod of a bad image stays, as `kubectl get pods` calls it."""
CRASHES = 4
"""Restarts of a container that crashes, by the time somebody looks."""
EVENT_REASONS = {
    "ErrImagePull": "Failed",
    "ImagePullBackOff": "Failed",
    "Pending": "FailedScheduling",
}
"""What the event of a bad pod is called; of any other, `BackOff`."""


@dataclass(frozen=True, slots=True)
class Image:
    """What comes of the pods of some images. Without a `state` they get ready."""

    state: str | None = None
    logs: tuple[Any, ...] | None = None
    """What they print, instead of what their deployment says."""


def image_of(images: Mapping[str, Image], name: str) -> Image:
    """What is said of an image: by its name, or by the first pattern that fits it."""
    if name in images:
        return images[name]
    fits = (found for pattern, found in images.items() if fnmatchcase(name, pattern))
    return next(fits, Image())


def is_ready(pod: Json) -> bool:
    ready, wanted = ready_of(pod)
    return ready == wanted > 0


def owner(found: Json) -> Json:
    return {
        "apiVersion": found["apiVersion"],
        "kind": found["kind"],
        "name": found["metadata"]["name"],
        "uid": found["metadata"]["uid"],
        "controller": True,
    }


def new_pod(rs: Json, stamp: str) -> Json:
    """A pod of a replica set, as it is in its first moment."""
    template = copy.deepcopy(rs["spec"]["template"])
    return {
        "metadata": {
            **template["metadata"],
            "generateName": f"{rs['metadata']['name']}-",
            "ownerReferences": [owner(rs)],
        },
        "spec": {**template["spec"], "nodeName": "sandbox"},
        "status": {
            "phase": "Pending",
            "startTime": stamp,
            "containerStatuses": [_creating(c) for c in template["spec"]["containers"]],
        },
    }


def started(pod: Json, images: Mapping[str, Image]) -> Json:
    """The status of a pod whose images were asked for: ready, or how it fails."""
    states = [
        _container_status(c, image_of(images, c["image"]).state) for c in pod["spec"]["containers"]
    ]
    ready = all(state["ready"] for state in states)
    running = any(state["ready"] or state["restartCount"] for state in states)
    return {
        **pod["status"],
        "phase": "Running" if running else "Pending",
        "containerStatuses": states,
        "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
    }


def _creating(container: Json) -> Json:
    return {
        "name": container["name"],
        "image": container["image"],
        "ready": False,
        "restartCount": 0,
        "state": {"waiting": {"reason": "ContainerCreating"}},
    }


def _container_status(container: Json, state: str | None) -> Json:
    found = _creating(container)
    if state is None:
        return {**found, "ready": True, "started": True, "state": {"running": {}}}
    if state in ("CrashLoopBackOff", "OOMKilled"):
        reason, code = ("OOMKilled", 137) if state == "OOMKilled" else ("Error", 1)
        waiting = {"reason": "CrashLoopBackOff", "message": "back-off restarting failed container"}
        last = {"terminated": {"reason": reason, "exitCode": code}}
        more = {"restartCount": CRASHES, "lastState": last, "state": {"waiting": waiting}}
        return {**found, **more}
    if state == "Pending":
        return {**found, "state": {}}
    message = f"cannot pull {container['image']}"
    return {**found, "state": {"waiting": {"reason": state, "message": message}}}


def tell(store: Store, type: str, reason: str, message: str, about: Json) -> None:
    """An event about an object. One that says the same again is counted."""
    meta = about["metadata"]
    namespace = meta.get("namespace", "default")
    said = f"{type}{reason}{message}{meta.get('uid')}".encode()
    name = f"{meta['name']}.{hashlib.sha256(said).hexdigest()[:16]}"
    found = store.find(EVENTS, namespace, name)
    if found is not None:
        again = {**found, "count": found["count"] + 1, "lastTimestamp": store.stamp()}
        store.replace(EVENTS, again)
        return
    event = {
        "metadata": {"name": name},
        "type": type,
        "reason": reason,
        "message": message,
        "count": 1,
        "firstTimestamp": store.stamp(),
        "lastTimestamp": store.stamp(),
        "involvedObject": {
            "kind": about["kind"],
            "apiVersion": about["apiVersion"],
            "name": meta["name"],
            "namespace": namespace,
            "uid": meta.get("uid", ""),
        },
        "source": {"component": "sandbox"},
    }
    store.create(EVENTS, namespace, event)
