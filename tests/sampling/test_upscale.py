"""``ganforge sample mode=upscale`` and mode=translate in another picture's style: own pictures of any size."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from ganforge.conditioning import Given
from ganforge.core.errors import GanforgeError
from ganforge.data.columns import DATA, Column, Split
from ganforge.data.images import normalise
from ganforge.data.modality import Images
from ganforge.latents import Normal
from ganforge.models.stargan import HeldOut
from ganforge.networks.rrdb import Generator
from ganforge.sampling import Origin, Sampler, SeededSampler, translate, upscale

COLOUR = Images(16, 3)
HELDOUT = Split(
    Column(torch.arange(4).mul(20).view(4, 1, 1, 1).expand(4, 3, 16, 16).to(torch.uint8), COLOUR),
    {"source": Column(torch.arange(4).mul(9).view(4, 1, 1, 1).expand(4, 3, 16, 16).to(torch.uint8), COLOUR)},
)


class Mean(nn.Module):
    """The mean of content and of the mean of the style."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, latent, condition=None):
        return self.weight * (condition + latent.mean((1, 2, 3), keepdim=True)) / 2


def sampler(network, latent=None, conditioning=None, source=COLOUR):
    modalities = {DATA: COLOUR, "source": source}
    origin = Origin("run", "run/last.ckpt", lambda: HELDOUT.data, None, dict, lambda: HELDOUT, modalities)
    drawn = Sampler(network.eval(), latent, conditioning or Given("source"), COLOUR)
    return SeededSampler(drawn, origin, device="cpu")


def written(result, name, folder="out"):
    result.save(folder)
    with Image.open(Path(folder) / f"{name}.png") as picture:
        return torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)


@pytest.fixture
def picture(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 255, (13, 21, 3), np.uint8)
    Image.fromarray(pixels).save("mine.png")
    return torch.from_numpy(pixels).permute(2, 0, 1)


@pytest.mark.parametrize("scale", [2, 4])
def test_own_pictures_are_enlarged_as_they_are(scale, picture):
    torch.manual_seed(0)
    network = Generator(16, width=4, blocks=1, growth=2, scale=scale)
    drawn = written(upscale(sampler(network), "mine.png"), "mine")
    assert drawn.shape == (3, 13 * scale, 21 * scale)
    padded = nn.functional.pad(normalise(picture)[None], (0, 21 % (4 // scale), 0, 13 % (4 // scale)), "reflect")
    known = COLOUR.encode(network(None, padded))[0, :, : 13 * scale, : 21 * scale]
    assert (drawn.int() - known.int()).abs().max() <= 1


def test_a_folder_is_enlarged_and_the_sentence_counts(picture):
    Path("photos").mkdir()
    for name in ("a", "b"):
        Image.new("L", (9, 8), 100).save(f"photos/{name}.png")
    result = upscale(sampler(Generator(16, width=4, blocks=1, growth=2)), "photos")
    assert written(result, "b").shape == (3, 32, 36)
    assert result.note == "2 pictures enlarged 4 times."


def test_content_is_drawn_in_the_style_of_ones_own(picture):
    Image.new("RGB", (40, 8), (255, 255, 255)).save("white.png")
    transfer = sampler(Mean(), HeldOut())
    drawn = written(translate(transfer, source="mine.png", style="white.png"), "mine")
    assert (drawn - (picture.float() + 255) / 2).abs().max() <= 1
    heldout = written(translate(transfer, n=2, format="folder", style="white.png"), "000001", "rows")
    assert heldout.unique().tolist() == [(9 + 255) // 2]


def test_a_sheet_shows_content_output_and_the_style_of_another_row():
    sheet = translate(sampler(Mean(), HeldOut()), n=2)
    assert "source, output, style" in sheet.note
    for row in range(2):
        top = slice(2 + 18 * row, 18 + 18 * row)
        columns = [sheet.pixels[:, top, 2 + 18 * k : 18 + 18 * k].float().mean().item() for k in range(3)]
        content, style = 9 * row, 20 * (row + 1)
        assert columns == pytest.approx([content, (content + style) / 2, style], abs=0.6)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: upscale(sampler(Mean(), HeldOut()), "mine.png"), "enlarges nothing: use mode=translate"),
        (lambda: upscale(sampler(Generator(16, width=4, blocks=1))), "Say what to enlarge: mode.source=FILE"),
        (lambda: upscale(sampler(Generator(16, width=4, blocks=1)), "nowhere"), "'nowhere' is not a folder"),
        (lambda: upscale(sampler(Mean(), Normal(3))), "enlarges nothing"),
        (
            lambda: translate(sampler(Mean(), HeldOut()), source="mine.png"),
            "style to draw: mode.style=FILE",
        ),
        (lambda: translate(sampler(Mean(), HeldOut()), style="mine.png"), "A sheet shows held-out styles"),
        (lambda: translate(sampler(Mean()), source="mine.png", style="mine.png"), "runs of model=adain, and 'run'"),
        (
            lambda: translate(sampler(Mean(), HeldOut()), source="mine.png", style="no.png").save("out"),
            "'no.png' cannot be read",
        ),
    ],
)
def test_bad_input_is_one_sentence(call, sentence, picture):
    with pytest.raises(GanforgeError, match=sentence):
        call()
