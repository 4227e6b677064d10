"""What progress shows, and what it sends to the loggers."""

from types import SimpleNamespace

import pytest

from ganforge.callbacks.progress import Progress
from ganforge.callbacks.scores import Scores
from ganforge.loggers.base import Loggers
from recording_loggers import RecordingLogger


@pytest.fixture
def shown(caplog):
    """Return the line of an interval, and what was logged of it."""
    caplog.set_level("INFO", logger="ganforge")

    def show(last, fresh=64):
        ledger = SimpleNamespace(latest={"generator/adversarial": 0.5, "generator/r1": 1.0}, fresh=fresh)
        module = SimpleNamespace(ledger=ledger, images_seen=0, total_images=128)
        progress, logger = Progress(line_seconds=0), RecordingLogger()
        progress.open(module)
        module.images_seen = 64
        caplog.clear()
        progress.update(module, Scores(last=last), Loggers([logger]))
        assert ledger.fresh is None
        return [record.message for record in caplog.records], logger.rows

    return show


def test_losses_and_the_criterion_are_shown(shown):
    (line,), ((clock, values),) = shown({"fid": 12.3456, "images_seen": 64})
    assert line.startswith("0.1 of 0.1 kimg, ")
    assert line.endswith(" min left, G 0.500, FID 12.35")
    assert clock == 64
    assert values.keys() == {"generator/adversarial", "generator/r1", "speed/images_per_second"}


def test_a_protocol_without_the_criterion_shows_the_losses(shown):
    for last in ({"modes": 7.0, "images_seen": 64}, {}):
        (line,), _ = shown(last)
        assert line.endswith(" min left, G 0.500")


def test_between_intervals_nothing_is_said_and_nothing_logged(shown):
    assert shown({"fid": 1.0}, fresh=None) == ([], [])
