"""The OpenAPI that kubectl asks for before `apply`: only that the server checks fields itself and
takes dry runs.

kubectl reads of it whether a PATCH of a kind has the parameters `fieldValidation` and `dryRun`, and
then leaves the checking to the server.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from engine.sandbox.cluster_kinds import Kind

Json = dict[str, Any]

PARAMETERS = [
    {"name": name, "in": "query", "schema": {"type": "string"}}
    for name in ("dryRun", "fieldManager", "fieldValidation")
]


def index(kinds: Iterable[Kind]) -> Json:
    """Where the document of each group and version is."""
    places = {_prefix(kind) for kind in kinds}
    return {"paths": {p: {"serverRelativeURL": f"/openapi/v3/{p}?hash=1"} for p in places}}


def document(kinds: Iterable[Kind], prefix: str) -> Json | None:
    """The document of one group and version, such as `apis/apps/v1`."""
    found = [kind for kind in kinds if _prefix(kind) == prefix]
    if not found:
        return None
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes (sandbox)", "version": "v1.32.0"},
        "paths": {_path(kind): {"patch": _operation(kind)} for kind in found},
    }


def _prefix(kind: Kind) -> str:
    return f"apis/{kind.api_version}" if kind.group else f"api/{kind.version}"


def _path(kind: Kind) -> str:
    within = "namespaces/{namespace}/" if kind.namespaced else ""
    return f"/{_prefix(kind)}/{within}{kind.plural}/{{name}}"


def _operation(kind: Kind) -> Json:
    about = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    return {
        "parameters": PARAMETERS,
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": "patch",
        "x-kubernetes-group-version-kind": about,
    }
