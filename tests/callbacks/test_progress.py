"""What stands beside the progress bar."""

from types import SimpleNamespace

from ganforge.callbacks.clocked import Scoring
from ganforge.callbacks.progress import Progress


class Measured(Scoring):
    criterion = "fid"


def shown(last):
    scoring = Measured(every_kimg=1)
    scoring.last = last
    module = SimpleNamespace(ledger=SimpleNamespace(latest={"generator/adversarial": 0.5, "generator/r1": 1.0}))
    return Progress()._text(SimpleNamespace(callbacks=[scoring]), module)


def test_losses_and_the_criterion_are_shown():
    assert shown({"fid": 12.3456, "images_seen": 64}) == {"G": "0.500", "FID": "12.35"}


def test_a_protocol_without_the_criterion_shows_the_losses():
    assert shown({"modes": 7.0, "images_seen": 64}) == {"G": "0.500"}
    assert shown({}) == {"G": "0.500"}
