"""Draws what the dumbbell scenario measured: delay, loss and rate of each class, before and after, as SVG and PNG.

    picture.py MEASURED.json    writes MEASURED.svg and MEASURED.png beside it
"""

import json
import os
import statistics
import sys

import matplotlib

matplotlib.use("Agg")
matplotlib.rcParams["svg.hashsalt"] = "flumen"  # The same measurement makes the same file.

from matplotlib import pyplot

COLOURS = {"voice": "#1f6fb2", "video": "#2a9d5c", "bulk": "#c8553d"}
PHASES = ("before", "after")


def main(path):
    with open(path) as file:
        data = json.load(file)
    figure = pyplot.figure(figsize=(10, 7), layout="constrained")
    delay_axes, loss_axes, rate_axes = figure.subplot_mosaic([["delay", "delay"], ["loss", "rate"]]).values()
    draw_delays(delay_axes, data)
    loss = {name: [100 * data[phase][name]["loss"] for phase in PHASES] for name in COLOURS}
    draw_bars(loss_axes, "Loss", "% of the packets sent", loss, "{:.1f}")
    rate = {name: [data[phase][name]["kbps"] / 1000 for phase in PHASES] for name in COLOURS}
    draw_bars(rate_axes, "Rate that arrives", "Mbit/s", rate, "{:.2f}")
    bottleneck, limit = data["bottleneck_kbps"] / 1000, data["bulk_limit_kbps"] / 1000
    rate_axes.axhline(bottleneck, color="black", linewidth=0.8, linestyle="--")
    rate_axes.set_ylim(top=1.12 * max(bottleneck, *sum(rate.values(), [])))
    rate_axes.annotate("bottleneck", (1, bottleneck), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=8)
    figure.suptitle(
        f"A bottleneck of {bottleneck:g} Mbit/s under a flood of bulk, before and after InstallFlow\n"
        f"(voice and video marked, bulk limited to {limit:g} Mbit/s at the first switch)",
        fontsize=11,
    )
    stem = os.path.splitext(path)[0]
    figure.savefig(f"{stem}.svg", metadata={"Date": None})
    figure.savefig(f"{stem}.png", dpi=110, metadata={"Software": None})
    print(f"measured: {path}, pictures: {stem}.svg and {stem}.png")


def draw_delays(axes, data):
    """Every packet that arrived is a dot: when it was sent, and how long it took."""
    end = max(at for phase in PHASES for name in COLOURS for at, _ in data[phase][name]["delays"])
    for shift, phase in ((0, "before"), (end * 1.05, "after")):
        for name in reversed(COLOURS):
            delays = data[phase][name]["delays"]
            label = name if phase == "before" else None
            size = 2 if name == "bulk" else 5
            axes.scatter(
                [at + shift for at, _ in delays], [delay for _, delay in delays], s=size, color=COLOURS[name], label=label,
                linewidths=0, rasterized=True,
            )
        median = statistics.median(delay for _, delay in data[phase]["voice"]["delays"])
        axes.text(shift + end / 2, 1.02, f"{phase}: median delay of voice {median:.2f} ms", ha="center",
                  transform=axes.get_xaxis_transform(), fontsize=9)
    axes.axvline(end * 1.025, color="black", linewidth=0.8)
    axes.set(yscale="log", ylabel="one-way delay, ms", xlabel="time of sending, s", title=" ")
    axes.legend(markerscale=3, fontsize=8, loc="upper right")


def draw_bars(axes, title, unit, values, form):
    for number, (name, pair) in enumerate(values.items()):
        places = [place + (number - 1) * 0.27 for place in range(2)]
        bars = axes.bar(places, pair, 0.25, color=COLOURS[name], label=name)
        axes.bar_label(bars, [form.format(value) for value in pair], fontsize=8)
    axes.set_xticks(range(2), PHASES)
    axes.set(title=title, ylabel=unit)
    axes.margins(y=0.15)


if __name__ == "__main__":
    main(sys.argv[1])
