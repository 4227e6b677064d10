"""A console that fails, in every way there is: runs go on, other commands end quietly."""

import errno
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from tqdm import tqdm

from ganforge import cli
from ganforge.core.console import log_to, say
from ganforge.core.streams import console_optional, discard, prepare_streams
from quick import PATIENCE, QUICK

FAILURES = {
    "reader gone": BrokenPipeError(errno.EPIPE, "Broken pipe"),
    "disk full": OSError(errno.ENOSPC, "No space left on device"),
    "quota used up": OSError(errno.EDQUOT, "Disk quota exceeded"),
    "terminal hung up": OSError(errno.EIO, "Input/output error"),
    "descriptor closed": OSError(errno.EBADF, "Bad file descriptor"),
    "pipe full": BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"),
    "object closed": ValueError("I/O operation on closed file."),
    "written from a signal handler": RuntimeError("reentrant call inside <_io.BufferedWriter>"),
}


class FailingStream(io.StringIO):
    """Fails from its ``healthy``-th write on."""

    def __init__(self, failure, healthy=0):
        super().__init__()
        self.failure, self.healthy = failure, healthy

    def write(self, text):
        self.healthy -= 1
        if self.healthy < 0:
            raise self.failure
        return super().write(text)

    def flush(self):
        if self.healthy < 0:
            raise self.failure

    def isatty(self):
        return True

    def fileno(self):
        raise io.UnsupportedOperation("fileno")


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_whatever_is_printed_is_lost_and_nothing_is_raised(failure, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "stdout", FailingStream(failure))
    monkeypatch.setattr(sys, "stderr", FailingStream(failure))
    with console_optional(), console_optional(), log_to(tmp_path / "train.log"):
        say("said")
        print("printed", flush=True)
        sys.stdout.writelines(["a", "b"])
        print("warned", file=sys.stderr, flush=True)
        for _ in tqdm(range(3), mininterval=0):
            say("above the bar")
    assert (tmp_path / "train.log").read_text().count("above the bar") == 3
    assert isinstance(sys.stdout, FailingStream)


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_a_run_is_finished_whenever_its_console_fails(failure, train, run_folder, monkeypatch):
    healthy = random.Random(str(failure)).randrange(8)
    monkeypatch.setattr(sys, "stdout", FailingStream(failure, healthy))
    monkeypatch.setattr(sys, "stderr", FailingStream(failure))
    assert train("protocol=[]") == 0
    assert json.loads((run_folder() / "run.json").read_text())["state"] == "finished"
    assert "checkpoint" in (run_folder() / "train.log").read_text()


def test_a_disk_that_was_freed_shows_again_what_is_said(monkeypatch, tmp_path):
    stream = FailingStream(FAILURES["disk full"])
    monkeypatch.setattr(sys, "stdout", stream)
    with console_optional(), log_to(None):
        say("lost")
        stream.healthy = 10
        say("shown")
    assert stream.getvalue() == "shown\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_what_the_console_cannot_spell_is_escaped(encoding, monkeypatch, tmp_path):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
    prepare_streams()
    with log_to(tmp_path / "train.log"):
        say("M\u00f6we \u6c34 \udce9")
    assert written.getvalue().decode(encoding).endswith("\\xe9\n")
    assert "\u6c34 \\xe9" in (tmp_path / "train.log").read_text(encoding="utf-8")


def test_a_log_file_that_cannot_be_written_ends_nothing(tmp_path, capsys):
    (tmp_path / "train.log").symlink_to("/dev/full")
    (tmp_path / "folder.log").mkdir()
    for name in ("train.log", "folder.log"):
        with log_to(tmp_path / name):
            say("still said")
    assert capsys.readouterr() == ("still said\n" * 2, "")


def test_other_commands_end_as_programs_do(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", FailingStream(FAILURES["reader gone"]))
    assert cli.main(["doctor"]) == 128 + signal.SIGPIPE
    assert cli.main(["--help"]) == 128 + signal.SIGPIPE
    monkeypatch.setattr(sys, "stdout", FailingStream(FAILURES["disk full"]))
    assert cli.main(["doctor"]) == 1
    assert capsys.readouterr().err == "ganforge: Standard output cannot be written to: No space left on device.\n"


def test_what_a_stream_still_holds_is_dropped_with_what_is_behind_it(tmp_path):
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as stream:
        stream.write("held")
        discard(stream)
    with (tmp_path / "whole").open("w") as stream:
        stream.write("kept")
        discard(stream)
    assert (tmp_path / "whole").read_text() == "kept"


# Real processes.

TRAIN = [sys.executable, "-m", "ganforge.cli", "train", *QUICK]
LONG = ["total_kimg=100", "callbacks.checkpoint.every_kimg=0.2", "protocol=[]"]
CONSOLES = {
    "head": "{} | head -1",
    "full": "{} > /dev/full 2> /dev/full",
    "closed": "{} >&- 2>&-",
    "all closed": "{} <&- >&- 2>&-",
    "error closed": "{} 2>&- | head -1",
}


def the_run():
    (path,) = Path("outputs").glob("*/*/run.json")
    return json.loads(path.read_text())


@pytest.mark.slow
@pytest.mark.parametrize(("console", "devices"), [*((name, 1) for name in CONSOLES), ("full", 2), ("all closed", 2)])
def test_a_real_run_is_finished_without_its_console(console, devices):
    line = CONSOLES[console].format(" ".join(f"'{word}'" for word in [*TRAIN, f"trainer.devices={devices}"]))
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {line}"], check=False, timeout=PATIENCE)
    assert done.returncode == 0
    assert the_run()["state"] == "finished"
    assert not list(Path("outputs").rglob(".*.part"))


@pytest.mark.slow
@pytest.mark.parametrize("options", [["compare", "outputs"], ["--help"], ["train", "--help"]])
def test_no_command_complains_of_a_reader_that_has_read_enough(options, train):
    if "compare" in options:
        assert train() == 0
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "ganforge.cli", *options]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, check=False, timeout=PATIENCE)
    os.close(write)
    assert done.returncode == (0 if "train" in options else 128 + signal.SIGPIPE)
    assert done.stderr == ""


TAKE_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""


@pytest.fixture
def on_a_terminal():
    """Return a function that starts a run on a terminal, closes that once there is a checkpoint, and waits."""
    started = []

    def start(command, seconds=PATIENCE):
        master, slave = os.openpty()
        ends = {"stdin": slave, "stdout": slave, "stderr": slave}
        process = subprocess.Popen([sys.executable, "-c", TAKE_TERMINAL, *command], **ends, start_new_session=True)
        started.append(process)
        os.close(slave)
        os.set_blocking(master, False)
        limit = time.monotonic() + seconds
        while not list(Path("outputs").glob("*/*/checkpoints/last.ckpt")):
            assert process.poll() is None
            assert time.monotonic() < limit
            with suppress(OSError):  # nothing there yet, or nobody writes, as under nohup
                os.read(master, 4096)
            time.sleep(0.05)
        os.close(master)
        return process.wait(seconds)

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("devices", [1, 2])
def test_a_terminal_that_is_closed_saves_and_stops_a_run(devices, on_a_terminal):
    assert on_a_terminal([*TRAIN, *LONG, f"trainer.devices={devices}"]) == 128 + signal.SIGHUP
    status = the_run()
    assert status["state"] == "stopped"
    assert status["images_seen"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("devices", [1, 2])
def test_nohup_keeps_a_run_going_when_its_terminal_is_closed(devices, on_a_terminal):
    assert on_a_terminal(["nohup", *TRAIN, *LONG, "total_kimg=2", f"trainer.devices={devices}"]) == 0
    assert the_run()["state"] == "finished"
