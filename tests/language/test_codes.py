"""Every code of a diagnostic is documented, used, and shown by a test."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from engine.language.codes import CODES

sys.path.insert(0, str(Path(__file__).parent))

from hostile import HERE

LANGUAGE = HERE.parent.parent / "engine" / "language"


def codes_in(paths) -> set[str]:
    return {code for path in paths for code in re.findall(r"RB\d{3}", path.read_text())}


def test_every_code_that_is_used_is_documented_and_every_documented_one_is_used():
    modules = [path for path in LANGUAGE.glob("*.py") if path.name != "codes.py"]
    assert codes_in(modules) == set(CODES)


def test_every_code_is_shown_by_a_golden_file_or_a_test():
    shown = codes_in((HERE / "golden").glob("*.txt")) | codes_in(HERE.glob("test_*.py"))
    assert set(CODES) - shown == set()
