"""`runbook`, called by somebody: `python person.py NAME WORDS...`, for the pages of the manual."""

from __future__ import annotations

import pwd
import shutil
import sys
from typing import Any


def main() -> int:
    name = sys.argv[1]
    real = pwd.getpwuid

    def named(uid: int) -> Any:
        return pwd.struct_passwd((name, *real(uid)[1:]))

    pwd.getpwuid = named
    sys.argv = [shutil.which("runbook") or "runbook", *sys.argv[2:]]
    from engine.cli.main import main as runbook  # noqa: PLC0415 - after the name is set

    return runbook(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
