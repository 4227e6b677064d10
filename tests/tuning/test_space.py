"""The search space: what it means, and what is refused before anything is trained."""

import pytest

from ganforge.core.errors import GanforgeError
from ganforge.tuning.dimensions import Dimension
from ganforge.tuning.space import Space

RATE = {"path": "optimizer.generator.lr", "low": 1e-5, "high": 1e-2, "log": True}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({**RATE, "path": "optimizer.generator.lrr"}, "did you mean optimizer.generator.lr"),
        ({**RATE, "low": 0.1}, "low (0.1) is greater than high (0.01)"),
        ({**RATE, "low": 0}, "low > 0"),
        ({**RATE, "high": "abc"}, "high must be a number, got 'abc'"),
        ({"path": "optimizer.generator.lr", "low": 1}, "high must be a number, got 'nothing'"),
        ({**RATE, "lo": 1}, "there is no 'lo' in an entry"),
        ({"path": "model.n_critic", "low": 1.5, "high": 3}, "takes whole numbers"),
        ({"path": "model.n_critic", "low": 0, "high": 3}, "model.n_critic must be a whole number >= 1, got 0"),
        ({"path": "model.n_critic", "choices": ["one"]}, "must be a number"),
        ({"path": "loss", "low": 1, "high": 2}, "is a group: give choices"),
        ({"path": "loss", "choices": ["hinge", "hing"]}, "no 'hing' in the group 'loss'; did you mean hinge?"),
        ({"path": "data.source._target_", "low": 1, "high": 2}, "takes no number"),
        ("optimizer.generator.lr", "an entry has a path"),
    ],
)
def test_what_is_wrong_with_an_entry_is_reported_in_one_sentence(entry, message):
    with pytest.raises(GanforgeError, match=r"^tune\.space\.it: ") as error:
        Space({"it": entry})
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_values_become_what_one_would_type():
    betas = ["optimizer.generator.betas.0", "optimizer.discriminator.betas.0"]
    space = Space(
        {
            "rate": RATE,
            "beta1": {"path": betas, "low": 0, "high": 0.9},
            "steps": {"path": "model.n_critic", "low": 1, "high": 5},
            "loss": {"path": "loss", "choices": ["hinge", "minimax"]},
            "terms": {"path": "term", "choices": [[], ["r1"]]},
        }
    )
    point = {"rate": 1e-5, "beta1": 0.25, "steps": 3, "loss": "hinge", "terms": "[r1]"}
    assert space.words(point) == [
        "optimizer.generator.lr=1e-05",
        "optimizer.generator.betas.0=0.25",
        "optimizer.discriminator.betas.0=0.25",
        "model.n_critic=3",
        "loss=hinge",
        "term=[r1]",
    ]
    whole = {dimension.name: dimension.whole for dimension in space}
    assert Space({"it": {**RATE, "choices": [0.1]}}).dimensions[0].grid() == [0.1]  # as Hydra merges an override
    assert whole == {"rate": False, "beta1": False, "steps": True, "loss": False, "terms": False}


def test_a_grid_is_even_on_its_scale_and_holds_each_value_once():
    assert Dimension("a", ("a",), 1e-4, 1e-2, log=True).grid() == pytest.approx([1e-4, 1e-3, 1e-2])
    assert Dimension("a", ("a",), 0.0, 1.0, points=5).grid() == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    assert Dimension("a", ("a",), 1, 3, whole=True, points=9).grid() == [1, 2, 3]
    assert Dimension("a", ("a",), choices=("x", None)).grid() == ["x", None]


def test_the_configuration_itself_is_a_point_unless_it_lies_outside():
    entries = {"rate": RATE, "steps": {"path": "model.n_critic", "low": 1, "high": 5}}
    assert Space(entries).default() == {"rate": 0.0002, "steps": 1}
    assert Space(entries, ["optimizer.generator.lr=0.5"]).default() is None
    entries["loss"] = {"path": "loss", "choices": ["hinge", "minimax"]}
    assert Space(entries, ["loss=hinge"]).default() == {"rate": 0.0002, "steps": 1, "loss": "hinge"}
