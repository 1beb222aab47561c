"""Changes to a Kubernetes cluster, by kubectl."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from engine.adapters import kubectl_changes as changes
from engine.adapters.kubectl_names import deployment
from engine.adapters.kubectl_names import workload as rolls
from engine.adapters.kubectl_preview import difference, plain_diff
from engine.adapters.kubectl_records import (
    Applied,
    Deleted,
    ImagesSet,
    Patched,
    Restarted,
    Scaled,
    Undone,
    VariablesSet,
)
from engine.adapters.kubectl_writer import undo_goal
from engine.plugin import IDEMPOTENT, UNSAFE, Preview, action

if TYPE_CHECKING:
    from engine.adapters.kubectl import KubectlReader, KubectlWriter
    from engine.adapters.kubectl_line import Call

PatchType = Literal["strategic", "merge", "json"]


@action("kubectl.rollout_undo", effect=UNSAFE)
async def rollout_undo(
    kubectl: KubectlWriter,
    workload: str,
    *,
    to_revision: int | None = None,
    leaving: int | None = None,
) -> Undone:
    """Goes back to the revision before. Refuses where that would bring back what was left by going
    back.

    workload: a deployment, as in deployment/stratum-api
    to_revision: another one to go to
    leaving: the revision it must be at; with it a second undo is refused
    """
    return await kubectl.undo(workload, to_revision=to_revision, leaving=leaving)


@rollout_undo.preview
async def would_undo(
    kubectl: KubectlReader,
    workload: str,
    *,
    to_revision: int | None = None,
    leaving: int | None = None,
) -> Preview:
    history = await kubectl.history(deployment(workload))
    goal = undo_goal(history, to_revision, leaving)
    await kubectl.accepts(changes.undo(workload, goal))
    images = next(found.images for found in history.revisions if found.revision == goal)
    changed = [
        f"{name}: {history.images.get(name)} -> {image}"
        for name, image in images.items()
        if history.images.get(name) != image
    ]
    text = (
        f"{history.workload} would leave revision {history.current} for {goal}"
        f" ({'; '.join(changed) or 'the same images'}), computed from its revisions"
    )
    return Preview(text, affected=1)


@action("kubectl.rollout_restart", effect=IDEMPOTENT)
async def rollout_restart(kubectl: KubectlWriter, workload: str) -> Restarted:
    """Makes the pods of a workload anew, a few at a time.

    workload: deployment/stratum-api, statefulset/db, daemonset/agent; a bare name is a deployment
    """
    return await kubectl.restart(workload)


@rollout_restart.preview
async def would_restart(kubectl: KubectlReader, workload: str) -> Preview:
    """`rollout restart` has no dry run, so the server tries what it would send."""
    about = rolls(workload)
    found, _ = await kubectl.would(about, changes.restart_as_patch(workload))
    pods = (found.get("status") or {}).get("replicas")
    if pods is None:
        pods = (found.get("status") or {}).get("currentNumberScheduled", 0)
    text = (
        f"{about} would make its {pods} pods anew (rollout restart has no dry run;"
        " the server has tried the same change as a patch)"
    )
    return Preview(text, affected=pods)


@action("kubectl.scale", effect=IDEMPOTENT)
async def scale(
    kubectl: KubectlWriter, workload: str, replicas: int, *, expected: int | None = None
) -> Scaled:
    """Sets how many pods are wanted. The result's `before` is the former number.

    workload: deployment/stratum-workers or statefulset/db; a bare name is a deployment
    replicas: how many
    expected: how many there must be now; otherwise nothing is done
    """
    return await kubectl.scale(workload, replicas, expected=expected)


@scale.preview
async def would_scale(
    kubectl: KubectlReader, workload: str, replicas: int, *, expected: int | None = None
) -> Preview:
    about = rolls(workload)
    found, _ = await kubectl.would(about, changes.scale(workload, replicas, expected))
    before = found["spec"].get("replicas", 1)
    return Preview(
        f"{about} would go from {before} to {replicas} pods", affected=abs(replicas - before)
    )


@action("kubectl.set_image", effect=IDEMPOTENT)
async def set_image(kubectl: KubectlWriter, workload: str, images: dict[str, str]) -> ImagesSet:
    """Sets the images of a workload's containers, which rolls it. The same image changes nothing:
    see `changed`.

    workload: deployment/stratum-api, statefulset/db, daemonset/agent; a bare name is a deployment
    images: by container; `*` for all
    """
    return await kubectl.set_image(workload, images)


@set_image.preview
async def would_set_image(kubectl: KubectlReader, workload: str, images: dict[str, str]) -> Preview:
    return await _rolling(kubectl, workload, changes.set_image(workload, images))


@action("kubectl.set_env", effect=IDEMPOTENT)
async def set_env(
    kubectl: KubectlWriter, workload: str, env: dict[str, str | None], *, containers: str = "*"
) -> VariablesSet:
    """Sets environment variables of a workload's containers, which rolls it.

    workload: deployment/stratum-api, statefulset/db, daemonset/agent; a bare name is a deployment
    env: values by name; null takes one away
    containers: one container, or `*` for all
    """
    return await kubectl.set_env(workload, env, containers=containers)


@set_env.preview
async def would_set_env(
    kubectl: KubectlReader, workload: str, env: dict[str, str | None], *, containers: str = "*"
) -> Preview:
    template = (await kubectl.object(rolls(workload)))["spec"]["template"]
    return await _rolling(kubectl, workload, changes.set_env(workload, template, env, containers))


@action("kubectl.patch", effect=UNSAFE)
async def patch(
    kubectl: KubectlWriter, resource: str, patch: Any, *, type: PatchType = "strategic"
) -> Patched:
    """Changes fields of one object.

    resource: as in hpa/stratum-api
    patch: the fields, or for `json` the list of operations
    type: strategic (lists with names are merged), merge (RFC 7386) or json (RFC 6902)
    """
    return await kubectl.patch(resource, patch, type)


@patch.preview
async def would_patch(
    kubectl: KubectlReader, resource: str, patch: Any, *, type: PatchType = "strategic"
) -> Preview:
    before, after = await kubectl.would(resource, changes.patch(resource, patch, type))
    diff = difference(before, after)
    said = "would change" if diff else "is so already"
    return Preview(f"{resource} {said}, says the server", affected=1 if diff else 0, diff=diff)


@action("kubectl.apply", effect=IDEMPOTENT)
async def apply(kubectl: KubectlWriter, manifest: Any) -> Applied:
    """Makes objects as a manifest says, or changes them to it.

    manifest: YAML text, an object, or a list of objects
    """
    return await kubectl.apply(manifest)


@apply.preview
async def would_apply(kubectl: KubectlReader, manifest: Any) -> Preview:
    text = changes.manifest_text(manifest)
    await kubectl.accepts(changes.apply(text))
    diff, changed = plain_diff(await kubectl.diff(text))
    said = f"{changed} objects would change" if changed else "nothing would change"
    return Preview(f"{said}, says kubectl diff", affected=changed, diff=diff or None)


@action("kubectl.delete", effect=UNSAFE, counts=True)
async def delete(
    kubectl: KubectlWriter,
    resource: str,
    *,
    selector: str | None = None,
    missing_ok: bool = False,
    wait: bool = True,
) -> Deleted:
    """Deletes one object by name, or those of a kind that match; counts first, see `max_affected`.

    resource: one object (pod/stratum-api-7c9f), or a kind with a selector
    selector: labels of what is deleted
    missing_ok: whether it is fine when there is nothing
    wait: until it is gone
    """
    return await kubectl.delete(resource, selector=selector, missing_ok=missing_ok, wait=wait)


@delete.preview
async def would_delete(
    kubectl: KubectlReader,
    resource: str,
    *,
    selector: str | None = None,
    missing_ok: bool = False,
    wait: bool = True,
) -> Preview:
    kind, called = await kubectl.to_delete(resource, selector=selector, missing_ok=missing_ok)
    if called:
        await kubectl.accepts(changes.delete(kind, called, wait=wait, limit_s=10))
    return Preview(
        f"{len(called)} {kind} would be deleted, says the server",
        affected=len(called),
        sample=called[:20],
    )


async def _rolling(kubectl: KubectlReader, workload: str, call: Call) -> Preview:
    """The preview of what changes a template: the server's dry run, and how many pods roll."""
    about = rolls(workload)
    before, after = await kubectl.would(about, call)
    diff = difference(before, after)
    pods = (before.get("status") or {}).get("replicas", 0) if diff else 0
    said = f"would roll {pods} pods" if diff else "is so already: nothing would roll"
    return Preview(f"{about} {said}, says the server", affected=pods, diff=diff)
