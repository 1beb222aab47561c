"""Which tests of adapters run here: those of a program that is not installed do not (see
tests/parts).
"""

from __future__ import annotations

from tests.parts import uses

collect_ignore_glob = [
    *([] if uses("sshd") else ["test_ssh*.py", "test_command_contract.py", "test_faults_table.py"]),
    *([] if uses("kubectl") else ["test_kubectl*.py"]),
]
