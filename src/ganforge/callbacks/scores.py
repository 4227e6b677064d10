"""The last and the best evaluation of a run."""

from dataclasses import asdict, dataclass, field
from typing import Any

from ganforge.metrics.directions import Better, directions

__all__ = ["Scores"]


@dataclass
class Scores:
    """The last measurement, and the best one by its criterion; both with the clock as ``images_seen``.

    Attributes:
        criterion: name of the value by which measurements are ranked.
        last: values of the last measurement.
        best: values of the best one that were measured under the criterion's protocol.
        protocols: name and hash of the protocol behind each value.
        better: which way each value is better, by name or pattern; what it does not name counts as a cost.
    """

    criterion: str = "fid"
    last: dict[str, float] = field(default_factory=dict)
    best: dict[str, float] = field(default_factory=dict)
    protocols: dict[str, str] = field(default_factory=dict)
    better: Better = field(default_factory=dict)

    def add(self, values: dict[str, float], images_seen: int, protocol: str) -> None:
        """Add values measured at ``images_seen`` under a protocol; those of several protocols are one measurement."""
        if self.last.get("images_seen") != images_seen:
            self.last = {}
        self.last = {**self.last, **values, "images_seen": images_seen}
        self.protocols |= dict.fromkeys(values, protocol)
        if self.criterion in values and self._is_best(values[self.criterion]):
            self.best = {**values, "images_seen": images_seen}

    def _is_best(self, value: float) -> bool:
        if not self.best:
            return True
        best = self.best[self.criterion]
        way = directions(self.better, [self.criterion]).get(self.criterion)
        return value > best if way == "greater" else value < best

    def is_best_at(self, images_seen: int) -> bool:
        """Whether the best measurement was made at this clock."""
        return self.best.get("images_seen") == images_seen

    def record(self) -> dict[str, object]:
        """Return the entry of ``run.json``; empty where nothing was measured."""
        if not self.last:
            return {}
        protocol = self.protocols.get(self.criterion, "")
        return {
            "scores": self.last,
            "best": self.best,
            "criterion": self.criterion,
            "protocol": protocol,
            "protocols": self.protocols,
        }

    def state_dict(self) -> dict[str, object]:
        """Return plain containers, for checkpoints."""
        state = asdict(self)
        del state["better"]  # the protocols say it anew
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state of :meth:`state_dict`."""
        self.criterion, self.last, self.best = state["criterion"], state["last"], state["best"]
        self.protocols = state["protocols"]
