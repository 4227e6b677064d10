"""What a run says at its end can be typed again."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from ganforge.core.words import readable, split_options
from ganforge.runs import summary

WORDS = [
    "trainer.devices=2",
    "--config-dir",
    "my folder",
    "term=[r1, drift]",
    "data.source.path='it\\'s, here'",
    "x=$HOME",
]

CHANGES = ("seed=4", "loss=hinge", "total_kimg=3 resume=extend")


@pytest.fixture
def next_lines(monkeypatch, tmp_path):
    """Return a function of a command's words that gives the commands that its run's end proposes."""

    class Folder:
        path = tmp_path

        def status(self):
            return {"command": ["ganforge", "train", *self.words]}

    def lines(words):
        said, folder = [], Folder()
        folder.words = words
        with monkeypatch.context() as patched:
            patched.setattr(summary, "say", said.append)
            summary.print_summary(OmegaConf.create({"seed": 3, "total_kimg": 1.5}), folder, {})
        return [shlex.split(line) for line in said if line.startswith("  ganforge ")]

    return lines


def test_every_word_is_kept_but_those_of_this_run(next_lines):
    passing = ["resume=true", "force=true", "seed=3", "total_kimg=1.5", "loss=wasserstein"]
    for line, change in zip(next_lines([*WORDS, *passing]), CHANGES, strict=True):
        assert line == ["ganforge", "train", *WORDS, *change.split()]


def test_keys_that_only_begin_alike_stay(next_lines):
    words = ["loss.margin=1", "resume_none=1", "seeds=3"]
    assert next_lines(words)[0] == ["ganforge", "train", *words, "seed=4"]


@given(st.lists(st.text(min_size=1).map(lambda text: f"name={text}"), max_size=3))
def test_what_is_proposed_is_read_as_what_was_typed(words):
    _, others = split_options(shlex.split(shlex.join(words)))
    assert readable(others, False) == readable(words, False)
