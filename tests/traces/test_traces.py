"""Three training steps against the official code: losses, gradients and weights."""

import pytest
import torch
from differences import TOLERANCE, gradients, losses, weights
from golden import FOLDER, Trace, play

from variants_page import evidence

NAMES = sorted(path.stem for path in FOLDER.glob("*.safetensors"))

#: Options that came, and weights that mean something else, since the traces' metadata was written.
CHANGES = {
    "biggan32_full": {"terms.orthogonal.weight": 0.01},
    "studiogan_acgan32": {"discriminator.head.bias": False, "freeze_at_zero": []},
    "studiogan_reacgan32": {
        "terms.conditional_discriminator.scaled_negatives": True,
        "terms.conditional_generator.scaled_negatives": True,
    },
}

pytestmark = pytest.mark.skipif(
    not NAMES, reason=f"there are no golden traces in {FOLDER}; GANFORGE_TRACES names another folder"
)


def test_the_page_of_variants_names_every_trace():
    assert sorted(trace for rungs in evidence().values() for trace in rungs.step) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_three_steps_are_the_official_ones(name, monkeypatch):
    trace = Trace(name)
    played = play(trace, monkeypatch, CHANGES.get(name, {}))
    for compare in (losses, gradients, weights):
        difference = compare(trace, played)
        assert difference.value <= TOLERANCE, f"{difference.where} differs by {difference.value:.1e}"


#: Traces of code whose in-place ReLU rectifies the shortcuts of the discriminator's blocks, and nothing else differs.
RECTIFIED = [name for name in NAMES if name.startswith(("mimicry", "studiogan"))]


@pytest.mark.parametrize("name", RECTIFIED)
def test_rectified_shortcuts_are_those_of_the_code_as_shipped(name, monkeypatch):
    trace = Trace(name)
    played = play(trace, monkeypatch, {**CHANGES.get(name, {}), "discriminator.rectified_shortcut": True})
    difference = losses(trace, played, "as_shipped/")
    assert difference.value <= TOLERANCE, f"{difference.where} differs by {difference.value:.1e}"
    assert losses(trace, played).value > 1e-3  # the option makes the difference


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("stylegan2")])
def test_the_mean_style_moves_with_each_mapping_of_the_official_code(name, monkeypatch):
    trace = Trace(name)
    module = play(trace, monkeypatch, {}).module
    official = trace.tensors[f"buffer_after{trace.steps - 1}/generator/mapping.w_avg"].double()
    torch.testing.assert_close(module.generator.w_mean, official, rtol=TOLERANCE, atol=0)
