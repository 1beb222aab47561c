"""The process behind a service of kind `aws`: moto's server, with services of ECS that really roll.

moto answers an update of a service and changes nothing in its deployments. Here an update begins a
deployment, which is done after `pace`, or never when its image does not come up; until then the
former one goes on. What runs is written into `ecs.json` for the templates of other services.

    python -m engine.sandbox.aws_server FOLDER      (which holds settings.json)

Says `ready PORT` when all calls of `seed` are made, or what is wrong with one of them.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

READY = "ready "
WRONG = "wrong "
"""What a line begins with that says which call of `seed` could not be made, and why."""
UP_FILE = "ecs.json"
KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}


@dataclass
class Rolling:
    """The services of ECS, and how far their deployments are."""

    folder: Path
    pace_s: float
    images_up: Sequence[str]
    moto: Any = None
    services: dict[str, Any] = field(default_factory=dict)
    _lock: Any = field(default_factory=threading.RLock)

    def install(self) -> None:
        """Puts itself between moto's backend of ECS and its callers."""
        from moto.ecs.models import EC2ContainerServiceBackend as Backend  # noqa: PLC0415
        from moto.ecs.responses import EC2ContainerServiceResponse as Response  # noqa: PLC0415

        create, update, describe = (
            Backend.create_service,
            Backend.update_service,
            (Backend.describe_services),
        )

        list_definitions = Response.list_task_definitions  # in the order they were registered

        def created(backend: Any, *args: Any, **more: Any) -> Any:
            service = create(backend, *args, **more)
            self.begin(backend, service, at_once=True)
            return service

        def updated(backend: Any, properties: dict[str, Any]) -> Any:
            names = set(properties)
            service = update(backend, properties)
            if names & {"task_definition", "desired_count", "force_new_deployment"}:
                self.begin(backend, service)
            return service

        def described(backend: Any, *args: Any, **more: Any) -> Any:
            for service in self.services.values():
                self.settle(service)
            return describe(backend, *args, **more)

        def listed(response: Any) -> Any:
            answer: Any = list_definitions(response)
            if response._get_param("sort") == "DESC":  # noqa: SLF001  as moto's own methods ask
                answer.result["taskDefinitionArns"].reverse()
            return answer

        Response.list_task_definitions = listed  # type: ignore[method-assign,assignment]
        for name, patched in (
            ("create_service", created),
            ("update_service", updated),
            ("describe_services", described),
        ):
            setattr(Backend, name, patched)

    def begin(self, backend: Any, service: Any, *, at_once: bool = False) -> None:
        """A deployment of the service's task definition, beside what runs."""
        if not service.task_definition:
            return
        with self._lock:
            definition = backend.describe_task_definition(service.task_definition)
            service.task_definition = definition.arn
            running = [one for one in service.deployments if one["runningCount"]]
            for one in running:
                one["status"] = "ACTIVE"
            number = time.time_ns() % 10**18
            new = {
                **service.deployments[0],
                "id": f"ecs-svc/{number}",
                "createdAt": _now(),
                "updatedAt": _now(),
                "desiredCount": service.desired_count,
                "pendingCount": service.desired_count,
                "runningCount": 0,
                "failedTasks": 0,
                "rolloutState": "IN_PROGRESS",
                "rolloutStateReason": f"ECS deployment ecs-svc/{number} in progress.",
                "status": "PRIMARY",
                "taskDefinition": definition.arn,
            }
            service.deployments = [new, *running]
            service.running_count = sum(one["runningCount"] for one in running)
            service.pending_count = service.desired_count
            service.begun_s = time.monotonic() - (self.pace_s if at_once else 0)
            service.image = definition.container_definitions[0]["image"]
            self.services[service.arn] = service
            self.settle(service)
        if not at_once:
            timer = threading.Timer(self.pace_s * 1.05, self.settle, [service])
            timer.daemon = True
            timer.start()

    def settle(self, service: Any) -> None:
        """Brings it as far as it is by now."""
        with self._lock:
            new = service.deployments[0]
            waited_s = time.monotonic() - service.begun_s
            if new["rolloutState"] == "IN_PROGRESS" and waited_s >= self.pace_s:
                if self._comes_up(service.image):
                    self._done(service, new)
                else:
                    new["failedTasks"] = (
                        int(waited_s / max(self.pace_s, 0.01)) * new["desiredCount"]
                    )
                new["updatedAt"] = _now()
            self._write()

    def _comes_up(self, image: str) -> bool:
        return any(fnmatchcase(image, pattern) for pattern in self.images_up)

    def _done(self, service: Any, new: dict[str, Any]) -> None:
        new |= {
            "runningCount": new["desiredCount"],
            "pendingCount": 0,
            "rolloutState": "COMPLETED",
            "rolloutStateReason": f"ECS deployment {new['id']} completed.",
        }
        service.deployments = [new]
        service.running_count, service.pending_count = new["desiredCount"], 0
        service.up = service.image

    def _write(self) -> None:
        told = {
            one.name: {"image": getattr(one, "up", None), "running": one.running_count}
            for one in self.services.values()
        }
        whole = self.folder / f"{UP_FILE}.new"
        whole.write_text(json.dumps(told), encoding="utf-8")
        whole.replace(self.folder / UP_FILE)


def _now() -> Any:
    from moto.core.utils import utcnow  # noqa: PLC0415  with the server only

    return utcnow()


class Unmade(Exception):
    """A call of `seed` that could not be made. `args` are its number and why."""


def seed(calls: Sequence[Mapping[str, Any]], url: str, region: str) -> None:
    """Makes the calls, one after the other. Raises Unmade."""
    import boto3  # type: ignore[import-untyped]  # noqa: PLC0415  with the server only
    from botocore.exceptions import (  # type: ignore[import-untyped]  # noqa: PLC0415
        BotoCoreError,
        ClientError,
    )

    for number, call in enumerate(calls, start=1):
        service, _, operation = str(call["call"]).strip().partition(" ")
        try:
            client = boto3.client(service, endpoint_url=url, region_name=region, **KEYS)
            method = getattr(client, re.sub(r"\W+", "_", operation.strip()), None)
            if method is None:
                raise Unmade(number, f"{service} has no {operation!r}")
            method(**call.get("with", {}))
        except (BotoCoreError, ClientError) as e:
            raise Unmade(number, f"{call['call']}: {' '.join(str(e).split())}") from e


def main(folder: Path) -> int:
    """Serves until it is ended."""
    from moto.moto_server.werkzeug_app import (  # noqa: PLC0415  a second, paid by this process
        DomainDispatcherApplication,
        MotoRequestHandler,
        create_backend_app,
    )
    from werkzeug.serving import make_server  # noqa: PLC0415

    settings = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    Rolling(folder, settings["pace_s"], settings["images_up"]).install()
    server = make_server(
        "127.0.0.1",
        0,
        DomainDispatcherApplication(create_backend_app),
        threaded=True,
        request_handler=MotoRequestHandler,
    )
    os.environ["MOTO_PORT"] = str(server.port)
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    try:
        seed(settings["seed"], f"http://127.0.0.1:{server.port}", settings["region"])
    except Unmade as e:
        print(f"{WRONG}{e.args[0]} {e.args[1]}", flush=True)
        return 1
    print(f"{READY}{server.port}", flush=True)
    serving.join()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
