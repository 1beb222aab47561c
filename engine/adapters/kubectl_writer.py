"""The writing side of a cluster: one change a method, and what was there before it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from engine.adapters import kubectl_changes as changes
from engine.adapters import kubectl_names as names
from engine.adapters.kubectl_changes import PatchType
from engine.adapters.kubectl_reader import KubectlReader
from engine.adapters.kubectl_records import (
    OBJECTS_MAX,
    Applied,
    Deleted,
    History,
    ImagesSet,
    Patched,
    Restarted,
    Scaled,
    Undone,
    VariablesSet,
)
from engine.adapters.kubectl_rollout import containers_of, images_of
from engine.errors import AdapterError

NO_CHANGE = "(no change)"
"""What `kubectl patch` adds where the object was so already."""

_APPLIED = re.compile(r"(\S+) (created|configured|unchanged|serverside-applied|pruned)\b")


class KubectlWriter(KubectlReader):
    """What the actions do."""

    __slots__ = ()

    async def scale(self, workload: str, replicas: int, *, expected: int | None = None) -> Scaled:
        """Sets how many pods are wanted. kubectl prints the object as it was before."""
        before = await self._line.json(changes.scale(workload, replicas, expected))
        was = int(before[0]["spec"].get("replicas", 1))
        return Scaled(names.workload(workload), was, replicas)

    async def set_image(self, workload: str, images: Mapping[str, str]) -> ImagesSet:
        call = changes.set_image(workload, images)
        about = names.workload(workload)
        before = images_of((await self.object(about))["spec"]["template"])
        printed = await self._line.json(call)
        after = images_of(printed[0]["spec"]["template"]) if printed else before
        return ImagesSet(about, before, after, changed=bool(printed))

    async def set_env(
        self, workload: str, env: Mapping[str, str | None], *, containers: str = "*"
    ) -> VariablesSet:
        about = names.workload(workload)
        template = (await self.object(about))["spec"]["template"]
        said = await self._line.text(changes.set_env(about, template, env, containers))
        before = variables_of(template, containers)
        return VariablesSet(
            workload=about,
            before={key: before.get(key) for key in env},
            changed=NO_CHANGE not in said,
        )

    async def restart(self, workload: str) -> Restarted:
        printed = await self._line.json(changes.restart(workload))
        notes = printed[0]["spec"]["template"]["metadata"]["annotations"]
        return Restarted(names.workload(workload), notes[changes.RESTARTED_AT])

    async def undo(
        self, workload: str, *, to_revision: int | None = None, leaving: int | None = None
    ) -> Undone:
        """Goes back to the revision before, or to the one that is named.

        kubectl is told the number, never just "undo": done twice it does not toggle.
        """
        history = await self.history(workload)
        goal = undo_goal(history, to_revision, leaving)
        await self._line.run(changes.undo(workload, goal))
        images = next(r.images for r in history.revisions if r.revision == goal)
        return Undone(history.workload, history.current, goal, history.images, images)

    async def patch(self, resource: str, body: Any, type: PatchType) -> Patched:
        said = await self._line.text(changes.patch(resource, body, type))
        return Patched(resource, changed=NO_CHANGE not in said)

    async def apply(self, manifest: Any) -> Applied:
        said = await self._line.text(changes.apply(changes.manifest_text(manifest)))
        objects = dict(_APPLIED.findall(said))
        return Applied(objects, sum(word != "unchanged" for word in objects.values()))

    async def delete(
        self, resource: str, *, selector: str | None = None, missing_ok: bool = False,
        wait: bool = True,
    ) -> Deleted:  # fmt: skip
        """Deletes what was found and counted, by name: what comes up meanwhile stays."""
        kind, called = await self.to_delete(resource, selector=selector, missing_ok=missing_ok)
        if not called:
            return Deleted(0, ())
        limit_s = self._line.left_s
        await self._line.run(changes.delete(kind, called, wait=wait, limit_s=limit_s))
        return Deleted(len(called), called)


def undo_goal(history: History, to_revision: int | None, leaving: int | None) -> int:
    """The revision that an undo goes to. Raises AdapterError for one that should not be."""
    if leaving is not None and leaving != history.current:
        raise _refused(
            f"{history.workload} is at revision {history.current}, not at {leaving}",
            "somebody was faster, or it is done already",
            history,
        )
    if to_revision is not None:
        return _known(history, to_revision)
    if history.previous is None:
        raise _refused(
            f"{history.workload} has no revision before {history.current}", None, history
        )
    if history.returns_bad:
        raise _refused(
            f"{history.workload} has gone back already: an undo would bring revision"
            f" {history.previous} back, which was left for what runs now",
            "`to_revision` names one to go to all the same",
            history,
        )
    return history.previous


def _known(history: History, to_revision: int) -> int:
    kept = [found.revision for found in history.revisions]
    if to_revision not in kept:
        listed = ", ".join(str(number) for number in kept)
        raise _refused(
            f"{history.workload} has no revision {to_revision}", f"there are {listed}", history
        )
    if to_revision == history.current:
        raise _refused(f"{history.workload} is at revision {to_revision} already", None, history)
    return to_revision


def _refused(message: str, help_: str | None, history: History) -> AdapterError:
    detail: dict[str, object] = {"kind": "refused_undo", "current": history.current}
    return AdapterError(message, help=help_, retryable=False, detail=detail)


def variables_of(template: Mapping[str, Any], containers: str) -> dict[str, Any]:
    """The variables of the containers that are meant; of two with the same name, the first's."""
    found: dict[str, Any] = {}
    for container in containers_of(template):
        if containers not in ("*", container["name"]):
            continue
        for variable in container.get("env") or []:
            value = variable.get("value", "" if "valueFrom" not in variable else None)
            found.setdefault(variable["name"], value or variable.get("valueFrom") or "")
    return found


__all__ = ["OBJECTS_MAX", "KubectlWriter", "undo_goal", "variables_of"]
