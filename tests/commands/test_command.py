"""The command as a person types it: bad input, finished runs, resuming, logs."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from filelock import FileLock, Timeout

from ganforge import cli
from ganforge.callbacks.samples import Curves
from ganforge.commands import train as train_module
from ganforge.core.config import compose
from ganforge.runs.folder import RunFolder, load_checkpoint
from quick import SMOKE


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["modle=dcgan"], r"no configuration key or group 'modle'; did you mean model\?"),
        (["model=dcgn"], r"no 'dcgn' in the group 'model'; did you mean .*dcgan"),
        (["data.bach_size=3"], r"no configuration key 'data.bach_size'; did you mean data.batch_size"),
        (["term.lecam.weight=1"], r"'lecam' is none of this run's terms: .* as in term=\[lecam\]"),
        (["trainer.devces=2"], r"did you mean trainer\.devices"),
        (["data.batch_size=abc"], r"data.batch_size must be a number \(default \d+\), got 'abc'"),
        (["data.batch_size=0"], r"data.batch_size must be a whole number >= 1 and at most 1e\+06, got 0"),
        (["total_kimg=-1"], r"total_kimg must be a number greater than 0"),
        (["seed=1,2"], r"'seed=1,2' names several values: add -m"),
        (["nonsense"], r"'nonsense' is not of the form key=value"),
        (["trainer.accelerator=tpu9"], r"trainer.accelerator must be one of"),
        (["trainer.devices=0"], r"trainer.devices must be a whole number"),
        (["data.image_size=20"], r"data.image_size to be 8, 16, 32"),
        (["conditioning=label", "data.classes=null"], r"conditioning=label"),
        (["data=cifar10"], r"CIFAR10 is not in 'data_cache'.*download=true"),
        (["data=image_folder"], r"data.source.path=FOLDER"),
        (["protocol=fid50k_train"], r"weights-inception-2015-12-05-6726825d.pth"),
        (["optimizer.generator.lr=-1"], r"optimizer.*lr|learning rate"),
        (["trainer.precision=12"], r"(?i)precision"),
        (["resume=nowhere.ckpt"], r"no checkpoint at 'nowhere.ckpt'"),
    ],
)
def test_bad_input_is_one_sentence(overrides, sentence, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert cli.main(["train", "logger=csv", "network.width=4", "debug=smoke", *overrides]) == 1
    printed = capsys.readouterr().err.strip()
    assert re.search(sentence, printed), printed
    assert "Traceback" not in printed
    assert len(printed.splitlines()) == 1, printed
    assert printed.startswith("ganforge: ")


def test_cuda_that_is_absent(capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert cli.main(["train", "trainer=gpu"]) == 1
    assert "sees no CUDA device" in capsys.readouterr().err


def test_debug_shows_the_trace():
    with pytest.raises(Exception, match=r"Could not override|struct"):
        cli.main(["train", "modle=1", "debug=true"])


LIGHT = """
import sys
from ganforge.cli import main
for words in {lines}:
    try:
        main(words)
    except SystemExit:
        pass
    heavy = {{"torch", "wandb", "pytorch_lightning"}} & sys.modules.keys()
    if heavy:
        sys.exit(f"{{words}} imports {{heavy}}")
"""


def test_help_and_config_errors_import_no_torch(tmp_path):
    lines = [
        ["--help"],
        ["train", "--help"],
        ["train", "modle=x"],
        ["train", "model=x"],
        ["train", "data.batch_size=x"],
        ["sample", "--help"],
        ["sample", "run=x"],
        ["sample", "x"],
        ["evaluate", "--help"],
        ["compare", "--help"],
        ["compare", "nowhere"],
        ["compare", "metric=fid"],
        ["doctor", "--help"],
        ["doctor", "cifar=true"],
    ]
    command = [sys.executable, "-c", LIGHT.format(lines=lines)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("command", "offered", "refused"),
    [("train", "model", "mode"), ("evaluate", "protocol", "model"), ("tune", "tune/pruner", "mode")],
)
def test_help_offers_the_groups_that_the_command_has(command, offered, refused, capfd):
    with pytest.raises(SystemExit, match="0"):
        cli.main([command, "--help"])
    printed = capfd.readouterr().out
    assert printed.startswith(f"ganforge {command}: ")
    assert re.search(rf"^{offered}: \w+, ", printed, re.MULTILINE)
    assert not re.search(rf"^{refused}: ", printed, re.MULTILINE)
    assert not re.search(r"[ :]_", printed.partition("== Configuration")[0])


@pytest.mark.parametrize("command", ["compare", "doctor", "evaluate", "sample"])
def test_help_shows_every_key_with_its_comment(command, capfd):
    with pytest.raises(SystemExit, match="0"):
        cli.main([command, "--help"])
    printed = capfd.readouterr().out
    for key in compose([], command):
        if key not in ("mode", "n", "protocol", "paths", "trainer"):  # of groups, or sections
            assert re.search(rf"^{key}: .*# \w", printed, re.MULTILINE), key
    assert "$$" not in printed


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["evaluate", "no where"], r"'no where'"),
        (["evaluate", "here", "there"], r"'there' is one bare word too many: 'here' is the run already"),
        (["sample", "mode=grid", "nowhere"], r"There is no run at 'nowhere'"),
        (["sample", "--config-dir", ".", "nowhere"], r"There is no run at 'nowhere'"),
        (["compare", "nowhere", "metric=fid", "it's,[here]"], r"There is no folder 'nowhere'"),
        (["compare", "it's,[here]"], r"There is no folder 'it's,\[here\]'"),
    ],
)
def test_bare_words_are_runs_and_folders(words, sentence, capsys):
    assert cli.main(words) == 1
    printed = capsys.readouterr().err.strip()
    assert re.search(sentence, printed), printed
    assert len(printed.splitlines()) == 1


def test_help_of_ones_own_folder_of_configurations(capfd, monkeypatch, tmp_path):
    (tmp_path / "loss").mkdir()
    (tmp_path / "loss" / "mine.yaml").write_text("a: 1\n")
    words = ["train", "--config-dir", str(tmp_path), "--help"]
    monkeypatch.setattr(sys, "argv", ["ganforge", *words])
    with pytest.raises(SystemExit, match="0"):
        cli.main(words)
    assert re.search(r"^loss: .*\bmine\b", capfd.readouterr().out, re.MULTILINE)


@pytest.mark.parametrize("characters", [0, 1])
def test_a_reader_that_leaves_early_is_no_error(characters):
    """It leaves before anything is written, or once something is: not when a shell's `head` happens to."""
    program = "import sys\nfrom ganforge.cli import main\nsys.exit(main(['train', '--help']))"
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        read = os.read(process.stdout.fileno(), characters)
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0
    assert read == b"ganforge train: "[:characters]


def test_unknown_command_and_version(capsys):
    assert cli.main(["trian"]) == 2
    assert "no command 'trian'" in capsys.readouterr().err
    assert cli.main(["--version"]) == 0
    assert cli.main([]) == 0


def test_completion(monkeypatch, capsys):
    monkeypatch.setenv("COMP_LINE", "ganforge ")
    assert cli.main(["-sc", "query=bash"]) == 0
    assert {"train", "download"} <= set(capsys.readouterr().out.split())
    monkeypatch.setenv("COMP_LINE", "ganforge train model=dc")
    cli.main(["-sc", "query=bash"])
    assert "model=dcgan" in capsys.readouterr().out.split()


def test_signature_ignores_machine_keys_and_follows_the_rest():
    base = compose(["trainer=cpu"]).paths.run
    same = [
        "trainer=ddp",
        "logger=csv",
        "trainer.devices=2",
        "data.workers=3",
        "download=true",
        "callbacks.progress.line_seconds=1",
    ]
    assert compose(same).paths.run == base
    for other in (
        "seed=1",
        "total_kimg=1",
        "trainer.precision=bf16-mixed",
        "network.width=8",
        "loss=hinge",
        "data=mnist",
    ):
        assert compose(["trainer=cpu", "name=dcgan_mnist5k", other]).paths.run != base


def test_users_own_configs(tmp_path, train, run_folder):
    (tmp_path / "mine" / "network").mkdir(parents=True)
    (tmp_path / "mine" / "network" / "narrow.yaml").write_text("defaults: [dcgan]\nwidth: 2\n")
    assert (
        cli.main(["train", "--config-dir", str(tmp_path / "mine"), "network=narrow", "debug=smoke", "logger=csv"]) == 0
    )
    assert "width: 2" in (run_folder() / "config.yaml").read_text()


@pytest.fixture
def smoke():
    """Run ``ganforge train`` for a few steps of everything, curves too, and return its exit status."""
    return lambda *overrides: cli.main(["train", *SMOKE, *overrides])


def read_rows(folder):
    with (folder / "metrics.csv").open() as handle:
        return list(csv.DictReader(handle))


def test_a_run_leaves_everything(smoke, run_folder, capsys):
    assert smoke() == 0
    printed = capsys.readouterr().out
    folder = run_folder()
    for name in ("config.yaml", "run.json", "metrics.csv", "curves.png", "samples/latest.png", "train.log"):
        assert (folder / name).stat().st_size > 0, name
    status = json.loads((folder / "run.json").read_text())
    assert status["state"] == "finished"
    assert status["images_seen"] == 128
    assert status["protocol"].startswith("smoke@")
    assert status["packages"]["torch"] == torch.__version__.partition("+")[0] or status["packages"]["torch"]
    assert status["command"][1:]
    rows = read_rows(folder)
    names = {row["name"] for row in rows}
    assert {
        "metrics/fid",
        "metrics/inception_score",
        "generator/adversarial",
        "discriminator/adversarial",
    } <= names
    assert {row["protocol"] for row in rows if row["name"].startswith("metrics/")} == {status["protocol"]}
    for word in (str(folder), "samples/latest.png", status["protocol"], "ganforge train"):
        assert word in printed
    for name in ("last", "previous", "best"):
        content = load_checkpoint(folder / "checkpoints" / f"{name}.ckpt")
        assert content is not None
    assert content["ganforge"]["images_seen"] in (64, 128)
    assert not any("inception" in key or "fid" in key for key in content["state_dict"])

    assert smoke() == 0
    printed = capsys.readouterr().out
    assert "This run is finished" in printed
    assert "fid" in printed
    stamp = (folder / "checkpoints" / "last.ckpt").stat().st_mtime_ns
    assert smoke("resume=true") == 0
    assert (folder / "checkpoints" / "last.ckpt").stat().st_mtime_ns == stamp
    assert smoke("force=true") == 0
    assert (folder / "checkpoints" / "last.ckpt").stat().st_mtime_ns != stamp


def stop_at(monkeypatch, images):
    """Make training fail as if killed, once, when the clock reaches ``images``."""
    from ganforge.models.base import AdversarialModule

    original = AdversarialModule.training_step

    def step(self, batch, batch_idx):
        if self.images_seen == images:
            raise OSError(28, "No space left on device")
        original(self, batch, batch_idx)

    monkeypatch.setattr(AdversarialModule, "training_step", step)


def test_full_disk_unfinished_run_and_damaged_checkpoint(train, run_folder, capsys, monkeypatch):
    with monkeypatch.context() as patched:
        stop_at(patched, 112)
        assert train("protocol=[]", "total_kimg=0.192") == 1
    assert "No space left" in capsys.readouterr().err
    folder = run_folder()
    assert json.loads((folder / "run.json").read_text())["state"] == "failed"
    assert train("protocol=[]", "total_kimg=0.192") == 1
    assert re.search("resume=true to go on, or force=true", capsys.readouterr().err)
    last = folder / "checkpoints" / "last.ckpt"
    whole = last.read_bytes()
    last.replace(folder / "checkpoints" / "previous.ckpt")
    last.write_bytes(whole[: len(whole) // 2])
    assert train("protocol=[]", "total_kimg=0.192", "resume=true") == 1
    assert re.search(r"damaged or cut short: 'previous.ckpt' .* resume=previous", capsys.readouterr().err)
    assert train("protocol=[]", "total_kimg=0.192", "resume=previous") == 0
    rows = [int(row["images_seen"]) for row in read_rows(folder)]
    assert rows == sorted(rows)
    assert rows[-1] == 192


def test_resumed_run_equals_uninterrupted_one(train, capsys, monkeypatch, tmp_path):
    """As the slow test with SIGKILL, in one process."""
    options = ["total_kimg=0.192", "term=[]", "data.horizontal_flip=0.5"]
    assert train(*options, "name=whole") == 0
    with monkeypatch.context() as patched:
        stop_at(patched, 144)
        assert train(*options, "name=parts") == 1
    assert train(*options, "name=parts", "resume=true") == 0
    whole, parts = (
        load_checkpoint(next(Path("outputs", name).glob("*/checkpoints/last.ckpt"))) for name in ("whole", "parts")
    )
    assert whole["state_dict"].keys() == parts["state_dict"].keys()
    assert whole["state_dict"].pop("_extra_state") == parts["state_dict"].pop("_extra_state")
    for name, value in whole["state_dict"].items():
        assert torch.equal(value, parts["state_dict"][name]), name
    assert any(name.startswith("generator_ema") for name in whole["state_dict"])


def test_force_that_cannot_start_gives_the_old_run_back(train, run_folder, capsys, monkeypatch, tmp_path):
    assert train("protocol=[]") == 0
    before = {path.name: path.read_bytes() for path in (run_folder() / "checkpoints").iterdir()}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert train("protocol=[]", "force=true", "trainer.accelerator=cuda") == 1
    assert "sees no CUDA device" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in (run_folder() / "checkpoints").iterdir()} == before
    assert json.loads((run_folder() / "run.json").read_text())["state"] == "finished"
    assert train("protocol=[]") == 0
    assert "This run is finished" in capsys.readouterr().out


def test_download_without_a_network_need(capsys, tmp_path):
    assert cli.main(["download", "data=mnist5k"]) == 0
    printed = capsys.readouterr().out
    assert "4,500 training and 500 held-out images" in printed
    assert "weights" in printed
    assert not list(tmp_path.glob("outputs/*"))
    assert cli.main(["download", "data=image_folder"]) == 1
    assert "data.source.path=FOLDER" in capsys.readouterr().err


def test_another_process_in_the_same_run(train, run_folder, capsys, monkeypatch):
    assert train("protocol=[]") == 0
    status = run_folder() / "run.json"
    content = json.loads(status.read_text())
    status.write_text(json.dumps({**content, "state": "running", "pid": 1, "process_start": ""}))
    assert train("protocol=[]") == 1
    assert "Process 1 is training this very run" in capsys.readouterr().err


def test_two_commands_cannot_both_begin_one_run(train, run_folder, monkeypatch):
    held = []

    def watched(owner, name):
        original = getattr(owner, name)

        def look(*arguments):
            if not Path("outputs").exists():  # nothing is written before everything is checked
                held.append((name, None))
                return original(*arguments)
            guard = FileLock(next(Path("outputs").glob("*/.lock")))
            try:
                guard.acquire(timeout=0)
                guard.release()
                held.append((name, False))
            except Timeout:
                held.append((name, True))
            return original(*arguments)

        monkeypatch.setattr(owner, name, look)

    watched(train_module, "claim")
    watched(RunFolder, "begin")
    watched(train_module, "build_parts")
    watched(train_module, "train_here")
    assert train() == 0
    assert held == [("claim", None), ("build_parts", None), ("claim", True), ("begin", True), ("train_here", False)]


def test_a_second_ctrl_c_is_a_stop_and_no_failure(smoke, run_folder, capsys, monkeypatch):
    def interrupt(self, loggers):
        raise KeyboardInterrupt

    monkeypatch.setattr(Curves, "draw", interrupt)
    assert smoke() == 130
    assert "ganforge: interrupted" in capsys.readouterr().err
    assert json.loads((run_folder() / "run.json").read_text())["state"] == "stopped"


def test_one_failing_run_leaves_a_record(train, run_folder, capsys):
    assert (
        train(
            "optimizer.generator.lr=1e30",
            "optimizer.generator._target_=torch.optim.SGD",
            "~optimizer.generator.betas",
        )
        == 1
    )
    printed = capsys.readouterr().err
    assert re.search(r"loss '\w+' became (nan|inf)", printed)
    assert json.loads((run_folder() / "run.json").read_text())["state"] == "failed"


def test_wheel_holds_the_configs():
    import tomllib

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"] == {"conf": "ganforge/conf"}


@pytest.mark.parametrize(
    ("environment", "inside", "rank"),
    [
        ({}, False, 0),
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "0"}, False, 0),
        ({"SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "3"}, True, 3),
        ({"LOCAL_RANK": "1", "RANK": "5"}, True, 5),
    ],
)
def test_who_started_this_process(environment, inside, rank, monkeypatch):
    from ganforge.core.launch import environment_rank, inside_a_launched_process

    for name in ("LOCAL_RANK", "RANK", "SLURM_NTASKS", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert inside_a_launched_process() is inside
    assert environment_rank() == rank
