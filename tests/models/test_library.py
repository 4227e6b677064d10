"""ganforge as a library: the page's own code, plain DataLoaders and networks, and contracts named where they break."""

import re
from functools import partial
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import CSVLogger
from tiny_gan import TinyDiscriminator, TinyGenerator, gan
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from ganforge.conditioning import Label
from ganforge.core.errors import GanforgeError
from ganforge.data.columns import Batch
from ganforge.models.preflight import preflight

PAGE = Path(__file__).parents[2] / "docs" / "library.md"
IMAGES = torch.rand(32, 1, 4, 4) * 2 - 1


@pytest.mark.filterwarnings("ignore::UserWarning")  # Lightning's advice on workers, and FID's on few samples
def test_the_page_runs_as_it_stands():
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 3
    names = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert names["samples"].shape == (256, 1, 16, 16)
    assert names["gan"].images_seen == 2 * 512
    assert names["distance"] > 0


def fit(module, loader, **options):
    trainer = pl.Trainer(
        accelerator="cpu",
        enable_progress_bar=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        **{"max_epochs": 2, "logger": False, **options},
    )
    trainer.fit(module, loader)
    return trainer


class Plain(TinyDiscriminator):
    def forward(self, images, condition=None):
        return super().forward(images).logits


@pytest.mark.parametrize(
    "loader",
    [
        IMAGES,
        TensorDataset(IMAGES),
        TensorDataset(IMAGES, torch.arange(32) % 3),
        [Batch(image, {"label": torch.tensor(0)}) for image in IMAGES],
    ],
    ids=["tensor", "dataset", "pairs", "batches"],
)
def test_plain_loaders_train(loader):
    module = gan(total_kimg=None, discriminator=Plain())
    fit(module, DataLoader(loader, batch_size=8))
    assert (module.images_seen, module.batches_seen) == (64, 8)


def test_labels_of_a_plain_loader_are_the_condition():
    seen = []

    class Watching(Plain):
        def forward(self, images, condition=None):
            seen.append(condition)
            return super().forward(images)

    module = gan(total_kimg=None, discriminator=Watching(), conditioning=Label(3))
    fit(module, DataLoader(TensorDataset(IMAGES, torch.arange(32) % 3), batch_size=8), max_epochs=1)
    assert torch.equal(seen[0], torch.arange(8) % 3)


def test_a_plain_tensor_trains_to_the_same_weights_as_a_critique():
    states = []
    for discriminator in (TinyDiscriminator, Plain):
        torch.manual_seed(0)
        networks = {"generator": TinyGenerator(), "discriminator": discriminator()}
        module = gan(total_kimg=None, **networks)
        fit(module, DataLoader(IMAGES, batch_size=8))
        states.append(module.state_dict())
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items() if "layer" in name)


@pytest.mark.parametrize(
    ("options", "rates"),
    [
        ({"optimizers": None}, [2e-4, 2e-4]),
        ({"optimizers": partial(torch.optim.SGD, lr=0.5)}, [0.5, 0.5]),
        ({}, [0.01, 0.01]),
    ],
)
def test_optimizers_may_be_left_out_or_shared(options, rates):
    optimizers = gan(**options).configure_optimizers()
    assert [optimizer.param_groups[0]["lr"] for optimizer in optimizers] == rates


def test_losses_reach_lightnings_loggers(tmp_path):
    fit(gan(total_kimg=None), DataLoader(IMAGES, batch_size=8), logger=CSVLogger(tmp_path), log_every_n_steps=1)
    (table,) = tmp_path.rglob("metrics.csv")
    header, *rows = table.read_text().splitlines()
    assert "discriminator/adversarial" in header
    assert [row.split(",")[header.split(",").index("step")] for row in rows] == ["32", "64"]


class Tall(TinyGenerator):
    def forward(self, latent, condition=None):
        return super().forward(latent).view(-1, 1, 8, 2)


class Matrix(Plain):
    def forward(self, images, condition=None):
        return super().forward(images)[:, None]


class Pair(Plain):
    def forward(self, images, condition=None):
        return super().forward(images), None


class Narrow(Plain):
    def forward(self, images, condition=None):
        return super().forward(images[..., :2])


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (
            {"generator": Tall()},
            r"generator returned samples of shape \(8, 1, 8, 2\) where the data's is \(8, 1, 4, 4\)",
        ),
        ({"discriminator": Matrix()}, r"logits of shape \(8, 1\) for 8 samples: return \(8,\)"),
        ({"discriminator": Pair()}, r"discriminator returned a tuple: return its logits"),
    ],
)
def test_a_broken_network_is_named(broken, sentence):
    with pytest.raises(GanforgeError, match=sentence):
        fit(gan(total_kimg=None, **broken), DataLoader(IMAGES, batch_size=8))


def test_a_network_without_a_condition_is_refused_at_once():
    with pytest.raises(GanforgeError, match=r"forward\(input.*define forward\(self, latent, condition=None\)"):
        gan(generator=nn.Sequential(nn.Linear(4, 16)))


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        ({"discriminator": Narrow()}, r"The discriminator test_library.Narrow fails on float32 \(8, 1, 4, 4\) .*None"),
        (
            {"latent": lambda n, generator, device: torch.zeros(n, 3)},
            r"The generator .*TinyGenerator fails on .*\(8, 3\)",
        ),
    ],
)
def test_the_first_step_names_the_network_that_fails(broken, sentence):
    with pytest.raises(GanforgeError, match=sentence):
        preflight(gan(**broken), Batch(IMAGES[:8]))


@pytest.mark.parametrize(
    ("loaded", "sentence"),
    [
        (IMAGES.to(torch.uint8), r"samples of torch\.uint8, .*\[-1, 1\]"),
        ([IMAGES, IMAGES, IMAGES], r"neither samples nor \(samples, labels\)"),
        (["names"], "neither samples nor"),
        ({"image": IMAGES}, "a dict that is neither samples"),
    ],
)
def test_other_batches_are_refused(loaded, sentence):
    with pytest.raises(GanforgeError, match=sentence):
        Batch.of(loaded)
