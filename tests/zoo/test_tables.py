"""The scripts that make the tables of docs/ ask for runs that can be built."""

import pytest
from hydra.utils import instantiate

import mode_coverage
from ganforge.core.config import compose

RUNS = {f"{run.mixture}_{run.variant}": run for run in mode_coverage.plan(mode_coverage.parse([])) if run.seed == 0}


@pytest.mark.parametrize("name", RUNS)
def test_every_run_of_the_mode_table_builds(name):
    module = instantiate(compose(RUNS[name].overrides).model)
    assert module.n_critic == (5 if name.endswith("wgan_gp") else 1)
    assert len(module.terms) == {"wgan_gp": 1, "rpgan_r1_r2": 2}.get(name.partition("_")[2], 0)
