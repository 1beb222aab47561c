"""AWS for the time of a run: moto's server, for the real `aws`.

    kind: aws
    region: eu-central-1                # us-east-1 where nothing is said
    seed:                               # calls made at the start, with the parameters of the API
      - call: ecs create-cluster
        with: {clusterName: stratum-prod}
    pace: 200ms                         # in which a deployment of ECS is done
    images_up: ["*:1.*"]                # whose tasks come up; all where nothing is said

A fault's calls are made after those of the service. Tells `url`, `host`, `port`, `region`,
`access_key`, `secret_key` (which open nothing anywhere), and `bin`, the folder of the real `aws`.
Templates of other services see what runs as `services.NAME.ecs["stratum-api"].image`.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from engine.sandbox.aws_server import KEYS, READY, UP_FILE, WRONG
from engine.sandbox.process import Child, Command, NotStarted
from engine.sandbox.spec import ServiceSpec, Wrong, entries, only, seconds

PACE_S = 0.2
"""A deployment of ECS takes minutes; here one can be watched and nobody waits."""
PACE_MAX_S = 600.0
"""Longer than any runbook in a sandbox is watched."""
SERVER = (sys.executable, "-m", "engine.sandbox.aws_server")
"""The words that start it, before its folder."""
CALLS_MAX = 200
"""Of `seed`: each takes 5 to 20 ms."""


@dataclass(frozen=True, slots=True)
class AwsSettings:
    region: str
    seed: tuple[Mapping[str, Any], ...]
    pace_s: float
    images_up: tuple[str, ...]

    @classmethod
    def read(cls, spec: ServiceSpec) -> AwsSettings:
        where, written = f"services.{spec.name}", spec.settings
        only(written, ("region", "seed", "pace", "images_up"), where)
        images = written.get("images_up", ["*"])
        if not isinstance(images, list):
            raise Wrong("takes a list of patterns, like *:1.*", f"{where}.images_up")
        calls = []
        for place, call in entries(written.get("seed"), f"{where}.seed"):
            only(call, ("call", "with"), place)
            if len(str(call.get("call", "")).split()) != 2:
                what = f"{call.get('call')!r} is no service and operation"
                raise Wrong(what, f"{place}.call", "it is written like: ecs create-cluster")
            if not isinstance(call.get("with", {}), Mapping):
                raise Wrong("takes the parameters of the call, a mapping", f"{place}.with")
            calls.append(call)
        if len(calls) > CALLS_MAX:
            raise Wrong(f"takes at most {CALLS_MAX} calls", f"{where}.seed")
        return cls(
            region=str(written.get("region", "us-east-1")),
            seed=tuple(calls),
            pace_s=seconds(written.get("pace", PACE_S), f"{where}.pace", PACE_MAX_S),
            images_up=tuple(map(str, images)),
        )


class Aws:
    """One account of AWS: moto's server, and what can be seen of it from beside."""

    def __init__(self, spec: ServiceSpec, folder: Path) -> None:
        self.settings = AwsSettings.read(spec)
        self.where = f"services.{spec.name}"
        self.folder = folder

    def seen(self) -> dict[str, Any]:
        """What templates of other services see: `ecs`, by the name of the service."""
        try:
            return {"ecs": json.loads((self.folder / UP_FILE).read_text(encoding="utf-8"))}
        except OSError:
            return {"ecs": {}}


@asynccontextmanager
async def aws_service(aws: Aws) -> AsyncIterator[dict[str, str]]:
    """moto's server with its calls made, on a port of the loopback."""
    if lacks := missing_aws():
        raise NotStarted(lacks)
    child, port = await _start(aws)
    command = _aws() or Path("aws")
    try:
        yield {
            "url": f"http://127.0.0.1:{port}",
            "host": "127.0.0.1",
            "port": port,
            "region": aws.settings.region,
            "access_key": KEYS["aws_access_key_id"],
            "secret_key": KEYS["aws_secret_access_key"],
            "bin": str(command.parent),
        }
    finally:
        await child.stop()


async def _start(aws: Aws) -> tuple[Child, str]:
    settings = aws.settings
    told = {
        "region": settings.region,
        "seed": settings.seed,
        "pace_s": settings.pace_s,
        "images_up": settings.images_up,
    }
    text = json.dumps(told, default=str)
    (aws.folder / "settings.json").write_text(text, encoding="utf-8")
    said: list[str] = []

    def ready(line: str) -> bool:
        if line.startswith((READY, WRONG)):
            said.append(line.strip())
        return line.startswith(READY)

    try:
        words = [*SERVER, str(aws.folder)]
        child = await Child.start(Command(words, aws.folder, ready, env=environment()))
    except NotStarted as e:
        if said and said[0].startswith(WRONG):
            number, _, why = said[0].removeprefix(WRONG).partition(" ")
            raise Wrong(why, f"{aws.where}.seed[{number}]") from e
        raise
    return child, said[0].removeprefix(READY)


def environment() -> dict[str, str]:
    """Nothing of the person's own AWS: a profile of theirs must not be in reach of it."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "MOTO_ECS_SERVICE_RUNNING": "0",
    }


def missing_aws() -> str:
    """What is not installed here and this kind needs, with the cure; "" where all is there."""
    if find_spec("moto") is None or find_spec("flask") is None:
        return "no stand-in for AWS: pip install 'moto[server]', or 'runbook[sandbox-more]'"
    if _aws() is None:
        return "no aws: pip install awscli, or install version 2 as docs.aws.amazon.com/cli says"
    return ""


def _aws() -> Path | None:
    """The real command: beside this Python, or on the path."""
    beside = Path(sys.executable).with_name("aws")
    found = str(beside) if beside.exists() else shutil.which("aws")
    return Path(found) if found else None
