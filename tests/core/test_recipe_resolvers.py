"""The rules that configurations have in place of numbers."""

import math

import pytest
from omegaconf import OmegaConf

from ganforge.core.config import register_resolvers

register_resolvers()


def resolved(text, **root):
    common = {"data": {"image_size": 32, "batch_size": 64}, "model": {"n_critic": 5}}
    config = OmegaConf.merge(common, root, {"value": text})
    return config.value


def test_a_budget_comes_before_the_recipe_and_that_before_the_default():
    assert resolved("${recipe:lr.generator,3}") == 3
    assert resolved("${recipe:lr.generator,3}", recipe={"lr": {"generator": 2}}) == 2
    budget = {"lr": {"generator": 1}}
    assert resolved("${recipe:lr.generator,3}", recipe={"lr": {"generator": 2}}, budget=budget) == 1
    assert resolved("${recipe:width,3}", recipe={"width": None}) is None


@pytest.mark.parametrize(("size", "found"), [(16, "a"), (32, "a"), (48, "a"), (64, "b"), (1024, "c"), ([64, 96], "b")])
def test_values_by_size(size, found):
    data = {"image_size": size, "batch_size": 64}
    assert resolved("${recipe.by_size:{32: a, 64: b, 128: c}}", data=data) == found


def test_values_by_size_of_what_is_no_image():
    config = OmegaConf.create({"data": {"batch_size": 4}, "value": "${recipe.by_size:{32: a, 64: b}}"})
    assert config.value == "a"


def test_official_rules():
    assert resolved("${recipe.r1_gamma:}") == pytest.approx(0.0002 * 32**2 / 64)
    assert resolved("${recipe.kimg:100000}") == 32_000
    halflife = resolved("${recipe.halflife_kimg:0.9999}")
    assert 0.5 ** (64 * 5 / (halflife * 1000)) == pytest.approx(0.9999)
    assert resolved("${recipe.lazy:0.0025,16}") == pytest.approx(0.0025 * 16 / 17)
    assert resolved("${recipe.lazy:0.99,4,true}") == pytest.approx(0.99 ** (4 / 5))
    assert resolved("${recipe.lazy:0.0025,1}") == 0.0025
    assert resolved("${recipe.times:12,0.5}") == 6
    assert resolved("${recipe.times:null,0.5}") is None
    assert math.isclose(resolved("${recipe.times:1,0.1}"), 1)
