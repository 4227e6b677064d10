"""A list of terms replaces a variant's own, and ``~term.x`` takes one away: for every variant."""

import pytest
from hydra.utils import instantiate

from discovery import options
from ganforge.core.config import compose
from ganforge.losses.step import Term

#: Variants with terms of their own, and what those are.
OWN = {name: list(terms) for name in options("model") if (terms := compose([f"model={name}"]).term)}
OTHERS = [pytest.param(name, marks=pytest.mark.slow) for name in options("model") if name not in OWN]


def terms_of(*words):
    """Compose, build every term, and return them; the schedules of a run without one of them are without it too."""
    config = compose(words)
    terms = {name: instantiate(node) for name, node in config.term.items()}
    assert all(isinstance(term, Term) for term in terms.values())
    assert all(isinstance(term.weight, int | float) and term.every >= 1 for term in terms.values())
    assert set(config.model.schedules.get("terms", {})) <= set(terms)
    return terms


@pytest.mark.parametrize("model", [*OWN, *OTHERS])
def test_a_list_replaces_the_variants_terms(model):
    terms = terms_of(f"model={model}", "term=[r1,lecam]", "term.lecam.weight=0.7")
    assert list(terms) == ["r1", "lecam"]
    assert terms["lecam"].weight == 0.7


@pytest.mark.parametrize("model", OWN)
def test_an_empty_list_has_none_and_a_tilde_takes_one_away(model):
    assert not terms_of(f"model={model}", "term=[]")
    first, *rest = OWN[model]
    assert list(terms_of(f"model={model}", f"~term.{first}")) == rest


def test_a_term_that_is_named_keeps_the_variants_weight():
    def r1_of(*words):
        term = terms_of(*words)["r1"]
        return term.weight, term.every

    assert r1_of("model=stylegan2_ada", "term=[r1]", "data=cifar10") == (0.01, 16)
    assert r1_of("model=r3gan", "term=[r1,lecam]", "data=cifar10") == (0.05, 1)
    assert r1_of("model=dcgan", "term=[r1]") == (10, 1)
    assert r1_of("model=stylegan2", "term=[r1]", "term.r1.weight=3", "term.r1.every=4") == (3, 4)


def test_the_rates_correction_follows_the_terms_that_there_are():
    def rates(*words):
        optimizer = compose(["model=stylegan2", *words]).optimizer
        return optimizer.generator.lr, optimizer.discriminator.lr

    assert rates() == pytest.approx((0.0025 * 4 / 5, 0.0025 * 16 / 17))
    assert rates("term.r1.every=8", "term.path_length.every=2") == pytest.approx((0.0025 * 2 / 3, 0.0025 * 8 / 9))
    assert rates("~term.r1") == pytest.approx((0.0025 * 4 / 5, 0.0025))


@pytest.mark.parametrize(
    "words",
    [
        ["model=r3gan", "ema=none", "augment=none", "~term.r1"],
        ["model=r3gan", "optimizer=rmsprop", "augment=diff_augment"],
        ["model=stylegan2_ada", "optimizer=adamw", "latent=uniform", "ema=none"],
        ["model=vanilla", "optimizer=adam"],
        ["model=wgan", "optimizer=ttur", "constraint=none", "term=[gradient_penalty]"],
        ["model=began", "latent=normal", "network=autoencoder"],
        ["model=biggan", "network=resnet_projection", "optimizer=sgd"],
    ],
    ids=" ".join,
)
def test_any_option_goes_with_any_variant(words):
    """A variant's numbers are left over nowhere: everything builds, schedules of what is not there are gone."""
    config = compose([*words, "data=mnist5k"])
    module = instantiate(config.model)
    module.configure_optimizers()
