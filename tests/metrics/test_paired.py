"""Distances to targets: closed forms, parity, and translations of held-out rows in their order."""

from dataclasses import replace

import pytest
import torch
from comparisons import compare, images
from torch import nn
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from ganforge.conditioning import Given
from ganforge.core.errors import GanforgeError
from ganforge.data.columns import Column, Split, Splits
from ganforge.data.images import normalise, quantise
from ganforge.data.modality import Images
from ganforge.metrics.evaluation import Evaluation
from ganforge.metrics.extractors import Identity
from ganforge.metrics.paired import CycleError, PixelFidelity, structural_similarity
from ganforge.metrics.protocol import HeldOutRows, Protocol, Sampling
from ganforge.metrics.sources import Generated, Stored
from ganforge.sampling.sampler import Sampler


def fidelity(fake, target, **options):
    return PixelFidelity(**options)(compare(fake_images=fake, target_images=target))


def test_by_hand():
    target = torch.full((2, 3, 16, 16), 100, dtype=torch.uint8)
    fake = target.clone()
    fake[1] += 51  # a fifth of the range
    found = fidelity(fake, target)
    assert found["psnr"] == pytest.approx((100 + 10 * torch.tensor(25.0).log10().item()) / 2)
    assert found["l1"] == pytest.approx(0.1)
    constants, small = (100 / 255, 151 / 255), 0.01**2
    luminance = (2 * constants[0] * constants[1] + small) / (constants[0] ** 2 + constants[1] ** 2 + small)
    assert found["ssim"] == pytest.approx((1 + luminance) / 2)


@pytest.mark.parametrize(("size", "channels"), [(32, 3), (40, 1), (12, 3)])
def test_parity_with_torchmetrics(size, channels):
    first, second = (images(6, size, channels, seed) for seed in (0, 1))
    values = first.double() / 255, second.double() / 255
    found = fidelity(first, second)
    noise = [peak_signal_noise_ratio(*(each[k : k + 1] for each in values), data_range=1.0) for k in range(6)]
    assert found["psnr"] == pytest.approx(torch.stack(noise).mean().item())
    _, known = structural_similarity_index_measure(*values, data_range=1.0, return_full_image=True)
    assert found["ssim"] == pytest.approx(known[..., 5:-5, 5:-5].mean().item(), rel=1e-6)


def test_small_pictures_have_a_smaller_window():
    first = torch.rand(2, 1, 6, 8, dtype=torch.float64)
    assert structural_similarity(first, first).tolist() == pytest.approx([1, 1])
    assert (structural_similarity(first, first.flip(-1)) < 1).all()


def test_border_and_luma():
    target, grey = images(3), torch.full((2, 3, 16, 16), 128, dtype=torch.uint8)
    framed = target.clone()
    framed[:, :, :2], framed[:, :, -2:], framed[..., :2], framed[..., -2:] = 0, 0, 0, 0
    assert fidelity(framed, target, border=2)["l1"] == 0 < fidelity(framed, target)["l1"]
    green = grey.clone()
    green[:, 1] += 51
    assert fidelity(green, grey, space="luma")["l1"] == pytest.approx(128.553 / 255 / 5)
    with pytest.raises(GanforgeError, match="space"):
        PixelFidelity(space="lab")
    with pytest.raises(GanforgeError, match="data alike on both sides"):
        fidelity(grey, grey[:, :1])


def test_cycle_error_by_hand():
    source = torch.zeros(2, 3, 4, 4, dtype=torch.uint8)
    back = source.clone()
    back[0, 0] = 255
    assert CycleError()(compare(source_images=source, cycle_images=back)) == {"cycle_l1": pytest.approx(1 / 6)}


class Darken(nn.Module):
    """Adds a constant to its condition."""

    def __init__(self, amount):
        super().__init__()
        self.amount = nn.Parameter(torch.tensor(amount))

    def forward(self, latent, condition=None):
        return condition + self.amount


MODALITY = Images(16, 3)


def split(count, paired=True, seed=0):
    source = images(count, 16, 3, seed) // 2 + 60
    return Split(Column(source - 10, MODALITY), {"source": Column(source, MODALITY)}, paired)


def translator(step=0.0, back=None):
    there = Sampler(Darken(-20 / 255 + step), None, Given("source"), MODALITY)
    return there if back is None else replace(there, inverse=Sampler(Darken(back), None, Given("data"), MODALITY))


def protocol(*metrics, **options):
    sampling = HeldOutRows(batch_size=4)
    named = {str(number): metric for number, metric in enumerate(metrics)}
    return Protocol(
        "paired", Identity(), named, **{"num_fake": 100, "split": "heldout", "sampling": sampling, **options}
    )


def evaluated(sampler, heldout, *metrics, tmp_path):
    evaluation = Evaluation([protocol(*metrics)], Splits(split(9, seed=1), heldout), tmp_path, torch.device("cpu"))
    return evaluation(Generated(sampler, heldout))["paired"]


def test_each_held_out_row_is_translated_once_and_compared_with_its_own_target(tmp_path):
    heldout = split(10)
    assert evaluated(translator(), heldout, PixelFidelity(), tmp_path=tmp_path)["l1"] == 0
    found = evaluated(translator(step=2 * 30 / 255), heldout, PixelFidelity(), tmp_path=tmp_path)
    assert found["l1"] == pytest.approx(30 / 255)
    parts = Generated(translator(), heldout)
    sampling = HeldOutRows(batch_size=4)
    with parts.session(sampling):
        drawn = [parts.batch(number, sampling) for number in range(3)]
    rows = torch.cat([part.samples for part in drawn])[:10]
    assert torch.equal(rows, quantise(normalise(heldout.given["source"].read()) - 20 / 255))
    assert torch.equal(
        torch.cat([part.beside["source_images"]() for part in drawn])[:10], heldout.given["source"].read()
    )


def test_the_way_back_is_the_inverse_samplers(tmp_path):
    heldout = split(10)
    exact, off = (
        evaluated(translator(back=20 / 255 + error), heldout, CycleError(), tmp_path=tmp_path)["cycle_l1"]
        for error in (0.0, 2 * 15 / 255)
    )
    assert (exact, off) == (0, pytest.approx(15 / 255))


@pytest.mark.parametrize(
    ("paired", "metric", "sentence"),
    [
        (False, PixelFidelity(), "needs the truth of each sample"),
        (True, CycleError(), "needs a way back"),
    ],
)
def test_what_is_missing_is_one_sentence(paired, metric, sentence, tmp_path):
    with pytest.raises(GanforgeError, match=sentence):
        evaluated(translator(), split(10, paired), metric, tmp_path=tmp_path)


def test_other_sources_have_no_rows(tmp_path):
    heldout = split(10)
    evaluation = Evaluation([protocol(PixelFidelity())], Splits(heldout, heldout), tmp_path, torch.device("cpu"))
    with pytest.raises(GanforgeError, match="needs the truth"):
        evaluation(Stored(heldout))
    with pytest.raises(GanforgeError, match="translates held-out pictures"):
        evaluation(Generated(translator()))


def test_rows_are_part_of_the_hash_and_plain_sampling_keeps_its_own():
    plain, rows = (protocol(PixelFidelity(), sampling=kind()) for kind in (Sampling, HeldOutRows))
    assert plain.tag("w") != rows.tag("w")
    assert "conditions" not in plain.describe("w")["sampling"]
