"""Rules of the design that a machine can hold."""

import ast
import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "ganforge"
TESTS = Path(__file__).parents[1]
LONG = {"stylegan2.py": 450}

#: The rooms from the bottom up: one imports from those below it, never from its own level or above.
LEVELS = (
    {"core"},
    {"data"},
    {"latents", "conditioning", "ema", "optimizers", "schedules"},
    {"networks"},
    {"augment", "losses"},
    {"sampling"},
    {"models", "metrics"},
    {"testing"},
    {"loggers", "health"},
    {"runs"},
    {"reports"},
    {"callbacks"},
    {"sweeps", "tuning"},
    {"commands"},
    {"cli"},
)
LEVEL_OF = {room: number for number, level in enumerate(LEVELS) for room in level}


def imported(path):
    """Yield what a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            if node.module == "ganforge":
                yield from (f"ganforge.{alias.name}" for alias in node.names if alias.name != "__version__")


def named(path):
    """Yield the modules of ganforge that strings name: targets of configurations, modules to start."""
    if path == SOURCE / "core" / "build.py":
        return  # its table says which rooms a configuration may build from: it names them and imports none
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from re.findall(r"^ganforge(?:\.[a-z_]\w*)+", node.value)


def room_of(path):
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("room", sorted(LEVEL_OF))
def test_imports_point_downwards(room):
    place = SOURCE / room
    for path in place.rglob("*.py") if place.is_dir() else [place.with_suffix(".py")]:
        for name in {*imported(path), *named(path)}:
            other = [*name.split("."), ""][1]
            if name.startswith("ganforge.") and other in LEVEL_OF and other != room:
                assert LEVEL_OF[other] < LEVEL_OF[room], f"{path.relative_to(SOURCE)} imports {name} from above"


def test_every_room_has_its_level_and_its_tests():
    rooms = {room_of(path) for path in SOURCE.rglob("*.py")} - {"__init__"}
    assert rooms == set(LEVEL_OF)
    # Configurations; notebooks; commands killed, and misspelled; official code's steps.
    beside = {"zoo", "notebooks", "storm", "hostile", "traces"}
    folders = {path.parent.relative_to(TESTS).parts[0] for path in TESTS.rglob("test_*.py")}
    assert folders == {room for room in rooms if (SOURCE / room).is_dir()} | beside
    modules = [path for path in SOURCE.glob("*.py") if path.name != "__init__.py"]
    assert len(modules) <= 8, "the hall is for the command line and the axes of one file"


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
        assert not re.search(r"ganforge\.networks\.(?!critique|checks)", text)


def test_base_knows_no_generator_and_no_discriminator():
    tree = ast.parse((SOURCE / "models" / "base.py").read_text())
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not names & {"generator", "discriminator", "global_step"}


def attributes(path):
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)]


def test_parts_of_the_loop_do_not_look_for_one_another():
    for path in (SOURCE / "callbacks").glob("*.py"):
        assert not [node for node in attributes(path) if node.attr == "callbacks"], path
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        scans = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "isinstance"]
        assert not scans or path.name == "assemble.py", path  # which checks what a configuration gives


#: Names that begin with an underscore and are public: by others' conventions, or the only way into others' code.
PUBLIC = {
    "_target_",  # Hydra's key
    "_replace",  # of named tuples
    "_repr_png_",  # IPython's protocol
    "_trial_id",  # Optuna's storages take nothing else
}


#: Roots of names that are not ganforge's: a test's own, and libraries whose costs or arithmetic tests change.
ELSEWHERE = ("self", "torch", "ConfigLoaderImpl")


@pytest.mark.parametrize("path", sorted(TESTS.rglob("*.py")), ids=lambda path: path.name)
def test_tests_use_public_names(path):
    found = [node.attr for node in attributes(path) if is_private(node.attr) and root_of(node) not in ELSEWHERE]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ganforge"):
            found += [alias.name for alias in node.names if is_private(alias.name)]
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", None) in ("setattr", "delattr"):
            places = ".".join(str(word.value) for word in node.args if isinstance(word, ast.Constant))
            found += [name for name in places.split(".") if is_private(name)]
    assert not found, f"{path} reaches for {found}: test behaviour, or a public hook"


def is_private(name):
    return name.startswith("_") and not name.startswith("__") and name not in PUBLIC


def root_of(node):
    while isinstance(node, ast.Attribute | ast.Call):
        node = node.value if isinstance(node, ast.Attribute) else node.func
    return node.id if isinstance(node, ast.Name) else None
