"""Build a W&B report that compares a sweep's variants: curves over images seen, last scores, pictures.

    python scripts/wandb_report.py SWEEP --entity NAME --save      # SWEEP: the group, which ganforge train -m prints
    python scripts/wandb_report.py SWEEP --entity NAME > report.json

Without --save nothing is sent: the report's document is printed. Needs the extra wandb_report.
"""

import argparse
import json
import sys
from typing import Any

from ganforge.core.extras import install

CURVES = {
    "FID": "metrics/fid",
    "Inception Score": "metrics/inception_score",
    "Generator's loss": "generator/adversarial",
    "Discriminator's loss": "discriminator/adversarial",
}


def build(sweep: str, entity: str, project: str) -> Any:
    """Return the report's object; its runs are those of one sweep, grouped by variant (W&B's job type)."""
    import wandb_workspaces.reports.v2 as wr

    runs = wr.Runset(
        name=sweep,
        filters=f"Metric('group') = '{sweep}'",
        groupby=["JobType"],
        order=[wr.OrderBy(wr.SummaryMetric("metrics/fid"), ascending=True)],
        pinned_columns=["run:displayName", "summary:metrics/fid", "summary:protocol"],
    )
    curves = [
        wr.LinePlot(
            title=title,
            x=wr.Metric("images_seen"),
            y=[wr.Metric(metric)],
            title_x="images seen",
            groupby=wr.Metric("JobType"),
            groupby_aggfunc="mean",
            groupby_rangefunc="stddev",
        )
        for title, metric in CURVES.items()
    ]
    last = wr.BarPlot(
        title="Last FID, mean over seeds",
        metrics=[wr.SummaryMetric("metrics/fid")],
        groupby=wr.Metric("JobType"),
        groupby_aggfunc="mean",
        groupby_rangefunc="stddev",
    )
    return wr.Report(
        entity=entity,
        project=project,
        title=f"Sweep {sweep}",
        description="Variants of one sweep; lines are means over seeds, bands one standard deviation.",
        width="fluid",
        blocks=[
            wr.H2("Scores"),
            wr.P("Values are comparable only within one protocol: the column of that name must show one value."),
            wr.PanelGrid(runsets=[runs], panels=[*curves, last, wr.MediaBrowser(media_keys=["samples"])]),
        ],
    )


def document(report: Any) -> dict[str, Any]:
    """Return what would be sent, without sending it."""
    viewspec: dict[str, Any] = json.loads(report._to_model().model_dump_json(by_alias=True, exclude_none=True))
    return viewspec


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweep", help="the sweep's name, which is the group of its runs")
    parser.add_argument("--entity", required=True, help="W&B user or team")
    parser.add_argument("--project", default="ganforge")
    parser.add_argument("--save", action="store_true", help="send it; needs wandb login")
    options = parser.parse_args()
    try:
        report = build(options.sweep, options.entity, options.project)
    except ModuleNotFoundError as error:
        print(f"{error.name} is not installed: {install('wandb_report')}.", file=sys.stderr)
        return 1
    if options.save:
        print(report.save().url)
    else:
        print(json.dumps(document(report), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
