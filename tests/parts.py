"""Real programs that tests are held against where they are installed.

A fresh machine has none of them, and the suite passes there on the fakes, which pass the same
contracts. Where `RUNBOOK_TEST_PARTS=all` is set, as `.ci/run` does, each of them must be there, and
a missing one fails.
"""

from __future__ import annotations

import os
import shutil


def uses(program: str) -> bool:
    """Whether tests use this program here: it is installed, or it has to be."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    must = os.environ.get("RUNBOOK_TEST_PARTS") == "all"
    return must or shutil.which(program, path=path) is not None
