"""The loop between batches: its order, its parts by argument, how it ends, and what the configuration may put there."""

import json
import os
import signal
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch

from ganforge.callbacks.assemble import assemble
from ganforge.callbacks.checkpoint import Checkpoint
from ganforge.callbacks.ending import Ending
from ganforge.callbacks.health import Health
from ganforge.callbacks.loop import RunLoop
from ganforge.callbacks.samples import SampleGrid
from ganforge.callbacks.scores import Scores
from ganforge.core.errors import GanforgeError
from ganforge.health.diagnosis import Alarm
from ganforge.runs.folder import load_checkpoint

ORDER = ["health", "evaluate", "samples", "progress", "curves", "save", "interrupt", "pruning"]


class Stub:
    """Any part: notes when its work is called for, and finds nothing."""

    action, every = "warn", 16

    def __init__(self, called, due=True, finds=()):
        self.called, self.due, self.finds = called, due, finds
        self.scores = Scores(last={"fid": 3.0})

    def is_due(self, module):
        return self.due

    def nothing(self, *arguments):
        pass

    prepare = open = close = install = restore = extractor = nothing

    def state_dict(self):
        return {}

    def is_healthy(self, images_seen):
        return False

    def _note(self, name):
        self.called.append(name)
        return self.finds if name in self.finds else ()

    def check(self, module, *arguments, **options):
        return Alarm("collapse", module.images_seen, "alike") if self._note("health") else None

    def explain(self, alarm):
        return f"Stopped for {alarm.name}."

    def measure(self, *arguments):
        self._note("evaluate")

    def draw(self, *arguments):
        self._note("samples" if len(arguments) == 2 else "curves")

    def update(self, *arguments):
        self._note("progress")

    def save(self, write, copies=()):
        self._note("save")

    def requested(self, device):
        return signal.SIGTERM if self._note("interrupt") else None

    def report(self, module, measured, every):
        assert (measured, every) == ({"fid": 3.0}, 16)
        return "Others were better." if self._note("pruning") else None


class Module(pl.LightningModule):
    """Counts images and learns nothing."""

    images_seen, images_per_batch, total_images = 0, 16, 48

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.weight = torch.nn.Parameter(torch.zeros(1))

        def nothing(images_seen=0): ...

        self.ledger = SimpleNamespace(take=nothing, fold=nothing, check=nothing)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def training_step(self, batch, batch_idx):
        self.images_seen += self.images_per_batch
        if self.images_seen >= self.total_images:
            self.trainer.should_stop = True


class Data(pl.LightningDataModule):
    def splits(self):
        return None

    def train_dataloader(self):
        return torch.utils.data.DataLoader(torch.zeros(100, 1))


@pytest.fixture
def fit():
    def fit(loop):
        trainer = pl.Trainer(
            max_epochs=-1,
            accelerator="cpu",
            logger=False,
            callbacks=[loop],
            enable_progress_bar=False,
            enable_checkpointing=False,
            enable_model_summary=False,
        )
        module = Module()
        trainer.fit(module, datamodule=Data())
        return module

    return fit


def parts(called, without=(), **options):
    names = ("health", "evaluate", "samples", "progress", "curves", "checkpoint", "interrupt", "pruning")
    return {name: Stub(called, **options) for name in reversed(names) if name not in without}


def test_the_order_is_that_of_the_code_whatever_the_configurations(fit):
    called = []
    fit(RunLoop(**parts(called)))
    assert called == ORDER * 3


def test_parts_that_are_not_due_rest_and_those_that_know_themselves_are_asked(fit):
    called = []
    fit(RunLoop(**parts(called, due=False)))
    assert called == ["health", "progress", "interrupt"] * 3


@pytest.mark.parametrize("without", ["health", "evaluate", "samples", "progress", "curves", "checkpoint", "interrupt"])
def test_any_part_may_be_left_out(fit, without):
    called = []
    fit(RunLoop(**parts(called, without=[without])))
    gone = {"checkpoint": {"save"}, "evaluate": {"evaluate", "pruning"}}.get(without, {without})
    assert called == [name for name in ORDER if name not in gone] * 3


def test_nothing_at_all_is_a_loop_too(fit):
    loop = RunLoop()
    assert fit(loop).images_seen == 48
    assert loop.ending == Ending("completed")


@pytest.mark.parametrize(
    ("finds", "ending", "saved"),
    [
        ([], Ending("completed"), 0),
        (["interrupt"], Ending("interrupted", "", signal.SIGTERM), 1),
        (["health"], Ending("unhealthy", "Stopped for collapse."), 1),
        (["pruning"], Ending("pruned", "Others were better."), 0),
        (["health", "interrupt", "pruning"], Ending("unhealthy", "Stopped for collapse."), 2),
        (["interrupt", "pruning"], Ending("interrupted", "", signal.SIGTERM), 1),
    ],
)
def test_a_run_ends_in_one_way_the_first_that_was_found(fit, finds, ending, saved):
    called = []
    chosen = parts(called, finds=finds)
    chosen["checkpoint"].due = False
    loop = RunLoop(**chosen)
    module = fit(loop)
    assert module.images_seen == (16 if finds else 48)
    assert called.count("save") == saved
    assert (loop.ending.kind, loop.ending.signal) == (ending.kind, ending.signal)
    if ending.kind == "interrupted":
        assert loop.ending.message.startswith("Stopped and saved at 16 of 48 images.")
    else:
        assert loop.ending.message == ending.message


def test_scores_are_recorded_of_runs_that_ended_as_they_were_meant_to(fit):
    for finds, expected in {"": {"fid": 3.0}, "pruning": {"fid": 3.0}, "interrupt": None}.items():
        chosen = parts([], finds=[finds], without=["health"])
        loop = RunLoop(**chosen)
        fit(loop)
        assert loop.record().get("scores") == expected


class Witness(pl.Callback):
    """A user's own callback: notes which checkpoints are there when it is called, and may send a signal."""

    seen: tuple = ()

    def __init__(self, folder, number=0, at=16):
        self.folder, self.number, self.at = folder, number, at

    def on_train_batch_end(self, trainer, pl_module, *arguments):
        there = os.path.exists(f"{self.folder}/checkpoints/last.ckpt")
        Witness.seen = (*Witness.seen, (pl_module.images_seen, there))
        if self.number and pl_module.images_seen == self.at:
            os.kill(os.getpid(), self.number)


def mine(number):
    """Return words that add a witness, a callback of the user's own."""
    return [
        "trust=[test_loop]",
        f"+callbacks.mine={{_target_:test_loop.Witness,folder:'${{paths.run}}',number:{number}}}",
    ]


def ending(folder):
    return json.loads((folder / "run.json").read_text())["ending"]


def test_a_callback_of_the_users_own_runs_after_the_loop(train, run_folder):
    Witness.seen = ()
    assert train(*mine(0), "+callbacks.nothing.every_kimg=1") == 0
    assert Witness.seen == tuple((images, images >= 64) for images in range(16, 129, 16))
    assert ending(run_folder()) == {"kind": "completed", "message": "", "signal": 0}


def test_an_interrupted_run_says_so_in_its_record(train, run_folder, capsys):
    assert train(*mine(signal.SIGTERM.value)) == 143
    assert "Stopped and saved at 32 of 128 images" in capsys.readouterr().err
    found = ending(run_folder())
    assert (found["kind"], found["signal"]) == ("interrupted", signal.SIGTERM)
    assert load_checkpoint(run_folder() / "checkpoints" / "last.ckpt")["ganforge"]["images_seen"] == 32


def test_parts_are_switched_off_in_the_configuration(train, run_folder):
    off = [f"callbacks.{name}=null" for name in ("evaluate", "progress", "curves", "checkpoint", "interrupt")]
    assert train("~callbacks.health", "~callbacks.samples", *off) == 0
    left = {path.name for path in run_folder().iterdir()}
    assert not left & {"samples", "curves.png", "checkpoints", "metrics.csv"}


def test_a_part_under_a_wrong_key_is_one_sentence(train, capsys):
    wrong = "callbacks.samples._target_=ganforge.callbacks.checkpoint.Checkpoint"
    assert train(wrong, "~callbacks.samples.images") == 1
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert "callbacks.samples must be a SampleGrid and is a Checkpoint" in printed


@pytest.mark.parametrize(
    ("key", "one", "message"),
    [
        ("more", SampleGrid("folder", 1), "callbacks.more is a SampleGrid .*: its key is callbacks.samples"),
        ("health", pl.Callback(), "callbacks.health must be a Health and is a Callback"),
        ("mine", object(), "callbacks.mine is a object and no Lightning callback: derive it from"),
    ],
)
def test_what_belongs_nowhere_is_refused(key, one, message):
    with pytest.raises(GanforgeError, match=message):
        assemble({key: one})


def test_parts_find_their_places_by_their_keys():
    health, checkpoint, mine = Health("checkpoints", 1), Checkpoint("checkpoints", 1), pl.Callback()
    loop, others = assemble({"mine": mine, "checkpoint": checkpoint, "health": health})
    assert (loop.health, loop.checkpoint, loop.samples) == (health, checkpoint, None)
    assert others == [mine]
