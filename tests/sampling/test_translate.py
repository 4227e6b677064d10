"""``ganforge sample mode=translate``, and sheets while training: by the command line, on pairs."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from ganforge import cli
from ganforge.conditioning import Given
from ganforge.data.modality import Images
from ganforge.latents import Normal
from ganforge.runs.restore import restore
from ganforge.sampling.sampler import Sampler
from ganforge.sampling.translation import contact_sheet, translated

PAIRS = Path(__file__).parents[1] / "packages" / "pairs"
SMALL = [
    "network.width=4",
    "debug=smoke",
    "callbacks.curves=null",
    "logger=csv",
    "trainer=cpu",
    "total_kimg=0.064",
    "data.image_size=16",
]


def train(model, data, *overrides):
    words = ["train", "--config-dir", str(PAIRS), "trust=[pairs]", f"model={model}", f"data={data}", *SMALL]
    assert cli.main([*words, *overrides]) == 0


def opened(path):
    with Image.open(path) as image:
        return torch.from_numpy(np.asarray(image.convert("RGB")).copy()).permute(2, 0, 1)


class Same(nn.Module):
    """Returns its condition, and asks for sides that are multiples of 8."""

    multiple = 8

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, latent, condition=None):
        assert not condition.shape[2] % 8
        assert not condition.shape[3] % 8
        return self.weight * condition


@pytest.mark.parametrize("size", [(16, 24), (13, 21), (1, 9), (5, 3)])
def test_any_size_is_padded_and_cut_back(size):
    pictures = torch.rand(2, 3, *size) * 2 - 1
    sampler = Sampler(Same(), None, Given("source"), Images(16, 3))
    assert torch.equal(translated(sampler, pictures), pictures)


def test_a_sheet_has_a_row_a_picture():
    first, second = torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.full((2, 3, 8, 8), 9, dtype=torch.uint8)
    sheet = contact_sheet([first, second])
    assert sheet.shape == (3, 2 * 10 + 2, 2 * 10 + 2)
    assert sheet[:, 2:10, 2:10].unique().tolist() == [0]
    assert sheet[:, 2:10, 12:20].unique().tolist() == [9]


def test_pix2pix_from_training_to_a_sheet(run_folder):
    train("pix2pix", "pairs", "network.layers=1", "protocol=[paired]", "protocol.paired.extractor.side=32")
    folder = run_folder()
    scores = json.loads((folder / "run.json").read_text())["scores"]
    assert {"psnr", "ssim", "l1", "fid"} <= scores.keys()
    assert json.loads((folder / "run.json").read_text())["criterion"] == "psnr"
    run = restore(folder)
    heldout, sampler = run.splits().heldout, run.sampler()
    latest = opened(folder / "samples" / "latest.png")
    assert latest.shape == (3, 4 * 18 + 2, 3 * 18 + 2)  # rows of source, output, target
    assert any(torch.equal(latest[:, 2:18, 2:18], source) for source in heldout.given["source"].read())

    assert cli.main(["sample", str(folder), "mode=translate", "n=3", "output=sheet.png"]) == 0
    sheet = opened("sheet.png")
    assert sheet.shape == (3, 3 * 18 + 2, 3 * 18 + 2)
    for row in range(3):
        top = slice(2 + 18 * row, 18 + 18 * row)
        (source, target), at = (heldout.given["source"], heldout.data), torch.tensor([row])
        known = source[at], sampler.draw(None, source.modality.decode(source[at])), target[at]
        for column, (expected,) in enumerate(known):
            assert torch.equal(sheet[:, top, 2 + 18 * column : 18 + 18 * column], expected)


def test_pictures_of_ones_own(run_folder, tmp_path, capsys):
    train("pix2pix_l1", "pairs", "protocol=[]", "callbacks.health=null")
    folder = run_folder()
    photos = tmp_path / "photos"
    photos.mkdir()
    for name, size in (("tall.png", (20, 35)), ("wide.jpg", (40, 16))):
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (*size[::-1], 3), np.uint8)).save(photos / name)
    words = ["sample", str(folder), "mode=translate", f"mode.source={photos}", "output=out"]
    assert cli.main(words) == 0
    assert {path.name: opened(path).shape[1:] for path in Path("out").iterdir()} == {
        "tall.png": (35, 20),
        "wide.png": (16, 40),
    }
    assert cli.main([*words, "force=true"]) == 0
    assert cli.main(["sample", str(folder), "mode=translate", f"mode.source={photos / 'tall.png'}", "output=one"]) == 0
    assert (Path("one") / "tall.png").read_bytes() == (Path("out") / "tall.png").read_bytes()
    assert cli.main([*words[:-1], "output=fitted", "mode.resize=true"]) == 0
    assert {opened(path).shape[1:] for path in Path("fitted").iterdir()} == {(16, 16)}
    assert "2 pictures translated at 16 x 16 pixels, as in training." in capsys.readouterr().out

    (photos / "letter.png").write_text("Dear Sir")
    (photos / "cut.jpg").write_bytes((photos / "wide.jpg").read_bytes()[:40])
    assert cli.main([*words, "force=true"]) == 0
    said = capsys.readouterr().out
    assert "2 pictures translated at their own sizes; mode.resize=true translates them at 16 x 16" in said
    assert "cut.jpg' cannot be read" in said
    assert "So were 1 more." in said
    assert cli.main(["sample", str(folder), "mode=translate", f"mode.source={photos / 'letter.png'}", "output=x"]) == 1
    assert "letter.png' cannot be read" in capsys.readouterr().err
    assert not Path("x").exists()
    (Path("out") / "mine.png").write_bytes(b"")
    capsys.readouterr()
    assert cli.main([*words, "force=true"]) == 1
    assert "holds 'mine.png'" in capsys.readouterr().err


def test_cyclegan_in_either_direction(run_folder):
    train("cyclegan", "unpaired", "network.layers=1", "protocol=[cycle]", "model.pool_size=3")
    folder = run_folder()
    scores = json.loads((folder / "run.json").read_text())["scores"]
    assert {"a_to_b/cycle_l1", "b_to_a/cycle_l1"} <= scores.keys()
    outputs = {}
    for name in ("a_to_b", "b_to_a"):
        assert cli.main(["sample", str(folder), "mode=translate", f"sampler={name}", "n=2"]) == 0
        outputs[name] = opened(folder / "samples" / f"translate_{name}.png")
        assert outputs[name].shape == (3, 2 * 18 + 2, 2 * 18 + 2)  # there are no pairs
    heldout = restore(folder).splits().heldout
    assert torch.equal(outputs["a_to_b"][:, 2:18, 2:18], heldout.given["source"].read()[0])
    assert torch.equal(outputs["b_to_a"][:, 2:18, 2:18], heldout.data.read()[0])


def test_cyclegan_resumes_to_the_bit(run_folder):
    words = [
        "network.layers=1",
        "network.residual_blocks=1",
        "protocol=[]",
        "model.pool_size=3",
        "data.batch_size=4",
        "callbacks.health=null",
    ]
    words += [f"recipe.schedules.optimizer.{player}.lr.total_kimg=0.096" for player in ("generator", "discriminator")]
    train("cyclegan", "unpaired", *words, "name=whole", "total_kimg=0.096")
    train("cyclegan", "unpaired", *words, "name=parts", "total_kimg=0.048")
    train("cyclegan", "unpaired", *words, "name=parts", "total_kimg=0.096", "resume=extend")
    states = [restore(next(Path("outputs").glob(f"{name}/*/config.yaml")).parent).module for name in ("whole", "parts")]
    (whole, parts) = (module.state_dict() for module in states)
    assert all(torch.equal(whole[key], parts[key]) for key in whole if isinstance(whole[key], torch.Tensor))


#: What is typed after a run, and the sentence that it gets.
BAD_INPUT = {
    "mode.source=nowhere.png": "'nowhere.png' is not there",
    "mode.format=png mode.source=a": "leave mode.source out",
    "mode.format=zip": "mode.format must be png or folder",
    "mode.label=1": "mode.label needs a run that is conditioned on labels",
    "n=0": "n must be a whole number",
}


def test_bad_input_is_one_sentence(run_folder, capsys):
    train("pix2pix_l1", "pairs", "protocol=[]", "callbacks.health=null")
    for words, sentence in BAD_INPUT.items():
        capsys.readouterr()
        assert cli.main(["sample", str(run_folder()), "mode=translate", *words.split()]) == 1
        said = capsys.readouterr().err.strip()
        assert sentence in said
        assert len(said.splitlines()) == 1


def test_what_draws_from_noise_translates_nothing():
    sampler = Sampler(Same(), Normal(4), None, Images(16, 3))
    assert sampler.source is None


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["model=pix2pix"], "term.reconstruction compares each sample with the target of its source"),
        (["model=pix2pix_l1"], "term.reconstruction compares each sample with the target of its source"),
        (["model=cut", "term=[patch_nce,reconstruction]"], "term.reconstruction compares"),
        (["model=pix2pix", "term=[]"], "The discriminator judges each sample beside its source"),
        (["model=pix2pixhd", "network.halvings=2"], "term.layer_matching compares"),
    ],
)
def test_losses_that_need_pairs_refuse_unpaired_data_before_training(words, sentence, capsys):
    layers = [] if words[0] == "model=pix2pix_l1" else ["network.layers=1"]
    common = ["train", "--config-dir", str(PAIRS), "trust=[pairs]", "data=unpaired", "protocol=[]"]
    assert cli.main([*common, *words, *layers, *SMALL]) == 1
    said = capsys.readouterr()
    assert sentence in said.err
    assert "the data are unpaired: choose paired data" in said.err
    assert "images/s" not in said.out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["model=pix2pix", "data=pairs", "protocol=[cycle]"], "needs a way back"),
        (["model=cut", "data=unpaired", "protocol=[paired]"], "needs the truth of each sample"),
        (["model=dcgan", "network=mlp", "data=pairs", "protocol=[paired]"], "this generator takes none"),
    ],
)
def test_protocols_that_a_run_cannot_answer_are_refused_before_training(words, sentence, capsys):
    layers = ["network.layers=1"] if "dcgan" not in words[0] else []
    common = ["train", "--config-dir", str(PAIRS), "trust=[pairs]"]
    assert cli.main([*common, *words, *layers, *SMALL]) == 1
    said = capsys.readouterr()
    assert sentence in said.err
    assert "images/s" not in said.out
