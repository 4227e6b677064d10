"""What a person types after a command: paths as they are, options anywhere."""

import shlex

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import example, given
from hypothesis import strategies as st

from ganforge.core.errors import GanforgeError
from ganforge.core.words import readable, split_options

PLACES = ("data.source.path", "output", "run", "paths.outputs", "+data.source.root", "tune.storage")


def read(word, several=False):
    """Return what Hydra makes of a word's value."""
    (ready,) = readable([word], several)
    return OverridesParser.create().parse_override(ready).value()


@given(st.text(min_size=1).filter(lambda text: text[0] not in "'\"" and "\0" not in text), st.sampled_from(PLACES))
@example("d/Möwe", "data.source.path")
@example("x(1)", "output")
@example("a=b", "output")
@example("[", "output")
@example("#", "output")
@example("a & b", "output")
@example("it's", "output")
@example("a, b", "output")
@example("~/x", "run")
@example("2024", "run")
@example("C:\\new\\", "run")
@example(" a  b ", "run")
def test_every_path_is_taken_as_it_is(path, key):
    if path in ("null", "true", "false"):
        return
    assert read(f"{key}={path}") == path


@given(st.text().filter(lambda text: "\0" not in text))
def test_reading_twice_changes_nothing(value):
    ready = readable([f"name={value}"], False)
    assert readable(ready, False) == ready


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("output=null", None),
        ("resume=true", True),
        ("output='a b'", "a b"),
        ("optimizer.generator.betas=[0,0.9]", [0, 0.9]),
        ("optimizer.generator.betas=[0,0.9", "[0,0.9"),
        ("name=a=b", "a=b"),
        ("seed=3", 3),
        ("run=${paths.run}", "${paths.run}"),
        ("tune.space.beta1.path=[a,b]", ["a", "b"]),
        ("callbacks.samples.images=64", 64),
    ],
)
def test_other_values_stay_what_they_are(word, value):
    assert read(word) == value


@pytest.mark.parametrize("word", ["nonsense", "a b=3", "~callbacks.samples", "seed=1,2", ""])
def test_what_is_no_value_is_left_to_hydra(word):
    assert readable([word], False) == [word]


def test_a_sweep_takes_several_paths():
    assert readable(["data.source.path=a,b", "output=x(1)"], True) == ["data.source.path=a,b", "output='x(1)'"]
    assert read("data.source.path=a,b") == "a,b"


@pytest.mark.parametrize(
    ("typed", "options", "others"),
    [
        ("model=dcgan -m seed=1,2", ["-m"], ["model=dcgan", "seed=1,2"]),
        ("a --config-dir b c -cd=d", ["--config-dir", "b", "-cd=d"], ["a", "c"]),
        ("x --cfg job --info searchpath --info y", ["--cfg", "job", "--info", "searchpath", "--info"], ["x", "y"]),
    ],
)
def test_options_may_stand_anywhere(typed, options, others):
    assert split_options(shlex.split(typed)) == (options, others)


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("--multirn", "There is no option '--multirn': did you mean --multirun"),
        ("-x", "There is no option '-x': "),
        ("--experimental-rerun x", "There is no option '--experimental-rerun'"),
        ("a --config-dir", "--config-dir needs a value after it"),
        ("--cfg everything", "--cfg shows one of job, hydra, all; got 'everything'"),
    ],
)
def test_options_that_there_are_not(typed, sentence):
    with pytest.raises(GanforgeError, match=sentence):
        split_options(shlex.split(typed))
