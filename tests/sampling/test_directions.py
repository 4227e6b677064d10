"""SeFa and GANSpace against generators whose answer is known."""

import pytest
import torch
from sampling_runs import CONDITIONAL, DCGAN, INFOGAN, STYLES

from ganforge.sampling import traverse
from ganforge.sampling.directions import first_layer, ganspace, principal_components, sefa


def amplify(sampler, coordinate):
    """Make one coordinate of the latent the one that matters in the first layer."""
    with torch.no_grad():
        sampler.network.layers[0].weight[coordinate] *= 30


def test_the_coordinate_that_matters_is_found(make_sampler):
    sampler = make_sampler(DCGAN)
    amplify(sampler, 5)
    axis = torch.eye(8)[5]
    assert torch.allclose(sefa(sampler, 3)[0], axis, atol=0.05)
    assert torch.allclose(ganspace(sampler, 3, 2000)[0], axis, atol=0.1)


def test_sefa_gives_eigenvectors_of_the_style_weights(make_sampler):
    sampler = make_sampler(STYLES)
    layers = [module.affine.weight for module in sampler.network.modules() if hasattr(module, "affine")]
    assert len(layers) == 3 + 2, "three convolutions and two layers that draw, at 4 and 8 pixels"
    weight = torch.cat(layers)
    found = sefa(sampler, 8)
    assert torch.allclose(found @ found.T, torch.eye(8), atol=1e-5)
    gains = (weight @ found.T).square().sum(0)
    assert torch.allclose(weight.T @ weight @ found.T, found.T * gains, rtol=1e-3, atol=1e-3)
    assert torch.equal(gains, gains.sort(descending=True).values)


def test_principal_components_are_the_exact_ones():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(400, 30, generator=generator) * torch.linspace(5, 0.1, 30) + 3
    components, scores = principal_components(features, 4)
    _, values, exact = torch.linalg.svd(features - features.mean(0), full_matrices=False)
    assert torch.allclose((components * exact[:4]).sum(1).abs(), torch.ones(4), atol=1e-4)
    assert torch.allclose(scores.norm(dim=0), values[:4], rtol=1e-4)


def test_ganspace_of_styles_is_a_standard_deviation_long(make_sampler):
    sampler = make_sampler(STYLES)
    styles = sampler.styles(sampler.latents(500), truncation=1.0)[:, 0]
    found = ganspace(sampler, 2, 500)
    unit = torch.nn.functional.normalize(found, dim=1)
    assert torch.allclose((styles @ unit.T).std(0), found.norm(dim=1), rtol=1e-4)
    assert torch.equal(found, ganspace(sampler, 2, 500))


@pytest.mark.parametrize(
    ("overrides", "inputs", "first"),
    [
        (DCGAN, 8, 0),
        (CONDITIONAL, 8, 0),
        (["model=infogan", "data=digits", "network.width=4"], 74, 0),
        (["model=progan", "data=digits", "latent.dim=8", "network.channel_base=16"], 8, 0),
        (["model=biggan", "network.width=4", "latent.dim=8"], 8, 0),
        (["model=biggan", "network=biggan_deep", "network.width=4", "latent.dim=8"], 8, None),
    ],
    ids=str,
)
def test_the_first_layer_is_the_latents(overrides, inputs, first, make_sampler):
    sampler = make_sampler(overrides)
    found = first_layer(sampler)
    assert found.weight.shape[1] == inputs
    start = found.layer.weight
    if overrides[:2] == ["model=biggan", "network.width=4"]:  # a hierarchical latent: four chunks of 2
        assert torch.equal(found.weight[:, :2], start)
        assert not found.weight[:, 2:].any()
    if first is None:  # the label's embedding stands before the latent
        assert torch.equal(found.weight, start[:, -inputs:])
        assert start.shape[1] > inputs


def test_a_row_goes_along_its_direction(make_sampler):
    from test_pictures import cells, close, drawn

    sampler = make_sampler(DCGAN)
    picture = cells(traverse(sampler, n=2, samples_each=2, steps=3, extent=2).pixels, 3)
    moved = sampler.latents(2)[1] + 2 * sefa(sampler, 2)[1]
    assert close(picture[11:12], drawn(sampler, moved[None]))
    assert close(picture[10:11], drawn(sampler, sampler.latents(2)[1:]))
    styled = make_sampler(STYLES)
    picture = cells(
        traverse(styled, n=2, directions="ganspace", samples_each=1, steps=3, extent=1, samples=50).pixels, 3
    )
    styles = styled.styles(styled.latents(1)) - ganspace(styled, 2, 50)[0]
    assert close(picture[:1], styled.synthesise(styles).expand(-1, 3, -1, -1))
    labelled = make_sampler(CONDITIONAL)
    picture = cells(traverse(labelled, n=2, samples_each=2, steps=3).pixels, 3)
    assert close(picture[[1, 4]], drawn(labelled, labelled.latents(2), torch.arange(2)))
    assert len(cells(traverse(make_sampler(INFOGAN), n=3, directions="sefa").pixels, 7)) == 63
