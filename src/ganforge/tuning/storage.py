"""Where a study is kept: a journal's file, or a database; never a file that no study has begun."""

from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from ganforge.core.errors import GanforgeError, first_line
from ganforge.core.extras import install

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.storages import BaseStorage
    from optuna.storages.journal._file import BaseJournalFileLock

__all__ = ["open_storage", "optuna", "owner_of", "trial_of"]

#: How every journal of Optuna's begins.
_JOURNAL = b'{"op_code":'


def optuna() -> ModuleType:
    """Import Optuna, without its own console lines.

    Raises:
        GanforgeError: if it is not installed.
    """
    try:
        import optuna as module
    except ImportError as error:
        raise GanforgeError(f"Tuning needs Optuna: {install('tune')}.") from error
    module.logging.set_verbosity(module.logging.ERROR)
    return module


def open_storage(address: str) -> "BaseStorage":
    """Open a journal's file, or a database with ``://`` in its address.

    A process that was killed while it wrote, or a machine that lost its power, may leave half a line at a journal's
    end; it is cut off, since no one has acted on it.

    Raises:
        GanforgeError: if it cannot be opened.
    """
    storages = optuna().storages
    try:
        if "://" in address:
            _require_own_database(address)
            database: BaseStorage = storages.RDBStorage(address)
            return database
        _require_own(address)
        Path(address).parent.mkdir(parents=True, exist_ok=True)
        backend = storages.journal.JournalFileBackend(address)
        _mend(Path(address), storages.journal.JournalFileSymlinkLock(address))
        storage: BaseStorage = storages.JournalStorage(backend)
    except GanforgeError:
        raise
    except Exception as error:
        reason = first_line(error)
        raise GanforgeError(
            f"The study's storage '{address}' cannot be opened ({reason}): check tune.storage."
        ) from error
    return storage


def _require_own(address: str) -> None:
    """Refuse a file that is no journal: opening one as a journal would cut it."""
    path = Path(address)
    if not path.exists():
        return
    with path.open("rb") as file:  # a folder raises here
        head = file.read(len(_JOURNAL))
    if head != _JOURNAL[: len(head)]:
        raise GanforgeError(
            f"tune.storage='{address}' is a file that no study has begun: choose another path, or for a database its "
            "address, as in tune.storage=sqlite:///studies.db."
        )


def _require_own_database(address: str) -> None:
    """Refuse an SQLite file of somebody else's, into which studies would be written."""
    path = Path(address.partition("?")[0].partition(":///")[2])
    if not address.startswith("sqlite") or not path.is_file() or not path.stat().st_size:
        return
    import sqlite3

    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
    if not {"studies", "version_info"} <= tables:
        raise GanforgeError(
            f"tune.storage='{address}' is a database that no study has begun: choose another path, or leave "
            "tune.storage out."
        )


def _mend(journal: Path, guard: "BaseJournalFileLock") -> None:
    guard.acquire()
    try:
        with journal.open("r+b") as file:
            content = file.read()
            file.truncate(content.rfind(b"\n") + 1)
    finally:
        guard.release()


def trial_of(study: "Study", storage: "BaseStorage", number: int) -> "Trial":
    """Return a trial that is already running, to go on with it."""
    identity = storage.get_trial_id_from_study_id_trial_number(storage.get_study_id_from_name(study.study_name), number)
    trial: Trial = optuna().trial.Trial(study, identity)
    return trial


def owner_of(storage: "BaseStorage", trial: "Trial") -> dict[str, object] | None:
    """Return the process that trains a trial now, if one does; what a trial itself says is as old as its object."""
    frozen = storage.get_trial(trial._trial_id)
    owner: dict[str, object] | None = None if frozen.state.is_finished() else frozen.user_attrs.get("owner")
    return owner
