"""What holds for every term, found by walking the package."""

import dataclasses
import importlib

import pytest
import torch

import ganforge.losses
from discovery import concrete
from ganforge.core.errors import GanforgeError
from ganforge.losses.adversarial import NonSaturating
from ganforge.losses.auxiliary import Information
from ganforge.losses.consensus import Consensus
from ganforge.losses.step import Term
from ganforge.losses.terms import DiscriminatorTerm, GeneratorTerm
from ganforge.networks.critique import Critique, NotGiven
from ganforge.testing import check_term
from ganforge.testing.steps import LinearGenerator, make_step, unread

HEADS = ("features", "class_logits", "codes", "embedding", "proxy", "local_embeddings", "layers")
#: The heads that terms read besides logits, and the critiques that they read by player; of all others neither.
READ_HEADS = {
    "Classification": {"class_logits"},
    "ConditionalContrastive": {"embedding", "proxy"},
    "DataToDataCrossEntropy": {"embedding", "proxy"},
    "FeatureMatching": {"features"},
    "InfoMax": {"embedding", "local_embeddings"},
    "Information": {"codes"},
    "LayerMatching": {"layers"},
    "Rotation": {"class_logits"},
}
READ_CRITIQUES = {
    "BalancedConsistency": {"discriminator": "real fake"},
    "Classification": {"discriminator": "real fake", "generator": "fake"},
    "ConditionalContrastive": {"discriminator": "real", "generator": "fake"},
    "Consistency": {"discriminator": "real"},
    "DataToDataCrossEntropy": {"discriminator": "real", "generator": "fake"},
    "Drift": {"discriminator": "real"},
    "FeatureMatching": {"generator": "real fake"},
    "InfoMax": {"discriminator": "real", "generator": "fake"},
    "Information": {"discriminator": "fake", "generator": "fake"},
    "LatentConsistency": {"discriminator": "fake"},
    "LayerMatching": {"generator": "real fake"},
    "LeCam": {"discriminator": "real fake"},
}
READ_LABELS = {"Classification", "ConditionalContrastive", "DataToDataCrossEntropy"}
READ_LATENTS = {"Information", "LatentConsistency", "LatentDiversity", "ModeSeeking", "PathLength"}
PLAYERS = ("generator", "discriminator")
TERMS = concrete(ganforge.losses, Term)


def build(term_type, player):
    """The term, or ``None`` where it is not for ``player``."""
    arguments = {Information: {"categories": 3}, Consensus: {"loss": NonSaturating()}}.get(term_type, {})
    try:
        return term_type(weight=1.0, player=player, **arguments)
    except GanforgeError:
        return None


#: Of pictures and a generator with heads of its own: tests/losses/test_translation.py.
ELSEWHERE = {"CycleConsistency", "PatchNCE"}
CASES = [(c, p) for c in TERMS for p in PLAYERS if c.__name__ not in ELSEWHERE and build(c, p) is not None]


def test_discovery_finds_the_terms():
    names = {c.__name__ for c in TERMS}
    assert {"R1", "GradientPenalty", "LeCam", "PathLength", "Information", "BalancedConsistency"} <= names


@pytest.mark.parametrize(("term_type", "player"), CASES)
def test_every_term_keeps_the_contract(term_type, player):
    torch.manual_seed(0)
    check_term(build(term_type, player))


@pytest.mark.parametrize(("term_type", "player"), CASES)
def test_a_term_reads_no_more_than_it_uses(term_type, player):
    step = make_step(player)
    assert build(term_type, player)(step).isfinite()
    read = {"real_critique", "fake_critique"} - set(unread(step))
    expected = READ_CRITIQUES.get(term_type.__name__, {}).get(player, "")
    assert read == {f"{name}_critique" for name in expected.split()}


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize(("term_type", "player"), CASES)
def test_a_missing_head_is_one_sentence(term_type, player, head):
    full = make_step(player)
    bare = dataclasses.replace(full, discriminate=lambda *inputs: full.discriminate(*inputs)._replace(**{head: None}))
    term = build(term_type, player)
    if head not in READ_HEADS.get(term_type.__name__, set()):
        assert term(bare).isfinite()
        return
    with pytest.raises(NotGiven) as raised:
        term(bare)
    words = head.replace("_", " ")
    assert str(raised.value) == (
        f"A loss reads the discriminator's {words} and network.discriminator gives none: choose a network with that "
        "head."
    )
    assert str(raised.value.read_by("x")) == (
        f"term.x reads the discriminator's {words} and network.discriminator gives none: choose a network with that "
        "head, or leave x out of term=[...]."
    )


@pytest.mark.parametrize("absence", ["none", "vectors"])
@pytest.mark.parametrize(("term_type", "player"), CASES)
def test_missing_labels_are_one_sentence(term_type, player, absence):
    full, term = make_step(player), build(term_type, player)
    condition = None if absence == "none" else torch.rand(4, 3)
    step = dataclasses.replace(full, condition=condition, fake_condition=condition)
    if term_type.__name__ not in READ_LABELS:
        assert term(step).isfinite()
        return
    with pytest.raises(NotGiven) as raised:
        term(step)
    source, way_out = {
        "none": ("conditioning=none", "add conditioning=label"),
        "vectors": ("this conditioning", "choose conditioning=label"),
    }[absence]
    assert str(raised.value.read_by("x")) == (
        f"term.x reads labels and {source} gives none: {way_out}, or leave x out of term=[...]."
    )


@pytest.mark.parametrize(("term_type", "player"), CASES)
def test_a_missing_latent_is_one_sentence(term_type, player):
    full, term = make_step(player), build(term_type, player)

    class OfNothing(LinearGenerator):
        def forward(self, latent, condition=None):
            return super().forward(torch.ones(4, 7) if latent is None else latent)

    generator = OfNothing(torch.randn(72, 7), (2, 6, 6))
    networks = {**full.networks, "generator": generator}
    step = dataclasses.replace(full, latent=None, networks=networks, generate=generator)
    if term_type.__name__ not in READ_LATENTS:
        assert term(step).isfinite()
        return
    with pytest.raises(NotGiven, match=r"reads the generator's latent and latent=none gives none: choose a latent\."):
        term(step)


@pytest.mark.parametrize("player", PLAYERS)
def test_critiques_are_computed_once_and_only_if_read(player):
    calls = []
    full = make_step(player)
    step = dataclasses.replace(
        full, discriminate=lambda images, condition: (calls.append(images), full.discriminate(images, condition))[1]
    )
    assert calls == []
    first = step.fake_critique
    assert len(calls) == 1
    assert calls[0] is step.fake
    assert step.fake_critique is first
    assert step.real_critique is step.real_critique
    assert [image is kind for image, kind in zip(calls, (step.fake, step.real), strict=True)] == [True, True]
    fresh = dataclasses.replace(step, real=step.fake)  # another step has critiques of its own
    assert unread(fresh) == ["real_critique", "fake_critique"]


@pytest.mark.parametrize("term_type", TERMS)
def test_the_wrong_player_is_refused(term_type):
    expected = {
        "generator": not issubclass(term_type, DiscriminatorTerm),
        "discriminator": not issubclass(term_type, GeneratorTerm),
    }
    assert {player: build(term_type, player) is not None for player in PLAYERS} == expected
    if not all(expected.values()):
        wrong = next(player for player, fits in expected.items() if not fits)
        with pytest.raises(GanforgeError, match="player"):
            term_type(weight=1.0, player=wrong)


@pytest.mark.parametrize("term_type", TERMS)
def test_public_names_are_exported(term_type):
    module = importlib.import_module(term_type.__module__)
    assert term_type.__name__ in module.__all__


def test_critique_without_heads_is_distinguished():
    assert Critique(torch.zeros(1)).features is None
