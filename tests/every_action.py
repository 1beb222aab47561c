"""Every registered action, with parameters that it takes and a connection it could go to.

For tests that say something of all of them. An action without an entry here fails
`test_every_action_has_a_sample`, so that none is left out.
"""

from __future__ import annotations

from typing import Any

from engine.registry import Registry

SAMPLES: dict[str, dict[str, Any]] = {
    "command.run": {"argv": ["true"]},
    "http.request": {"method": "POST", "path": "/restart"},
    "meta.set_status": {"id": "200", "status": "PAUSED"},
    "meta.set_budget": {"id": "200", "daily_minor": 1000},
    "meta.request": {"method": "POST", "path": "200"},
    "meta.batch": {"requests": [{"method": "POST", "path": "200"}]},
    "redis.set": {"key": "k", "value": "v"},
    "redis.delete": {"match": "cache:*"},
    "redis.expire": {"keys": ["k"], "ttl": "1m"},
    "redis.publish": {"channel": "c", "message": "m"},
    "run.set": {"values": {"a": 1}},
    "run.note": {"text": "noted"},
    "sql.execute": {"sql": "DELETE FROM t WHERE id = 1"},
    "sql.transaction": {"statements": [{"sql": "DELETE FROM t WHERE id = 1"}]},
    "sql.maintenance": {"operation": "vacuum", "tables": ["t"]},
    "sql.terminate": {"state": "idle"},
    "kubectl.rollout_undo": {"workload": "api"},
    "kubectl.rollout_restart": {"workload": "api"},
    "kubectl.scale": {"workload": "api", "replicas": 2},
    "kubectl.set_image": {"workload": "api", "images": {"api": "api:2"}},
    "kubectl.set_env": {"workload": "api", "env": {"A": "1"}},
    "kubectl.patch": {"resource": "deployment/api", "patch": {"spec": {"replicas": 2}}},
    "kubectl.apply": {"manifest": "kind: ConfigMap"},
    "kubectl.delete": {"resource": "pod/api-1"},
}
"""The parameters of a step, by its type."""

CONNECTIONS: dict[str, str] = {
    "command": "{adapter: command, allowed: ['true', test]}",
    "http": "{adapter: http, base_url: 'http://127.0.0.1:9'}",
    "meta": "{adapter: meta, version: v25.0, access_token: '${env:EVERY_TOKEN}'}",
    "redis": "{adapter: redis, url: 'redis://127.0.0.1:9/0'}",
    "sql": "{adapter: sql, url: 'postgresql://nobody@127.0.0.1:9/none'}",
    "kubectl": "{adapter: kubectl, context: none, namespace: none}",
}
"""A connection for each family. Port 9 of the loopback: nobody is there."""


def every_action(registry: Registry | None = None) -> list[str]:
    """The types of all actions that the engine carries out itself."""
    known = registry or Registry()
    found = []
    for name in known.types():
        signature = known.get(name, "action")
        if signature is not None and not signature.asks_person:
            found.append(name)
    return found
