"""What every command prints and computes on."""

import pytest
import torch

from ganforge.core.devices import choose_device, named_device
from ganforge.core.errors import GanforgeError, first_line
from ganforge.core.tables import text_table


def test_columns_are_as_wide_as_their_widest_cell():
    assert text_table([["", "a"], ["name", "1"], ["n", "10"]]) == ["       a", "name   1", "   n  10"]
    assert text_table([["run", "fid", "note"], ["a", "9", ""]], left=[0, 2]) == ["run  fid  note", "a      9"]


@pytest.mark.parametrize(
    ("accelerator", "cuda", "mps", "rank", "device"),
    [
        ("auto", True, True, "1", "cuda:1"),
        ("auto", False, True, "0", "mps"),
        ("auto", False, False, "0", "cpu"),
        ("gpu", True, False, "0", "cuda:0"),
        ("cuda", False, True, "0", "cpu"),
        ("mps", True, True, "0", "mps"),
        ("cpu", True, True, "0", "cpu"),
    ],
)
def test_the_device_that_lightning_would_choose(accelerator, cuda, mps, rank, device, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    monkeypatch.setenv("LOCAL_RANK", rank)
    assert choose_device(accelerator) == torch.device(device)


def test_a_device_that_is_not_there():
    assert named_device("cpu") == torch.device("cpu")
    with pytest.raises(GanforgeError, match="device=nonsense is not there"):
        named_device("nonsense")


@pytest.mark.parametrize(("text", "line"), [("\n  first.\nmore", "first."), ("", "ValueError"), (" \n", "ValueError")])
def test_first_line(text, line):
    assert first_line(ValueError(text)) == line
