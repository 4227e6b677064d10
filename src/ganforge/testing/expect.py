"""How a contract says that it is broken: one sentence in an ``AssertionError``."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from ganforge.core.errors import GanforgeError

__all__ = ["name_of", "require", "require_finite", "require_refusal", "require_same_state"]


def name_of(part: object) -> str:
    """Return the name of a part's class, for sentences."""
    return type(part).__qualname__


def require(holds: bool, sentence: str) -> None:
    """Raise AssertionError with ``sentence`` unless ``holds``; kept where Python runs without assertions."""
    if not holds:
        raise AssertionError(sentence)


def require_finite(values: Iterable[Tensor], sentence: str) -> None:
    """Raise AssertionError where a tensor holds what is not finite."""
    require(all(bool(value.isfinite().all()) for value in values), sentence)


def require_refusal(call: Callable[[], object], sentence: str) -> GanforgeError:
    """Return the GanforgeError that ``call`` raises; AssertionError where it raises none, or no single sentence."""
    try:
        call()
    except GanforgeError as error:
        text = str(error)
        one = text.endswith((".", ")")) and "\n" not in text and ". " not in text.replace("e.g. ", "")
        require(one, f"{sentence}, in one sentence; it says: {text}")
        return error
    except Exception as error:
        raise AssertionError(f"{sentence} with a GanforgeError, and a {type(error).__name__} came: {error}") from error
    raise AssertionError(sentence)


def require_same_state(before: dict[str, Tensor], after: dict[str, Tensor], sentence: str) -> None:
    """Raise AssertionError unless two states hold the same tensors, in the same dtypes, to the bit."""
    same = before.keys() == after.keys() and all(
        value.dtype == after[name].dtype and torch.equal(value.cpu(), after[name].cpu())
        for name, value in before.items()
    )
    require(same, sentence)
