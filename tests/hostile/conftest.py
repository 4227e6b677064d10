"""What a nonsense command line must meet, in this process: one sentence, an exit status of 1 or 2, nothing written."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from ganforge import cli

#: A training of seconds, whose first words nonsense follows.
TINY = [
    "train",
    "data=shapes",
    "data.source.count=64",
    "data.source.heldout=16",
    "protocol=[]",
    "logger=csv",
    "trainer=cpu",
    "network.width=4",
    "total_kimg=0.032",
    "data.batch_size=16",
    "data.image_size=16",
    "callbacks.health.images=8",
]


@pytest.fixture
def refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Return a function of a command line that holds all that, and returns the sentence."""

    def refuse(words: Sequence[str]) -> str:
        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
        try:
            status = cli.main(words)
        except SystemExit as stop:
            status = int(stop.code or 0)
        sentence = capfd.readouterr().err.strip()
        assert status in (1, 2), (status, sentence)
        assert len(sentence.splitlines()) == 1, sentence
        assert sentence.startswith("ganforge: "), sentence
        assert "Traceback" not in sentence
        assert "--help', or add debug=true" not in sentence, sentence  # a library's text, not a sentence of ours
        assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
        return sentence

    return refuse
