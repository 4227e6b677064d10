"""The examples of docs/design.md run as they stand."""

import re
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "design.md").read_text()


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
def test_examples_run_one_after_another(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    names: dict[str, object] = {"__name__": "design"}
    examples = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert len(examples) >= 6
    for number, example in enumerate(examples):
        exec(compile(example, f"example {number}", "exec"), names)


def test_every_room_is_on_the_page():
    source = ROOT / "src" / "ganforge"
    rooms = {f"`{path.name}/`" for path in source.iterdir() if (path / "__init__.py").exists()}
    axes = {f"`{path.name}`" for path in source.glob("*.py") if path.name != "__init__.py"}
    assert not {name for name in rooms | axes if name not in PAGE}
