"""Count the bad inputs that the tests try, and the faults that they inject; docs/reliability.md quotes it.

    python scripts/bad_inputs.py

Command lines and faults are counted as pytest collects them. Property tests are run, and Hypothesis says how many
examples each has tried; the tests must pass.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

TESTS = Path(__file__).parents[1] / "tests"
COMMAND_LINES = ("hostile",)
FAULTS = (
    "runs/test_full_disk.py",
    "runs/test_interruptions.py",
    "callbacks/test_interrupted.py",
    "core/test_console.py",
    "core/test_signals.py",
    "data/test_decoded_cache.py",
    "metrics/test_real_cache.py",
    "loggers/test_wandb_offline.py",
    "sampling/test_foreign_files.py",
    "runs/test_strangers.py",
    "reports/test_report_strangers.py",
)
_EXAMPLES = re.compile(r"during generate phase.*\n.*\n\s+- (\d+) passing(?: examples)?,")


def collected(places: Sequence[str]) -> int:
    """Return how many tests there are in files or folders of the tests, of every tier."""
    printed = _pytest("--collect-only", "-q", "-m", "not gpu", *(str(TESTS / place) for place in places))
    return sum("::" in line for line in printed.splitlines())


def tried() -> tuple[int, int]:
    """Run the property tests; return how many examples they have tried, and how many tests they are."""
    properties = [str(path) for path in sorted(TESTS.rglob("test_*.py")) if "@given" in path.read_text()]
    printed = _pytest("-q", "-m", "hypothesis", "--hypothesis-show-statistics", *properties)
    examples = list(map(int, _EXAMPLES.findall(printed)))
    return sum(examples), len(examples)


def _pytest(*words: str) -> str:
    done = subprocess.run([sys.executable, "-m", "pytest", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return done.stdout


def main(arguments: Sequence[str] | None = None) -> int:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args(
        arguments
    )
    print(f"nonsense command lines: {collected(COMMAND_LINES)}")
    print(f"faults, one at a time: {collected(FAULTS)} tests")
    examples, tests = tried()
    print(f"values, files and texts made up by Hypothesis: {examples:,} in {tests} tests")
    return 0


if __name__ == "__main__":
    sys.exit(main())
