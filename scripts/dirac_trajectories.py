"""Draw the Dirac-GAN's trajectories in the real training code.

python scripts/dirac_trajectories.py
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ganforge.losses.adversarial import Minimax, NonSaturating, RelativisticPaired, Wasserstein
from ganforge.losses.consensus import Consensus
from ganforge.losses.constraint import WeightClipping
from ganforge.losses.gradient_penalty import R1, R2, GradientPenalty
from ganforge.models.dirac import dirac_game, play
from ganforge.models.gan import GAN
from ganforge.models.simultaneous import SimultaneousGAN
from ganforge.models.unrolled import UnrolledGAN
from ganforge.optimizers import Extragradient

GAMES: dict[str, dict[str, Any]] = {
    "minimax": {"loss": Minimax()},
    "non-saturating": {"loss": NonSaturating()},
    "Wasserstein, clipped at 1": {"loss": Wasserstein(), "constraint": WeightClipping(1.0)},
    "Wasserstein + gradient penalty": {"loss": Wasserstein(), "terms": {"gp": GradientPenalty(weight=0.35)}},
    "minimax + R1 (0.3)": {"loss": Minimax(), "terms": {"r1": R1(weight=0.3)}},
    "minimax + R1 (1, critical)": {"loss": Minimax(), "terms": {"r1": R1(weight=1.0)}},
    "relativistic + R1 + R2 (0.3)": {
        "loss": RelativisticPaired(),
        "terms": {"r1": R1(weight=0.3), "r2": R2(weight=0.3)},
    },
    "minimax + consensus (1)": {
        "loss": Minimax(),
        "terms": {
            player: Consensus(weight=1.0, loss=Minimax(), player=player) for player in ("discriminator", "generator")
        },
    },
    "minimax, extragradient": {"loss": Minimax(), "optimizer": Extragradient},
    "minimax, unrolled 5": {"loss": Minimax(), "procedure": partial(UnrolledGAN, unroll_steps=5)},
}
ORDERS: dict[str, dict[str, Any]] = {
    "simultaneous": {"procedure": SimultaneousGAN},
    "alternating 1:1": {},
    "alternating 5:1": {"n_critic": 5},
}
COLOURS = dict(zip(ORDERS, ("tab:blue", "tab:orange", "tab:green"), strict=True))


def draw(target: Path, rounds: int) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(16, 9.4), layout="constrained")
    for axes, (title, game) in zip(figure.subplots(2, 5).flat, GAMES.items(), strict=True):
        for order, options in ORDERS.items():
            procedure: Callable[..., GAN] = game.get("procedure", options.get("procedure", GAN))
            if "procedure" in game and "procedure" in options:
                continue  # unrolling alternates
            if "optimizer" in game and "procedure" not in options:
                continue  # extragradient does not
            theta, psi = play(dirac_game(**{**game, **options, "procedure": procedure}), rounds).T.tolist()
            distance = (theta[-1] ** 2 + psi[-1] ** 2) ** 0.5
            label = f"{order}: {distance:.2g}"
            axes.plot(theta, psi, ".-", color=COLOURS[order], markersize=2, linewidth=0.6, label=label)
        axes.plot(0, 0, "k+", markersize=10)
        axes.set(title=title, xlabel="theta", ylabel="psi", aspect="equal", xlim=(-3, 3), ylim=(-3, 5.4))
        axes.legend(fontsize="small", title=f"distance after {rounds} rounds", loc="upper left")
        axes.grid(alpha=0.3)
    figure.suptitle("Dirac-GAN from (theta, psi) = (1, -1), step size 0.2; the equilibrium is the cross")
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=90)
    print(f"{target}: {rounds} rounds a game")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", type=Path, default=Path("docs/images/dirac.png"), help="the picture")
    parser.add_argument("--rounds", type=int, default=150, help="generator steps of each game")
    arguments = parser.parse_args()
    draw(arguments.target, arguments.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
