"""What counts as a longer training of the same run."""

import pytest

from ganforge.core.config import compose
from ganforge.runs.differences import differences, is_length


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
    assert is_length(differences(shorter, longer))
    assert not is_length(differences(shorter, other))
