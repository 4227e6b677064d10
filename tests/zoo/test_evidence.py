"""docs/evidence.yaml says what is so: official counts are what variants build, and every trace is some variant's."""

import pytest
import torch
from hydra.utils import instantiate

import variants_page
from ganforge.core.config import compose
from ganforge.networks import layers

EVIDENCE = variants_page.evidence()


@pytest.mark.parametrize("name", [name for name, rungs in EVIDENCE.items() if rungs.shape])
def test_a_variant_has_as_many_parameters_as_the_official_code(name, monkeypatch):
    monkeypatch.setattr(layers, "INITIALIZERS", dict.fromkeys(layers.INITIALIZERS, lambda weight, gain: weight))
    monkeypatch.setattr(layers, "spectral_norm", lambda layer: layer)
    shape = EVIDENCE[name].shape
    config = compose([f"model={name}", "data=cifar10", *shape["at"]])
    for player in ("generator", "discriminator"):
        with torch.device("meta"):
            network = instantiate(config.network[player])
        assert sum(parameter.numel() for parameter in network.parameters()) == shape[player], player


def test_every_entry_is_a_variant_and_no_trace_is_named_twice():
    assert EVIDENCE.keys() <= {variant.name for variant in variants_page.variants()}
    traces = [trace for rungs in EVIDENCE.values() for trace in rungs.step]
    assert len(set(traces)) == len(traces) == 16


def test_the_page_has_a_row_for_every_variant():
    page = variants_page.page({})
    assert "| sngan | 4,276,739 + 1,053,825 (kwotsin/mimicry) | mimicry_sngan32 | not run |" in page
    assert "| lsgan | - | - | not run |" in page
