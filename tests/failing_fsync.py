"""The command line, as a program of Python whose `fsync` fails from SIGUSR1 on."""

from __future__ import annotations

FAILING_FSYNC = """
import ctypes, platform, signal, struct, sys
from pathlib import Path

SECCOMP, FSYNC, FDATASYNC = {"x86_64": (317, 74, 75), "aarch64": (277, 82, 83)}[platform.machine()]

def let_fsync_fail(*_):
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
    Path("failing").touch()

signal.signal(signal.SIGUSR1, let_fsync_fail)
from engine.cli.main import main
sys.exit(main())
"""
"""For `python -c`. It makes the file `failing` in its folder once the kernel does so."""
