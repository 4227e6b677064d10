"""Composed configurations against signatures: every shipped one passes, and what cannot be is named by its key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from discovery import options, together
from ganforge.core.checks import check_nodes, check_options, signature_of
from ganforge.core.config import compose
from ganforge.core.errors import GanforgeError
from ganforge.data.module import ImageData
from ganforge.models.simultaneous import SimultaneousGAN

COMPOSED = compose()
R1 = "ganforge.losses.gradient_penalty.R1"
GROUPS = ("augment", "callbacks", "ema", "logger", "loss", "model", "optimizer", "trainer")


@pytest.mark.parametrize(
    "words",
    [
        *together(*GROUPS),
        *together("data"),  # points of the plane have no classes, which some variants need
        [f"term=[{','.join(options('term'))}]", "latent=coded"],
        [f"protocol=[{','.join(options('protocol'))}]"],
        ["debug=smoke"],
    ],
    ids=" ".join,
)
def test_every_shipped_option_passes_unchanged(words):
    config = compose(words)
    before = repr(OmegaConf.to_container(config))
    check_options(config, words)
    check_nodes(config)
    assert repr(OmegaConf.to_container(config)) == before


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["model.n_critic=true"], "model.n_critic must be a whole number >= 1, got true"),
        (["term=[r1]", "term.r1.weight=true"], "term.r1.weight must be a number >= 0, got true"),
        (["term=[r1]", "term.r1.every=1.5"], "term.r1.every must be a whole number >= 1, got 1.5"),
        (["term=[r1]", "term.r1.every=nan"], "term.r1.every must be a whole number >= 1, got nan"),
        (["data.horizontal_flip=true"], "data.horizontal_flip must be a number >= 0 and at most 1, got true"),
        (["model.log_every=1e-30"], "model.log_every must be a whole number >= 1, got 1e-30"),
        (["callbacks.health.rollbacks=nan"], "callbacks.health.rollbacks must be a whole number >= 0, got nan"),
        (
            ["data=image_folder", "data.source.max_unreadable=nan"],
            "max_unreadable must be a number >= 0 and at most 1, got nan",
        ),
        (
            ["data=ring", "network=mlp_points", "data.modality.mixture.modes=1.5"],
            "modes must be a whole number",
        ),
        (["callbacks.health.thresholds.diversity=[]"], r"health.thresholds.diversity must be a number >= 0, got \[\]"),
        (["callbacks.health.action=explode"], "health.action must be one of warn, stop, rollback, got 'explode'"),
        (
            ["optimizer.generator.betas=[0.5]"],
            r"generator.betas must be a list of 2 values, each a number .*, got \[0.5\]",
        ),
        (
            ["optimizer.generator.betas=[0,x]"],
            "generator.betas.1 must be a number >= 0 and less than 1, got 'x'",
        ),
        (["optimizer.generator.lr=inf"], "optimizer.generator.lr must be a number >= 0, got inf"),
        (["network.width=1.5"], "network.generator.width must be a whole number >= 1, got 1.5"),
        (["optimizer.generator.lr=-1"], "optimizer.generator.lr must be a number >= 0, got -1"),
        (["optimizer.generator.betas=[0,1]"], "betas.1 must be a number >= 0 and less than 1, got 1"),
        (["term=[r1]", "term.r1.weight=-1"], "term.r1.weight must be a number >= 0, got -1"),
        (["data.source.heldout=1"], "heldout must be a number greater than 0 and less than 1, got 1"),
        (["data.image_size=[28,0]"], "image_size.1 must be a whole number >= 1, got 0"),
        (["loss=non_saturating", "loss.flipping=0.5"], "loss.flipping must be a number >= 0 and less than 0.5, got"),
        (["ema.halflife_kimg=0"], "ema.halflife_kimg must be a number greater than 0 or null, got 0"),
        (["callbacks.health.images=7"], "callbacks.health.images must be a whole number >= 8, got 7"),
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
