"""`runbook coverage`: what of an inventory is carried out, and by what."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.cli.main import main

INVENTORY = """\
system,procedure_id,procedure,seed_file,seed_lines,kind,call,effect,stand_in,note
shop,I1,Disk full: look,shop.txt,10-12,shell,df -h,R,FS,
shop,I1,Disk full: make room,shop.txt,14,shell,find -delete,D,FS,
shop,I1,Disk full: tell,shop.txt,16,notify,tell the team,N,,
shop,C1,Checklist,shop.txt,30,manual,look at it,-,,
shop,H1,Health: api,shop.txt,40,http,GET /api,R,HTTP,
shop,H1,Health: web,shop.txt,40,http,GET /web,R,HTTP,
bank,I1,Bank closed,bank.txt,1,http,GET /open,R,HTTP,
"""
DISK = """\
title: Disk full
covers: [shop/I1]
steps:
  - id: usage
    covers: ["shop/I1:10-12"]
    check: command.run
    target: host
    with: {argv: [df, -h]}
on_failure:
  - id: room
    covers: ["shop/I1:14"]
    action: command.run
    target: host
    approve: {by: [lead]}
    with: {argv: [find, -delete]}
"""


@pytest.fixture
def books(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "runbooks" / "shop"
    folder.mkdir(parents=True)
    (tmp_path / "inventory.csv").write_text(INVENTORY)
    (folder / "disk.yaml").write_text(DISK)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RUNBOOK_BOOKS", raising=False)
    return folder


def said(capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    """The lines of standard output, each cut where two spaces are."""
    lines = capsys.readouterr().out.splitlines()
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines]


def found(capsys: pytest.CaptureFixture[str], kind: str) -> list[dict[str, object]]:
    objects = map(json.loads, capsys.readouterr().out.splitlines())
    return [one for one in objects if one["type"] == kind]


def step(text: str) -> str:
    return f"title: More\ncovers: [shop/H1]\nsteps:\n{text}"


def test_procedures_are_told_with_their_runbooks_and_what_is_missing_exits_with_1(books, capsys):
    assert main(["coverage", "inventory.csv"]) == 1
    assert said(capsys) == [
        ["PROCEDURE", "NAME", "ROWS", "RUNBOOKS"],
        ["shop/I1", "Disk full", "2/2", "shop/disk"],
        ["shop/C1", "Checklist", "-", "(none)"],
        ["shop/H1", "Health", "0/2", "(none)"],
        ["bank/I1", "Bank closed", "0/1", "(none)"],
        ["1 of 4 procedures, 2 of 5 executable rows"],
    ]


def test_rows_are_told_with_their_steps(books, capsys):
    main(["coverage", "inventory.csv", "shop", "--rows"])
    assert said(capsys) == [
        ["ROW", "KIND", "STEPS", "WHAT"],
        ["shop/I1:10-12", "shell", "shop/disk usage", "df -h"],
        ["shop/I1:14", "shell", "shop/disk room", "find -delete"],
        ["shop/H1:40", "http", "(missing)", "GET /api"],
        ["shop/H1:40", "http", "(missing)", "GET /web"],
        ["1 of 3 procedures, 2 of 4 executable rows"],
    ]


def test_missing_leaves_out_what_is_carried_out(books, capsys):
    main(["coverage", "inventory.csv", "--missing"])
    assert [line[0] for line in said(capsys)] == [
        *("PROCEDURE", "shop/C1", "shop/H1", "bank/I1"),
        "1 of 4 procedures, 2 of 5 executable rows",
    ]


def test_all_carried_out_exits_with_0(books, capsys):
    inventory = Path("inventory.csv")
    inventory.write_text("".join(INVENTORY.splitlines(keepends=True)[:4]))
    assert main(["coverage", "inventory.csv"]) == 0
    assert said(capsys)[-1] == ["1 of 1 procedures, 2 of 2 executable rows"]
    assert main(["coverage", "inventory.csv", "--missing"]) == 0
    assert said(capsys) == [["1 of 1 procedures, 2 of 2 executable rows"]]


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        ("check: human.confirm, with: {question: Is it up?}", "human.confirm"),
        ("action: human.do, with: {instructions: Look}", "human.do"),
        ("action: run.note, with: {text: It is up}", "run.note"),
        ("check: run.value, with: {value: 1}", "run.value"),
        ("wait: 1s", "wait"),
        ("group: Up, steps: [{check: run.value, with: {value: 1}}]", "group"),
    ],
)
def test_a_step_that_reaches_no_system_carries_out_no_executable_row(books, capsys, text, type_):
    (books / "more.yaml").write_text(step(f'  - {{covers: ["shop/H1:40"], {text}}}\n'))
    main(["coverage", "inventory.csv", "shop"])
    *_, told, total = said(capsys)
    assert told[0] == "doubtful"
    assert told[1].startswith(
        f"runbooks/shop/more.yaml:4:16: {type_} neither asks nor does what shop/H1:40 says"
    )
    assert total == ["2 of 3 procedures, 2 of 4 executable rows"]


def test_rows_with_the_same_lines_need_a_step_each(books, capsys):
    one = '  - {id: STEP, covers: ["shop/H1:40"], check: http.request, target: api}\n'
    (books / "more.yaml").write_text(step(one.replace("STEP", "api")))
    main(["--json", "coverage", "inventory.csv", "shop"])
    assert found(capsys, "total")[0]["rows_covered"] == 3
    (books / "more.yaml").write_text(step(one.replace("STEP", "a") + one.replace("STEP", "b")))
    main(["--json", "coverage", "inventory.csv", "shop"])
    assert found(capsys, "total")[0]["rows_covered"] == 4


def test_a_probe_and_a_called_runbook_carry_out_rows_too(books, capsys):
    (books / "more.yaml").write_text(
        step(
            "  - action: http.request\n    target: api\n    with: {method: POST, path: /x}\n"
            '    probe: {covers: ["shop/H1:40"], check: http.request, target: api}\n'
            '  - {id: all, covers: ["shop/H1:40"], runbook: shop/disk}\n'
        )
    )
    main(["--json", "coverage", "inventory.csv", "shop", "--rows"])
    rows = [row for row in found(capsys, "row") if row["row"] == "shop/H1:40"]
    assert [row["covered"] for row in rows] == [True, True]
    assert [one["step"] for one in rows[0]["steps"]] == ["http-request-2", "all"]


def test_a_row_that_changes_something_should_not_be_left_to_a_check(books, capsys):
    text = DISK.replace('    covers: ["shop/I1:14"]\n', "")
    text = text.replace('"shop/I1:10-12"', '"shop/I1:10-12", "shop/I1:14"')
    (books / "disk.yaml").write_text(text)
    main(["coverage", "inventory.csv", "shop"])
    assert said(capsys)[-2] == [
        "doubtful",
        (
            "runbooks/shop/disk.yaml:5:32: shop/I1:14 changes something, and only command.run "
            "stands for it (shell: find -delete)"
        ),
    ]


@pytest.mark.parametrize(
    ("was", "now", "told"),
    [
        (
            "[shop/I1]",
            "[shop/I1, shop/I2]",
            "disk.yaml:2:19: the inventory has no procedure 'shop/I2' (did you mean 'shop/I1'?)",
        ),
        (
            "[shop/I1]",
            '["shop/I1:10-12"]',
            (
                "disk.yaml:2:11: the inventory has no procedure 'shop/I1:10-12' (lines of a "
                "document are named by steps, the head names procedures)"
            ),
        ),
        (
            "shop/I1:10-12",
            "shop/I1:10",
            (
                "disk.yaml:5:15: the inventory has no row 'shop/I1:10' (shop/I1 has the lines "
                "10-12, 14, 16)"
            ),
        ),
        (
            "shop/I1:10-12",
            "shop/J1:10-12",
            "disk.yaml:5:15: the inventory has no row 'shop/J1:10-12' (did you mean 'shop/I1'?)",
        ),
    ],
)
def test_a_name_that_stands_for_nothing_is_told_with_its_place(books, capsys, was, now, told):
    (books / "disk.yaml").write_text(DISK.replace(was, now, 1))
    assert main(["coverage", "inventory.csv", "shop"]) == 1
    assert said(capsys)[-2] == ["unknown", f"runbooks/shop/{told}"]


def test_names_of_a_system_that_is_not_asked_for_are_left_alone(books, capsys):
    main(["coverage", "inventory.csv", "bank"])
    assert said(capsys)[1:] == [
        ["bank/I1", "Bank closed", "0/1", "(none)"],
        ["0 of 1 procedures, 0 of 1 executable rows"],
    ]


def test_a_runbook_that_does_not_read_is_told_and_counts_for_nothing(books, capsys):
    (books / "disk.yaml").write_text(DISK.replace("steps:", "stepz:"))
    assert main(["coverage", "inventory.csv"]) == 1
    out, err = capsys.readouterr()
    assert "0 of 4 procedures" in out
    assert "shop/disk does not read and counts for nothing: runbook lint shop/disk" in err


@pytest.mark.parametrize(
    ("arguments", "content", "told"),
    [
        (["inventory.csv", "shpo"], INVENTORY, "no system 'shpo'\nhelp: did you mean 'shop'"),
        (["nothing.csv"], INVENTORY, "nothing.csv cannot be read: No such file or directory"),
        (["inventory.csv"], "system,call\n", "inventory.csv has no column 'procedure_id'"),
        (["inventory.csv"], INVENTORY.replace(",40,", ",,"), "inventory.csv:6: the column 'seed"),
    ],
)  # fmt: skip
def test_an_inventory_that_cannot_be_read_exits_with_2(books, capsys, arguments, content, told):
    Path("inventory.csv").write_text(content)
    assert main(["coverage", *arguments]) == 2
    err = capsys.readouterr().err
    assert told.split("\n")[0] in err
    assert told.split("\n")[-1] in err
