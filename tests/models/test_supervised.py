"""A generator alone, on targets."""

from functools import partial

import pytest
import torch
from hydra.utils import instantiate

from ganforge.conditioning import Given
from ganforge.core.config import compose
from ganforge.core.errors import GanforgeError
from ganforge.data.columns import Batch
from ganforge.losses.gradient_penalty import R1
from ganforge.losses.regularizers import FeatureMatching, HistoricalAveraging
from ganforge.losses.translation import Reconstruction
from ganforge.models.manual_loop import ManualLoop
from ganforge.models.preflight import preflight
from ganforge.models.supervised import Supervised
from ganforge.networks.cyclegan import Generator
from ganforge.testing import check_procedure

BATCH = Batch(torch.rand(4, 3, 8, 8) * 2 - 1, {"source": torch.rand(4, 3, 8, 8) * 2 - 1})


def module(terms=None, **options):
    torch.manual_seed(0)
    return Supervised(
        generator=Generator(8, width=2, blocks=1, **options),
        conditioning=Given("source"),
        terms={"reconstruction": Reconstruction(weight=1.0)} if terms is None else terms,
        optimizers=partial(torch.optim.Adam, lr=0.01),
        total_kimg=1,
        log_every=1,
    )


def test_it_is_a_procedure_of_one_player():
    trained = module(
        {"reconstruction": Reconstruction(weight=2.0), "mean": HistoricalAveraging(weight=1.0, player="generator")}
    )
    preflight(trained, BATCH)
    check_procedure(trained, BATCH, batches=2)
    assert list(trained.players()) == ["generator"]
    assert not trained.games()


def test_it_learns_its_target():
    trained = module()
    loop, first = ManualLoop(trained), trained.losses(BATCH).total().item()
    for _ in range(30):
        loop.step(BATCH)
    assert trained.losses(BATCH).total().item() < 0.7 * first


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: module({}), r"add term=\[reconstruction\]"),
        (lambda: module({"r1": R1(weight=1.0)}), "term.r1 is not a loss of the generator"),
        (lambda: module({"reconstruction": Reconstruction(weight=1.0, every=2)}), "term.reconstruction is not"),
        (lambda: module({"match": FeatureMatching(weight=1.0)}), "term.match reads a discriminator .*model=pix2pix"),
        (lambda: module(channels=1), r"shape \(\d+, 1, 8, 8\) where the data's is"),
    ],
)
def test_refusals_are_one_sentence(build, sentence):
    with pytest.raises(GanforgeError, match=sentence):
        preflight(build(), BATCH)


def test_pix2pix_without_its_gan_has_its_generator():
    kinds = {}
    for name in ("pix2pix", "pix2pix_l1"):
        config = compose([f"model={name}", "network.width=4", "data.image_size=32"])
        kinds[name] = instantiate(config.model)
    shapes = [{key: value.shape for key, value in kinds[name].generator.state_dict().items()} for name in kinds]
    assert shapes[0] == shapes[1]
    assert kinds["pix2pix_l1"].terms["reconstruction"].weight == 100
