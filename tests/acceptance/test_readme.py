"""What the README says is so: its commands, its runbook, its samples, its table of exit codes."""

from __future__ import annotations

import inspect
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pexpect
import pytest

from engine import errors
from engine.bootstrap import install
from engine.cli import main
from tests.acceptance.program import RUNBOOK, Program

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def marked(name: str) -> str:
    """The command behind a marker, which programs look for."""
    found = re.findall(rf"<!-- command: {name} -->\n```sh\n(.*)\n```\n", README)
    assert len(found) == 1
    return str(found[0])


def commands() -> list[str]:
    """Every line of a code block that calls `runbook`."""
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [line for line in lines if line.startswith("runbook ")]


def test_the_two_marked_commands_are_those_of_a_fresh_clone():
    assert (marked("demo"), marked("test")) == ("python3 -m engine demo", "python3 -m engine test")


def test_the_gate_finds_and_runs_the_marked_test_command():
    script = (ROOT / ".ci" / "run").read_text()
    (reading,) = re.findall(r"^command=\$\((.*)\)$", script, re.MULTILINE)
    found = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"root={shlex.quote(str(ROOT))}; {reading}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == marked("test")
    assert re.search(r'^bash .*-c "\$command"$', script, re.MULTILINE)


@pytest.mark.parametrize(("name", "extra"), [("demo", "sandbox"), ("test", "dev")])
def test_the_bootstrap_takes_the_marked_command(monkeypatch, name: str, extra: str):
    called: list[object] = []
    monkeypatch.setattr(install, "install", called.append)
    monkeypatch.setattr(install, "start", lambda name, args: called.append((name, args)))
    python, flag, module, *words = marked(name).split()
    assert (python, flag, module) == ("python3", "-m", "engine")
    install.command(words)
    assert called == [extra, (name, [])]
    assert f"{marked(name)} " in install.USAGE


@pytest.mark.parametrize("line", commands())
def test_a_command_of_the_readme_is_one(line: str):
    words = shlex.split(line, comments=True)[1:]
    for sign in (">", "&"):
        if sign in words:
            words = words[: words.index(sign)]
    command: click.Command | None = main.cli
    context = main.cli.make_context("runbook", words)
    while isinstance(command, click.Group):
        rest = [*context._protected_args, *context.args]
        if not rest and command.invoke_without_command:
            return
        name, command, rest = command.resolve_command(context, rest)
        assert command is not None
        context = command.make_context(name, rest, parent=context)


def test_a_command_in_a_sentence_of_the_readme_is_there():
    named = set(re.findall(r"`runbook ([a-z]+)", README))
    assert len(named) > 3
    assert named - set(main.COMMANDS) == set()


def test_the_runbooks_and_environments_of_the_readme_lint(program: Program):
    book, *environments = [text for text in blocks("yaml") if not text.startswith("scenarios:")]
    program.write("stratum/redis-memory-pressure.yaml", book)
    for text in environments:
        name = re.match(r"# runbooks/(stratum/environments/\w+\.yaml)\n", text)
        assert name is not None
        program.write(name[1], text)
    program.write("stratum/contacts.yaml", "policies: {default: [{who: console}]}\n")
    done = program("lint")
    assert (done.code, done.out) == (0, "")
    assert done.err == f"{2 + len(environments)} files read: 0 errors, 0 warnings\n"


def test_the_scenarios_of_the_readme_hold(program: Program):
    (scenarios,) = [text for text in blocks("yaml") if text.startswith("scenarios:")]
    program("new", "mypack/first-steps")
    program.write("mypack/first-steps.test.yaml", scenarios)
    assert program("test", "mypack/first-steps").code == 0


def test_the_diagnostic_of_the_readme_is_what_lint_says(program: Program):
    (sample,) = [b for b in blocks("text") if "RB101" in b]
    mistake = next(li for li in sample.splitlines() if " | " in li).partition(" | ")[2]
    lines = blocks("yaml")[0].splitlines()
    at = next(number for number, line in enumerate(lines) if "max_affected" in line)
    program.write(
        "stratum/redis-memory-pressure.yaml",
        "\n".join([*lines[: at + 1], mistake, *lines[at + 1 :]]),
    )
    done = program("lint", "stratum/redis-memory-pressure")
    assert (done.code, done.out.strip()) == (2, sample.strip())


def exit_codes() -> Iterator[tuple[int, str]]:
    for line in README.splitlines():
        if row := re.match(r"\| (\d) \| (.+) \|$", line):
            yield int(row[1]), row[2]


def test_the_table_of_exit_codes_has_every_code_once():
    assert [code for code, _ in exit_codes()] == list(range(8))


def test_the_exit_codes_of_the_errors_are_those_of_the_table():
    table = dict(exit_codes())
    raised = {
        cls.__name__: cls.exit_code
        for _, cls in inspect.getmembers(errors, inspect.isclass)
        if issubclass(cls, errors.RunbookError)
    }
    assert set(raised.values()) <= set(table)
    for name, word in {
        "Diagnosed": "wrong", "Usage": "wrong", "NotYet": "wrong", "StepError": "person must look",
        "AdapterError": "person must look", "JournalError": "journal", "Refused": "refused",
        "RunbookError": "bug",
    }.items():  # fmt: skip
        assert word in table[raised[name]]


def test_help_tells_the_exit_codes_like_the_table():
    told = dict(re.findall(r"(\d) ([^;]+)", main.EPILOG))
    assert list(map(int, told)) == [code for code, _ in exit_codes()]
    for code, meaning in exit_codes():
        assert told[str(code)].split()[0].strip(",.") == meaning.split()[0].strip(",:")


def test_the_demonstration_prints_what_the_readme_shows(tmp_path: Path):
    (shown,) = [b for b in blocks("text") if "sandbox: redis" in b]
    child = pexpect.spawn(
        str(RUNBOOK),
        ["--no-color", "demo"],
        cwd=str(ROOT),
        env={
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "TERM": "xterm",
            "HOME": str(tmp_path),
        },
        dimensions=(60, 100),
        encoding="utf-8",
        timeout=180,
    )
    printed = child.read()
    child.wait()
    assert child.exitstatus == 0
    printed_lines = {of_any_run(line) for line in printed.split("\n")}
    assert [li for li in shown.splitlines() if of_any_run(li) not in printed_lines] == []


def of_any_run(line: str) -> str:
    """A line without what differs from run to run: numbers, names, how wide a column became."""
    bare = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line)
    bare = re.sub(r"\d{8}-\d{6}-\w{8}", "RUN", bare)
    bare = re.sub(r"started by \w+", "started by SOMEBODY", bare)
    bare = re.sub(r"\S*runbook audit", "runbook audit", bare)
    return " ".join(re.sub(r"[\d.]*\d", "N", bare).split())
