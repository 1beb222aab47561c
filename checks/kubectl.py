"""Questions to a Kubernetes cluster, by kubectl verbs that only read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.adapters.kubectl_records import (
    Autoscalers,
    Events,
    Found,
    History,
    Logs,
    Pods,
    Rollout,
    Usage,
)
from engine.language.shape import Duration
from engine.plugin import check

if TYPE_CHECKING:
    from engine.adapters.kubectl import KubectlReader


@check("kubectl.get", expect={"count": {"gt": 0}})
async def get(
    kubectl: KubectlReader,
    resource: str,
    *,
    selector: str | None = None,
    fields: str | None = None,
) -> Found:
    """What there is: the objects of a kind, or one by name. Unless `expect` says otherwise, there
    must be one.

    resource: a kind (pods), or one object (deployment/stratum-api)
    selector: labels, such as app=stratum-api
    fields: a field selector, such as status.phase=Running
    """
    return await kubectl.get(resource, selector=selector, fields=fields)


@check("kubectl.pods", expect={"unready": 0, "count": {"gt": 0}})
async def pods(kubectl: KubectlReader, *, selector: str | None = None) -> Pods:
    """How pods are: ready, restarts, and the reason of those that are not, as a table. Unless
    `expect` says otherwise, all must be ready. No pod at all is an error.

    selector: labels, such as app=stratum-api; all pods of the namespace without it
    """
    return await kubectl.pods(selector=selector)


@check("kubectl.rollout", expect={"state": "done"})
async def rollout(
    kubectl: KubectlReader, workload: str, *, deadline: Duration | None = None
) -> Rollout:
    """Whether a rollout is done: waits for it, line by line, until it is or its time is over.

    workload: deployment/stratum-api, statefulset/db, daemonset/agent; a bare name is a deployment
    deadline: how long it is waited for; as long as `timeout` of the step allows without it
    """
    return await kubectl.rollout(workload, deadline_s=deadline)


@check("kubectl.history")
async def history(kubectl: KubectlReader, workload: str) -> History:
    """The revisions of a deployment, which is current, and what an undo would go to.

    workload: as in deployment/stratum-api
    """
    return await kubectl.history(workload)


@check("kubectl.logs")
async def logs(  # noqa: PLR0913 - each is a key in YAML
    kubectl: KubectlReader,
    *,
    selector: str | None = None,
    pod: str | None = None,
    container: str | None = None,
    since: Duration | None = None,
    tail: int = 100,
    count: list[str] | None = None,
    keep: int = 50,
    previous: bool = False,
) -> Logs:
    """What pods have printed, and how many lines hold each of some patterns. No pod at all is an
    error.

    selector: labels of the pods
    pod: one pod, by name
    container: of pods with several
    since: only lines that are younger
    tail: lines of each pod at most, from its end
    count: regular expressions whose lines are counted
    keep: how many lines are kept in the result
    previous: of the containers before the last restart
    """
    return await kubectl.logs(
        pod=pod,
        selector=selector,
        container=container,
        since_s=since,
        tail=tail,
        patterns=tuple(count or ()),
        keep=keep,
        previous=previous,
    )


@check("kubectl.hpa")
async def hpa(kubectl: KubectlReader, name: str | None = None) -> Autoscalers:
    """How HorizontalPodAutoscalers are: pods now, wanted, allowed, and what they measure. None at
    all is an error.

    name: one of them; all without it
    """
    return await kubectl.hpa(name=name)


@check("kubectl.events")
async def events(
    kubectl: KubectlReader,
    *,
    of: str | None = None,
    warnings: bool = False,
    since: Duration | None = None,
) -> Events:
    """What happened, the newest first.

    of: to one object, such as pod/stratum-api-7c9f
    warnings: only what the cluster warns of
    since: only what happened in this time
    """
    return await kubectl.events(of=of, warnings=warnings, since_s=since)


@check("kubectl.top")
async def top(kubectl: KubectlReader, *, selector: str | None = None) -> Usage:
    """What pods use of processor and memory, where the cluster serves metrics.

    selector: labels of the pods
    """
    return await kubectl.top(selector=selector)
