"""Programs of Python whose `fsync` the kernel answers with EIO from some moment on."""

from __future__ import annotations

LET_FSYNC_FAIL = """
import ctypes, platform, struct

SECCOMP, FSYNC, FDATASYNC = {"x86_64": (317, 74, 75), "aarch64": (277, 82, 83)}[platform.machine()]

def let_fsync_fail():
    "From here on the kernel answers EIO to every fsync of this process."
    load, equal, answer = 0x20, 0x15, 0x06
    allow, error = 0x7FFF0000, 0x00050000 | 5
    rules = [
        (load, 0, 0, 0),
        (equal, 2, 0, FSYNC),
        (equal, 1, 0, FDATASYNC),
        (answer, 0, 0, allow),
        (answer, 0, 0, error),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *rule) for rule in rules))
    program = ctypes.create_string_buffer(struct.pack("HP", len(rules), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    no_new_privileges, filter_mode, all_threads = 38, 1, 1
    assert libc.prctl(no_new_privileges, 1, 0, 0, 0) == 0
    assert libc.syscall(SECCOMP, filter_mode, all_threads, program) == 0, ctypes.get_errno()
"""
"""Defines `let_fsync_fail()`."""

FAILING_FSYNC = f"""
import signal, sys
from pathlib import Path
{LET_FSYNC_FAIL}
def fail(*_):
    let_fsync_fail()
    Path("failing").touch()

signal.signal(signal.SIGUSR1, fail)
from engine.cli.main import main
sys.exit(main())
"""
"""The command line, for `python -c`: from SIGUSR1 on. It makes the file `failing` in its folder
once the kernel does so.
"""
