"""The stage, and which of the real programs are looked at here (see tests/parts)."""

from __future__ import annotations

import pytest

from tests.adapters.programs.stage import Stage
from tests.parts import uses

collect_ignore = [f"test_{name}.py" for name in ("git", "make", "openssl") if not uses(name)]


@pytest.fixture
async def stage(tmp_path):
    stage = Stage(tmp_path / "books")
    yield stage
    await stage.engine.store.close()
