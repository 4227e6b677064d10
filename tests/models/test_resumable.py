"""What checkpoints hold besides weights: stateful parts, the clock and random states."""

import pytest
import torch
from tiny_gan import fit, gan

import ganforge
from ganforge.core.errors import GanforgeError
from ganforge.losses.regularizers import HistoricalAveraging, LeCam
from ganforge.models.resumable import check_checkpoint


def stateful(**options):
    return gan(terms={"lecam": LeCam(weight=0.1), "history": HistoricalAveraging(weight=0.1)}, **options)


@pytest.fixture
def saved(tmp_path):
    module = stateful()
    module.rate_scale = 0.25
    trainer = fit(module)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    return module, torch.load(tmp_path / "last.ckpt", weights_only=True)


def test_state_of_terms_and_the_scale_of_rates_are_in_state_dict(saved):
    module, checkpoint = saved
    fresh = stateful()
    assert fresh.terms["lecam"].anchors is None
    fresh.load_state_dict(checkpoint["state_dict"])
    assert fresh.rate_scale == 0.25
    assert torch.equal(fresh.terms["lecam"].anchors, module.terms["lecam"].anchors)
    assert fresh.terms["history"].count == module.terms["history"].count == 12
    assert fresh.terms["history"].means.keys() == module.terms["history"].means.keys()
    torch.testing.assert_close(fresh.state_dict(), module.state_dict(), rtol=0, atol=0)


def test_a_term_that_a_checkpoint_does_not_know_begins_afresh(saved):
    _, checkpoint = saved
    other = gan(terms={"lecam": LeCam(weight=0.1), "new": LeCam(weight=0.1)})
    other.load_state_dict(checkpoint["state_dict"])
    assert other.terms["lecam"].anchors is not None
    assert other.terms["new"].anchors is None


def test_the_clock_goes_on(saved):
    module, checkpoint = saved
    assert checkpoint["ganforge"].keys() == {"version", "images_seen", "batches_seen", "rng"}
    assert checkpoint["ganforge"]["version"] == ganforge.__version__
    fresh = stateful()
    fresh.on_load_checkpoint(checkpoint)
    assert (fresh.images_seen, fresh.batches_seen) == (module.images_seen, module.batches_seen) == (96, 12)
    assert fresh.ledger.batches == 12
    torch.manual_seed(99)
    fresh.on_train_batch_start(None, 0)
    assert torch.equal(torch.get_rng_state(), checkpoint["ganforge"]["rng"][0]["torch"])
    torch.manual_seed(99)
    state = torch.get_rng_state()
    fresh.on_train_batch_start(None, 1)  # once
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("missing", ["ganforge", "_extra_state", "both"])
def test_a_checkpoint_that_lacks_state_is_refused_in_one_sentence(saved, missing):
    _, checkpoint = saved
    if missing != "_extra_state":
        del checkpoint["ganforge"]
    if missing != "ganforge":
        del checkpoint["state_dict"]["_extra_state"]
    writer = f"ganforge {ganforge.__version__}" if missing == "_extra_state" else "an older ganforge or another program"
    with pytest.raises(GanforgeError, match=rf"was written by {writer} .*lacks what ganforge {ganforge.__version__} "):
        stateful().on_load_checkpoint(checkpoint)
    with pytest.raises(GanforgeError):
        check_checkpoint({})
