"""Payloads as PagerDuty and Alertmanager send them: the shapes are the vendors', the words ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "payloads"
EVENT_TYPES = tuple(sorted(path.stem for path in (FOLDER / "pagerduty").glob("*.json")))
GROUPS = tuple(sorted(path.stem for path in (FOLDER / "alertmanager").glob("*.json")))


def file(name: str) -> Path:
    return FOLDER / f"{name}.json"


def payload(name: str) -> Any:
    return json.loads(file(name).read_text())
