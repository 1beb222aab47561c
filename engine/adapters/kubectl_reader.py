"""The reading side of a cluster: what is there, how far, and what a change would do."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from engine.adapters import kubectl_names as names
from engine.adapters.kubectl_changes import as_json, dry
from engine.adapters.kubectl_errors import last_message
from engine.adapters.kubectl_line import Call, Line
from engine.adapters.kubectl_logs import LINES_MAX, Reading
from engine.adapters.kubectl_parse import autoscalers_of, events_of, shown, usage_of
from engine.adapters.kubectl_pods import pods_of
from engine.adapters.kubectl_records import (
    OBJECTS_MAX,
    Autoscalers,
    Events,
    Found,
    History,
    Logs,
    Pods,
    Rollout,
    Usage,
)
from engine.adapters.kubectl_rollout import history_of, rollout_of, selector_of
from engine.errors import AdapterError

PODS_AT_ONCE = 50
"""Whose logs are read at the same time: kubectl's own limit is 5, and then it gives up."""

AFTER_S = 5.0
"""Of a step's time, kept for asking how far a rollout got when it was not done in time."""

_WAITED = ("timed out waiting for the condition", "exceeded its progress deadline")


def _now() -> datetime:
    return datetime.now(UTC)


class KubectlReader:
    """What the checks and the previews ask."""

    __slots__ = ("_line",)

    def __init__(self, line: Line) -> None:
        self._line = line

    async def get(
        self, resource: str, *, selector: str | None = None, fields: str | None = None
    ) -> Found:
        """The objects of a kind, or one by name; none is no error, but a namespace that is not
        there is.
        """
        items = await self._list(names.resource(resource), selector, fields)
        found = tuple(shown(item) for item in items[:OBJECTS_MAX])
        one = found[0] if "/" in resource and found else None
        called = tuple(item["metadata"]["name"] for item in items[:OBJECTS_MAX])
        return Found(len(items), called, found, one, complete=len(items) <= OBJECTS_MAX)

    async def pods(self, *, selector: str | None = None) -> Pods:
        """The pods that match. Raises AdapterError when none does: that is no sign of health."""
        items = await self._list("pods", selector, None)
        if not items:
            raise self._nothing("pod", selector)
        return pods_of(items, _now())

    async def rollout(self, workload: str, *, deadline_s: float | None = None) -> Rollout:
        """How far a rollout is: done, or what is missing when its time is over."""
        about = names.workload(workload)
        started_s = time.monotonic()
        left_s = self._line.left_s
        limit_s = max(1.0, left_s - min(AFTER_S, left_s / 4))
        limit_s = min(limit_s, deadline_s) if deadline_s is not None else limit_s
        await self._wait(about, limit_s)
        found = await self.object(about)
        reasons: Mapping[str, int] = {}
        selector = selector_of(found)
        state = rollout_of(found, about, {}, time.monotonic() - started_s)
        if not state.done and selector:
            items = await self._list("pods", selector, None, sure=False)
            reasons = pods_of(items, _now()).reasons
        return rollout_of(found, about, reasons, time.monotonic() - started_s)

    async def _wait(self, about: str, limit_s: float) -> None:
        """Until `kubectl rollout status` is done, or says that it is not."""
        rest = b""

        def take(chunk: bytes) -> bool:
            nonlocal rest
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._line.context.progress(line.decode("utf-8", "replace"))
            return True

        words = (about, f"--timeout={max(1, round(limit_s * 1000))}ms")
        call = Call("rollout status", words, take=take, accept=(0, 1), limit_s=limit_s + 1)
        try:
            ran = await self._line.run(call)
        except AdapterError as e:
            if e.detail.get("kind") == "timeout":
                return  # killed a moment after its own deadline: what is there is asked next
            raise
        said = last_message(ran.stderr)
        if ran.code == 1 and not any(words in said for words in _WAITED):
            await self._line.run(Call("rollout status", (about, "--watch=false")))

    async def history(self, workload: str) -> History:
        about = names.deployment(workload)
        found = await self._line.json(Call("rollout history", (about, "--output=json")))
        history = history_of(about, found)
        if history is None:
            raise AdapterError(f"{about} has no revisions yet", detail={"kind": "not_found"})
        return history

    async def logs(  # noqa: PLR0913 - each is a key in YAML
        self,
        *,
        pod: str | None = None,
        selector: str | None = None,
        container: str | None = None,
        since_s: float | None = None,
        tail: int = 100,
        patterns: Sequence[str] = (),
        keep: int = 50,
        previous: bool = False,
    ) -> Logs:
        """The lines of one pod, or of all that match. Raises AdapterError when none does."""
        if (pod is None) == (selector is None):
            raise names.wrong("logs are of a `pod` or of what a `selector` matches, one of them")
        if not 1 <= tail <= LINES_MAX:
            raise names.wrong(f"tail is {tail}: it is 1 to {LINES_MAX}")
        words = ["--prefix", "--ignore-errors", f"--tail={tail}"]
        if pod is not None:
            words.insert(0, f"pod/{names.name(pod)}")
        else:
            words += [f"--selector={names.selector(selector or '')}",
                      f"--max-log-requests={PODS_AT_ONCE}"]  # fmt: skip
        if container is not None:
            words.append(f"--container={names.container(container)}")
        if since_s is not None:
            words.append(f"--since={max(1, round(since_s))}s")
        if previous:
            words.append("--previous")
        reading = Reading(patterns, keep)
        ran = await self._line.run(Call("logs", tuple(words), take=reading.take))
        found = reading.result()
        if not found.lines and "No resources found" in ran.stderr:
            raise self._nothing("pod", selector)
        if not found.lines and found.problems:
            raise AdapterError(
                f"no log could be read: {found.problems[0]}", detail={"kind": "no_log"}
            )
        return found

    async def hpa(self, *, name: str | None = None) -> Autoscalers:
        about = f"hpa/{names.name(name)}" if name else "hpa"
        items = await self._list(f"{about}", None, None)
        if not items:
            raise self._nothing("HorizontalPodAutoscaler", name)
        return autoscalers_of(items)

    async def events(
        self, *, of: str | None = None, warnings: bool = False, since_s: float | None = None
    ) -> Events:
        """What happened, in a namespace that is there, to an object that may be named."""
        terms = []
        if of is not None:
            kind, _, name = names.named_resource(of).partition("/")
            terms += [f"involvedObject.kind={_kind(kind)}", f"involvedObject.name={name}"]
        if warnings:
            terms.append("type=Warning")
        items = await self._list("events", None, ",".join(terms) or None)
        return events_of(items, _now(), since_s)

    async def top(self, *, selector: str | None = None) -> Usage:
        """What pods use. Raises AdapterError where no metrics are served."""
        try:
            items = await self._list("pods.metrics.k8s.io", selector, None)
        except AdapterError as e:
            if e.detail.get("kind") == "no_kind":
                raise AdapterError(
                    f"{self._line.link.server} serves no metrics",
                    help="it needs the metrics server",
                    retryable=False,
                    detail=e.detail,
                ) from e
            raise
        if not items:
            raise self._nothing("pod with metrics", selector)
        return usage_of(items)

    async def object(self, resource: str) -> Any:
        """One object as it is. Raises AdapterError when it is not there."""
        found = await self._line.json(Call("get", (resource, "--output=json")))
        return found[0]

    async def would(self, resource: str, call: Call) -> tuple[Any, Any]:
        """An object as it is, and as the server says it would be after a change."""
        before = await self.object(resource)
        found = await self._line.json(as_json(dry(call)))
        return before, found[0] if found else before

    async def accepts(self, call: Call) -> None:
        """Has the server try a change. Raises AdapterError for one that it refuses."""
        await self._line.run(dry(call))

    async def to_delete(
        self, resource: str, *, selector: str | None = None, missing_ok: bool = False
    ) -> tuple[str, tuple[str, ...]]:
        """The kind and the names of what a delete is about. Raises AdapterError when that is
        nothing, or more than `max_affected`.
        """
        kind, slash, _ = names.resource(resource).partition("/")
        if bool(slash) == (selector is not None):
            raise names.wrong("delete one object by name, or those of a kind by `selector`")
        items = await self._list(resource, selector, None)
        called = tuple(item["metadata"]["name"] for item in items)
        if not called and not missing_ok:
            raise self._nothing(kind, selector or resource)
        limit = self._line.context.max_affected
        limit = OBJECTS_MAX if limit is None else limit
        if len(called) > limit:
            raise AdapterError(
                f"{len(called)} {kind} match, more than max_affected {limit}: none was deleted",
                help=f"for example {', '.join(called[:3])}",
                retryable=False,
                detail={"affected": len(called), "max_affected": limit},
            )
        return kind, called

    async def diff(self, manifest: str) -> str:
        """What `kubectl diff` shows; empty where nothing would change."""
        return await self._line.text(Call("diff", ("--filename=-",), stdin=manifest, accept=(0, 1)))

    async def _list(
        self, resource: str, selector: str | None, fields: str | None, *, sure: bool = True
    ) -> list[Any]:
        """The objects. When there is none, and it is to be `sure`, that the namespace is there."""
        words = [resource, "--output=json"]
        if selector is not None:
            words.append(f"--selector={names.selector(selector)}")
        if fields is not None:
            words.append(f"--field-selector={names.selector(fields)}")
        try:
            printed = await self._line.json(Call("get", tuple(words)))
        except AdapterError as e:
            if e.detail.get("kind") != "not_found" or "/" not in resource:
                raise
            printed = []
        found = printed[0] if printed else {"items": []}
        items: list[Any] = found["items"] if found.get("kind", "List") == "List" else [found]
        if not items and sure:
            await self._check_namespace()
        return items

    async def _check_namespace(self) -> None:
        """Nothing in a namespace that is not there is no answer."""
        namespace = self._line.link.namespace
        try:
            await self._line.run(Call("get", (f"namespace/{names.name(namespace)}",
                                              "--output=name")))  # fmt: skip
        except AdapterError as e:
            kind = e.detail.get("kind")
            if kind == "not_found":
                message = f"there is no namespace {namespace}"
                raise AdapterError(message, retryable=False, detail=e.detail) from e
            if kind == "forbidden":
                message = (
                    f"nothing was found, and whether there is a namespace {namespace} is not told"
                )
                help_ = "let the account of this context get the namespace"
                raise AdapterError(message, help=help_, retryable=False, detail=e.detail) from e
            raise

    def _nothing(self, what: str, about: str | None) -> AdapterError:
        where = f"in namespace {self._line.link.namespace}"
        which = f" matches {about}" if about and "=" in about else f" is called {about}"
        which = which if about else " is there"
        return AdapterError(f"no {what}{which} {where}", detail={"kind": "nothing"})


def _kind(word: str) -> str:
    """The kind as events name it. Raises AdapterError for one whose name is not known here."""
    found = KINDS.get(word.lower().partition(".")[0])
    if found is None:
        raise names.wrong(f"events of {word} cannot be asked for", f"known are {', '.join(KINDS)}")
    return found


KINDS = {
    "pod": "Pod",
    "deployment": "Deployment",
    "replicaset": "ReplicaSet",
    "statefulset": "StatefulSet",
    "daemonset": "DaemonSet",
    "job": "Job",
    "node": "Node",
    "service": "Service",
    "hpa": "HorizontalPodAutoscaler",
    "horizontalpodautoscaler": "HorizontalPodAutoscaler",
}
"""Events name their object's kind as the API writes it."""
