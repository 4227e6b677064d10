"""Three training steps against the official code: losses, gradients and weights."""

import pytest
from golden import FOLDER, TOLERANCE, Trace, gradients, losses, play, weights

NAMES = sorted(path.stem for path in FOLDER.glob("*.safetensors"))

#: What has another meaning since the traces' metadata was written.
CHANGES = {}

pytestmark = pytest.mark.skipif(
    not NAMES, reason=f"there are no golden traces in {FOLDER}; GANFORGE_TRACES names another folder"
)


@pytest.mark.parametrize("name", NAMES)
def test_three_steps_are_the_official_ones(name, monkeypatch):
    trace = Trace(name)
    played = play(trace, monkeypatch, CHANGES.get(name, {}))
    for compare in (losses, gradients, weights):
        difference = compare(trace, played)
        assert difference.value <= TOLERANCE, f"{difference.where} differs by {difference.value:.1e}"
