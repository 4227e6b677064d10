"""What a process that starts others hears of them, and what it leaves behind."""

import pytest

from ganforge.errors import GanforgeError, StudyError, TakenOver
from ganforge.launch import exit_status, launch
from ganforge.lifecycle import recorded
from ganforge.runs import RunFolder

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
