"""What the commands' own keys must be; those below a ``_target_`` are typed by its signature. Imports no torch."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from ganforge.core.annotations import Bounds, Count, Positive, Whole

__all__ = ["OPTIONS", "Section"]

#: Thousands of images: a thousand times the longest runs there are, and no overflow.
Length = Annotated[float, Bounds(above=0, at_most=1e9)]


class Section:
    """Keys below another one, or at the top.

    ``open``: whether it may hold keys that are not listed.
    """

    open = True


class Devices(Section):
    """Where an evaluation computes."""

    open = False
    accelerator: Literal["auto", "cpu", "cuda", "gpu", "mps"]
    devices: Count | Literal["auto"]


class Trainer(Devices):
    """The options of the trainer; ``precision`` lists what keeps what it says: weights always stay in 32 bits."""

    num_nodes: Count
    precision: Literal["32-true", "bf16-mixed", "16-mixed"]
    deterministic: bool | Literal["warn"]


class Paths(Section):
    """Folders; a configuration may name others, and refer to them."""

    outputs: str
    data: str | None
    cache: str
    run: str


class Start(Section):
    """Which run a new one begins from."""

    open = False
    run: str | None
    checkpoint: str
    networks: Literal["all"] | Sequence[str]
    clock: Literal["reset", "keep"]


class Pretrain(Section):
    """Which run is trained first; ``words``, recorded when it is composed, are what the user typed."""

    open = False
    model: str | None
    total_kimg: Length | None
    networks: Sequence[str]
    words: Sequence[str] | None


class Train(Section):
    """The keys of ``conf/train.yaml``."""

    name: str
    budget: Mapping[str, object]
    seed: Whole
    total_kimg: Length
    term: Mapping[str, object] | None
    protocol: Mapping[str, object] | None
    schedules: Mapping[str, object] | None
    recipe: Mapping[str, object] | None
    resume: bool | str
    start: Start
    pretrain: Pretrain
    data_changed: bool
    force: bool
    retry: bool
    requeue: bool
    download: bool
    trace: bool
    trust: Sequence[str] | None
    paths: Paths
    trainer: Trainer


class Evaluate(Section):
    """The keys of ``conf/evaluate.yaml``."""

    run: str | None
    checkpoint: str
    images: str | None
    real: str | None
    image_size: Count | Sequence[Count] | None
    protocol: Mapping[str, object] | None
    repeats: Count
    bootstrap: Whole
    output: str | None
    trainer: Devices
    data_changed: bool
    download: bool
    trace: bool
    trust: Sequence[str] | None
    paths: Paths


class Sample(Section):
    """The keys of ``conf/sample.yaml``."""

    run: str | None
    checkpoint: str
    sampler: str | None
    n: Count
    ema: bool
    seed: Whole
    truncation: Positive | None
    output: str | None
    force: bool
    zoom: Count
    device: str
    batch_size: Count
    data_changed: bool
    download: bool
    trace: bool
    trust: Sequence[str] | None
    paths: Paths


class Compare(Section):
    """The keys of ``conf/compare.yaml``."""

    folders: Sequence[str]
    metric: str | None
    target: float | None
    formats: Sequence[str]
    output: str | None
    trace: bool


class Doctor(Section):
    """The keys of ``conf/doctor.yaml``."""

    cifar10: bool
    trace: bool
    paths: Paths


class Study(Section):
    """The keys of ``conf/tune/_study.yaml``."""

    objective: Sequence[str]
    n_trials: Count
    workers: Count
    storage: str | None
    failures: Count
    silent_minutes: Positive
    keep_checkpoints: Whole | None


class Tune(Train):
    """The keys of ``conf/tune.yaml``."""

    tune: Study


#: By the primary configuration's name.
OPTIONS: dict[str, type[Section]] = {
    "train": Train,
    "evaluate": Evaluate,
    "sample": Sample,
    "compare": Compare,
    "doctor": Doctor,
    "tune": Tune,
}
