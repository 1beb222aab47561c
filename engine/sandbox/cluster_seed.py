"""The stand-in cluster as its description says it is, read and made into objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.errors import RunbookError
from engine.sandbox.cluster_kinds import BY_NAME, Kind
from engine.sandbox.cluster_logs import Line
from engine.sandbox.cluster_pods import BAD_STATES, Image
from engine.sandbox.cluster_roll import CHANGE_CAUSE
from engine.sandbox.cluster_switches import Switches
from engine.sandbox.spec import ServiceSpec, Wrong, entries, only, seconds, whole_number

Json = dict[str, Any]

REPLICAS_MAX = 100
"""Of a deployment: each of its pods is an object that rolls."""
PACE_MAX_S = 10.0
"""Between two ticks: slower than that, nobody waits for it."""
AGO_MAX_S = 30 * 86_400.0
"""Of a log line: a month, which no pod's log goes back."""
DEADLINE_MAX_S = 3600
"""Of a deployment's progress; the usual is 600 s."""
USUAL_PACE_S = 0.1
"""A deployment of three rolls in about a second: to be seen, and not to be waited for."""


@dataclass(frozen=True, slots=True)
class Workload:
    """A deployment. `images` are those it has had, the last one now."""

    name: str
    container: str
    images: tuple[str, ...]
    replicas: int
    labels: Mapping[str, str]
    env: Mapping[str, str]
    logs: tuple[Line, ...]
    deadline_s: int | None

    def manifest(self, image: str, cause: str | None = None) -> Json:
        container: Json = {"name": self.container, "image": image}
        if self.env:
            container["env"] = [{"name": k, "value": v} for k, v in self.env.items()]
        spec: Json = {
            "replicas": self.replicas,
            "selector": {"matchLabels": dict(self.labels)},
            "template": {
                "metadata": {"labels": dict(self.labels)},
                "spec": {"containers": [container]},
            },
        }
        if self.deadline_s is not None:
            spec["progressDeadlineSeconds"] = self.deadline_s
        meta: Json = {"name": self.name, "labels": dict(self.labels)}
        if cause:
            meta["annotations"] = {CHANGE_CAUSE: cause}
        return {"metadata": meta, "spec": spec}


@dataclass(frozen=True, slots=True)
class Seed:
    """All that a description says."""

    namespace: str
    pace_s: float
    workloads: tuple[Workload, ...]
    images: Mapping[str, Image]
    switches: Switches
    others: tuple[tuple[Kind, Json], ...] = ()
    """Autoscalers, events and plain objects."""
    namespaces: tuple[str, ...] = field(default=())

    @classmethod
    def read(cls, spec: ServiceSpec) -> Seed:
        """Raises Wrong."""
        where, written = f"services.{spec.name}", spec.settings
        only(written, KEYS, where)
        namespace = str(written.get("namespace", "default"))
        others = [
            *_hpas(_mapping(written, "hpas", where), f"{where}.hpas"),
            *_objects(written.get("objects"), f"{where}.objects"),
        ]
        return cls(
            namespace=namespace,
            pace_s=seconds(written.get("pace", USUAL_PACE_S), f"{where}.pace", PACE_MAX_S),
            workloads=tuple(
                _workload(name, found, f"{where}.deployments.{name}")
                for name, found in _mapping(written, "deployments", where).items()
            ),
            images={
                name: _image(found, f"{where}.images.{name}")
                for name, found in _mapping(written, "images", where).items()
            },
            switches=_switches(written, where),
            others=tuple(others),
            namespaces=tuple(dict.fromkeys(("default", "kube-system", namespace))),
        )


KEYS = ("namespace", "pace", "deployments", "images", "hpas", "objects", "forbidden", "conflicts",
        "slow", "metrics")  # fmt: skip


def _mapping(written: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    found = written.get(key)
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise Wrong(f"takes a mapping, not {found!r}", f"{where}.{key}")
    return found


def _workload(name: str, written: Any, where: str) -> Workload:
    if not isinstance(written, Mapping):
        raise Wrong(f"takes a mapping, not {written!r}", where)
    known = ("image", "history", "container", "replicas", "labels", "env", "logs", "deadline")
    only(written, known, where)
    if not isinstance(written.get("image"), str):
        raise Wrong("a deployment has no image", where)
    deadline = written.get("deadline")
    labels = _mapping(written, "labels", where) or {"app": name}
    return Workload(
        name=name,
        container=str(written.get("container", name)),
        images=(*(str(i) for i in written.get("history") or ()), written["image"]),
        replicas=whole_number(written.get("replicas", 1), f"{where}.replicas", REPLICAS_MAX),
        labels={str(k): str(v) for k, v in labels.items()},
        env={str(k): str(v) for k, v in _mapping(written, "env", where).items()},
        logs=_lines(written.get("logs"), f"{where}.logs"),
        deadline_s=None
        if deadline is None
        else max(1, round(seconds(deadline, f"{where}.deadline", DEADLINE_MAX_S))),
    )


def _lines(written: Any, where: str) -> tuple[Line, ...]:
    """Texts, or mappings `{ago: 5m, text: ...}`."""
    if not isinstance(written, list | tuple | None):
        raise Wrong(f"takes a list of lines, not {written!r}", where)
    found = []
    for n, line in enumerate(written or (), start=1):
        if isinstance(line, Mapping):
            only(line, ("ago", "text"), f"{where}[{n}]")
            ago_s = seconds(line.get("ago", 0), f"{where}[{n}].ago", AGO_MAX_S)
            found.append(Line(str(line.get("text", "")), ago_s))
        else:
            found.append(Line(str(line)))
    return tuple(found)


def _image(written: Any, where: str) -> Image:
    """A state by itself, or a mapping `{state: CrashLoopBackOff, logs: [...]}`."""
    found = {"state": written} if isinstance(written, str) else written
    if not isinstance(found, Mapping):
        raise Wrong(f"takes a state or a mapping, not {written!r}", where)
    only(found, ("state", "logs"), where)
    state = found.get("state")
    if state is not None and state not in BAD_STATES:
        known = f"the states are {', '.join(BAD_STATES)}"
        raise Wrong(f"{state!r} is no state of a bad image", f"{where}.state", known)
    logs = _lines(found["logs"], f"{where}.logs") if "logs" in found else None
    return Image(state, logs)


def _switches(written: Mapping[str, Any], where: str) -> Switches:
    forbidden = written.get("forbidden") or []
    if not isinstance(forbidden, list) or not all(len(str(r).split()) == 2 for r in forbidden):
        raise Wrong("takes rules like `patch deployments`", f"{where}.forbidden")
    return Switches(
        forbidden=tuple(str(rule) for rule in forbidden),
        slow_s={
            str(rule): seconds(found, f"{where}.slow.{rule}", 3600)
            for rule, found in _mapping(written, "slow", where).items()
        },
        conflicts={
            str(name): whole_number(found, f"{where}.conflicts.{name}", 1000)
            for name, found in _mapping(written, "conflicts", where).items()
        },
        metrics=bool(written.get("metrics", False)),
    )


def _hpas(written: Mapping[str, Any], where: str) -> Iterator[tuple[Kind, Json]]:
    """`{stratum-api: {min: 3, max: 10, cpu: 80, now: 45}}`: one for the deployment of its name."""
    for name, found in written.items():
        place = f"{where}.{name}"
        if not isinstance(found, Mapping):
            raise Wrong(f"takes a mapping, not {found!r}", place)
        only(found, ("deployment", "min", "max", "cpu", "now", "replicas"), place)
        low = whole_number(found.get("min", 1), f"{place}.min", REPLICAS_MAX)
        replicas = whole_number(found.get("replicas", low), f"{place}.replicas", REPLICAS_MAX)
        about = {"kind": "Deployment", "apiVersion": "apps/v1",
                 "name": str(found.get("deployment", name))}  # fmt: skip
        target = {"type": "Utilization", "averageUtilization": found.get("cpu", 80)}
        current = {"averageUtilization": found.get("now", 0), "averageValue": "0"}
        spec = {
            "scaleTargetRef": about,
            "minReplicas": low,
            "maxReplicas": whole_number(found.get("max", 10), f"{place}.max", REPLICAS_MAX),
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        }
        status = {
            "currentReplicas": replicas,
            "desiredReplicas": replicas,
            "currentMetrics": [
                {"type": "Resource", "resource": {"name": "cpu", "current": current}}
            ],
        }
        kind = BY_NAME["autoscaling/v2", "HorizontalPodAutoscaler"]
        yield kind, {"metadata": {"name": name}, "spec": spec, "status": status}


def _objects(written: Any, where: str) -> Iterator[tuple[Kind, Json]]:
    """Manifests as they are."""
    for place, found in entries(written, where):
        kind = BY_NAME.get((str(found.get("apiVersion")), str(found.get("kind"))))
        if kind is None or not kind.stored:
            known = ", ".join(sorted(k.kind for k in BY_NAME.values() if k.stored))
            raise Wrong(f"{found.get('kind')!r} is no kind here", f"{place}.kind",
                        f"the kinds are {known}")  # fmt: skip
        if not isinstance(found.get("metadata"), Mapping) or not found["metadata"].get("name"):
            raise Wrong("an object has no metadata.name", place)
        yield kind, dict(found)


class SeedProblem(RunbookError):
    """The cluster's own rules refuse what its description says."""

    exit_code = 2
