"""Killed, stopped and multi-process runs, as real processes."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from ganforge.metrics.inputs import FewSamplesWarning
from ganforge.runs.folder import load_checkpoint
from quick import PATIENCE

pytestmark = pytest.mark.slow

OPTIONS = [
    "debug=smoke",
    "logger=csv",
    "network.width=8",
    "trainer=cpu",
    "total_kimg=4.8",
    "model.n_critic=2",
    "data.horizontal_flip=0.5",
    "term=[r1]",
    "term.r1.every=4",
    "augment=diff_augment",
    "callbacks.checkpoint.every_kimg=0.48",
    "callbacks.evaluate.every_kimg=1.6",
    "+schedules.optimizer.generator.lr={_target_:ganforge.schedules.Linear,start:0.0004,end:0,end_kimg:4.8}",
]


def start(*options, common=OPTIONS):
    command = [sys.executable, "-m", "ganforge.cli", "train", *common, *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=dict(os.environ))


def run(*options, common=OPTIONS):
    process = start(*options, common=common)
    out, _ = process.communicate(timeout=PATIENCE)
    return process.returncode, out


def checkpoint(name, which="last"):
    (path,) = Path("outputs", name).glob(f"*/checkpoints/{which}.ckpt")
    return load_checkpoint(path)


def wait_for(pattern, process, seconds=PATIENCE):
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        if list(Path("outputs").glob(pattern)):
            return
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.05)
    raise AssertionError(f"no {pattern} after {seconds} s")


def logged(name):
    """Return a run's log without times and speeds."""
    (path,) = Path("outputs", name).glob("*/metrics.csv")
    with path.open() as handle:
        table = list(csv.DictReader(handle))
    return [(row["images_seen"], row["name"], row["value"]) for row in table if not row["name"].startswith("speed/")]


def same(left, right):
    assert left["state_dict"].keys() == right["state_dict"].keys()
    torch.testing.assert_close(left["state_dict"], right["state_dict"], rtol=0, atol=0)
    for first, second in zip(left["optimizer_states"], right["optimizer_states"], strict=True):
        for key, entry in first["state"].items():
            for name, value in entry.items():
                assert torch.equal(torch.as_tensor(value), torch.as_tensor(second["state"][key][name]))


def test_killed_and_resumed_equals_uninterrupted_to_the_bit():
    code, out = run("name=whole")
    assert code == 0, out
    process = start("name=parts")
    wait_for("parts/*/checkpoints/previous.ckpt", process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    seen = (
        checkpoint("parts")["ganforge"]["images_seen"]
        if list(Path("outputs/parts").glob("*/checkpoints/last.ckpt"))
        else 0
    )
    assert seen < 4800
    code, out = run("name=parts", "resume=true")
    assert code == 0, out
    assert "Going on from" in out
    same(checkpoint("whole"), checkpoint("parts"))
    assert logged("whole") == logged("parts")


@pytest.mark.parametrize(
    ("number", "code", "devices"), [(signal.SIGTERM, 143, 1), (signal.SIGINT, 130, 1), (signal.SIGINT, 130, 2)]
)
def test_signals_save_and_say_how_to_go_on(number, code, devices):
    process = start("name=stopped", "total_kimg=48", f"trainer.devices={devices}")
    wait_for("stopped/*/checkpoints/last.ckpt", process)
    process.send_signal(number)
    out, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == code, out
    assert "repeat the command with resume=true" in out
    assert "Traceback" not in out
    (status,) = Path("outputs").glob("stopped/*/run.json")
    content = json.loads(status.read_text())
    assert content["state"] == "stopped"
    assert checkpoint("stopped")["ganforge"]["images_seen"] == content["images_seen"]


#: Kills the process that is about to record how its training ended: all images are seen, and nothing says so.
KILLS = """
import os, signal, sys

def hook(event, arguments):
    if event == "os.rename" and str(arguments[1]).endswith("/run.json"):
        with open(arguments[0]) as file:
            if '"ending": {' in file.read():
                os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(hook)
"""


def test_two_processes_killed_before_the_record_of_their_end_are_finished(tmp_path, monkeypatch):
    options = ["trainer.devices=2", "data.batch_size=20", "total_kimg=0.4", "callbacks.evaluate.every_kimg=0.2"]
    code, out = run("name=whole", *options)
    assert code == 0, out
    (tmp_path / "killing").mkdir()
    (tmp_path / "killing" / "sitecustomize.py").write_text(KILLS)
    with monkeypatch.context() as patched:
        patched.setenv("PYTHONPATH", str(tmp_path / "killing"), prepend=os.pathsep)
        code, out = run("name=parts", *options)
    assert code == 1, out
    assert checkpoint("parts")["ganforge"]["images_seen"] == 400
    (whole,), (parts,) = (list(Path("outputs", name).glob("*/run.json")) for name in ("whole", "parts"))
    assert "scores" not in json.loads(parts.read_text())
    code, out = run("name=parts", *options, "resume=true")
    assert code == 0, out
    assert out.count("All images were seen") == 1
    expected, status = json.loads(whole.read_text()), json.loads(parts.read_text())
    assert [entry["mode"] for entry in status["start"]] == ["new", "finish"]
    for key in ("state", "images_seen", "scores", "best", "ending"):
        assert status[key] == expected[key], key
    same(checkpoint("whole"), checkpoint("parts"))
    assert logged("whole") == logged("parts")


def test_two_processes_that_were_stopped_log_what_uninterrupted_ones_log():
    options = ["trainer.devices=2", "data.batch_size=20", "total_kimg=4", "protocol=[]", "model.log_every=7"]
    code, out = run("name=whole", *options)
    assert code == 0, out
    process = start("name=parts", *options)
    wait_for("parts/*/checkpoints/last.ckpt", process)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode in (0, 143), out
    code, out = run("name=parts", *options, "resume=true")
    assert code == 0, out
    same(checkpoint("whole"), checkpoint("parts"))
    assert logged("whole") == logged("parts")


def test_two_processes_save_together_what_one_of_them_scored_best():
    options = ["callbacks.evaluate.every_kimg=0.2", "callbacks.checkpoint.every_kimg=0.7", "callbacks.samples=null"]
    code, out = run("name=pair", *options, "data.batch_size=20", "total_kimg=1", "trainer.devices=2")
    assert code == 0, out
    (status,) = Path("outputs").glob("pair/*/run.json")
    best = json.loads(status.read_text())["best"]
    assert checkpoint("pair", "best")["ganforge"]["images_seen"] == best["images_seen"]


def test_two_processes_train_alike_and_score_as_one():
    """Gradient averaging: one process with the whole batch, two with half of it each."""
    options = ["data.batch_size=16", "total_kimg=0.64", "callbacks.evaluate.every_kimg=0.32", "ema=none"]
    code, out = run("name=two", "trainer.devices=2", *options)
    assert code == 0, out
    two = checkpoint("two")
    assert two["ganforge"]["images_seen"] == 640
    assert len(two["ganforge"]["rng"]) == 2
    (status,) = Path("outputs").glob("two/*/run.json")
    scores = json.loads(status.read_text())["scores"]
    # The same weights, scored by one process: the sample set and its order do not depend on the number of ranks.
    from hydra.utils import instantiate

    from ganforge.core.config import compose
    from ganforge.metrics.evaluation import Evaluation
    from ganforge.metrics.sources import Generated

    config = compose([*OPTIONS, *options])
    model, data = instantiate(config.model), instantiate(config.data)
    model.bind(data)
    model.load_state_dict(two["state_dict"])
    (protocol,) = (instantiate(entry) for entry in config.protocol.values())
    evaluation = Evaluation([protocol], data.splits(), Path(config.paths.cache), torch.device("cpu"))
    with pytest.warns(FewSamplesWarning):
        values = evaluation(Generated(model.samplers()["generator"]))[protocol.name]
    for name, value in values.items():
        # Batches of another size: float32 features differ in their last bits. A standard deviation of scores that are
        # nearly equal is off by as much as the scores are, and so is known relative to them, not to itself.
        scale = values[name.removesuffix("_std")]
        assert scores[name] == pytest.approx(value, rel=1e-5, abs=1e-5 * scale if name.endswith("_std") else 0), name


RANKS = """
import sys, torch, pytorch_lightning as pl
from functools import partial
sys.path.insert(0, {tests!r})
from test_procedure import TinyDiscriminator, TinyGenerator
from ganforge.data.embedded import Digits
from ganforge.data.module import ImageData
from ganforge.core.distributed import rank
from ganforge.core.workarounds import gradient_averaging
from ganforge.latents import Normal
from ganforge.losses.adversarial import Wasserstein
from ganforge.losses.gradient_penalty import R1
from ganforge.models.gan import GAN

class Fixed(Normal):
    def __call__(self, n, *, generator, device):
        return torch.ones(n, self.dim)

torch.manual_seed(0)
module = GAN(generator=TinyGenerator(), discriminator=TinyDiscriminator(), loss=Wasserstein(), latent=Fixed(4),
             terms={{"r1": R1(weight=1, every=2)}}, n_critic=2, total_kimg=0.128, log_every=4,
             optimizers={{p: partial(torch.optim.SGD, lr=0.05) for p in ("generator", "discriminator")}})
data = ImageData(Digits(), image_size=4, channels=1, batch_size=16)
trainer = pl.Trainer(max_epochs=-1, accelerator="cpu", devices=int(sys.argv[1]), logger=False,
                     enable_progress_bar=False,
                     strategy=gradient_averaging() if int(sys.argv[1]) > 1 else "auto", use_distributed_sampler=False,
                     enable_checkpointing=False, enable_model_summary=False)
trainer.fit(module, datamodule=data)
torch.save([p.detach() for p in module.parameters()], f"{{sys.argv[1]}}-{{rank()}}.pt")
"""


def test_ranks_stay_equal_and_equal_one_process(tmp_path):
    """Weights after 8 batches: ranks equal to the bit, and equal to one process up to the order of sums."""
    program = tmp_path / "ranks.py"
    program.write_text(RANKS.format(tests=str(Path(__file__).parents[1] / "models")))
    subprocess.run([sys.executable, str(program), "1"], cwd=tmp_path, check=True, timeout=PATIENCE)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    subprocess.run([*launcher, str(program), "2"], cwd=tmp_path, check=True, timeout=PATIENCE)
    one, first, second = (torch.load(tmp_path / name, weights_only=True) for name in ("1-0.pt", "2-0.pt", "2-1.pt"))
    for alone, left, right in zip(one, first, second, strict=True):
        assert torch.equal(left, right)
        torch.testing.assert_close(left, alone, rtol=1e-5, atol=1e-6)
