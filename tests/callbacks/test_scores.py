"""Which measurement is the last, and which the best."""

from ganforge.callbacks.scores import Scores


def test_the_best_is_the_lowest_fid_and_the_last_is_the_last():
    scores = Scores()
    for images_seen, fid in ((100, 5.0), (200, 3.0), (300, 4.0)):
        scores.add({"fid": fid, "precision": 0.5}, images_seen, "digits@1")
        assert scores.is_best_at(images_seen) == (fid != 4.0)
    assert scores.last == {"fid": 4.0, "precision": 0.5, "images_seen": 300}
    assert scores.best == {"fid": 3.0, "precision": 0.5, "images_seen": 200}


def test_a_criterion_of_which_more_is_better():
    scores = Scores(criterion="inception_score", better={"inception_score": "greater"})
    scores.add({"inception_score": 2.0}, 100, "digits@1")
    scores.add({"inception_score": 3.0}, 200, "digits@1")
    assert scores.best["images_seen"] == 200


def test_protocols_of_one_clock_are_one_measurement():
    scores = Scores()
    scores.add({"fid": 5.0}, 100, "digits@1")
    scores.add({"clean/fid": 6.0}, 100, "clean@2")
    assert scores.last == {"fid": 5.0, "clean/fid": 6.0, "images_seen": 100}
    assert scores.record() == {
        "scores": scores.last,
        "best": {"fid": 5.0, "images_seen": 100},
        "criterion": "fid",
        "protocol": "digits@1",
        "protocols": {"fid": "digits@1", "clean/fid": "clean@2"},
    }
    scores.add({"fid": 7.0}, 200, "digits@1")
    assert scores.last == {"fid": 7.0, "images_seen": 200}


def test_nothing_measured_is_nothing_recorded():
    assert Scores().record() == {}


def test_scores_go_on_from_a_checkpoint():
    scores, again = Scores(), Scores()
    scores.add({"kid": 0.5}, 100, "digits@1")
    again.load_state_dict(scores.state_dict())
    assert again == scores
