"""What holds for every adversarial loss and every term."""

import copy
import dataclasses

import torch
from torch import Tensor

from ganforge.losses.adversarial import AdversarialLoss
from ganforge.losses.step import Step, Term
from ganforge.networks.critique import NotGiven
from ganforge.testing.expect import name_of, require, require_finite, require_refusal, require_same_state
from ganforge.testing.steps import make_step

__all__ = ["check_loss", "check_term"]

#: Heads of a critique that a term may read, or do without.
_HEADS = ("features", "class_logits", "codes", "embedding", "proxy", "local_embeddings", "layers")


def check_loss(loss: AdversarialLoss) -> None:
    """Check that a loss is a finite scalar of logits that rewards what its player wants, and pulls on all it is of.

    Args:
        loss: as training would have it at the start.

    Raises:
        AssertionError: in a sentence, for what does not hold.
    """
    name = name_of(loss)
    high, low = torch.full((4,), 0.5), torch.full((4,), -0.5)
    for dtype in (torch.float32, torch.bfloat16):
        wide = torch.linspace(-8, 8, 64, dtype=dtype)
        for player, value in (
            ("discriminator", loss.discriminator(wide, wide.flip(0))),
            ("generator", _generator(loss, wide, wide.flip(0))),
        ):
            require(value.ndim == 0, f"{name}.{player} must return a scalar, got shape {tuple(value.shape)}.")
            require_finite([value], f"{name}.{player} must be finite for {dtype} logits from -8 to 8, got {value}.")
    order = loss.discriminator(high, low) < loss.discriminator(low, high)
    require(bool(order), f"{name}.discriminator must be lower where real samples have the higher logits.")
    order = _generator(loss, high, high) < _generator(loss, low, high)
    require(bool(order), f"{name}.generator must be lower where generated samples have the higher logits.")
    _check_pull(loss, name)
    if loss.needs_real:
        require_refusal(lambda: loss.generator(low), f"{name} has needs_real: without real logits it must be refused")
    loss = copy.deepcopy(loss)
    loss.observe(high, low)
    scalars = loss.scalars()
    require(all(value.ndim == 0 for value in scalars.values()), f"{name}.scalars() must be scalar tensors.")
    require(loss.adapts or not scalars, f"{name} has scalars and so adapts: set adapts = True.")


def _generator(loss: AdversarialLoss, fake: Tensor, real: Tensor) -> Tensor:
    return loss.generator(fake, real if loss.needs_real else None)


def _check_pull(loss: AdversarialLoss, name: str) -> None:
    real, fake = (torch.tensor([0.3, -0.2], requires_grad=True) for _ in range(2))
    (of_real,) = torch.autograd.grad(loss.discriminator(real, fake), real, materialize_grads=True)
    require(bool(of_real.abs().sum() > 0), f"{name}.discriminator has no gradient on the logits of real samples.")
    (of_fake,) = torch.autograd.grad(_generator(loss, fake, real), fake, materialize_grads=True)
    require(bool(of_fake.abs().sum() > 0), f"{name}.generator has no gradient on the logits of generated samples.")
    before = real.detach().clone(), fake.detach().clone()
    loss.discriminator(real, fake)
    same = torch.equal(before[0], real) and torch.equal(before[1], fake)
    require(same, f"{name} changes the logits that it is given.")


def check_term(term: Term, step: Step | None = None) -> None:
    """Check that a term is a dataclass of its options and a finite scalar that trains its player.

    Args:
        term: with any options.
        step: what it is called on; ``None``: a step of small linear networks that have every head.

    Raises:
        AssertionError: in a sentence, for what does not hold.
    """
    name = name_of(term)
    _check_options(term, name)
    state = copy.deepcopy(term.state_dict())
    steps = (
        [make_step(term.player, dtype=dtype) for dtype in (torch.float32, torch.bfloat16)] if step is None else [step]
    )
    for each in steps:
        seen = {field: value.clone() for field, value in _tensors(each).items()}
        term(each)  # a term that keeps averages may be zero at first
        with torch.autocast("cpu", torch.bfloat16, enabled=each.real.dtype == torch.bfloat16):
            value = term(each)
        _check_value(term, each, value, f"{name} on {each.real.dtype} samples")
        require_same_state(seen, _tensors(each), f"{name} changes the tensors of the step that it reads.")
    _check_absences(term, steps[0], name)
    term.load_state_dict(state)
    require_same_state(state, term.state_dict(), f"{name}.load_state_dict does not restore what state_dict gave.")


def _check_options(term: Term, name: str) -> None:
    require(dataclasses.is_dataclass(term), f"{name} must be a dataclass: decorate it with @dataclass(kw_only=True).")
    fields = {field.name: field for field in dataclasses.fields(term)}
    positional = [key for key, field in fields.items() if field.init and not field.kw_only]
    require(not positional, f"{name} takes {positional} by place: decorate it with @dataclass(kw_only=True, eq=False).")
    start = f"{name}(weight={term.weight!r}, every={term.every!r}, player={term.player!r}"
    require(repr(term).startswith(start), f"{name}'s repr must begin with its options, {start}; it is {term!r}.")
    hidden = [key for key, field in fields.items() if not field.init and f"{key}=" in repr(term)]
    require(not hidden, f"{name}'s repr shows {hidden}, which are no options: give them field(repr=False).")
    wrong: list[dict[str, object]] = [{"weight": -1.0}, {"weight": float("inf")}, {"every": 0}, {"player": "critic"}]
    for options in wrong:
        (key,) = options
        error = require_refusal(lambda o=options: dataclasses.replace(term, **o), f"{name} must refuse {options}")  # type: ignore[misc]
        require(f"{name}: " in str(error) and key in str(error), f"{name} refuses {options} without naming {key}.")


def _check_value(term: Term, step: Step, value: Tensor, what: str) -> None:
    require(value.ndim == 0, f"{what} must be a scalar, got shape {tuple(value.shape)}.")
    require(value.dtype == torch.float32, f"{what} must be computed in float32, got {value.dtype}: widen its inputs.")
    require_finite([value], f"{what} must be finite, got {value}.")
    parameters = list(step.networks[term.player].parameters())
    require(value.requires_grad, f"{what} trains nothing: it has no gradient.")
    found = [gradient for gradient in torch.autograd.grad(value, parameters, allow_unused=True) if gradient is not None]
    require(bool(found), f"{what} trains nothing: no parameter of the {term.player} has a gradient.")
    require_finite(found, f"{what} has gradients that are not finite.")


def _check_absences(term: Term, step: Step, name: str) -> None:
    """What a run does not give is done without, or asked for in one sentence that names it."""

    def without(head: str) -> Step:
        bare = {head: None}
        return dataclasses.replace(step, discriminate=lambda *inputs: step.discriminate(*inputs)._replace(**bare))  # type: ignore[arg-type]

    steps = {head: without(head) for head in _HEADS}
    if step.condition is not None and not step.condition.is_floating_point():
        steps["labels"] = dataclasses.replace(step, condition=None, fake_condition=None)
    for missing, bare in steps.items():
        try:
            value = term(bare)
        except NotGiven as error:
            asked = missing.replace("_", " ")
            require(asked in str(error), f"{name} asks for {error.what} where {asked} are missing.")
        except Exception as error:
            raise AssertionError(
                f"{name} must ask for {missing} by Critique.require or Step.require_labels."
            ) from error
        else:
            require_finite([value], f"{name} without {missing} must be finite, or ask for them.")


def _tensors(step: Step) -> dict[str, Tensor]:
    names = ("real", "fake", "latent", "condition", "fake_condition")
    return {name: value.detach() for name in names if (value := getattr(step, name)) is not None}
