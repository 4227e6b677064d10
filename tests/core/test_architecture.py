"""Rules of the design that a machine can hold."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "ganforge"
LONG = {"stylegan2.py": 450}


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def reached(path, seen=None):
    """Yield what a file imports, directly or through ganforge's own modules."""
    seen = set() if seen is None else seen
    for name in imported(path):
        yield name
        if name.startswith("ganforge.") and name not in seen:
            seen.add(name)
            inner = SOURCE.joinpath(*name.split(".")[1:]).with_suffix(".py")
            if inner.exists():
                yield from reached(inner, seen)


@pytest.mark.parametrize("place", ["networks", "losses", "augment", "metrics", "models/game.py", "models/phase.py"])
def test_pure_places_import_neither_lightning_nor_hydra(place):
    for path in (SOURCE / place).rglob("*.py") if (SOURCE / place).is_dir() else [SOURCE / place]:
        roots = {name.partition(".")[0] for name in reached(path)}
        assert not roots & {"pytorch_lightning", "lightning", "hydra", "omegaconf"}, path


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: path.name)
def test_files_stay_short(path):
    assert len(path.read_text().splitlines()) <= LONG.get(path.name, 250)


def test_core_knows_no_variant():
    for name in ("base.py", "game.py", "gan.py", "phase.py"):
        text = (SOURCE / "models" / name).read_text().lower()
        assert "dcgan" not in text
        assert "ganforge.networks." not in text.replace("ganforge.networks.critique", "")


def test_base_knows_no_generator_and_no_discriminator():
    tree = ast.parse((SOURCE / "models" / "base.py").read_text())
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not names & {"generator", "discriminator", "global_step"}
