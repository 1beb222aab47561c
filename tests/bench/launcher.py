"""Starts programs and tells what each took: run as `python -I -S launcher.py`, it stays small.

A line on standard input is JSON: `{"argv", "env", "cwd"}`; a line of answer is `{"code", "wall_s",
"cpu_s", "rss_mb"}`. Linux counts the memory of whoever started a program into the program's own
peak, so a process that has the engine imported cannot measure it.
"""

from __future__ import annotations

import json
import os
import sys
import time


def launch(argv: list[str], env: dict[str, str], cwd: str) -> dict[str, float]:
    os.chdir(cwd)
    nowhere = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1)]
    begun_s = time.perf_counter()
    pid = os.posix_spawn(argv[0], argv, env, file_actions=nowhere)
    _, status, used = os.wait4(pid, 0)
    wall_s = time.perf_counter() - begun_s
    return {
        "code": os.waitstatus_to_exitcode(status),
        "wall_s": wall_s,
        "cpu_s": used.ru_utime + used.ru_stime,
        "rss_mb": used.ru_maxrss / 1024,
    }


if __name__ == "__main__":
    for line in sys.stdin:
        order = json.loads(line)
        print(json.dumps(launch(order["argv"], order["env"], order["cwd"])), flush=True)
