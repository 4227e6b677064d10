"""The rules, on measures made up so that the answer is known."""

import math

import pytest

from ganforge.core.errors import GanforgeError
from ganforge.health.diagnosis import FAILURE_MODES, Diagnosis, Thresholds

WELL = {
    "diversity": 1.0,
    "nearest": 1.0,
    "coverage": 0.9,
    "real_logits": 1.0,
    "heldout_logits": 1.0,
    "fake_logits": -1.0,
    "sign": 0.5,
    "overfitting": 0.0,
    "overfitting_sigmas": 0.0,
    "ranking": 0.9,
    "signal": 0.5,
    "generator_step": 0.01,
}
ILL = {
    "collapse": [{"diversity": 0.29}, {"nearest": 0.09}, {"coverage": 0.26}],
    "vanishing_gradient": [{"signal": 0.009, "ranking": 0.995}, {"generator_step": 9e-9}],
    "divergence": [{"fake_logits": -1001.0}, {"heldout_logits": 1001.0}, {"diversity": math.nan}, {"signal": math.inf}],
    "overfitting": [{"overfitting": 0.51, "overfitting_sigmas": 5.1}],
}
CASES = [(name, symptom) for name, symptoms in ILL.items() for symptom in symptoms]
NEARLY = [
    {"diversity": 0.31},
    {"nearest": 0.11},
    {"coverage": 0.28},
    {"signal": 0.001, "ranking": 0.98},  # the generator has won: its loss is flat, and so it should be
    {"signal": 0.011, "ranking": 1.0},
    {"generator_step": 2e-8},
    {"fake_logits": -999.0},
    {"overfitting": 0.6, "overfitting_sigmas": 4.0},  # too few images to tell
    {"overfitting": 0.4, "overfitting_sigmas": 9.0},
]


def checks(diagnosis, *measures, grace=0, start=0):
    reported = []
    for number, found in enumerate(measures, start + 1):
        raised, cleared = diagnosis.check({**WELL, **found}, number * 1000, grace)
        reported += [(number, alarm.name) for alarm in raised] + [(number, f"-{name}") for name in cleared]
    return reported


@pytest.mark.parametrize(("name", "symptom"), CASES)
def test_each_failure_mode_is_reported_once_until_it_clears(name, symptom):
    at = 2 if any(not math.isfinite(value) for value in symptom.values()) else 4
    reported = checks(Diagnosis(), {}, *[symptom] * 6, *[{}] * 4, *[symptom] * 3)
    assert reported == [(at, name), (10, f"-{name}"), (at + 10, name)]


@pytest.mark.parametrize("symptom", NEARLY)
def test_what_is_within_its_threshold_is_not_reported(symptom):
    assert checks(Diagnosis(), {}, *[symptom] * 10) == []


@pytest.mark.parametrize(("name", "symptom"), CASES)
def test_a_symptom_now_and_then_is_not_reported(name, symptom):
    if all(math.isfinite(value) for value in symptom.values()):
        assert checks(Diagnosis(), *[{}, symptom, symptom] * 5) == []


@pytest.mark.parametrize(("name", "symptom"), CASES)
def test_only_divergence_is_reported_within_the_grace_period(name, symptom):
    diagnosis = Diagnosis()
    reported = checks(diagnosis, {}, *[symptom] * 5, grace=10_000)
    assert reported == ([(2 if reported[0][0] == 2 else 4, name)] if name == "divergence" else [])
    assert diagnosis.has_symptoms  # though not reported: such weights are none to return to


def test_an_alarm_has_its_numbers_and_a_way_out():
    for name, symptom in CASES:
        diagnosis = Diagnosis(patience=1)
        checks(diagnosis, {}, symptom)
        (alarm,) = diagnosis.alarms
        reported = alarm.message()
        assert reported.startswith(f"Health: {name.replace('_', ' ')} at 2.0 kimg: ")
        assert "\n" not in reported
        assert "Try: " in reported
        assert any(f"{value:.2g}"[:3] in reported for value in symptom.values()) or "not finite" in reported, reported


@pytest.mark.parametrize("name", ["diversity", "nearest"])
def test_samples_that_still_move_apart_are_no_collapse(name):
    rising = [{name: 0.01 * (1 + number)} for number in range(8)]
    assert checks(Diagnosis(), *rising) == []
    assert checks(Diagnosis(), *rising, {name: 0.07}, {name: 0.08}, {name: 0.06}) == [(11, "collapse")]


def test_coverage_is_compared_with_its_best_before_anything_was_wrong():
    sick = {"diversity": 0.1, "coverage": 1.0}
    assert checks(Diagnosis(), {"coverage": 0.05}, sick, *[{"coverage": 0.02}] * 5) == []
    assert checks(Diagnosis(), {"coverage": 0.9}, *[{"coverage": 0.02}] * 3) == [(4, "collapse")]


def test_a_resumed_diagnosis_goes_on_where_it_was():
    course = [{}, {"diversity": 0.1}, {"diversity": 0.1}, {"diversity": 0.1, "coverage": 0.1}, {}, {}, {}, {}]
    whole = Diagnosis()
    reported = checks(whole, *course)
    for cut in range(len(course)):
        first, second = Diagnosis(), Diagnosis()
        before = checks(first, *course[:cut])
        second.load_state_dict(first.state_dict())
        assert second.has_symptoms == first.has_symptoms
        assert before + checks(second, *course[cut:], start=cut) == reported
        assert second.state_dict() == whole.state_dict()


def test_a_loss_that_is_not_finite_is_reported_at_once_and_once():
    diagnosis = Diagnosis()
    (alarm,) = diagnosis.not_finite(500, "the loss became nan")
    assert alarm.name == "divergence"
    assert diagnosis.not_finite(600, "the loss became nan") == []
    assert diagnosis.has_symptoms
    diagnosis.reset()
    assert not diagnosis.active
    assert diagnosis.alarms == [alarm]
    checks(diagnosis, {})
    assert not diagnosis.has_symptoms


def test_measures_that_a_procedure_does_not_have_are_not_judged():
    diagnosis = Diagnosis(patience=1)
    assert diagnosis.check({"diversity": 1.0, "nearest": 1.0}, 1000) == ([], [])
    raised, _ = diagnosis.check({"diversity": 0.1, "nearest": 1.0}, 2000)
    assert [alarm.name for alarm in raised] == ["collapse"]


def test_impossible_values_are_refused():
    with pytest.raises(GanforgeError, match=r"thresholds\.diversity"):
        Thresholds(diversity=-1)
    with pytest.raises(GanforgeError, match="patience"):
        Diagnosis(patience=0)
    assert set(ILL) == set(FAILURE_MODES)
