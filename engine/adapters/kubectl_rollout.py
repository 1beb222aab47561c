"""How far a rollout is, and what an undo would do: read from objects, without asking anything.

Source: Kubernetes 1.32, staging/src/k8s.io/kubectl/pkg/polymorphichelpers/rollout_status.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from engine.adapters.kubectl_records import History, Revision, Rollout

Json = Mapping[str, Any]

REVISION = "deployment.kubernetes.io/revision"
FORMER = "deployment.kubernetes.io/revision-history"
CAUSE = "kubernetes.io/change-cause"


def rollout_of(found: Json, workload: str, reasons: Mapping[str, int], waited_s: float) -> Rollout:
    """What an object of a kind that rolls says of itself."""
    counted = _counted(found)
    state = _state(found, counted)
    if state != "done" and reasons:
        state += "; not ready: " + ", ".join(f"{n} {reason}" for reason, n in reasons.items())
    revision = (found["metadata"].get("annotations") or {}).get(REVISION)
    return Rollout(
        workload=workload,
        state=state,
        done=state == "done",
        desired=counted["desired"],
        updated=counted["updated"],
        ready=counted["ready"],
        available=counted["available"],
        revision=int(revision) if revision else None,
        images=images_of(found["spec"]["template"]),
        reasons=dict(reasons) if state != "done" else {},
        waited_s=round(waited_s, 3),
    )


def images_of(template: Json) -> dict[str, str]:
    return {c["name"]: c.get("image", "") for c in containers_of(template)}


def containers_of(template: Json) -> list[Any]:
    """Its containers, and those that run before them."""
    spec = template.get("spec") or {}
    return [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]


def selector_of(found: Json) -> str | None:
    """The labels of its pods as a selector; None for one that is not written in labels."""
    labels = (found["spec"].get("selector") or {}).get("matchLabels") or {}
    return ",".join(f"{k}={v}" for k, v in labels.items()) or None


def _counted(found: Json) -> dict[str, int]:
    spec, status = found.get("spec") or {}, found.get("status") or {}
    if found["kind"] == "DaemonSet":
        names = {"desired": "desiredNumberScheduled", "updated": "updatedNumberScheduled",
                 "ready": "numberReady", "available": "numberAvailable",
                 "all": "currentNumberScheduled"}  # fmt: skip
        return {name: int(status.get(key) or 0) for name, key in names.items()}
    names = {"updated": "updatedReplicas", "ready": "readyReplicas",
             "available": "availableReplicas", "all": "replicas"}  # fmt: skip
    counted = {name: int(status.get(key) or 0) for name, key in names.items()}
    return {**counted, "desired": int(spec.get("replicas", 1))}


def _state(found: Json, n: Mapping[str, int]) -> str:
    status = found.get("status") or {}
    if int(status.get("observedGeneration") or 0) < int(found["metadata"].get("generation") or 0):
        return "the change is not noticed yet"
    if found["kind"] == "Deployment" and _deadline_exceeded(status):
        return f"its progress deadline has passed, {n['updated']} of {n['desired']} pods are new"
    if found["kind"] == "StatefulSet":
        return _state_of_statefulset(found, n)
    if n["updated"] < n["desired"]:
        return f"{n['updated']} of {n['desired']} pods are new"
    if found["kind"] == "Deployment" and n["all"] > n["updated"]:
        return f"{n['all'] - n['updated']} old pods are not gone yet"
    if n["available"] < n["desired"]:
        return f"{n['available']} of {n['desired']} pods are available"
    return "done"


def _state_of_statefulset(found: Json, n: Mapping[str, int]) -> str:
    status = found.get("status") or {}
    strategy = found["spec"].get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return "its pods change only when they are deleted (updateStrategy OnDelete)"
    if n["ready"] < n["desired"]:
        return f"{n['ready']} of {n['desired']} pods are ready"
    partition = int((strategy.get("rollingUpdate") or {}).get("partition") or 0)
    wanted = n["desired"] - partition
    if partition:
        return "done" if n["updated"] >= wanted else f"{n['updated']} of {wanted} pods are new"
    if status.get("updateRevision") != status.get("currentRevision"):
        return f"{n['updated']} of {n['desired']} pods are new"
    return "done"


def _deadline_exceeded(status: Json) -> bool:
    conditions = status.get("conditions") or []
    return any(
        c.get("type") == "Progressing" and c.get("reason") == "ProgressDeadlineExceeded"
        for c in conditions
    )


def history_of(workload: str, replicasets: Iterable[Json]) -> History | None:
    """The revisions that a deployment's replica sets keep; None when there is none."""
    found = sorted((_revision(rs) for rs in replicasets), key=lambda r: r["revision"])
    numbered = [fields for fields in found if fields["revision"]]
    if not numbered:
        return None
    revisions = tuple(Revision(**fields, current=fields is numbered[-1]) for fields in numbered)
    current = revisions[-1]
    previous = revisions[-2] if len(revisions) > 1 else None
    return History(
        workload=workload,
        current=current.revision,
        previous=previous.revision if previous else None,
        returns_bad=previous is not None and _was_left_for(previous, current),
        images=current.images,
        revisions=revisions,
    )


def _was_left_for(previous: Revision, current: Revision) -> bool:
    """Whether somebody went back from `previous` to what is current: what is current has had a
    number below that of `previous`, so it was there before, and came back after it.
    """
    return any(number < previous.revision for number in current.former)


def _revision(rs: Json) -> dict[str, Any]:
    meta, spec, status = rs["metadata"], rs["spec"], rs.get("status") or {}
    notes = meta.get("annotations") or {}
    former = (part.strip() for part in (notes.get(FORMER) or "").split(","))
    return {
        "revision": int(notes.get(REVISION) or 0),
        "images": images_of(spec["template"]),
        "cause": notes.get(CAUSE),
        "at": meta.get("creationTimestamp"),
        "replicas": int(status.get("replicas") or 0),
        "former": tuple(int(part) for part in former if part.isdigit()),
    }
