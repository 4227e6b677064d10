"""A study writes into no file that no study has begun, and keeps no password."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ganforge.core.config import compose
from ganforge.core.errors import GanforgeError
from ganforge.tuning.plan import Plan

optuna = pytest.importorskip("optuna")

from ganforge.tuning.storage import open_storage  # noqa: E402


@pytest.mark.parametrize(
    "content", [b"a note\nanother without an end", b"SQLite format 3\x00" + b"\0" * 84, b"{}", b"\n"]
)
def test_somebody_else_s_file_is_left_as_it_is(content):
    Path("notes.txt").write_bytes(content)
    with pytest.raises(GanforgeError, match=r"tune\.storage='notes\.txt' is a file that no study has begun"):
        open_storage("notes.txt")
    assert Path("notes.txt").read_bytes() == content
    assert [path.name for path in Path().iterdir()] == ["notes.txt"]


def test_somebody_else_s_database_is_left_as_it_is():
    with closing(sqlite3.connect("study.db")) as database:
        database.execute("CREATE TABLE mine (x)")
        database.commit()
    before = Path("study.db").read_bytes()
    with pytest.raises(GanforgeError, match="a database that no study has begun"):
        open_storage("sqlite:///study.db")
    assert Path("study.db").read_bytes() == before


@pytest.mark.parametrize("address", ["study.log", "sqlite:///studies.db"])
def test_a_study_s_own_is_opened_again(address):
    optuna.create_study(storage=open_storage(address), study_name="a")
    assert [study.study_name for study in open_storage(address).get_all_studies()] == ["a"]


def test_half_a_first_line_is_a_journal_s():
    Path("study.log").write_bytes(b'{"op_code":0,"wor')
    optuna.create_study(storage=open_storage("study.log"), study_name="a")
    assert len(open_storage("study.log").get_all_studies()) == 1


def test_a_password_is_in_no_file_of_the_study(monkeypatch):
    monkeypatch.delenv("GANFORGE_STUDY_STORAGE", raising=False)
    address = "postgresql://me:swordfish@host/studies"
    config = compose(["data=digits", f"tune.storage={address}", "name=s"], "tune")
    plan, _ = Plan.of(config, ["data=digits", "+mine.token=swordfish"])
    plan.share()
    assert "swordfish" not in plan.file.read_text()
    assert Plan.read(plan.file).storage == address  # in this process, and those that it starts
    monkeypatch.delenv("GANFORGE_STUDY_STORAGE")
    assert Plan.read(plan.file).storage == "postgresql://me:***@host/studies"
    assert "swordfish" not in "".join(os.environ.values())


def test_a_plan_replaces_no_file_of_somebody_else():
    plan, _ = Plan.of(compose(["data=digits", "name=s"], "tune"), ["data=digits"])
    plan.folder.mkdir(parents=True)
    plan.file.write_text("my: notes\n")
    with pytest.raises(GanforgeError, match="is no study of ganforge's"):
        plan.share()
    assert plan.file.read_text() == "my: notes\n"
