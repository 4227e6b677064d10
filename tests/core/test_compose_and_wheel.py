"""The configuration that the command line composes, and the wheel that carries it."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ganforge import cli
from ganforge.core.config import compose
from quick import PATIENCE, SMOKE

ROOT = Path(__file__).parents[2]


def test_command_line_and_python_compose_the_same_signature(run_folder):
    words = [*SMOKE, "protocol=[]", "seed=3"]
    assert cli.main(["train", *words]) == 0
    config = compose(words)
    assert Path(config.paths.run).name == run_folder().name
    assert {Path(config.logger.csv.path).parent, Path(config.callbacks.curves.path).parent} == {Path(config.paths.run)}
    assert json.loads((run_folder() / "run.json").read_text())["command"]


def test_everything_of_a_run_goes_to_its_folder():
    config = compose(["model=infogan", "logger=csv"])
    for path in (config.callbacks.checkpoint.folder, config.callbacks.samples.folder, config.callbacks.curves.csv):
        assert Path(path).parent == Path(config.paths.run)


def test_variants_may_be_overridden_from_the_command_line():
    config = compose(["model=wgan_gp", "loss=hinge", "model.n_critic=2", "term=[r1]"])
    assert config.loss._target_.endswith("Hinge")
    assert config.model.n_critic == 2
    assert list(config.term) == ["r1"]
    assert config.model.discriminator.normalization is None


def test_packing_wraps_any_discriminator():
    plain, packed = compose(["model=dcgan"]), compose(["model=dcgan", "packing=pairs"])
    assert plain.model.discriminator._target_.endswith("dcgan.Discriminator")
    assert packed.model.discriminator._target_.endswith("Packed")


@pytest.mark.slow
def test_installed_wheel_trains_in_another_folder(tmp_path):
    """The conf folder travels inside the wheel."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)], cwd=ROOT, check=True
    )
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(site)
    assert {"ganforge/conf/train.yaml", "ganforge/py.typed"} <= set(names)
    assert "ganforge/metrics/lenet_mnist.safetensors" in names
    assert {f"ganforge/reports/templates/page.{kind}" for kind in ("html", "css", "js")} <= set(names)
    program = (
        f"import sys; sys.path.insert(0, {str(site)!r}); import ganforge; from ganforge.cli import main\n"
        f"assert ganforge.__file__.startswith({str(site)!r}); from ganforge.core.config import config_folder\n"
        f"assert str(config_folder()).startswith({str(site)!r})\n"
        "sys.exit(main(['train', 'debug=smoke', 'logger=csv', 'network.width=4', 'trainer=cpu']))"
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    subprocess.run([sys.executable, "-c", program], cwd=elsewhere, check=True, timeout=PATIENCE)
    assert list(elsewhere.glob("outputs/*/*/samples/latest.png"))
