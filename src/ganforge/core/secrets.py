"""Secrets in what is written or sent: passwords, tokens and keys become ``***``. Imports nothing heavy."""

import os
import re
from collections.abc import Mapping

__all__ = ["MASK", "masked", "masked_text", "masked_words"]

MASK = "***"

#: Last words of a name that make its value a secret: ``logger.mine.api_key``, ``WANDB_API_KEY``, ``dbPassword``;
#: not ``PWD``, which is the working folder.
_NAME = re.compile(
    r"(?:^|[._\-/]|(?<=[a-z]))(?:password|passwd|passphrase|secret|token|credentials?|auth"
    r"|(?:api|access|secret|private|account)[_-]?key)$",
    re.IGNORECASE,
)
#: ``scheme://user:password@``; the password may hold anything but a quote or a blank.
_ADDRESS = re.compile(r"(?P<head>\b[a-z][\w+.\-]*://[^\s/:@'\"]*:)(?P<password>[^\s'\"]+)(?=@)", re.IGNORECASE)
#: ``?password=...`` and ``&token=...`` of an address.
_QUERY = re.compile(r"(?P<head>[?&](?P<name>[\w.\-]+)=)(?P<value>[^\s&'\"]+)")

#: ``{password: ...}`` inside an override.
_ENTRY = re.compile(r"(?P<head>[{,]\s*(?P<name>[\w.\-]+)\s*:\s*)(?P<value>'[^']*'|\"[^\"]*\"|[^\s,}\]]+)")

#: Shorter values of secret variables of the environment are likely to be somewhere by chance.
_SHORTEST = 8


def masked(values: Mapping[str, object]) -> dict[str, object]:
    """Return plain values with every secret text masked, at any depth."""
    return _masked_values(values, _environment())


def masked_words(words: list[str]) -> list[str]:
    """Return a command line's words with the values of secret keys masked, and secrets in all others."""
    return [_masked_word(word) for word in words]


def masked_text(text: str) -> str:
    """Return a text with passwords in addresses masked, and whatever a secret variable of the environment holds."""
    return _masked_text(text, _environment())


def _masked_values(values: Mapping[str, object], secrets: list[str]) -> dict[str, object]:
    return {key: MASK if _is_secret(str(key), value) else _masked(value, secrets) for key, value in values.items()}


def _masked(node: object, secrets: list[str]) -> object:
    if isinstance(node, dict):
        return _masked_values(node, secrets)
    if isinstance(node, list | tuple):
        return [_masked(value, secrets) for value in node]
    return _masked_text(node, secrets) if isinstance(node, str) else node


def _masked_text(text: str, secrets: list[str]) -> str:
    text = _ADDRESS.sub(rf"\g<head>{MASK}", text)
    text = _QUERY.sub(lambda match: match["head"] + MASK if _NAME.search(match["name"]) else match[0], text)
    for value in secrets:
        text = text.replace(value, MASK)
    return text


def _masked_word(word: str) -> str:
    key, equals, value = word.partition("=")
    if equals and _is_secret(key.lstrip("+~"), value):
        return f"{key}={MASK}"
    return masked_text(_ENTRY.sub(_masked_entry, word))


def _masked_entry(match: re.Match[str]) -> str:
    return match["head"] + MASK if _is_secret(match["name"], match["value"]) else match[0]


def _is_secret(name: str, value: object) -> bool:
    """Whether a name's value is a secret: numbers, switches and what is empty are none."""
    if not isinstance(value, str) or not _NAME.search(name):
        return False
    return value.lower() not in ("", "null", "none", "true", "false", "''", '""') and not value.isdigit()


def _environment() -> list[str]:
    """Return the values of secret variables, longest first."""
    values = {value for name, value in os.environ.items() if _NAME.search(name) and len(value) >= _SHORTEST}
    return sorted(values, key=len, reverse=True)
