"""A table and pictures of the figures: docs/bench/figures.md, and each picture as SVG and PNG."""

import statistics

import matplotlib

matplotlib.use("Agg")
matplotlib.rcParams["svg.hashsalt"] = "flumen"

from matplotlib import pyplot

OURS, LIMIT, OTHERS = "#1f77b4", "#7f7f7f", "#d62728"


def colour(name):
    return OURS if name.startswith("Flumen") else LIMIT if name.startswith("raw") else OTHERS


def spread(values, form):
    """The median, and the least and the most."""
    middle = form(statistics.median(values))
    return middle if len(values) == 1 else f"{middle} ({form(min(values))} to {form(max(values))})"


def table(head, rows):
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def whole(value):
    return f"{value:,.0f}"


def ratio(value):
    return f"{value:.2f}"


def micros(seconds):
    return f"{seconds * 1e6:,.0f} us"


def picture(into, name, draw):
    figure, axes = pyplot.subplots(figsize=(8, 4))
    draw(axes)
    figure.tight_layout()
    for form in ("svg", "png"):
        metadata = {"Date": None} if form == "svg" else None
        figure.savefig(f"{into}/{name}.{form}", metadata=metadata)
    pyplot.close(figure)
    return f"\n![{name}]({name}.svg)\n"


def bars(title, unit, values):
    def draw(axes):
        names = list(values)[::-1]
        middles = [statistics.median(values[name]) for name in names]
        errors = [[m - min(values[n]) for n, m in zip(names, middles)], [max(values[n]) - m for n, m in zip(names, middles)]]
        axes.barh(names, middles, xerr=errors, color=[colour(name) for name in names])
        axes.set_title(title)
        axes.set_xlabel(unit)

    return draw


def of_rates(part, into):
    given = part["rates"]
    raw, bundle = given["raw socket"], given["ovs-ofctl --bundle add-flows"]
    rows = [
        [
            name, spread(values, whole),
            spread([one / limit for one, limit in zip(values, raw)], ratio),
            spread([one / other for one, other in zip(values, bundle)], ratio),
        ]
        for name, values in given.items()
    ]
    return (
        f"## Flows a second\n\n{part['flows']:,} flows of one kind into one Open vSwitch, from the first byte to the last "
        f"confirmation; {part['one_by_one']:,} where each flow is a request, all sent at once, and {part['osken']:,} through "
        "os-ken, one after the other as its interface has it. The raw socket writes FLOW_MODs that were encoded before, "
        "and one barrier: more than that Open vSwitch does not take. Flumen's store is on the disk, unless it says "
        "otherwise, and every answer is durable. Median of the rounds (least to most); ratios are taken round by round.\n\n"
        + table(["", "flows/s", "of the raw limit", "of `ovs-ofctl --bundle`"], rows)
        + picture(into, "rates", bars("Flows into one Open vSwitch", "confirmed flows a second", given))
    )


def of_latencies(part, into):
    given = part["latencies"]
    raw = given["raw socket"]["p50"]
    rows = [
        [name, spread(of["p50"], micros), spread(of["p99"], micros), spread([a / b for a, b in zip(of["p50"], raw)], ratio)]
        for name, of in given.items()
    ]
    return (
        f"## One flow\n\n{part['flows']:,} requests one after the other, from a Python client that writes and reads a socket. "
        "Flumen's answer is durable and confirmed by the switch; os-ken's says that the message was sent.\n\n"
        + table(["", "p50", "p99", "p50 to the raw one"], rows)
        + picture(
            into, "latencies",
            bars("One flow, from request to answer", "microseconds (median)", {n: [s * 1e6 for s in of["p50"]] for n, of in given.items()}),
        )
    )


def of_switches(rows, into):
    def draw(axes):
        axes.semilogx([row["switches"] for row in rows], [row["rules_per_second"] for row in rows], "o-", color=OURS)
        axes.set_ylim(bottom=0)
        axes.set_title("Every flow on every switch")
        axes.set_xlabel("emulated switches")
        axes.set_ylabel("confirmed rules a second")

    return (
        "## More switches\n\nFlows that go to all of so many emulated switches, which share the machine with the "
        "daemon; and the memory of the daemon for each when it is idle.\n\n"
        + table(
            ["switches", "rules/s", "KiB a switch"],
            [[whole(r["switches"]), whole(r["rules_per_second"]), f"{r['bytes_per_switch'] / 1024:,.1f}"] for r in rows],
        )
        + picture(into, "switches", draw)
    )


def of_flows(rows, into):
    def draw(axes):
        axes.loglog([row["flows"] for row in rows], [row["reconciled_seconds"] for row in rows], "o-", color=OURS, label="switch compared")
        axes.loglog([row["flows"] for row in rows], [row["restart_seconds"] for row in rows], "s--", color=LIMIT, label="requests served")
        axes.set_title("After kill -9 of the daemon")
        axes.set_xlabel("flows")
        axes.set_ylabel("seconds")
        axes.legend()

    return (
        "## More flows\n\nSo many flows on one emulated switch, through batches of MessagePack; then the daemon is killed with "
        "`kill -9` and started again. Bytes are resident memory.\n\n"
        + table(
            ["flows", "flows/s", "bytes a flow", "serves again after", "switch compared after", "bytes a flow then"],
            [
                [
                    whole(r["flows"]), whole(r["flows_per_second"]), whole(r["bytes_per_flow"]), f"{r['restart_seconds']:.2f} s",
                    f"{r['reconciled_seconds']:.2f} s", whole(r["bytes_per_flow_after_restart"]),
                ]
                for r in rows
            ],
        )
        + picture(into, "flows", draw)
    )


def of_storm(rows, _into):
    return (
        "## All switches at once\n\nThe daemon is killed under so many emulated switches and started again; until all of them "
        "have been read and compared.\n\n"
        + table(["switches", "all back after"], [[whole(r["switches"]), f"{r['seconds']:.1f} s"] for r in rows])
    )


def of_codec(lines, _into):
    return "## The codec\n\nWhat `cargo bench -p openflow` prints:\n\n```text\n" + "\n".join(lines) + "\n```\n"


SECTIONS = {
    "rates": of_rates, "latencies": of_latencies, "switches": of_switches, "flows": of_flows, "storm": of_storm,
    "codec": of_codec,
}


def write(figures, into):
    """Writes the page and its pictures; parts that were not measured are left out."""
    page = "# Figures\n\nMeasured by `make bench` in one run on one machine, and written by it; nothing here is typed by hand.\n\n"
    page += table(["machine", ""], [[name, value] for name, value in figures["machine"].items()]).replace("---:", "---")
    for name, section in SECTIONS.items():
        if name in figures:
            page += "\n" + section(figures[name], into)
    with open(f"{into}/figures.md", "w", encoding="utf-8") as file:
        file.write(page)
