"""Packages of the user's own: whose code may run, and where it lies. Imports no torch.

A package is named once, by ``trust=[mypackage]``, and from then on in the user's own ``trust.yaml``; on machines whose
jobs share no home, ``GANFORGE_TRUST=mypackage`` names it. That variable is also how child processes know.
"""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module, metadata
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from ganforge.core.console import log_to, say
from ganforge.core.errors import GanforgeError, first_line
from ganforge.core.files import write_text
from ganforge.core.launch import environment_rank
from ganforge.core.yaml_files import read_yaml

__all__ = ["import_trusted", "may_be_trusted", "trust_file", "trusted", "trusting", "version_of"]

#: Packages by name, or by their paths; separated as in PATH.
_VARIABLE = "GANFORGE_TRUST"


def trust_file() -> Path:
    """Return where trusted packages are remembered: ``$XDG_CONFIG_HOME/ganforge/trust.yaml``."""
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    return Path(home) / "ganforge" / "trust.yaml"


def may_be_trusted(name: str) -> bool:
    """Whether a package may be a user's own: no part of Python, and nothing that ganforge has rules for."""
    reserved = {"builtins", "ganforge", "torch", "pytorch_lightning", "lightning", "hydra", "omegaconf", "optuna"}
    return name.isidentifier() and name[0] != "_" and name not in reserved | sys.stdlib_module_names


def trusted() -> dict[str, Path | None]:
    """Return trusted packages with the folders that hold them; ``None``: wherever Python finds them.

    Raises:
        GanforgeError: if the user's file is damaged.
    """
    return {**_remembered(), **dict(map(_named, _from_environment()))}


@contextmanager
def trusting(entries: Sequence[str], folders: Sequence[Path]) -> Iterator[None]:
    """Trust packages inside, in child processes too, and remember them for later commands.

    Args:
        entries: names of packages, or their paths.
        folders: where to look for them, first of all; then the working folder, then Python's own places.

    Raises:
        GanforgeError: if one of them is not there, or none that may be trusted.
    """
    places = [*(folder.absolute() for folder in folders), Path.cwd()]
    found = {name: _holder(name, folder, places) for name, folder in map(_named, entries)}
    known = dict(map(_named, _from_environment()))
    for name, folder in known.items():  # a name alone is looked for here, and nothing is said if it is not there
        if folder is None and name not in found:
            known[name] = next((place for place in places if _holds(place, name)), None)
    _remember(found)
    before = os.environ.get(_VARIABLE)
    paths = [name if folder is None else str(folder / name) for name, folder in {**known, **found}.items()]
    if paths:
        os.environ[_VARIABLE] = os.pathsep.join(paths)
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(_VARIABLE, None)
        else:
            os.environ[_VARIABLE] = before


def import_trusted(name: str, module: str) -> ModuleType:
    """Import a module of a trusted package, from the folder that is trusted.

    Raises:
        GanforgeError: if the module cannot be imported, or Python finds another package of this name.
    """
    folder = trusted()[name]
    if folder is not None and str(folder) not in sys.path:
        sys.path.append(str(folder))  # last: it replaces nothing that is installed
    try:
        spec = find_spec(name)
        if spec is not None and folder is not None and not _lies_in(spec, folder):
            place = spec.origin or next(iter(spec.submodule_search_locations or [""]))
            raise GanforgeError(
                f"The package '{name}' is trusted in '{folder}', and Python finds '{place}' under this name: rename "
                f"yours, or add trust=[{name}] where that is the one you mean."
            )
        return import_module(module)
    except GanforgeError:
        raise
    except Exception as error:
        raise GanforgeError(
            f"'{module}' of the trusted package '{name}' cannot be imported ({type(error).__name__}: "
            f"{first_line(error)}): mend it, or say where it lies now with trust=[PATH/{name}]."
        ) from error


def version_of(name: str) -> str:
    """Return what identifies a trusted package's code: its version, its commit, or a hash of its files."""
    for distribution in metadata.packages_distributions().get(name, []):
        return metadata.version(distribution)
    spec = find_spec(name)
    origins = [] if spec is None else [*(spec.submodule_search_locations or []), spec.origin]
    path = next((Path(origin) for origin in origins if origin), Path())
    return _commit(path) or f"files {_digest(path)}"


def _commit(path: Path) -> str | None:
    """Return the commit of the checkout that holds ``path``, marked if files below it have changed."""
    folder = path if path.is_dir() else path.parent
    try:
        head = _git(folder, "rev-parse", "HEAD").strip()
        if not _git(folder, "ls-files", str(path)).strip():
            return None  # another project's checkout around it
        return f"commit {head}" + ("+changes" if _git(folder, "status", "--porcelain", str(path)).strip() else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=True, timeout=10)
    return done.stdout


def _digest(path: Path) -> str:
    """Return ten digits of a hash of Python files at or below ``path``."""
    digest = hashlib.blake2b(digest_size=5)
    for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
        digest.update(f"{file.name} {hashlib.blake2b(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _from_environment() -> list[str]:
    return [entry for entry in os.environ.get(_VARIABLE, "").split(os.pathsep) if entry]


def _named(entry: str) -> tuple[str, Path | None]:
    """Return a package's name and, where the entry is a path, the folder that holds it."""
    path = Path(os.path.expanduser(entry))
    return (path.stem, path.absolute().parent) if os.sep in entry else (entry, None)


def _holder(name: str, folder: Path | None, places: Sequence[Path]) -> Path | None:
    """Return the folder that holds a package; ``None`` where it is installed.

    Raises:
        GanforgeError: if there is none.
    """
    if not may_be_trusted(name):
        raise GanforgeError(
            f"trust=[{name}] names no package of your own: give the name of a folder with Python files, or of a module."
        )
    looked = places if folder is None else [folder]
    for place in looked:
        if _holds(place, name):
            return place
    if folder is None and find_spec(name) is not None:
        return None
    where = " or ".join(f"'{place}'" for place in looked)
    raise GanforgeError(
        f"trust=[{name}]: there is no package '{name}' in {where}: add --config-dir FOLDER or trust=[PATH/{name}]."
    )


def _holds(folder: Path, name: str) -> bool:
    return (folder / f"{name}.py").is_file() or any((folder / name).glob("*.py"))


def _lies_in(spec: ModuleSpec, folder: Path) -> bool:
    """Whether what Python finds is directly in ``folder``."""
    origins: list[str | None] = [*(spec.submodule_search_locations or [])] or [spec.origin]
    return any(origin and Path(origin).resolve().parent == folder.resolve() for origin in origins)


def _remembered() -> dict[str, Path | None]:
    path = trust_file()
    if not path.is_file():
        return {}
    try:
        content = read_yaml(path) or {}
    except (OSError, ValueError) as error:
        raise GanforgeError(f"'{path}' cannot be read ({first_line(error)}): mend it, or delete it.") from error
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise GanforgeError(f"'{path}' is not a list of trusted packages: delete it, and name them with trust=[...].")
    return {name: None if folder is None else Path(str(folder)) for name, folder in content.items()}


def _remember(found: Mapping[str, Path | None]) -> None:
    """Add packages to the user's own list, and say so; a home that cannot be written to is a note."""
    path, before = trust_file(), _remembered()
    new = {name: folder for name, folder in found.items() if name not in before or before[name] != folder}
    if not new or environment_rank() > 0:
        return
    names = ", ".join(f"'{name}'" if folder is None else f"'{folder / name}'" for name, folder in new.items())
    with log_to(None):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lines = [f"{name}: {_quoted(folder)}\n" for name, folder in {**before, **new}.items()]
            write_text(path, "# Packages whose code ganforge may run. Delete a line to end that.\n" + "".join(lines))
            say(f"Code of {names} is trusted from now on; a line in {path} says so.")
        except OSError as error:
            say(f"Note: '{path}' cannot be written ({error.strerror}): give trust=[...] again, or GANFORGE_TRUST.")


def _quoted(folder: Path | None) -> str:
    """Return a folder as YAML text."""
    return "null" if folder is None else "'" + str(folder).replace("'", "''") + "'"
