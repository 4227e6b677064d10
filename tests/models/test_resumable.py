"""What checkpoints hold besides weights: stateful parts, the clock and random states."""

import copy
from functools import partial

import pytest
import torch
from tiny_gan import TinyDiscriminator, fit, gan

import ganforge
from ganforge.core.errors import GanforgeError
from ganforge.ema import EMA
from ganforge.losses.regularizers import HistoricalAveraging, LeCam
from ganforge.models.contents import ENTRIES, require


def stateful(**options):
    return gan(terms={"lecam": LeCam(weight=0.1), "history": HistoricalAveraging(weight=0.1)}, **options)


@pytest.fixture
def saved(tmp_path):
    module = stateful()
    module.rate_scale = 0.25
    trainer = fit(module)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    return module, {"loggers": {}, **torch.load(tmp_path / "last.ckpt", weights_only=True)}  # those are a run's


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
    assert checkpoint["ganforge"].keys() == {
        place.removeprefix("ganforge.") for place in ENTRIES if place.startswith("ganforge.")
    }
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


def without(checkpoint, place):
    """Return a copy without one entry."""
    copied = copy.deepcopy({key: value for key, value in checkpoint.items() if key != "state_dict"})
    copied["state_dict"] = dict(checkpoint["state_dict"])
    *parents, last = place.split(".")
    node = copied
    for parent in parents:
        node = node[parent]
    del node[last]
    return copied


@pytest.mark.parametrize("place", ENTRIES)
@pytest.mark.parametrize("use", ["resume", "fork", "sample"])
def test_each_entry_that_is_missing_is_named_with_what_can_still_be_done(saved, place, use):
    _, whole = saved
    checkpoint, entry = without(whole, place), ENTRIES[place]
    if use not in entry.needed_for:
        require(checkpoint, use)
        return
    with pytest.raises(GanforgeError) as error:
        require(checkpoint, use, "last.ckpt")
    told = str(error.value)
    assert f"lacks {entry.what} ('{place}', kept since {entry.since})" in told
    for other, way in (("resume", "resume=true"), ("fork", "start={run: last.ckpt"), ("sample", "ganforge sample")):
        assert (way in told) is (other not in entry.needed_for), told
    writer = "an older ganforge" if place == "ganforge" else f"written by ganforge {ganforge.__version__}"
    assert writer in told


@pytest.mark.parametrize("place", [place for place, entry in ENTRIES.items() if "resume" in entry.needed_for])
def test_a_module_refuses_to_go_on_from_a_checkpoint_that_lacks_something(saved, place):
    _, whole = saved
    with pytest.raises(GanforgeError, match="lacks"):
        stateful().on_load_checkpoint(without(whole, place))


def test_an_entry_of_another_type_is_missing(saved):
    _, whole = saved
    with pytest.raises(GanforgeError, match=r"lacks the clock of images \('ganforge.images_seen'"):
        require({**whole, "ganforge": {**whole["ganforge"], "images_seen": "many"}}, "sample")


class Wide(TinyDiscriminator):
    def __init__(self):
        super().__init__()
        self.more = torch.nn.Linear(1, 1)


def test_other_networks_are_named(saved):
    _, whole = saved
    with pytest.raises(GanforgeError, match=r"discriminator differs in 'more.weight' .absent there, 1x1 here"):
        stateful(discriminator=Wide()).on_load_checkpoint(whole)
    with pytest.raises(GanforgeError, match="generator_ema is only in this configuration"):
        stateful(ema=EMA(1)).on_load_checkpoint(whole)


def test_other_optimizers_are_named(saved):
    _, whole = saved
    other = {player: partial(torch.optim.RMSprop, lr=0.01) for player in ("generator", "discriminator")}
    module = stateful(optimizers=other)
    module.on_load_checkpoint(whole)
    with pytest.raises(GanforgeError, match=r"optimizer\.discriminator is SGD there and RMSprop here.*start="):
        module.configure_optimizers()
    older = without(whole, "ganforge.optimizers")  # does not say which classes they are of
    module = stateful(optimizers=other)
    module.on_load_checkpoint(older)
    with pytest.raises(GanforgeError, match=r"of another kind there \(without alpha, capturable, centered"):
        module.configure_optimizers()


def test_a_run_begins_with_the_networks_of_another(saved):
    module, whole = saved
    fresh = stateful()
    torch.nn.init.zeros_(fresh.discriminator.layer.weight)
    fresh.begin_from(whole, ["generator"], keep_clock=False)
    assert torch.equal(fresh.generator.layer.weight, module.generator.layer.weight)
    assert not fresh.discriminator.layer.weight.any()
    assert (fresh.images_seen, fresh.batches_seen, fresh.rate_scale) == (0, 0, 1)
    assert fresh.terms["lecam"].anchors is None
    fresh.begin_from(whole, ["generator"], keep_clock=True)
    assert (fresh.images_seen, fresh.batches_seen) == (96, 12)


def test_a_run_begins_with_everything_of_another_but_its_rates(saved):
    module, whole = saved
    momentum = {player: partial(torch.optim.SGD, lr=0.5, momentum=0.9) for player in ("generator", "discriminator")}
    fresh = stateful(optimizers=momentum)
    fresh.begin_from(whole, None, keep_clock=False)
    optimizers = fresh.configure_optimizers()
    assert [group["lr"] for optimizer in optimizers for group in optimizer.param_groups] == [0.5, 0.5]
    assert [group["momentum"] for optimizer in optimizers for group in optimizer.param_groups] == [0.9, 0.9]
    assert torch.equal(fresh.terms["lecam"].anchors, module.terms["lecam"].anchors)
    assert fresh.rate_scale == 1
    assert fresh.images_seen == 0


def test_a_network_that_is_not_in_both_is_refused(saved):
    _, whole = saved
    with pytest.raises(GanforgeError, match=r"start\.networks names 'encoder': the checkpoint holds discr"):
        stateful().begin_from(whole, ["encoder"], keep_clock=False)


@pytest.mark.parametrize("cut", range(1, 12))
def test_an_interval_of_the_loss_log_goes_on_wherever_it_is_cut(cut):
    """The means equal those of an uninterrupted run to the bit, whatever the position in the interval."""
    from ganforge.models.ledger import Ledger

    def feed(ledger, batches):
        for batch in batches:
            for player, every in (("discriminator", 1), ("generator", 3)):
                if (batch + 1) % every == 0:
                    loss = torch.tensor(0.1 + batch).sin()
                    ledger.record(player, {"adversarial": loss, "term": loss.square() / 3}, 0.5)
                    ledger.record(player, {"adversarial": loss / 7}, 0.5)
                    if ledger.is_last(every):
                        ledger.note(f"{player}/gradient_norm", loss.abs())
            ledger.close_batch(batch + 1)
            if ledger.fresh is not None:
                yield ledger.fresh, list(ledger.latest.items())
                ledger.fresh = None

    whole, first = Ledger(4), Ledger(4)
    expected, got = list(feed(whole, range(12))), list(feed(first, range(cut)))
    first.fold(cut)
    second = Ledger(4)
    second.batches = cut
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    assert got + list(feed(second, range(cut, 12))) == expected
