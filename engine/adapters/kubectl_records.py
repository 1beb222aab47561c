"""What the kubectl family says: the results of its checks and actions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

OBJECTS_MAX = 500
"""Of a list, in a result. More are counted, and `complete` is false."""


@dataclass(frozen=True, slots=True)
class Found:
    """What there is.

    count: how many objects
    names: what they are called
    items: the objects themselves, at most 500; the values of Secrets are hidden
    object: the one that was asked for by name; null for a list
    complete: all that were found are in `items`
    """

    count: int
    names: tuple[str, ...]
    items: tuple[Any, ...]
    object: Any
    complete: bool


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod, as `kubectl get pods` shows it.

    name: its name
    ready: all its containers are ready, or it has done its work
    containers: ready and all, as in 1/2
    status: Running, CrashLoopBackOff, OOMKilled, ImagePullBackOff, Pending, Completed, ...
    restarts: of all its containers
    last_exit: why a container ended last time, such as OOMKilled (137); null if none did
    age_s: seconds since it was made
    node: where it runs
    images: of its containers
    """

    name: str
    ready: bool
    containers: str
    status: str
    restarts: int
    last_exit: str | None
    age_s: float | None
    node: str | None
    images: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pods:
    """The pods that were asked for, and what is wrong with them.

    count: how many; those that are being removed are not among them
    ready: how many are ready
    unready: how many are not
    terminating: how many are being removed
    restarts: of all
    oom_killed: pods of which a container was ended for its memory, now or the last time
    reasons: how many pods have which status, of those that are not ready
    pods: one row for each, at most 500
    """

    count: int
    ready: int
    unready: int
    terminating: int
    restarts: int
    oom_killed: int
    reasons: Mapping[str, int]
    pods: tuple[Pod, ...]


@dataclass(frozen=True, slots=True)
class Rollout:
    """How far the rollout of a workload is.

    workload: as in deployment/stratum-api
    state: `done`, or in words what is still missing
    done: whether it is
    desired: pods that are wanted
    updated: pods of the newest template
    ready: pods that are ready
    available: pods that have been ready for long enough
    revision: of a deployment
    images: of the template, by container
    reasons: how many pods have which status, of those that are not ready
    waited_s: how long it was waited for
    """

    workload: str
    state: str
    done: bool
    desired: int
    updated: int
    ready: int
    available: int
    revision: int | None
    images: Mapping[str, str]
    reasons: Mapping[str, int]
    waited_s: float


@dataclass(frozen=True, slots=True)
class Revision:
    """One state that a deployment has had.

    revision: its number
    current: whether it is the one now
    images: by container
    cause: its change cause, where one was noted
    at: when it was first rolled out
    replicas: pods it has now
    former: numbers it has had before it was gone back to
    """

    revision: int
    current: bool
    images: Mapping[str, str]
    cause: str | None
    at: str | None
    replicas: int
    former: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class History:
    """The revisions of a deployment.

    workload: as in deployment/stratum-api
    current: the number of the revision now
    previous: the number of the one that an undo goes to; null where there is none
    returns_bad: an undo would bring back what was left by going back to the current one
    images: of the current revision, by container
    revisions: all that are kept, the oldest first
    """

    workload: str
    current: int
    previous: int | None
    returns_bad: bool
    images: Mapping[str, str]
    revisions: tuple[Revision, ...]


@dataclass(frozen=True, slots=True)
class Logs:
    """Lines that pods printed.

    lines: how many were read
    text: the last of them, each with the pod it is of
    pods: how many lines each pod printed
    patterns: how many lines hold each pattern that was asked for
    problems: pods whose log could not be read, and why
    cut: there was more, which was not read
    """

    lines: int
    text: tuple[str, ...]
    pods: Mapping[str, int]
    patterns: Mapping[str, int]
    problems: tuple[str, ...]
    cut: bool


@dataclass(frozen=True, slots=True)
class Autoscaler:
    """A HorizontalPodAutoscaler.

    name: its name
    target: what it scales
    min: the fewest pods
    max: the most pods
    current: pods now
    desired: pods it wants
    at_max: it wants as many as it may have
    metrics: what it measures: now and target, by name
    """

    name: str
    target: str
    min: int
    max: int
    current: int
    desired: int
    at_max: bool
    metrics: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Autoscalers:
    """HorizontalPodAutoscalers.

    count: how many
    at_max: how many want as many pods as they may have
    hpas: one row for each
    """

    count: int
    at_max: int
    hpas: tuple[Autoscaler, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened.

    type: Normal or Warning
    reason: a word, such as BackOff
    object: what it happened to
    message: in words
    count: how often
    last_at: when it last did
    age_s: seconds since then
    """

    type: str
    reason: str
    object: str
    message: str
    count: int
    last_at: str | None
    age_s: float | None


@dataclass(frozen=True, slots=True)
class Events:
    """What happened, the newest first.

    count: how many
    warnings: how many of them are warnings
    reasons: how many have which reason
    events: one row for each, at most 500
    """

    count: int
    warnings: int
    reasons: Mapping[str, int]
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class PodUsage:
    """What a pod uses.

    name: its name
    cpu_cores: of all its containers
    memory_bytes: of all its containers
    """

    name: str
    cpu_cores: float
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What pods use, by the metrics server.

    count: how many pods
    cpu_cores: of all
    memory_bytes: of all
    pods: one row for each, the largest memory first
    """

    count: int
    cpu_cores: float
    memory_bytes: int
    pods: tuple[PodUsage, ...]


@dataclass(frozen=True, slots=True)
class Undone:
    """A deployment that went back.

    workload: as in deployment/stratum-api
    left: the revision it left
    revision: the one it went to, by the number it had; it is the newest now, with a new number
    before: images by container, of what it left
    images: of what it went to
    """

    workload: str
    left: int
    revision: int
    before: Mapping[str, str]
    images: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Restarted:
    """A workload whose pods are made anew.

    workload: as in deployment/stratum-api
    restarted_at: the time that stands in its template now
    """

    workload: str
    restarted_at: str


@dataclass(frozen=True, slots=True)
class Scaled:
    """How many pods are wanted.

    workload: as in deployment/stratum-api
    before: how many were
    replicas: how many are now
    """

    workload: str
    before: int
    replicas: int


@dataclass(frozen=True, slots=True)
class ImagesSet:
    """Images of a workload's containers.

    workload: as in deployment/stratum-api
    before: images by container, as they were
    images: as they are now
    changed: false where they were so already: then nothing rolls
    """

    workload: str
    before: Mapping[str, str]
    images: Mapping[str, str]
    changed: bool


@dataclass(frozen=True, slots=True)
class VariablesSet:
    """Environment variables of a workload's containers.

    workload: as in deployment/stratum-api
    before: their values as they were; null where one was not set
    changed: false where they were so already: then nothing rolls
    """

    workload: str
    before: Mapping[str, Any]
    changed: bool


@dataclass(frozen=True, slots=True)
class Patched:
    """An object that was patched.

    resource: as in hpa/stratum-api
    changed: false where it was so already
    """

    resource: str
    changed: bool


@dataclass(frozen=True, slots=True)
class Applied:
    """Objects that were applied.

    objects: what became of each: created, configured or unchanged
    changed: how many were not unchanged
    """

    objects: Mapping[str, str]
    changed: int


@dataclass(frozen=True, slots=True)
class Deleted:
    """Objects that were deleted.

    count: how many
    names: which
    """

    count: int
    names: tuple[str, ...]
