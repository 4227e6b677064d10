"""People's own files of configuration: read as they are meant, or named in one sentence."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ganforge import cli
from ganforge.runs.folder import RunFolder
from quick import QUICK

BODY = "# @package _global_\ntotal_kimg: 0.032\n"

FILES = {
    "utf16": (BODY.encode("utf-16"), "is not in UTF-8"),
    "latin": ("# @package _global_\nname: Möwe\n".encode("latin-1"), "is not in UTF-8"),
    "tabs": (b"# @package _global_\ndata:\n\tbatch_size: 8\n", "line 3: it is indented with tabs: use spaces"),
    "doubled": (b"# @package _global_\nseed: 1\nseed: 2\n", "line 3: a key is there twice"),
    "unclosed": (b"# @package _global_\nseed: [1\n", "it is no YAML"),
    "nul": (b"# @package _global_\nname: x\0\n", "it is no YAML"),
    "header": (b"# @package\nseed: 1\n", "it is no YAML"),
    "list": (b"- seed\n- 1\n", "must hold keys and values"),
    "word": (b"seed\n", "sets 'experiment', which nothing reads"),
    "headless": (b"total_kimg: 0.032\n", "sets 'experiment', which nothing reads: .*# @package _global_"),
    "elsewhere": (b"# @package mine\nseed: 1\n", "sets 'mine', which nothing reads"),
    "typing": (
        b"# @package _global_\ntotal_kmg: 1\n",
        "sets 'total_kmg', .*did you mean total_kimg",
    ),
    "below": (b"# @package _global_\nnetwork: {wdith: 4}\n", "sets 'network.wdith', .*did you mean network.width"),
    "section": (b"# @package _global_\ntrainer: {devces: 2}\n", "no 'trainer.devces'; did you mean devices"),
}


@pytest.fixture
def refused(tmp_path, capsys):
    """Return a function of a file's content that gives the sentence that refuses it."""
    (tmp_path / "mine" / "experiment").mkdir(parents=True)

    def refuse(name, content, *words):
        file = tmp_path / "mine" / "experiment" / f"{name}.yaml"
        file.write_bytes(content)
        place = ["--config-dir", "mine"] if not words else list(words)
        assert cli.main(["train", *place, f"experiment={name}", *QUICK]) == 1
        sentence = capsys.readouterr().err.strip()
        assert len(sentence.splitlines()) == 1, sentence
        assert not (tmp_path / "outputs").exists()
        return sentence

    return refuse


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_cannot_be_meant_is_named(name, refused):
    content, sentence = FILES[name]
    told = refused(name, content)
    assert f"{name}.yaml" in told or name == "section"
    assert re.search(sentence, told), told


def test_folders_of_the_search_path_too(refused, tmp_path):
    assert "headless.yaml" in refused(
        "headless", FILES["headless"][0], f"hydra.searchpath=[file://{tmp_path / 'mine'}]"
    )


def test_a_byte_order_mark_changes_nothing(tmp_path, run_folder):
    (tmp_path / "mine" / "experiment").mkdir(parents=True)
    content = "# @package _global_\ntotal_kimg: 0.016\ndata: {batch_size: 8}\nname: marked\n"
    (tmp_path / "mine" / "experiment" / "marked.yaml").write_bytes(content.encode("utf-8-sig"))
    words = ["experiment=marked", "logger=csv", "trainer=cpu", "network.width=4", "protocol=[]"]
    assert cli.main(["train", "--config-dir", "mine", *words]) == 0
    assert run_folder().parent.name == "marked"
    assert RunFolder(run_folder()).status()["images_seen"] == 16


def test_what_is_referred_to_is_read(tmp_path, capsys):
    (tmp_path / "mine" / "experiment").mkdir(parents=True)
    content = "# @package _global_\nserver: {kimg: -1}\ntotal_kimg: ${server.kimg}\n"
    (tmp_path / "mine" / "experiment" / "uses.yaml").write_text(content)
    assert cli.main(["train", "--config-dir", "mine", "experiment=uses"]) == 1
    assert "server.kimg must be a number greater than 0" in capsys.readouterr().err


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(min_size=1, max_size=40))
def test_no_content_is_taken_for_nothing(content, refused):
    """Random bytes at the top of an experiment: a sentence, whatever they are."""
    refused("random", b"# @package nobody\nkey: 1\n" + content)
