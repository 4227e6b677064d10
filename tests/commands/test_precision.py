"""Every precision that Lightning knows computes what it says, or is refused before anything is written."""

from pathlib import Path
from typing import get_args

import pytest
import torch
from lightning_fabric.plugins.precision.precision import _PRECISION_INPUT

from ganforge import cli
from ganforge.commands import train as train_module
from quick import QUICK

NAMES = [name for union in get_args(_PRECISION_INPUT) for name in get_args(union)]


@pytest.mark.parametrize("name", NAMES, ids=str)
def test_on_the_cpu(name, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    trained = []
    announce = train_module.announce
    monkeypatch.setattr(train_module, "announce", lambda *told: (trained.append(told[-1]), announce(*told)))
    status = cli.main(["train", *QUICK, "protocol=[]", f"trainer.precision={name}"])
    if status == 0:
        assert trained[0].precision == name
        assert f"({name})" in capsys.readouterr().out
    else:
        sentence = capsys.readouterr().err.strip()
        assert len(sentence.splitlines()) == 1
        assert "32-true" in sentence
        assert not Path("outputs").exists()


def test_float16_where_there_is_no_cuda_device_names_what_to_use(capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert cli.main(["train", *QUICK, "trainer=auto", "trainer.precision=16-mixed"]) == 1
    assert "needs a CUDA device: use trainer.precision=bf16-mixed here, or 32-true." in capsys.readouterr().err
