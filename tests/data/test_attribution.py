"""Who made pictures that packages ship is said where the user looks, and extras install these packages."""

import tomllib
from pathlib import Path

import pytest

from discovery import options
from ganforge.data.attribution import ATTRIBUTIONS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ATTRIBUTIONS)
def test_the_page_and_the_project_file_have_it(name: str) -> None:
    package, extra, works = ATTRIBUTIONS[name]
    page = (ROOT / "docs" / "data.md").read_text()
    (row,) = [line for line in page.splitlines() if line.startswith(f"| `data={name}`") and f"| {package}" in line]
    assert all(work in row for work in works)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] if extra is None else project["optional-dependencies"][extra]
    assert any(entry.partition(">")[0] == package for entry in wanted)
    if extra is not None:
        assert f"{extra}," in project["optional-dependencies"]["dev"][0].replace("]", ",")


def test_every_dataset_with_columns_is_on_the_page() -> None:
    page = (ROOT / "docs" / "data.md").read_text()
    kinds = ("earth", "robohash", "glyphs", "scenes", "paired", "unpaired", "captioned", "mnist5k_", "horse")
    for name in options("data"):
        if name.startswith(kinds):
            assert f"`data={name}`" in page, name
