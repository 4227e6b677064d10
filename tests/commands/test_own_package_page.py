"""The page on a package of one's own is a test: its files are written, and its commands typed."""

import json
import re
import shlex
import sys
from pathlib import Path

import pytest

from ganforge import cli
from ganforge.core.trust import trust_file

PAGE = Path(__file__).parents[2] / "docs" / "own_package.md"


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """Write the page's files into the working folder, and return the lines of its commands."""
    text = PAGE.read_text()
    for path, content in re.findall(r"^`([\w./]+)`:\n\n```\w+\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(content)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield re.search(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[1].splitlines()
    for name in [name for name in sys.modules if name.partition(".")[0] == "mine"]:
        del sys.modules[name]


def test_every_command_of_the_page(commands, capsys):
    assert {path.name for path in Path("mine").iterdir()} == {"networks.py", "losses.py", "discs.py"}
    assert len(commands) == 6
    assert [line.split()[1] for line in commands] == ["train", "train", "evaluate", "sample", "sample", "compare"]
    run = ""
    for line in commands:
        _, *words = shlex.split(line)
        assert cli.main([str(run) if word == "RUN" else word for word in words]) == 0, capsys.readouterr().err
        run = run or next(Path("outputs/mine_discs").glob("*/run.json")).parent
    assert capsys.readouterr().out.count("is trusted from now on") == 1
    assert trust_file().read_text().splitlines()[-1] == f"mine: '{Path.cwd()}'"
    record = json.loads((run / "run.json").read_text())
    assert record["state"] == "finished"
    assert re.fullmatch(r"files [0-9a-f]{10}", record["trusted"]["mine"])
    for file in ("samples/grid.png", "samples/export.safetensors", "evaluations/last_256/page.html"):
        assert (run / file).is_file()
    rankings = Path("outputs/comparison/rankings.md").read_text()
    assert "loss=hinge" in rankings
    assert "loss=mine" in rankings


def test_a_module_that_cannot_be_imported_is_one_sentence(commands, capsys):
    Path("mine/losses.py").write_text("import nowhere_to_be_found\n")
    assert cli.main(shlex.split(commands[0])[1:]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "'mine.losses' of the trusted package 'mine' cannot be imported (ModuleNotFoundError: No module" in error


def test_a_class_that_is_not_there_is_one_sentence(commands, capsys):
    words = shlex.split(commands[0])[1:]
    assert cli.main([*words, "loss._target_=mine.losses.Missing"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "asks to build 'mine.losses.Missing', and the trusted package 'mine' defines no such class" in error


def test_another_package_of_the_same_name_is_not_imported(commands, capsys, monkeypatch):
    """A stranger's folder that happens to hold a trusted name is not looked into."""
    trust_file().parent.mkdir(parents=True)
    trust_file().write_text(f"mine: '{Path.cwd()}'\n")
    stranger = Path("stranger")
    stranger.joinpath("mine").mkdir(parents=True)
    stranger.joinpath("mine", "losses.py").write_text("raise SystemExit('ran')\n")
    words = [str(Path("conf").resolve()) if word == "conf" else word for word in shlex.split(commands[0])[1:]]
    monkeypatch.chdir(stranger)
    assert cli.main([word for word in words if not word.startswith("trust=")]) == 0
    assert "mine" in sys.modules
    assert Path(sys.modules["mine.losses"].__file__).parent == Path.cwd().parent / "mine"
