"""What counts as a longer training of the same run."""

import pytest

from ganforge.core.config import compose
from ganforge.runs.differences import differences, lengths


@pytest.mark.parametrize(
    "words",
    [["model=sngan"], ["model=r3gan"], ["model=progan"], ["augment=instance_noise"]],
    ids=" ".join,
)
def test_schedules_that_end_with_the_run_are_its_length(words):
    """Rates that fall until the run ends, growth and fades: extending such a run stretches them too."""
    shorter, longer, other = (
        compose([*words, *changes]).settings
        for changes in (["total_kimg=10"], ["total_kimg=20"], ["total_kimg=20", "optimizer.generator.lr=0.5"])
    )
    assert lengths(differences(shorter, longer))
    assert not lengths(differences(shorter, other))
