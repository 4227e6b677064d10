"""Sweeps whose runs train nothing: everything around a run is real, from the command line to run.json."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf

from ganforge import cli
from ganforge.commands import train


class Runs:
    """Stands where training is; records configurations, and does what was planned for a seed."""

    def __init__(self) -> None:
        self.configs = []
        self.plans = {}

    @property
    def seeds(self):
        return [config.seed for config in self.configs]

    def __call__(self, config, folder, parts):
        wanted = ("name", "seed", "resume", "total_kimg", "optimizer.generator")
        values = {key: OmegaConf.select(config, key) for key in wanted}  # now: interpolations need Hydra
        self.configs.append(SimpleNamespace(**{key.partition(".")[0]: value for key, value in values.items()}))
        planned = self.plans.get(config.seed)
        if planned is not None:
            raise planned
        scores = {"fid": 10.0 + config.seed, "inception_score": 8.0, "inception_score_std": 0.125, "images_seen": 1000}
        folder.update(images_seen=1000, scores=scores, protocol="digits@1234")
        return scores


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    stand_in = Runs()
    monkeypatch.setattr(train, "build_parts", lambda config, processes: SimpleNamespace(said=[]))
    monkeypatch.setattr(train, "train_here", stand_in)
    return stand_in


@pytest.fixture
def sweep() -> Callable[..., int]:
    """Run ``ganforge train -m`` and return its exit status."""
    return lambda *overrides: cli.main(["train", "-m", "logger=csv", "trainer=cpu", *overrides])
