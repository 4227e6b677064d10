"""``ganforge sample mode=caption``, and captions while training: what is written stands over what is drawn of it."""

from pathlib import Path

import pytest
import torch

from ganforge import cli
from ganforge.callbacks.samples import SampleGrid
from ganforge.core.errors import GanforgeError
from ganforge.data.captioned import CaptionedFolder
from ganforge.data.columns import TEXT
from ganforge.data.modality import Images
from ganforge.data.texts import byte_texts
from ganforge.sampling import caption, export, grid, translate
from ganforge.sampling.captions import caption_sheet
from ganforge.sampling.export import Drawing
from quick import QUICK

SMALL = ["data.source.count=8", "data.source.heldout=12", "network.width=4", "text_encoder.dim=8", "latent.dim=6"]
RED, BLUE = "a red circle left of a blue square", "a blue circle above a yellow star"


@pytest.fixture
def told(make_sampler):
    return make_sampler(["model=gan_int_cls", "data=scenes", "data.image_size=16", *SMALL])


def test_a_row_a_caption_and_a_column_a_latent(told, tmp_path):
    (tmp_path / "captions.txt").write_text(f"{RED}\n\n{BLUE}\n")
    both = caption(told, n=3, file=str(tmp_path / "captions.txt"))
    assert both.pixels.shape == (3, 2 * (14 + 20), 8 + 6 * max(len(RED), len(BLUE)))
    alone = caption(told, n=3, text=RED)
    assert torch.equal(both.pixels[:, :34, : alone.pixels.shape[2]], alone.pixels)
    tokens = told.origin.modalities[TEXT].tokenise([RED] * 3)
    drawn = told.draw(told.latents(3), tokens)
    assert torch.equal(alone.pixels[:, 16 : 16 + 16, 2:18], drawn[0])
    assert not torch.equal(drawn[0], told.draw(told.latents(3), told.origin.modalities[TEXT].tokenise([BLUE] * 3))[0])
    assert caption(told, n=1, text=RED.upper() + "!").pixels.shape == caption(told, n=1, text=RED).pixels.shape


def test_held_out_captions_stand_beside_the_real_pictures(told):
    heldout = told.run.splits().heldout
    sheet = caption(told, n=2).pixels
    assert sheet.shape[1] == 8 * (14 + 20)
    assert torch.equal(sheet[:, 16:32, 2 + 2 * 18 : 2 + 2 * 18 + 16], heldout.data[torch.arange(1)][0])
    while_training = SampleGrid("", 1, images=12).picture(told.sampler, told.run.data)
    assert while_training.shape[1] == 3 * (14 + 20)
    assert (while_training[:, :14] < 128).any()


def test_captions_are_written_into_the_picture():
    images = torch.zeros(2, 1, 3, 4, 4, dtype=torch.uint8)
    one, other = caption_sheet(["a", "b"], images), caption_sheet(["a", "a"], images)
    assert torch.equal(one[:, :20], other[:, :20])
    assert not torch.equal(one, other)


def test_a_folder_of_drawings_is_a_dataset(told, tmp_path):
    caption(told, n=2, text=RED, format="folder").save(tmp_path / "drawn")
    again = caption(told, n=3, text=BLUE, format="folder")
    with pytest.raises(GanforgeError, match="force=true"):
        again.save(tmp_path / "drawn")
    again.save(tmp_path / "drawn", force=True)
    splits = CaptionedFolder(str(tmp_path / "drawn"), str(tmp_path / "cache"), heldout=0.3, workers=0).load(
        Images(16, 3)
    )
    texts = [byte_texts(split.given[TEXT].read()) for split in (splits.train, splits.heldout)]
    assert texts == [[BLUE] * 2, [BLUE]]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"text": "a purple circle"},
            "mode.text holds 'purple', and this run reads: a, above, an, below, blue, circle",
        ),
        ({"text": "a a a a a a a a a"}, "mode.text holds a caption of 9 words, and this run reads 1 to 8"),
        ({"text": "  "}, "mode.text holds a caption of 0 words"),
        ({"text": "a", "file": "b"}, "mode.text and mode.file both say what to draw"),
        ({"file": "nowhere.txt"}, r"mode.file 'nowhere.txt' cannot be read as UTF-8 text"),
        ({"text": "a", "format": "zip"}, "mode.format must be png or folder"),
        ({"text": "a", "n": 0}, "n must be a whole number >= 1"),
    ],
)
def test_refusals(told, options, sentence):
    with pytest.raises(GanforgeError, match=sentence):
        caption(told, **options)


def test_other_runs_have_no_captions_and_this_one_no_source(told, make_sampler):
    with pytest.raises(GanforgeError, match="mode=caption needs a run that is conditioned on captions"):
        caption(make_sampler(["data=digits", "network.width=4"]), text="a")
    with pytest.raises(GanforgeError, match="mode=translate needs a generator of pictures"):
        translate(told)
    assert grid(told, n=4).pixels.shape[0] == 3


@pytest.mark.slow
@pytest.mark.parametrize("model", ["gan_int_cls", "df_gan"])
def test_an_exported_program_draws_what_sample_does(model, make_sampler, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    told = make_sampler([f"model={model}", "data=scenes", "data.image_size=8", *SMALL])
    export(told, "onnx").save(tmp_path / "export.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "export.onnx")
    assert [each.name for each in session.get_inputs()] == ["latent", "text"]
    inputs = told.latents(5), told.origin.modalities[TEXT].tokenise([RED, BLUE, RED, BLUE, "a star"])
    (images,) = session.run(None, {"latent": inputs[0].numpy(), "text": inputs[1].numpy()})
    expected = Drawing(told.sampler)(*inputs)
    torch.testing.assert_close(torch.from_numpy(images), expected, atol=1e-4, rtol=0)
    assert torch.equal(told.modality.encode(expected), told.draw(*inputs))


@pytest.mark.slow
def test_from_the_command_line(capsys):
    words = [
        "model=df_gan",
        "data=scenes",
        "data.image_size=16",
        *SMALL[:2],
        *QUICK,
        "text_encoder.dim=8",
        "protocol=[text]",
    ]
    assert cli.main(["train", *words]) == 0
    (run,) = [path.parent for path in Path("outputs").glob("*/*/run.json")]
    assert cli.main(["sample", str(run), "mode=caption", f"mode.text='{RED}'"]) == 0
    assert "A row a caption" in capsys.readouterr().out
    assert cli.main(["evaluate", str(run)]) == 0
    assert "r_precision_unseen" in (run / "metrics.csv").read_text()
