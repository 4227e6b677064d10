"""Only what belongs at a place is built there, whatever a file asks for."""

import ast
import inspect
import pkgutil
from importlib import import_module
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

import ganforge
from discovery import together
from ganforge.core.build import PLACES, build, check, check_run
from ganforge.core.config import compose
from ganforge.core.errors import GanforgeError

SOURCE = Path(ganforge.__file__).parent

#: Every call in the source that builds or loads something, by file, and why it is safe.
LOADS = {
    "core/build.py: instantiate": "the gate itself",
    "core/config.py: OmegaConf.load": "primary configurations, which the package ships",
    "core/yaml_files.py: OmegaConf.create": "text without aliases, bounded; a mapping of plain values comes out",
    "core/files.py: json.loads": "bounded text; plain values",
    "commands/evaluate.py: OmegaConf.create": "plain values that read_yaml returned",
    "commands/train.py: OmegaConf.create": "plain values that read_yaml returned",
    "metrics/perceptual.py: torch.load": "weights_only",
    "metrics/extractors/inception.py: torch.load": "weights_only",
    "networks/features.py: torch.load": "weights_only",
    "networks/vgg.py: torch.load": "weights_only",
    "metrics/extractors/dinov2.py: torch.load": "weights_only",
    "runs/folder.py: torch.load": "weights_only",
    "data/decoded_cache.py: np.load": "allow_pickle=False",
    "data/given.py: np.load": "allow_pickle=False",
    "sampling/export.py: torch.export.load": "the file that this very process has just written, to compare it",
}
#: What may not stand anywhere in the source.
NEVER = {"pickle", "marshal", "shelve", "dill", "joblib", "cloudpickle"}
LOADERS = {"instantiate", "call", "load", "loads", "unsafe_load", "full_load", "load_all", "create"}
OWNERS = {"torch", "np", "numpy", "torch.export", "yaml", "OmegaConf", "pickle", "json", "hydra.utils", ""}


def calls():
    """Yield file, dotted name and node of each call whose last name is a loader's."""
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                owner, _, name = ast.unparse(node.func).rpartition(".")
                if name in LOADERS and owner in OWNERS:
                    yield path.relative_to(SOURCE).as_posix(), f"{owner}.{name}".lstrip("."), node


#: Of ganforge's own texts, or of what it has just read by the above.
PLAIN = {"OmegaConf.create", "json.loads", "create", "call"}


def test_everything_that_builds_or_loads_is_known():
    found = {f"{file}: {name}" for file, name, _ in calls() if name not in PLAIN}
    assert found == {entry for entry in LOADS if entry.partition(": ")[2] not in PLAIN}


def test_tensors_and_arrays_are_read_without_code():
    for file, name, node in calls():
        options = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        if name == "torch.load":
            assert options.get("weights_only") == "True", file
        if name in ("np.load", "numpy.load"):
            assert options.get("allow_pickle") == "False", file


def test_nothing_in_the_source_unpickles_or_evaluates():
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.partition(".")[0] for name in names} & NEVER, path
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("eval", "exec", "compile", "__import__"), path


FOREIGN = [
    "os.system",
    "subprocess.run",
    "builtins.eval",
    "torch.load",
    "torch.hub.load",
    "torch.nn.modules.module.torch.load",
    "numpy.load",
    "hydra.utils.instantiate",
    "hydra._internal.instantiate._instantiate2.instantiate",
    "ganforge.tuning.reports.Reporter",
    "ganforge.runs.restore.restore",
    "ganforge.runs.folder.RunFolder",
    "ganforge.core.build.build",
    "ganforge.networks.layers.torch.load",
    "ganforge.data.decoded.decode",
    "ganforge.loggers.wandb.WandbLogger",
    "ganforge.callbacks.pruning.Pruning",
    "optuna.samplers.RandomSampler",
    "pytorch_lightning.callbacks.LambdaCallback",
    "torch.jit.ScriptModule",
    "torch.fx.GraphModule",
    "torch.utils.data.DataLoader",
    "functools.partial",
    "",
    ".",
    "a..b",
    "ganforge.",
    3,
    ["os.system"],
]


@pytest.mark.parametrize("target", FOREIGN, ids=str)
@pytest.mark.parametrize("place", ["model", "data", "protocol"])
def test_foreign_targets_are_refused_at_any_depth(place, target):
    for node in ({"_target_": target}, {"a": [{"b": {"_target_": target, "_partial_": True}}]}):
        with pytest.raises(GanforgeError, match="asks to build"):
            build(OmegaConf.create(node), place)
        with pytest.raises(GanforgeError, match="asks to build"):
            check(node, place)


@pytest.mark.parametrize(
    ("place", "target"),
    [
        ("data", "ganforge.networks.mlp.Generator"),
        ("data", "torch.nn.Linear"),
        ("model", "ganforge.data.folder.ImageFolder"),
        ("model", "ganforge.metrics.extractors.Inception"),
        ("protocol", "ganforge.data.torchvision.TorchVision"),
        ("sampler", "optuna.pruners.MedianPruner"),
        ("pruner", "optuna.storages.RDBStorage"),
        ("pruner", "ganforge.tuning.reports.Reporter"),
        ("mode", "ganforge.sampling.seeded.torch_generator"),
        ("mode", "ganforge.networks.mlp.Generator"),
        ("logger", "ganforge.networks.mlp.Generator"),
        ("callbacks", "ganforge.data.folder.ImageFolder"),
    ],
)
def test_each_place_has_its_own_kinds(place, target):
    with pytest.raises(GanforgeError, match=f"at '{place}', which is none of what"):
        check({"_target_": target}, place)


@pytest.mark.parametrize(
    ("place", "target"),
    [
        ("model", "torch.optim.Adam"),
        ("model", "torch.nn.Identity"),
        ("model", "ganforge.networks.heads.ClassHead"),
        ("model", "ganforge.schedules.Linear"),
        ("data", "ganforge.data.mixtures.Ring"),
        ("protocol", "ganforge.metrics.extractors.Identity"),
        ("sampler", "optuna.samplers.TPESampler"),
        ("pruner", "optuna.pruners.ThresholdPruner"),
        ("mode", "ganforge.sampling.grid"),
        ("callbacks", "pytorch_lightning.callbacks.ModelSummary"),
    ],
)
def test_what_belongs_there_passes(place, target):
    check({"_target_": target, "_partial_": True, "_convert_": "all"}, place)


@pytest.mark.parametrize(
    "more",
    [
        {"_args_": ["x"]},
        {"_recursive_": False},
        {"_partial_": "yes"},
        {"_convert_": "os.system"},
        {"_mode_": 1},
        {"device": "${oc.env:HOME}"},
        {"name": "${oc.create:'{_target_: os.system}'}"},
    ],
)
def test_tricks_are_refused(more):
    with pytest.raises(GanforgeError):
        build({"_target_": "torch.nn.Identity", **more}, "model")


def test_what_is_composed_is_built_as_it_was():
    config = compose(["model=dcgan", "network.width=4"])
    torch.manual_seed(0)
    model = build(config.model, "model")
    assert type(model).__name__ == "GAN"
    assert type(build(config.data, "data")).__name__ == "ImageData"


@pytest.mark.parametrize(
    "words",
    together("model", "loss", "optimizer", "augment", "logger") + together("data") + together("network"),
    ids=" ".join,
)
def test_every_option_that_ganforge_ships_passes(words):
    plain = OmegaConf.to_container(compose(words), resolve=True)
    plain.pop("settings")
    check_run(plain, " ".join(words))


#: Arguments that name files or the network, of all classes that may be built from a run's folder: what each does there.
FILES = {
    "ganforge.data.folder.ImageFolder": {"path", "cache"},  # images below a folder, decoded into the command's cache
    "ganforge.data.captioned.CaptionedFolder": {"path", "cache"},  # the same
    "ganforge.data.pairs._Folder": {"path", "cache"},
    "ganforge.data.pairs.PairedFolder": {"path", "cache"},
    "ganforge.data.pairs.UnpairedFolder": {"path", "cache"},
    "ganforge.data.published.Published": {"root", "folder", "download"},  # of a reader above; the command may fetch
    "ganforge.data.robohash.Robohash": {"cache"},  # composed into the command's cache
    "ganforge.data.torchvision.TorchVision": {"root", "download"},  # seven readers; the command says whether to fetch
    "ganforge.data.torchvision.CelebA": {"root", "cache", "download"},
    "ganforge.networks.vgg.Vgg19Features": {"path"},  # tensors alone, of known shapes, when losses are computed
    "ganforge.networks.word_vectors.WordLlama": {"folder"},  # JSON and tensors alone, in files of the package's names
    "ganforge.metrics.evaluation.Evaluation": {"cache"},  # of splits, which no file can hold
    "ganforge.metrics.real.RealSide": {"cache"},  # plain values until it is given samples
    "ganforge.metrics.extractors.inception.Inception": {"weights", "download"},  # tensors alone
    "ganforge.metrics.extractors.dinov2.DinoV2": {"weights"},  # tensors alone
}


def test_no_other_class_of_a_run_takes_a_file():
    found = {}
    for place in ("model", "data", "protocol"):
        for room in PLACES[place].rooms:
            module = import_module(room)
            inner = pkgutil.walk_packages(getattr(module, "__path__", []), f"{room}.")
            for name in [room, *(info.name for info in inner)]:
                for one in vars(import_module(name)).values():
                    if isinstance(one, type) and one.__module__ == name:
                        arguments = set(_parameters(one))
                        found[f"{name}.{one.__name__}"] = arguments & {
                            "path", "file", "folder", "root", "cache", "csv", "weights", "download", "url", "address"
                        }  # fmt: skip
    found = {name: arguments for name, arguments in found.items() if arguments}
    found = {name: arguments for name, arguments in found.items() if name in FILES or arguments != {"weights"}}
    assert found == FILES


def _parameters(one):
    try:
        return inspect.signature(one).parameters
    except (TypeError, ValueError):
        return ()


words = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=8)


@given(st.lists(words, min_size=1, max_size=5).map(".".join), st.sampled_from(["model", "data", "protocol"]))
def test_no_dotted_name_by_chance(target, place):
    with pytest.raises(GanforgeError, match="asks to build"):
        check({"_target_": target}, place)
