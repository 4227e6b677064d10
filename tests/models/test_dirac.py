"""The Dirac-GAN through the real training code, against its Jacobian and against the authors' notebook."""

import inspect
import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from ganforge.losses import adversarial, energy, f_divergence
from ganforge.losses.adversarial import AdversarialLoss, Wasserstein
from ganforge.losses.consensus import Consensus
from ganforge.losses.constraint import WeightClipping
from ganforge.losses.gradient_penalty import R1, R2, GradientPenalty, LipschitzPenalty
from ganforge.models.dirac import dirac_game, play
from ganforge.models.gan import GAN
from ganforge.models.simultaneous import SimultaneousGAN
from ganforge.optimizers import Extragradient

H = 0.2

#: Loss, how fast D's loss rises with the logit of generated points at 0, and how fast G's falls.
LOSSES = [
    (adversarial.Minimax(), 0.5, 0.5),
    (adversarial.NonSaturating(), 0.5, 0.5),
    (adversarial.LeastSquares(), 0.0, 1.0),
    (adversarial.LeastSquares(fake_label=-1.0), 1.0, 1.0),
    (adversarial.LeastSquares(fake_label=-1.0, generator_label=0.0), 1.0, 0.0),
    (Wasserstein(), 1.0, 1.0),
    (adversarial.Hinge(), 1.0, 1.0),
    (energy.EnergyMargin(), 1.0, 1.0),
    (energy.BoundaryEquilibrium(start=0.4), 0.4, 1.0),
    (adversarial.RelativisticPaired(), 0.5, 0.5),
    (adversarial.RelativisticAverage(), 1.0, 1.0),
    (adversarial.RelativisticAverage(adversarial.LeastSquares(fake_label=-1.0)), 2.0, 2.0),
    (adversarial.RelativisticAverage(adversarial.Hinge()), 2.0, 2.0),
    (f_divergence.KullbackLeibler(), math.exp(-1), math.exp(-1)),
    (f_divergence.KullbackLeibler(objective="heuristic"), math.exp(-1), 1.0),
    (f_divergence.ReverseKullbackLeibler(), 1.0, 1.0),
    (f_divergence.ReverseKullbackLeibler(objective="heuristic"), 1.0, 1.0),
    (f_divergence.PearsonChiSquared(), 1.0, 1.0),
    (f_divergence.PearsonChiSquared(objective="heuristic"), 1.0, 1.0),
    (f_divergence.SquaredHellinger(), 1.0, 1.0),
    (f_divergence.SquaredHellinger(objective="heuristic"), 1.0, 1.0),
    (f_divergence.JensenShannon(), 0.5, 0.5),
    (f_divergence.JensenShannon(objective="heuristic"), 0.5, 0.5),
]

#: What is added, and its curvature in psi at the equilibrium; the last two do nothing there.
PENALTIES = {
    "none": ({}, 0.0),
    "r1": ({"terms": {"r1": R1(weight=0.3)}}, 0.3),
    "r2": ({"terms": {"r2": R2(weight=1.5)}}, 1.5),
    "r1_r2": ({"terms": {"r1": R1(weight=0.3), "r2": R2(weight=0.4)}}, 0.7),
    "zero_centred": ({"terms": {"gradient": GradientPenalty(weight=0.2, centre=0.0)}}, 0.4),
    "one_sided": ({"terms": {"gradient": LipschitzPenalty(weight=10.0)}}, 0.0),
    "clipping": ({"constraint": WeightClipping(0.3)}, 0.0),
}
PROCEDURES = {"alternating": GAN, "simultaneous": SimultaneousGAN}


def name(loss: AdversarialLoss) -> str:
    options = {key: getattr(value, "__class__", value).__name__ for key, value in vars(loss).items() if key == "form"}
    options |= {
        key: value for key, value in vars(loss).items() if key in ("objective", "fake_label", "generator_label")
    }
    return "-".join([type(loss).__name__, *map(str, options.values())])


def spectral_radius(matrix: Tensor) -> float:
    return torch.linalg.eigvals(matrix).abs().max().item()


def jacobian(rise: float, fall: float, curvature: float, procedure: type[GAN]) -> Tensor:
    """Of one round at (theta, psi) = (0, 0)."""
    identity = torch.eye(2, dtype=torch.float64)
    generator = torch.tensor([[0.0, H * fall], [0.0, 0.0]], dtype=torch.float64)
    discriminator = torch.tensor([[0.0, 0.0], [-H * rise, -H * curvature]], dtype=torch.float64)
    if procedure is SimultaneousGAN:
        return identity + generator + discriminator
    return (identity + generator) @ (identity + discriminator)


def measured_map(places: Tensor) -> Tensor:
    """The linear map that takes each place of a trajectory to the next, by least squares."""
    places = places / places[0].norm()
    return torch.linalg.lstsq(places[:-1], places[1:]).solution.T


def every_rate() -> list[Any]:
    """Return all combinations; each loss without a penalty and with R1, and each penalty with one loss, are quick."""
    combinations = []
    for (loss, rise, fall), penalty, procedure in itertools.product(LOSSES, PENALTIES, PROCEDURES):
        marks = [] if penalty in ("none", "r1") or isinstance(loss, adversarial.Minimax) else [pytest.mark.slow]
        identifier = f"{name(loss)}-{penalty}-{procedure}"
        combinations.append(pytest.param(loss, rise, fall, penalty, procedure, id=identifier, marks=marks))
    return combinations


@pytest.mark.parametrize(("loss", "rise", "fall", "penalty", "procedure"), every_rate())
def test_contraction_rate(loss: AdversarialLoss, rise: float, fall: float, penalty: str, procedure: str) -> None:
    options, curvature = PENALTIES[penalty]
    played = dirac_game(loss, procedure=PROCEDURES[procedure], step_size=H, start=(1e-6, -7e-7), **options)
    rate = spectral_radius(measured_map(play(played, 15)))
    assert rate == pytest.approx(spectral_radius(jacobian(rise, fall, curvature, PROCEDURES[procedure])), abs=1e-4)


#: The rows that the field of a game is measured on: each shape of rise and fall once.
SHAPES = [
    row
    for row in LOSSES
    if isinstance(
        row[0],
        adversarial.LeastSquares | Wasserstein | adversarial.NonSaturating | adversarial.RelativisticAverage,
    )
]
SHAPE_NAMES = [name(loss) for loss, _, _ in SHAPES]


@pytest.mark.parametrize("procedure", PROCEDURES)
@pytest.mark.parametrize(("loss", "rise", "fall"), SHAPES, ids=SHAPE_NAMES)
def test_consensus_subtracts_the_jacobians_square(
    loss: AdversarialLoss, rise: float, fall: float, procedure: str
) -> None:
    """``J - gamma J^T J`` (Mescheder et al. 2017, section 4); in an alternating game, row after row of it."""
    gamma = 0.7
    field = torch.tensor([[0.0, fall], [-rise, 0.0]], dtype=torch.float64)
    field = H * (field - gamma * field.T @ field)
    identity = torch.eye(2, dtype=torch.float64)
    expected = identity + field
    if procedure == "alternating":
        generator, discriminator = field * torch.tensor([[1.0], [0.0]]), field * torch.tensor([[0.0], [1.0]])
        expected = (identity + generator) @ (identity + discriminator)
    terms = {player: Consensus(weight=gamma, loss=loss, player=player) for player in ("discriminator", "generator")}
    played = dirac_game(loss, procedure=PROCEDURES[procedure], step_size=H, start=(1e-6, -7e-7), terms=terms)
    rate = spectral_radius(measured_map(play(played, 8)))
    assert rate == pytest.approx(spectral_radius(expected), abs=1e-4)


def test_consensus_moves_the_eigenvalues_left() -> None:
    """Of the bilinear game, ``-gamma c^2 +- i c``: 0 without, so that plain steps spiral outwards."""
    gamma = 0.5
    terms = {
        player: Consensus(weight=gamma, loss=Wasserstein(), player=player) for player in ("discriminator", "generator")
    }
    places = play(dirac_game(Wasserstein(), procedure=SimultaneousGAN, step_size=H, terms=terms), 15)
    measured = torch.linalg.eigvals(measured_map(places))
    assert measured.abs().max().item() == pytest.approx(abs(1 + H * complex(-gamma, 1)), abs=1e-4)
    assert sorted(measured.imag.tolist()) == pytest.approx([-H, H], abs=1e-4)


@pytest.mark.parametrize(("loss", "rise", "fall"), SHAPES, ids=SHAPE_NAMES)
def test_a_pair_of_extragradient_calls(loss: AdversarialLoss, rise: float, fall: float) -> None:
    """``I + h J + h^2 J^2`` a pair (Gidel et al. 2019, section 3.1)."""
    played = dirac_game(loss, procedure=SimultaneousGAN, step_size=H, optimizer=Extragradient, start=(1e-6, -7e-7))
    step = H * torch.tensor([[0.0, fall], [-rise, 0.0]], dtype=torch.float64)
    expected = torch.eye(2, dtype=torch.float64) + step + step @ step
    rate = spectral_radius(measured_map(play(played, 16)[::2]))
    assert rate == pytest.approx(spectral_radius(expected), abs=1e-4)


def test_every_loss_is_measured() -> None:
    defined = {
        kind
        for module in (adversarial, energy, f_divergence)
        for kind in (getattr(module, exported) for exported in module.__all__)
        if inspect.isclass(kind) and not inspect.isabstract(kind)
    }
    assert defined == {type(loss) for loss, _, _ in LOSSES}


@pytest.mark.parametrize("gamma", [0.3, 1.0])
def test_logistic_loss_with_r1_has_the_paper_s_eigenvalue(gamma: float) -> None:
    root = complex(gamma**2 / 4 - 0.25) ** 0.5
    rate = max(abs(1 + H * (-gamma / 2 + root)), abs(1 + H * (-gamma / 2 - root)))
    assert rate == pytest.approx({0.3: 0.97468, 1.0: 0.9}[gamma], abs=1e-5)
    assert spectral_radius(jacobian(0.5, 0.5, gamma, SimultaneousGAN)) == pytest.approx(rate, abs=1e-6)


@pytest.mark.parametrize("procedure", PROCEDURES)
@pytest.mark.parametrize(
    "loss",
    [
        Wasserstein(),
        *(pytest.param(loss, marks=pytest.mark.slow) for loss in (adversarial.Minimax(), adversarial.NonSaturating())),
    ],
    ids=name,
)
def test_one_centred_penalty_does_not_converge(loss: AdversarialLoss, procedure: str) -> None:
    """Its gradient has no limit at psi = 0, hence no Jacobian there (theorem in section 3.2 of the paper)."""
    terms = {"gradient_penalty": GradientPenalty(weight=0.35)}
    places = play(dirac_game(loss, procedure=PROCEDURES[procedure], terms=terms), 400)
    assert places[-200:].norm(dim=1).min() > 0.3


#: papers.md 3.5: distance to the equilibrium after 500 rounds, from the rules of the authors' notebook.
NOTEBOOK = {
    "GAN": (adversarial.Minimax(), {}, "3.097", "1.421", "1.845"),
    "NSGAN": (adversarial.NonSaturating(), {}, "0.6402", "0.2839", "0.1389"),
    "WGAN clip 1": (Wasserstein(), {"constraint": WeightClipping(1.0)}, "1.002", "1.024", "0.9169"),
    # The notebook's .7 multiplies (|psi| - 1)^2 / 2; the weight of WGAN-GP has no half.
    "WGAN-GP .7": (
        Wasserstein(),
        {"terms": {"gp": GradientPenalty(weight=0.35)}},
        "1.802",
        "1.221",
        "0.7163",
    ),
    "GAN R1 .3": (adversarial.Minimax(), {"terms": {"r1": R1(weight=0.3)}}, "2.6e-6", "2.3e-7", "9e-34"),
    "GAN R1 1": (adversarial.Minimax(), {"terms": {"r1": R1(weight=1.0)}}, "9.5e-22", "7.5e-17", "5e-12"),
    "NSGAN R1 .3": (adversarial.NonSaturating(), {"terms": {"r1": R1(weight=0.3)}}, "2.2e-6", "1.5e-7", "4e-34"),
}


#: The whole table in the slow tests, a converging, a circling and a diverging row in the quick ones.
QUICK_ROWS = ("GAN", "WGAN clip 1", "NSGAN R1 .3")
ROWS = [pytest.param(row, marks=[] if row in QUICK_ROWS else pytest.mark.slow) for row in NOTEBOOK]


def rounded(value: float, like: str) -> float:
    """Round to as many digits as ``like`` has."""
    digits = len(like.partition("e")[0].replace(".", "").lstrip("0"))
    return float(f"{value:.{digits - 1}e}")


@pytest.mark.parametrize("row", ROWS)
def test_notebook_simultaneous(row: str) -> None:
    loss, options, printed, _, _ = NOTEBOOK[row]
    distance = play(dirac_game(loss, procedure=SimultaneousGAN, **options), 500)[-1].norm().item()
    assert rounded(distance, printed) == float(printed)


@pytest.mark.parametrize("n_critic", [1, pytest.param(5, marks=pytest.mark.slow)])
@pytest.mark.parametrize("row", ROWS)
def test_notebook_alternating(row: str, n_critic: int) -> None:
    """In the notebook the generator begins, here the discriminator does.

    So we start where the notebook's generator has made its first step, and its state after 500 rounds is ours
    between the two players' last steps.
    """
    loss, options, _, one, five = NOTEBOOK[row]
    printed = {1: one, 5: five}[n_critic]
    theta, psi = torch.ones((), dtype=torch.float64, requires_grad=True), -1.0
    loss.generator(psi * theta[None]).backward()
    start = (theta - H * theta.grad).item(), psi
    places = play(dirac_game(loss, n_critic=n_critic, start=start, **options), 500)
    assert rounded(math.hypot(places[-2, 0], places[-1, 1]), printed) == float(printed)
