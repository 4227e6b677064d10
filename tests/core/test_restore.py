"""A run comes back from its folder as it was, and nothing foreign comes with it."""

import pytest
import torch

from ganforge.errors import GanforgeError
from ganforge.restore import restore


def test_samples_as_the_trained_model(train, run_folder):
    assert train("ema=default") == 0
    folder = run_folder()
    restored = restore(folder)
    again = restore(folder / "checkpoints" / "last.ckpt")
    assert restored.images_seen == again.images_seen > 0
    draw = [run.module.sample(4, generator=torch.Generator().manual_seed(1)) for run in (restored, again)]
    assert torch.equal(*draw)
    assert draw[0].shape == (4, 1, 32, 32)
    assert len(restored.data().splits().train) == 4500


@pytest.mark.parametrize("target", ["os.system", "subprocess.run", "ganforge.runs.subprocess.run", "ganforge.absent.X"])
def test_foreign_code_is_refused(target, train, run_folder):
    assert train() == 0
    folder = run_folder()
    text = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(f"{text}\nextra:\n  _target_: {target}\n")
    with pytest.raises(GanforgeError, match=f"asks to build '{target}'"):
        restore(folder)


def test_what_is_no_run_is_told(tmp_path, train, run_folder):
    with pytest.raises(GanforgeError, match=r"no run's folder"):
        restore(tmp_path)
    assert train() == 0
    folder = run_folder()
    with pytest.raises(GanforgeError, match=r"no checkpoint at"):
        restore(folder, "best-of-all.ckpt")
    (folder / "config.yaml").write_text((folder / "config.yaml").read_text().replace("width: 4", "width: 8"))
    with pytest.raises(GanforgeError, match="does not hold the networks"):
        restore(folder)
    (folder / "config.yaml").write_text("a: [1")
    with pytest.raises(GanforgeError, match="cannot be read"):
        restore(folder)
