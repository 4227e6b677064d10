"""What to type so that an optional package is there."""

import shlex
import sys
from importlib.util import find_spec
from pathlib import Path

__all__ = ["install"]


def install(extra: str) -> str:
    """Return the command that adds an extra of ganforge to this environment, for a sentence that asks for it.

    From a checkout it installs the checkout with the extra, since the package's name alone would look it up elsewhere;
    where the environment has no pip, as those that uv makes, uv does it.
    """
    checkout = Path(__file__).resolve().parents[3]
    known = (checkout / "pyproject.toml").is_file()
    what = f"--editable {shlex.quote(f'{checkout}[{extra}]')}" if known else f"'ganforge[{extra}]'"
    tool = "pip install" if find_spec("pip") else f"uv pip install --python {shlex.quote(sys.executable)}"
    return f"{tool} {what}"
