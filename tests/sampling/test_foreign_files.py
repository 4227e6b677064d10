"""Files of other programs are not replaced by what a mode writes."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from ganforge.core.errors import GanforgeError
from ganforge.sampling import Film, Picture, export


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("content", ["{}", "[1]", "no json", '{"generator": 1}'])
def test_a_json_file_beside_exported_weights(make_sampler, content, force):
    sampler = make_sampler(["network.width=4"])
    Path("x.json").write_text(content)
    with pytest.raises(GanforgeError, match=r"'x\.json' was not written by this mode, and is not replaced"):
        export(sampler).save("x.safetensors", force=force)
    assert Path("x.json").read_text() == content
    assert not Path("x.safetensors").exists()


def test_an_export_is_replaced_by_the_next_one_when_asked(make_sampler):
    sampler = make_sampler(["network.width=4"])
    for _ in range(2):
        export(sampler).save("x.safetensors", force=True)
    assert Path("x.json").is_file()


@pytest.mark.parametrize("name", ["holiday.png", "holiday.gif"])
def test_a_picture_of_another_program(name):
    Image.new("RGB", (8, 8)).save(name)
    before = Path(name).read_bytes()
    frames = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
    made = Picture(frames[0]) if name.endswith("png") else Film(frames, 5)
    with pytest.raises(GanforgeError, match="is there already: add force=true to replace it"):
        made.save(name)
    assert Path(name).read_bytes() == before
    made.save(name, force=True)
    made.save(name)  # its own
    assert Path(name).read_bytes() != before
