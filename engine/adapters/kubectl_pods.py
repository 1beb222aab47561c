"""What is wrong with a pod, in the one word that `kubectl get pods` has for it.

Source: Kubernetes 1.32, pkg/printers/internalversion/printers.go, printPod: followed here, because
the word is in no field of the pod.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from engine.adapters.kubectl_records import OBJECTS_MAX, Pod, Pods

Json = Mapping[str, Any]

OOM = "OOMKilled"


def pods_of(items: Iterable[Json], now: datetime) -> Pods:
    found = list(items)
    staying = [pod for pod in found if not is_terminating(pod)]
    rows = [row(pod, now) for pod in found]
    kept = [row(pod, now) for pod in staying]
    unready = [pod for pod in kept if not pod.ready]
    return Pods(
        count=len(kept),
        ready=len(kept) - len(unready),
        unready=len(unready),
        terminating=len(found) - len(staying),
        restarts=sum(pod.restarts for pod in rows),
        oom_killed=sum(_was_oom(pod) for pod in kept),
        reasons=dict(sorted(Counter(pod.status for pod in unready).items())),
        pods=tuple(rows[:OBJECTS_MAX]),
    )


def row(pod: Json, now: datetime) -> Pod:
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    own = status.get("containerStatuses") or []
    containers = spec.get("containers") or []
    ready = sum(bool(c.get("ready")) for c in own)
    started = _sidecars(spec, status)
    said = reason(pod)
    done = said in ("Completed", "Succeeded")
    return Pod(
        name=pod["metadata"]["name"],
        ready=done or (ready == len(containers) > 0 and said == "Running"),
        containers=f"{ready + started[0]}/{len(containers) + started[1]}",
        status=said,
        restarts=sum(c.get("restartCount") or 0 for c in own),
        last_exit=_last_exit(own),
        age_s=age_s(pod["metadata"].get("creationTimestamp"), now),
        node=spec.get("nodeName"),
        images=tuple(c.get("image", "") for c in containers),
    )


def reason(pod: Json) -> str:
    """The word for how it is."""
    if is_terminating(pod):
        return "Terminating"
    status = pod.get("status") or {}
    starting = _init_reason(pod)
    if starting is not None:
        return starting
    found = status.get("reason") or status.get("phase") or "Unknown"
    running = False
    for container in reversed(status.get("containerStatuses") or []):
        own = _container_reason(container)
        if own is not None:
            found = own
        elif container.get("ready") and "running" in (container.get("state") or {}):
            running = True
    if found == "Completed" and running:
        return "Running" if _is_ready(status) else "NotReady"
    return str(found)


def is_terminating(pod: Json) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp"))


def age_s(stamp: str | None, now: datetime) -> float | None:
    """Seconds since a time as the API writes it; null where there is none."""
    if not stamp:
        return None
    try:
        at = datetime.fromisoformat(stamp)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return round(max(0.0, (now - at).total_seconds()), 1)


def _container_reason(container: Json) -> str | None:
    """Why a container does not run; None where it does, or nothing is known."""
    state = container.get("state") or {}
    waiting, ended = state.get("waiting") or {}, state.get("terminated")
    if waiting.get("reason"):
        return str(waiting["reason"])
    if ended is None:
        return None
    if ended.get("reason"):
        return str(ended["reason"])
    signal = ended.get("signal") or 0
    return f"Signal:{signal}" if signal else f"ExitCode:{ended.get('exitCode')}"


def _init_reason(pod: Json) -> str | None:
    """Why the containers that come first are not done; None when they are."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    ahead = spec.get("initContainers") or []
    always = {c["name"] for c in ahead if c.get("restartPolicy") == "Always"}
    for number, container in enumerate(status.get("initContainerStatuses") or []):
        ended = (container.get("state") or {}).get("terminated")
        if ended is not None and ended.get("exitCode") == 0:
            continue
        if container.get("name") in always and container.get("started"):
            continue
        own = _container_reason(container)
        if own is not None and own != "PodInitializing":
            return f"Init:{own}"
        return f"Init:{number}/{len(ahead)}"
    return None


def _sidecars(spec: Json, status: Json) -> tuple[int, int]:
    """Containers that are started first and go on: how many are ready, and how many there are."""
    ahead = spec.get("initContainers") or []
    always = {c["name"] for c in ahead if c.get("restartPolicy") == "Always"}
    found = [c for c in status.get("initContainerStatuses") or [] if c.get("name") in always]
    return sum(bool(c.get("ready")) for c in found), len(always)


def _is_ready(status: Json) -> bool:
    conditions = status.get("conditions") or []
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def _last_exit(containers: Iterable[Json]) -> str | None:
    """The reason and exit code of the last end of a container; of a bad one before a good one."""
    ends = [
        ended
        for container in containers
        for state in (container.get("state"), container.get("lastState"))
        if (ended := (state or {}).get("terminated"))
    ]
    ends.sort(key=lambda ended: not ended.get("exitCode"))
    if not ends:
        return None
    return f"{ends[0].get('reason') or 'Error'} ({ends[0].get('exitCode')})"


def _was_oom(pod: Pod) -> bool:
    return pod.status == OOM or (pod.last_exit or "").startswith(OOM)
