"""The two commands of a fresh clone, with nothing installed but Python.

    python3 -m engine demo             makes .venv, installs the project in it, runs `runbook demo`
    python3 -m engine test [args ...]  the same with the tools of development, then runs the tests

Standard library only, and nothing of the engine: it runs before anything is installed. This module
is written so that an old Python can read it and say which one is needed; the rest is in `install`.
"""

import sys

NEEDED = (3, 11)
EXIT_WRONG = 2
"""The call or its surroundings are wrong: an old Python, no network, no room."""


def main() -> int:
    """Runs one of the two commands; the exit code is that of what it started, or 2."""
    have = tuple(sys.version_info[:2])
    if have < NEEDED:
        sys.stderr.write(
            f"runbook: this is Python {have[0]}.{have[1]} ({sys.executable}), and "
            f"{NEEDED[0]}.{NEEDED[1]} or newer is needed; call this with one, "
            "for instance `python3.11 -m engine demo`\n"
        )
        return EXIT_WRONG
    from engine.bootstrap.install import command  # noqa: PLC0415  an old Python cannot read it

    return command(sys.argv[1:])
