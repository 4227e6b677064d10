"""What a process that starts others hears of them, and what it leaves behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ganforge.core.errors import GanforgeError, StudyError, TakenOver
from ganforge.core.launch import exit_status, launch, supervise
from ganforge.runs.folder import RunFolder
from ganforge.runs.lifecycle import recorded
from quick import PATIENCE

ENDS = """
import sys
sys.exit(int(open(sys.argv[1]).read()))
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", [TakenOver, StudyError, GanforgeError])
def test_what_a_study_has_to_know_comes_back_from_several_processes(kind, tmp_path, monkeypatch):
    (tmp_path / "ends.py").write_text(ENDS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    config = tmp_path / "code"
    config.write_text(str(exit_status(kind("why"))))
    with pytest.raises(GanforgeError) as raised:
        launch(config, 2, module="ends")
    assert type(raised.value) is kind


def test_a_run_that_was_taken_over_keeps_the_record_of_its_new_worker(tmp_path):
    folder = RunFolder(tmp_path)
    folder.update(state="running", pid=1)
    with pytest.raises(TakenOver), recorded(folder):
        raise TakenOver("It is another's.")
    assert folder.status() == {"state": "running", "pid": 1}
    with pytest.raises(GanforgeError), recorded(folder):
        raise GanforgeError("It is broken.")
    assert folder.status()["state"] == "failed"


HANGS = """
import pathlib, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if len(sys.argv) > 1:
    signal.signal(signal.SIGTERM, lambda *_: pathlib.Path(sys.argv[1]).with_name("asked").touch())
    child = subprocess.Popen([sys.executable, __file__], start_new_session=True)
    open(sys.argv[1], "w").write(f"{child.pid}\\n")
time.sleep(600)
"""


def wait_until(condition):
    limit = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.02)


@pytest.mark.skipif(
    not os.path.exists("/proc"), reason="without /proc, as on macOS, only the processes themselves are killed"
)
def test_a_second_ctrl_c_kills_what_hangs_and_what_that_has_started(tmp_path):
    (tmp_path / "hangs.py").write_text(HANGS)
    pid_file = tmp_path / "child"
    process = subprocess.Popen([sys.executable, str(tmp_path / "hangs.py"), str(pid_file)], start_new_session=True)

    def interrupt():
        wait_until(lambda: pid_file.exists() and pid_file.read_text().endswith("\n"))
        os.kill(os.getpid(), signal.SIGINT)
        wait_until((tmp_path / "asked").exists)  # two that come at once are one to Python
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    codes, received = supervise([process])
    thread.join()
    assert (codes, received) == ([-signal.SIGKILL], signal.SIGINT)
    stat = Path("/proc", pid_file.read_text().strip(), "stat")
    wait_until(lambda: not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z")
