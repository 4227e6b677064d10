"""What holds for every term, found by walking the package."""

import dataclasses
import importlib
import inspect
import pkgutil

import pytest
import torch
from dummy_steps import make_step

import ganforge.losses
from ganforge.core.errors import GanforgeError
from ganforge.losses.adversarial import NonSaturating
from ganforge.losses.auxiliary import Information
from ganforge.losses.consensus import Consensus
from ganforge.losses.step import Term
from ganforge.losses.terms import DiscriminatorTerm, GeneratorTerm
from ganforge.networks.critique import Critique

HEADS = {"features", "class_logits", "codes", "embedding", "local_embeddings"}
DOCUMENTED = {"real_critique", "fake_critique", "condition", *HEADS}
PLAYERS = ("generator", "discriminator")


def concrete_terms():
    for module in pkgutil.walk_packages(ganforge.losses.__path__, "ganforge.losses."):
        importlib.import_module(module.name)
    found, waiting = set(), [Term]
    while waiting:
        subclasses = waiting.pop().__subclasses__()
        waiting += subclasses
        found |= {c for c in subclasses if c.__module__.startswith("ganforge.") and c.__call__ is not Term.__call__}
    return sorted((c for c in found if not inspect.isabstract(c)), key=lambda c: c.__name__)


def build(term_type, player):
    """The term, or ``None`` where it is not for ``player``."""
    arguments = {Information: {"categories": 3}, Consensus: {"loss": NonSaturating()}}.get(term_type, {})
    try:
        return term_type(weight=1.0, player=player, **arguments)
    except GanforgeError:
        return None


CASES = [(c, p) for c in concrete_terms() for p in PLAYERS if build(c, p) is not None]


def test_discovery_finds_the_terms():
    names = {c.__name__ for c in concrete_terms()}
    assert {"R1", "GradientPenalty", "LeCam", "PathLength", "Information", "BalancedConsistency"} <= names


@pytest.mark.parametrize(("term_type", "player"), CASES)
def test_needs_are_documented_and_complete(term_type, player):
    term = build(term_type, player)
    assert term_type.needs <= term.needs <= DOCUMENTED
    assert term.player == player
    # A step with nothing but what the term says it needs is enough.
    full = make_step(player)

    def bare(critique, name):
        if name not in term.needs:
            return None
        absent = dict.fromkeys(HEADS - term.needs)
        if "embedding" not in term.needs:
            absent["proxy"] = None
        return critique._replace(**absent)

    conditioned = "condition" in term.needs
    step = dataclasses.replace(
        full,
        real_critique=bare(full.real_critique, "real_critique"),
        fake_critique=bare(full.fake_critique, "fake_critique"),
        condition=full.condition if conditioned else None,
        fake_condition=full.fake_condition if conditioned else None,
    )
    assert term(step).isfinite()


@pytest.mark.parametrize(
    ("term_type", "player", "name"),
    [(c, p, name) for c, p in CASES for name in sorted(build(c, p).needs)],
)
def test_nothing_is_needed_in_vain(term_type, player, name):
    full = make_step(player)
    absent = {name: None}
    if name in HEADS:
        absent = {
            "real_critique": full.real_critique._replace(**{name: None}),
            "fake_critique": full.fake_critique._replace(**{name: None}),
        }
    elif name == "condition":
        absent["fake_condition"] = None
    with pytest.raises(GanforgeError, match=name.removesuffix("s") if name == "condition" else name):
        build(term_type, player)(dataclasses.replace(full, **absent))


@pytest.mark.parametrize(("term_type", "player"), CASES)
def test_bfloat16_gives_finite_values_and_gradients(term_type, player):
    torch.manual_seed(0)
    step = make_step(player, dtype=torch.bfloat16)
    term = build(term_type, player)
    term(step)  # stateful terms are zero at first
    with torch.autocast("cpu", torch.bfloat16):
        value = term(step)
    assert value.ndim == 0
    assert value.dtype == torch.float32
    assert value.isfinite()
    parameters = list(step.networks[player].parameters())
    gradients = torch.autograd.grad(value, parameters, allow_unused=True)
    assert all(gradient is None or gradient.isfinite().all() for gradient in gradients)
    assert any(gradient is not None for gradient in gradients)


@pytest.mark.parametrize("term_type", concrete_terms())
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


@pytest.mark.parametrize("term_type", concrete_terms())
def test_public_names_are_exported(term_type):
    module = importlib.import_module(term_type.__module__)
    assert term_type.__name__ in module.__all__


def test_critique_without_heads_is_told_apart():
    assert Critique(torch.zeros(1)).features is None
