"""From an address to a store."""

from __future__ import annotations

import os
import stat

import pytest

from engine.errors import JournalError, NotYet, Usage
from engine.journal.memory import MemoryStore
from engine.journal.open import open_store
from engine.journal.sqlite import SqliteStore


async def test_a_sqlite_address_makes_the_file_and_folders_for_their_owner_only(tmp_path):
    old = os.umask(0)
    try:
        store = open_store(f"sqlite://{tmp_path}/a/b/journal.db")
    finally:
        os.umask(old)
    assert isinstance(store, SqliteStore)
    assert await store.runs() == []
    await store.close()
    modes = [
        stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a", "a/b", "a/b/journal.db")
    ]
    assert modes == [0o700, 0o700, 0o600]


async def test_what_is_there_keeps_its_permissions(tmp_path):
    await open_store(f"sqlite://{tmp_path}/journal.db").close()
    (tmp_path / "journal.db").chmod(0o640)
    tmp_path.chmod(0o750)
    await open_store(f"sqlite://{tmp_path}/journal.db").close()
    assert stat.S_IMODE((tmp_path / "journal.db").stat().st_mode) == 0o640
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o750


async def test_an_absolute_address_may_have_four_slashes_as_others_write_it(tmp_path):
    store = open_store(f"sqlite:///{tmp_path}/journal.db")
    (tmp_path / "journal.db").unlink()
    with pytest.raises(JournalError, match=f"the journal {tmp_path}/journal.db was removed"):
        await store.create("r1", [], "h:1:1")
    await store.close()


@pytest.mark.parametrize(
    "url", ["sqlite:here.db", "sqlite:./here.db", "sqlite:///~/here.db", "sqlite:~/here.db"]
)
async def test_an_address_may_be_relative_or_start_at_home(tmp_path, monkeypatch, url):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    await open_store(url).close()
    assert (tmp_path / "here.db").exists()


@pytest.mark.parametrize("name", ["with space.db", "a?mode=ro.db", "ü#1%20.db"])
async def test_any_file_name_will_do(tmp_path, name):
    store = open_store(f"sqlite://{tmp_path}/{name}")
    await store.runs()
    await store.close()
    assert (tmp_path / name).exists()


async def test_the_memory_address_gives_a_store_in_memory():
    assert isinstance(open_store("memory:"), MemoryStore)


def test_postgresql_is_told_to_come_later():
    with pytest.raises(NotYet, match="PostgreSQL comes with a later version"):
        open_store("postgresql://host/db")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "is not the address of a store"),
        ("journal.db", "is not the address of a store"),
        ("mysql://host/db", "is not the address of a store"),
        ("sqlite:", "names no file"),
        ("sqlite:///", "names no file"),
        ("sqlite:///some/folder/", "names no file"),
        ("sqlite://host/path", "names a host"),
        ("sqlite:~nobody-of-this-name/x.db", "names no home folder"),
    ],
)
def test_an_address_that_is_none_is_told(url, message):
    with pytest.raises(Usage, match=message) as caught:
        open_store(url)
    assert "sqlite:///absolute/path" in (caught.value.help or "") or "home" in message


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match=r"cannot be made: .*file.*: Not a directory") as caught:
        open_store(f"sqlite://{tmp_path}/file/journal.db")
    assert "RUNBOOK_STORE" in caught.value.help


def test_a_folder_in_the_files_place_is_told(tmp_path):
    with pytest.raises(JournalError, match="cannot be opened"):
        open_store(f"sqlite://{tmp_path}")
