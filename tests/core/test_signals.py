"""Which signals are a request to save and end, and when they are left alone."""

import signal

import pytest
import torch

from ganforge.callbacks.interrupt import Interrupt
from ganforge.core.signals import SAVE_AND_END, handled_by

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def handlers():
    """Begin with Python's handlers, whatever started the tests, and put the handlers back."""
    before = {number: signal.getsignal(number) for number in SAVE_AND_END}
    for number in SAVE_AND_END:
        signal.signal(number, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SAVE_AND_END, ids=lambda number: number.name)
def test_a_signal_asks_a_run_to_stop_and_its_handler_goes_with_the_run(number):
    interrupt = Interrupt()
    interrupt.install()
    assert interrupt.requested(CPU) is None
    signal.raise_signal(number)
    assert interrupt.requested(CPU) == number
    interrupt.restore()
    assert signal.getsignal(number) == signal.SIG_DFL


def test_a_closed_terminal_is_one_of_them_unless_nohup_ignores_it():
    received = []
    with handled_by(lambda number, frame: received.append(number)):
        signal.raise_signal(signal.SIGHUP)
    assert received == [signal.SIGHUP]
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    interrupt = Interrupt()
    interrupt.install()
    with handled_by(lambda number, frame: received.append(number)):
        signal.raise_signal(signal.SIGHUP)
    assert interrupt.requested(CPU) is None
    interrupt.restore()
    assert received == [signal.SIGHUP]
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


def test_signals_that_torchrun_ignores_are_handled_by_what_it_starts():
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    interrupt = Interrupt()
    interrupt.install()
    signal.raise_signal(signal.SIGUSR1)
    assert interrupt.requested(CPU) == signal.SIGUSR1
    interrupt.restore()
