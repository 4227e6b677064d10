"""Write docs/gallery.md from docs/gallery.jsonl, which scripts/gallery.py fills: a row a variant, a line a seed.

python scripts/gallery_page.py
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from ganforge.core.files import write_text

__all__ = ["Ledger", "is_settled", "page", "read", "write"]

#: A line a run, by dataset, variant and seed.
Ledger = dict[tuple[str, str, int], dict[str, Any]]


def read(docs: Path) -> Ledger:
    """Read the ledger; empty where there is none."""
    path = docs / "gallery.jsonl"
    lines = map(json.loads, path.read_text().splitlines() if path.exists() else ())
    return {(line["data"], line["variant"], line["seed"]): line for line in lines}


def write(ledger: Ledger, docs: Path) -> None:
    """Write the ledger and its page, sorted, so that a new run is a new line."""
    write_text(docs / "gallery.jsonl", "".join(json.dumps(ledger[key]) + "\n" for key in sorted(ledger)))
    write_text(docs / "gallery.md", page(ledger))


def is_settled(line: dict[str, Any] | None, config: str) -> bool:
    """Whether a run need not be repeated: it did not fail, and its configuration is still this one."""
    return line is not None and line["config"] == config and line["verdict"] != "failed"


def row(lines: list[dict[str, Any]]) -> str:
    """Return one variant's row, a line a seed in each cell."""
    columns = (_seed, _verdict, _distance, _classes, _kimg, _seconds, _picture)
    return " | ".join([f"| `{lines[0]['variant']}`", *("<br>".join(map(column, lines)) for column in columns), "|"])


def _seed(line: dict[str, Any]) -> str:
    return str(line["seed"])


def _verdict(line: dict[str, Any]) -> str:
    failed = f"failed: {line['error']}".replace("|", "\\|") if line["verdict"] == "failed" else ""
    return {"alive": "**alive**", "not alive": "not alive"}.get(line["verdict"], failed)


def _distance(line: dict[str, Any]) -> str:
    if "values" not in line:
        return "-"
    low, high = line["intervals"].get("fid", (float("nan"),) * 2)
    return f"{line['values']['fid']:.0f} ({low:.0f} to {high:.0f})"


def _classes(line: dict[str, Any]) -> str:
    return f"{10 - line['values']['classes_missing']:.0f}" if "values" in line else "-"


def _kimg(line: dict[str, Any]) -> str:
    if line["kimg"] is None:
        return "-"
    return f"{line['kimg']:.0f}" + ("" if line["verdict"] == "alive" else f" of {line['kimg_trained']:.0f}")


def _seconds(line: dict[str, Any]) -> str:
    return f"{line['cpu_seconds']:.0f}"


def _picture(line: dict[str, Any]) -> str:
    name = f"{line['data']}_{line['variant']}_{line['seed']}"
    return f"![{name}](images/gallery/{name}.png)" if "values" in line else "-"


def page(ledger: Ledger) -> str:
    """Return the page."""
    by_variant: dict[str, list[dict[str, Any]]] = {}
    for key in sorted(ledger):
        by_variant.setdefault(key[1], []).append(ledger[key])
    alive = sum(line["verdict"] == "alive" for line in ledger.values())
    commits = sorted({line["commit"] for line in ledger.values()})
    protocols = sorted({tag for line in ledger.values() for tag in line.get("protocols", ())})
    return "\n".join(
        [
            "# Gallery: what each variant draws after ten minutes of two cores",
            "",
            f"Made by `python scripts/gallery.py` from [gallery.jsonl](gallery.jsonl): {alive} of {len(ledger)} runs "
            f"are alive. Commits (+: with changes besides): {', '.join(commits) or 'none'}.",
            "",
            "A run is `ganforge train data=mnist5k budget=small` in one thread, evaluated twenty times in its length. "
            "It is **alive**, and stopped, at the first evaluation with a FID under 400 and at least 8 of 10 classes "
            "present; it is not alive if the budget's images are seen or 1,200 s of processor time, ten minutes of "
            "two cores, are spent before: of the whole process, start, evaluations and checkpoints included. Then its "
            "FID is the lowest of all evaluations. So this says what lives and how soon; a variant that was stopped "
            "earlier is no worse for its higher FID.",
            "",
            f"FID is on the features of the shipped digit classifier (protocols {', '.join(protocols) or 'none yet'}; "
            "5,000 samples; not comparable with published values), with a 95 % interval bootstrapped over them. A "
            "class is present if the classifier puts more than a fifth as many samples in it as real digits lead one "
            "to expect. Samples are the first 20 of seed 0, not selected; of a conditional variant, two of each class.",
            "",
            "| variant | seed | | FID | classes | kimg | processor s | samples |",
            "|---|--:|---|--:|--:|--:|--:|---|",
            *(row(by_variant[name]) for name in sorted(by_variant)),
            "",
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="folder of the ledger and the page")
    docs = parser.parse_args().docs
    write(read(docs), docs)
    print(docs / "gallery.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
