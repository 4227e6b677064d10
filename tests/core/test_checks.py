"""Composed configurations against signatures: every shipped one passes, and what cannot be is named by its key."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from ganforge.core.checks import check_nodes, check_options, signature_of
from ganforge.core.config import compose, config_folder
from ganforge.core.errors import GanforgeError
from ganforge.data.module import ImageData
from ganforge.models.simultaneous import SimultaneousGAN

COMPOSED = compose()
R1 = "ganforge.losses.gradient_penalty.R1"
GROUPS = ("augment", "callbacks", "ema", "logger", "loss", "model", "optimizer", "trainer")


def options(group):
    return sorted(file.stem for file in (config_folder() / group).glob("[!_]*.yaml"))


#: The first option of every group together, the second ones, and so on: each is in one of them.
TOGETHER = [
    [f"{group}={names[number]}" for group in GROUPS if number < len(names := options(group))]
    for number in range(max(len(options(group)) for group in GROUPS))
]

#: Points of the plane have no classes, which some models need: datasets stand apart.
DATA = [[f"data={name}"] for name in options("data")]


@pytest.mark.parametrize("words", [*TOGETHER, *DATA, ["term=[{}]"], ["protocol=[{}]"], ["debug=smoke"]], ids=" ".join)
def test_every_shipped_option_passes_unchanged(words):
    words = [word.format(",".join(options(word.partition("=")[0]))) for word in words]
    points = [] if {"data=grid", "data=ring"}.isdisjoint(words) else ["network=mlp_points"]
    codes = ["latent=coded"] if "information" in "".join(words) or "model=infogan" in words else []
    config = compose([*words, *points, *codes])
    before = OmegaConf.to_yaml(config)
    check_options(config, words)
    check_nodes(config)
    assert OmegaConf.to_yaml(config) == before


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["model.n_critic=true"], "model.n_critic must be a whole number >= 1, got true"),
        (["term=[r1]", "term.r1.weight=true"], "term.r1.weight must be a number, got true"),
        (["term=[r1]", "term.r1.every=1.5"], "term.r1.every must be a whole number >= 1, got 1.5"),
        (["term=[r1]", "term.r1.every=nan"], "term.r1.every must be a whole number >= 1, got nan"),
        (["data.horizontal_flip=true"], "data.horizontal_flip must be a number, got true"),
        (["model.log_every=1e-30"], "model.log_every must be a whole number >= 1, got 1e-30"),
        (["callbacks.health.rollbacks=nan"], "callbacks.health.rollbacks must be a whole number, got nan"),
        (["data=image_folder", "data.source.max_unreadable=nan"], "source.max_unreadable must be a number, got nan"),
        (
            ["data=ring", "network=mlp_points", "data.modality.mixture.modes=1.5"],
            "modes must be a whole number",
        ),
        (["callbacks.health.thresholds.diversity=[]"], r"health.thresholds.diversity must be a number, got \[\]"),
        (["callbacks.health.action=explode"], "health.action must be one of warn, stop, rollback, got 'explode'"),
        (["optimizer.generator.betas=[0.5]"], r"optimizer.generator.betas must be a list of 2 numbers, got \[0.5\]"),
        (["optimizer.generator.betas=[0,x]"], "optimizer.generator.betas.1 must be a number, got 'x'"),
        (["optimizer.generator.lr=inf"], "optimizer.generator.lr must be a number, got inf"),
        (["network.width=1.5"], "network.generator.width must be a whole number, got 1.5"),
        (["+optimizer.generator.momentum=0.9"], r"optimizer.generator has no 'momentum' \(Adam\)"),
        ([f"+term.mine={{_target_:{R1},wieght:1}}"], r"term.mine has no 'wieght' \(R1\); did you mean weight"),
        ([f"+term.mine={{_target_:{R1}}}"], r"term.mine needs a 'weight' \(R1\): add term.mine.weight=VALUE"),
        (["loss=hinge", "+loss.margin=1"], r"loss has no 'margin' \(Hinge\): it takes none"),
    ],
)
def test_what_cannot_be_is_named_by_its_key(words, sentence):
    with pytest.raises(GanforgeError, match=sentence) as raised:
        check_nodes(compose(words))
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "key", "meant"),
    [
        (["optimizer.generator.betas=[0,0.9]"], "optimizer.generator.betas", [0.0, 0.9]),
        (["callbacks.health.acts_on=collapse"], "callbacks.health.acts_on", ["collapse"]),
        (["augment=diff_augment", "augment.policy=color"], "augment.policy", ["color"]),
        (["model.n_critic=2.0"], "model.n_critic", 2),
        (["logger.wandb.project=2024"], "logger.wandb.project", "2024"),
    ],
)
def test_what_is_meant_takes_its_place(words, key, meant):
    config = compose(words)
    check_nodes(config)
    value = OmegaConf.select(config, key)
    assert repr(OmegaConf.to_container(value) if OmegaConf.is_list(value) else value) == repr(meant)


@pytest.mark.parametrize(("key", "value", "meant"), [("classes", 3, [3]), ("values", 0.5, [0.5])])
def test_one_value_for_a_list_in_a_mode(key, value, meant):
    config = compose([f"mode={'classes' if key == 'classes' else 'truncation'}", f"mode.{key}={value}"], "sample")
    check_nodes(config)
    assert config.mode[key] == meant


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("seed=true", "seed must be a whole number >= 0, got true"),
        ("seed=1.5", "seed must be a whole number >= 0, got 1.5"),
        ("seed=-1", "seed must be a whole number >= 0, got -1"),
        ("total_kimg=1e30", r"total_kimg must be a number greater than 0 and at most 1e\+09, got 1e\+30"),
        ("total_kimg=.nan", "total_kimg must be a number .*, got nan"),
        ("resume=0.5", "resume must be true or false or text, got 0.5"),
        ("force=2", "force must be true or false, got 2"),
        ("trainer=3", "trainer is a group of keys, got 3"),
        ("+trainer.devces=2", "There is no 'trainer.devces'; did you mean devices?"),
        ("trainer.devices=true", "trainer.devices must be a whole number >= 1 or auto, got true"),
        ("start.clock=never", "start.clock must be one of reset, keep, got 'never'"),
        ("data.batch_size=true", r"data.batch_size must be a number \(default 32\), got true"),
        ("data.batch_size=abc", r"data.batch_size must be a number \(default 32\), got 'abc'"),
        ("model.channels_last=abc", r"model.channels_last must be true or false \(default true\), got 'abc'"),
    ],
)
def test_the_commands_own_keys(word, sentence):
    key, _, value = word.lstrip("+").partition("=")
    config = COMPOSED.copy()
    OmegaConf.update(config, key, OmegaConf.create(f"value: {value}").value, force_add=True)
    with pytest.raises(GanforgeError, match=sentence):
        check_options(config, [word])


@settings(deadline=None, max_examples=20)
@given(st.sampled_from(["seed", "total_kimg", "trainer.devices", "force", "name", "paths.run"]), st.data())
def test_own_keys_take_no_lists_and_no_mappings(key, data):
    config = COMPOSED.copy()
    value = data.draw(st.lists(st.integers(), max_size=2) | st.dictionaries(st.text("ab", min_size=1), st.integers()))
    OmegaConf.update(config, key, value, merge=False)
    with pytest.raises(GanforgeError, match=f"^{key} must be "):
        check_options(config)


def test_a_value_that_many_refer_to_is_named_where_it_is_written():
    config = OmegaConf.create(
        {"width": 1.5, "net": {"_target_": "ganforge.latents.Normal", "dim": "${width}"}, "other": "${net}"}
    )
    with pytest.raises(GanforgeError, match=r"^width must be a whole number >= 1, got 1.5\.$"):
        check_nodes(config)
    config.width = 3.0
    check_nodes(config)
    assert repr(config.net.dim) == "3"


def test_options_that_a_constructor_passes_on_are_its_bases():
    taken = signature_of(ImageData)
    assert {"source", "image_size", "batch_size", "seed"} <= set(taken.hints)
    assert not taken.open
    assert "modality" not in taken.required
    assert {"generator", "n_critic", "total_kimg", "accumulate"} <= set(signature_of(SimultaneousGAN).hints)
