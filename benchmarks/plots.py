# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw the figures of benchmarks/results, beside them.

    python benchmarks/plots.py

Needs Matplotlib. The same figures give the same files.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "distributed.tiers"
import matplotlib.pyplot as plt  # noqa: E402

RESULTS = Path(__file__).resolve().parent / "results"
# Inches. The panels stand one above the other, so that a phone does not shrink their texts out of sight.
SIZE = (6, 8)


def main() -> None:
    for name, draw in {"allocation-speed": allocation_speed, "load": load}.items():
        figure, panels = plt.subplots(2, 1, figsize=SIZE, layout="constrained")
        draw(json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8")), *panels)
        for axes in panels:
            axes.grid(alpha=0.3)
            axes.set_axisbelow(True)
            axes.legend()
        figure.savefig(RESULTS / f"{name}.svg", metadata={"Date": None})


def allocation_speed(result: dict[str, Any], upper: Any, lower: Any) -> None:
    figures = result["figures"]
    for backups, label in ((False, "allocate"), (True, "allocate with backups")):
        part = [each for each in figures if each["backups"] == backups]
        upper.loglog([each["clients"] for each in part], [each["allocate_s"] for each in part], "o-", label=label)
        lower.semilogx([each["clients"] for each in part], [each["ratio"] for each in part], "o-", label=label)
    part = [each for each in figures if each["backups"]]
    upper.loglog([each["clients"] for each in part], [each["plain_s"] for each in part], "k--", label="plain pass")
    lower.axhline(1, color="k", linestyle="--", label="plain pass")
    upper.set(xlabel="clients", ylabel="processor seconds", title="Time")
    lower.set(xlabel="clients", ylabel="times a plain pass", title="Against a plain pass", ylim=0)


def load(result: dict[str, Any], upper: Any, lower: Any) -> None:
    alone = [one for one in result["hops"] if one["clients"] == min(each["clients"] for each in result["hops"])]
    ways = list(dict.fromkeys(one["way"] for one in alone))
    bars = {
        label: [1e3 * one["median_ms"] for one in alone if one["tls"] == tls]
        for tls, label in ((False, "plain"), (True, "TLS"))
    }
    grouped(upper, ways, bars)
    upper.set(ylabel="µs", title="Median time of a request, one client")

    few = [one for one in result["shares"] if one["clients"] == min(each["clients"] for each in result["shares"])]
    choices = [f"{one['balance']},\n{'weights' if one['weighted'] else 'no weights'}" for one in few]
    members = [f"{seconds * 1e3:g} ms a request" for seconds in result["members"]["service_s"]]
    grouped(lower, choices, {label: [one["busy"][number] for one in few] for number, label in enumerate(members)})
    for number, one in enumerate(few):
        lower.annotate(
            f"{one['busy_unevenness']:.2f}", (number, max(one["busy"])), (0, 3), textcoords="offset points", ha="center"
        )
    lower.set(
        ylabel="part of its time", ylim=(0, 1.1), title=f"Busy members, {few[0]['clients']} clients; largest over mean"
    )


def grouped(axes: Any, groups: list[str], bars: dict[str, list[float]]) -> None:
    """Bars side by side, a group for each of the names."""
    width = 0.8 / len(bars)
    for number, (label, values) in enumerate(bars.items()):
        offset = (number - (len(bars) - 1) / 2) * width
        axes.bar([group + offset for group in range(len(groups))], values, width, label=label)
    axes.set_xticks(range(len(groups)), groups)


if __name__ == "__main__":
    main()
