"""Secrets do not reach files, the console or a dashboard."""

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ganforge.core.secrets import MASK, masked, masked_text, masked_words

SECRET = st.text("abcXYZ019!%+=.-_~^*()/:@", min_size=6, max_size=20).filter(lambda text: not text.isdigit())
KEYS = [
    "password",
    "db_password",
    "logger.mine.api_key",
    "secret",
    "access_token",
    "authToken",
    "aws.secret_access_key",
]


@given(SECRET, st.sampled_from(["postgresql", "mysql+pymysql", "redis", "https"]))
def test_passwords_of_addresses(secret, scheme):
    text = f"storage {scheme}://user:{secret}@host/base cannot be opened"
    assert masked_text(text) == f"storage {scheme}://user:{MASK}@host/base cannot be opened"
    (word,) = masked_words([f"tune.storage={scheme}://user:{secret}@host/base"])
    assert word == f"tune.storage={scheme}://user:{MASK}@host/base"
    assert masked({"a": [{"b": text}]}) == {"a": [{"b": masked_text(text)}]}


@given(SECRET, st.sampled_from(KEYS))
def test_values_of_secret_keys(secret, key):
    assert masked_words([f"{key}={secret}", f"+{key}={secret}"]) == [f"{key}={MASK}", f"+{key}={MASK}"]
    assert masked({key: secret, "inner": {key: secret}}) == {key: MASK, "inner": {key: MASK}}


@pytest.mark.parametrize(
    "word",
    ["total_kimg=1", "conditioning.key=source", "data.tokens=4", "a.token=null", "max_token=128", "run=outputs/a/b"],
)
def test_everything_else_is_left_as_it_is(word):
    assert masked_words([word]) == [word]


def test_secret_variables_wherever_their_values_stand(monkeypatch):
    monkeypatch.setenv("MY_API_KEY", "0123456789abcdef")
    monkeypatch.setenv("PIN_TOKEN", "1234")  # too short to be told from anything else
    assert masked({"x": "key 0123456789abcdef!", "n": 1234, "t": "1234"}) == {
        "x": f"key {MASK}!",
        "n": 1234,
        "t": "1234",
    }


def test_a_run_keeps_none(train, run_folder, monkeypatch, capsys):
    monkeypatch.setenv("SERVICE_TOKEN", "swordfish-of-the-environment")
    words = ["+mine.api_key=abc-hidden-1", "+mine.store=mysql://me:hidden-2@host/x", "+mine.b=${oc.env:SERVICE_TOKEN}"]
    assert train("logger=wandb", *words) == 0
    written = "".join(path.read_text(errors="replace") for path in run_folder().rglob("*") if path.is_file())
    for secret in ("hidden-1", "hidden-2", "swordfish-of-the-environment"):
        assert secret not in written
        assert secret not in capsys.readouterr().out
    assert yaml.safe_load((run_folder() / "config.yaml").read_text())["mine"] == {
        "api_key": MASK,
        "store": f"mysql://me:{MASK}@host/x",
        "b": MASK,
    }
    assert f"+mine.api_key={MASK}" in json.loads((run_folder() / "run.json").read_text())["command"]
    assert list(run_folder().glob("wandb/offline-run-*/*.wandb"))
