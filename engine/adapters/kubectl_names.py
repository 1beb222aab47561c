"""Words of a step that stand among kubectl's arguments: checked, so that none becomes an option."""

from __future__ import annotations

import re

from engine.errors import AdapterError

_RESOURCE = re.compile(r"[A-Za-z][A-Za-z0-9.-]*(?:/[A-Za-z0-9][A-Za-z0-9.:_-]*)?")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:_-]*")
_CONTAINER = re.compile(r"[a-z0-9][a-z0-9-]*|\*")
_VARIABLE = re.compile(r"[A-Za-z_.-][A-Za-z0-9_.-]*")
_IMAGE = re.compile(r"[^\s=,]+")

WORKLOADS = {
    "deployment": "deployment",
    "deployments": "deployment",
    "deploy": "deployment",
    "deployment.apps": "deployment",
    "deployments.apps": "deployment",
    "statefulset": "statefulset",
    "statefulsets": "statefulset",
    "sts": "statefulset",
    "daemonset": "daemonset",
    "daemonsets": "daemonset",
    "ds": "daemonset",
}
"""The kinds that roll, by the names kubectl takes for them."""


def wrong(message: str, help: str | None = None) -> AdapterError:
    return AdapterError(message, help=help, retryable=False, detail={"kind": "usage"})


def resource(text: str) -> str:
    """`pods`, `deployments.apps` or `deployment/stratum-api`."""
    if not _RESOURCE.fullmatch(text):
        raise wrong(f"{text!r} is no resource", "written like pods or deployment/stratum-api")
    return text


def named_resource(text: str) -> str:
    """`deployment/stratum-api`: one object."""
    if "/" not in resource(text):
        raise wrong(f"{text!r} names no object", "written like deployment/stratum-api")
    return text


def workload(text: str) -> str:
    """`deployment/stratum-api`; a bare name is a deployment's."""
    kind, slash, name = text.rpartition("/")
    known = WORKLOADS.get(kind.lower()) if slash else "deployment"
    if known is None or not _NAME.fullmatch(name):
        raise wrong(
            f"{text!r} is nothing that rolls",
            "written like deployment/stratum-api, statefulset/db or daemonset/agent",
        )
    return f"{known}/{name}"


def deployment(text: str) -> str:
    """As `workload`, for what kubectl keeps numbered revisions of in replica sets."""
    found = workload(text)
    if not found.startswith("deployment/"):
        raise wrong(f"the revisions of {found} are not read, only those of deployments")
    return found


def name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise wrong(f"{text!r} is no name of an object")
    return text


def selector(text: str) -> str:
    if not text.strip():
        raise wrong("an empty selector would match everything", "leave it out, where that is meant")
    return text


def container(text: str) -> str:
    if not _CONTAINER.fullmatch(text):
        raise wrong(f"{text!r} is no name of a container")
    return text


def image(text: str) -> str:
    if not _IMAGE.fullmatch(text):
        raise wrong(f"{text!r} is no image", "written like stratum/api:1.4.0")
    return text


def variable(key: str) -> str:
    if not _VARIABLE.fullmatch(key) or key.endswith("-"):
        raise wrong(f"{key!r} is no name of an environment variable")
    return key
