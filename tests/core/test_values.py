"""Values against annotations: properties over families of both, and the cases that people have met."""

from collections.abc import Callable, Mapping, Sequence
from math import inf, nan
from typing import Annotated, Any, Literal, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ganforge.core.annotations import Bounds, describe
from ganforge.core.values import Mismatch, fit
from ganforge.latents import Latent, Normal
from ganforge.losses.adversarial import Hinge

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3),
    max_leaves=6,
)
LEAVES = st.sampled_from([bool, int, float, str, type(None), Literal["a", "b"], Literal[1, "auto"]])
HINTS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        inner.map(lambda one: Sequence[one]),
        inner.map(lambda one: Mapping[str, one]),
        inner.map(lambda one: tuple[one, one]),
        st.tuples(inner, inner).map(lambda pair: pair[0] | pair[1] if pair[0] is not pair[1] else pair[0]),
    ),
    max_leaves=4,
)


def is_of(value: Any, hint: Any) -> bool:
    """Whether a value is of an annotation's type exactly: written anew, as plainly as can be."""
    kind = get_origin(hint)
    if hint in (bool, str, type(None)):
        return type(value) is hint
    if hint is int:
        return type(value) is int
    if hint is float:
        return type(value) in (int, float) and -inf < value < inf
    arguments = hint.__args__
    if kind is Literal:
        return any(type(one) is type(value) and one == value for one in arguments)
    if kind is Sequence:
        return isinstance(value, list) and all(is_of(one, arguments[0]) for one in value)
    if kind is Mapping:
        return isinstance(value, dict) and all(is_of(one, arguments[1]) for one in value.values())
    if kind is tuple:
        return isinstance(value, list) and len(value) == 2 and all(map(is_of, value, arguments))
    return any(is_of(value, one) for one in arguments)


@given(VALUES, HINTS)
def test_what_is_fitted_is_of_the_type_and_stays_as_it_is(value, hint):
    try:
        fitted = fit(value, hint)
    except Mismatch as mismatch:
        sentence = str(mismatch)
        assert not is_of(value, hint)
        assert len(sentence.splitlines()) == 1
        return
    assert is_of(fitted, hint)
    assert repr(fit(fitted, hint)) == repr(fitted)
    if is_of(value, hint) and "tuple" not in str(hint):
        assert repr(fitted) == repr(value)


@given(st.booleans(), HINTS)
def test_a_truth_value_is_never_a_number(value, hint):
    try:
        fitted = fit(value, hint)
    except Mismatch:
        return
    assert "bool" in str(hint)
    assert str(value) in repr(fitted)


@given(st.floats().filter(lambda value: not value.is_integer()))
def test_a_fraction_is_never_a_whole_number(value):
    with pytest.raises(Mismatch, match="must be a whole number"):
        fit(value, int)


@given(st.integers(), st.integers(-5, 5))
def test_bounds(value, least):
    hint = Annotated[int, Bounds(at_least=least)]
    if value >= least:
        assert fit(value, hint) == value
    else:
        with pytest.raises(Mismatch, match=rf"must be a whole number >= {least}, got"):
            fit(value, hint)


@given(HINTS)
def test_every_annotation_has_words(hint):
    assert describe(hint).split()
    assert "typing" not in describe(hint)


@pytest.mark.parametrize(
    ("value", "hint", "fitted"),
    [
        ([0, 0.9], tuple[float | Tensor, float | Tensor], [0.0, 0.9]),
        (3, Sequence[int] | None, [3]),
        (0.5, Sequence[float] | None, [0.5]),
        ("collapse", Sequence[str], ["collapse"]),
        (2.0, int, 2),
        (32, int | Sequence[int], 32),
        (2024, str, "2024"),
        (1, float, 1),
        ("auto", Annotated[int, Bounds(at_least=1)] | Literal["auto"], "auto"),
        (
            {"_target_": "ganforge.latents.Normal", "dim": 2},
            Latent | None,
            {"_target_": "ganforge.latents.Normal", "dim": 2},
        ),
        ({"_target_": "torch.nn.ReLU"}, float, {"_target_": "torch.nn.ReLU"}),
        (object, Any, object),
    ],
)
def test_what_is_meant(value, hint, fitted):
    assert repr(fit(value, hint)) == repr(fitted)


@pytest.mark.parametrize(
    ("value", "hint", "sentence"),
    [
        (True, float | None, "must be a number or null, got true"),
        (nan, float | Tensor, "must be a number, got nan"),
        (-inf, float, "must be a number, got -inf"),
        ([], float, r"must be a number, got \[\]"),
        ([0.5], tuple[float, float], r"must be a list of 2 numbers, got \[0.5\]"),
        ("x", Literal["warn", "stop"], "must be one of warn, stop, got 'x'"),
        (True, Literal[1], "must be 1, got true"),
        ("3", Sequence[int], "must be a list of whole numbers, got '3'"),
        ({"a": 1}, Sequence[int], "must be a list of whole numbers, got {a: 1}"),
        (5, Latent | None, r"must be a Latent \(a mapping with _target_\) or null, got 5"),
        ({"_target_": "ganforge.losses.adversarial.Hinge"}, Normal | None, "must be a Normal, got a Hinge"),
        ({"_target_": "ganforge.latents.Normal"}, Hinge, "must be a Hinge, got a Normal"),
        (3, Callable[[int], int], r"must be a function \(a mapping with _target_\), got 3"),
        ("a\nb" * 50, int, "got 'a ba ba b.*[.]{3}$"),
        (0, Annotated[float, Bounds(above=0, at_most=9)], "must be a number greater than 0 and at most 9, got 0"),
    ],
)
def test_the_sentence(value, hint, sentence):
    with pytest.raises(Mismatch, match=sentence) as raised:
        fit(value, hint)
    assert len(str(raised.value).splitlines()) == 1


def test_the_place_in_a_value():
    with pytest.raises(Mismatch) as raised:
        fit({"a": [1, True]}, Mapping[str, Sequence[int]])
    assert raised.value.path == ("a", "1")
