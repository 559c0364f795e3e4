"""A page and pictures of the figures: docs/bench/figures.md, and each picture as SVG and PNG.

    testbed/bench/report.py FIGURES.json       # prints the page that belongs to these figures, without drawing anything

What could not be measured is told so where its figure would be. In `figures` that is {"failed": why}.
"""

import json
import statistics
import sys

OURS, LIMIT, OTHERS = "#1f77b4", "#7f7f7f", "#d62728"


def colour(name):
    return OURS if name.startswith("Flumen") else LIMIT if name.startswith("raw") else OTHERS


def good(values):
    """Those that were measured."""
    return [value for value in values if isinstance(value, (int, float))]


def spread(values, form):
    """The median, and the least and the most; or why there is none."""
    measured = good(values)
    if not measured:
        return next((f"not measured: {value['failed']}".replace("|", "/") for value in values if value), "not measured")
    text, least, most = (form(of(measured)) for of in (statistics.median, min, max))
    if least != most:
        text += f" ({least} to {most})"
    return text if len(measured) == len(values) else f"{text}; {len(values) - len(measured)} of {len(values)} rounds failed"


def part_of(values, name):
    """One figure of each round's."""
    return [value if "failed" in value else value.get(name) for value in values]


def ratios(values, others):
    """Round by round."""
    pairs = zip(values, others)
    return [one / other if good([one, other]) == [one, other] else {"failed": "there is nothing to compare"} for one, other in pairs]


def table(head, rows):
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def whole(value):
    return f"{value:,.0f}"


def ratio(value):
    return f"{value:.2f}"


def micros(seconds):
    return f"{seconds * 1e6:,.0f} us"


def tenths(seconds):
    return f"{seconds * 1e6:,.1f} us"


def millis(seconds):
    return f"{seconds * 1e3:,.1f} ms"


def mebibytes(value):
    return f"{value / (1 << 20):,.1f} MiB"


def hundredths(seconds):
    return f"{seconds:,.2f} s"


def picture(into, name, draw):
    """A line of the page; the picture itself where there is a directory for it."""
    line = f"\n![{name}]({name}.svg)\n"
    if not into:
        return line
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "flumen"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4))
    draw(axes)
    figure.tight_layout()
    for form in ("svg", "png"):
        metadata = {"Date": None} if form == "svg" else None
        figure.savefig(f"{into}/{name}.{form}", metadata=metadata)
    pyplot.close(figure)
    return line


def bars(title, unit, values):
    values = {name: good(of) for name, of in values.items() if good(of)}

    def draw(axes):
        names = list(values)[::-1]
        middles = [statistics.median(values[name]) for name in names]
        errors = [[m - min(values[n]) for n, m in zip(names, middles)], [max(values[n]) - m for n, m in zip(names, middles)]]
        axes.barh(names, middles, xerr=errors, color=[colour(name) for name in names])
        axes.set_title(title)
        axes.set_xlabel(unit)

    return draw


def growth(axes, rows, first, name, form, **style):
    """A line through the medians of a growing table."""
    measured = {row[first]: good(part_of(row["rounds"], name)) for row in rows}
    points = [(count, statistics.median(values)) for count, values in measured.items() if values]
    if points:
        getattr(axes, form)(*zip(*points), **style)


def of_rates(part, into):
    given = part["rates"]
    raw, bundle = given["raw socket"], given["ovs-ofctl --bundle add-flows"]
    rows = [
        [name, spread(values, whole), spread(ratios(values, raw), ratio), spread(ratios(values, bundle), ratio)]
        for name, values in given.items()
    ]
    return (
        f"## Flows a second\n\n{part['flows']:,} flows of one kind into one Open vSwitch, from the first byte to the last "
        f"confirmation; {part['one_by_one']:,} where each flow is a request, all sent at once, and {part['osken']:,} through "
        "os-ken, one after the other as its interface has it. The raw socket writes FLOW_MODs that were encoded before, "
        "and one barrier: more than that Open vSwitch does not take. Every answer of Flumen's is durable, and it has no "
        "other kind: what the disk costs shows beside a store whose directory is in memory. Median of the rounds (least to "
        "most); ratios are taken round by round.\n\n"
        + table(["", "flows/s", "of the raw limit", "of `ovs-ofctl --bundle`"], rows)
        + picture(into, "rates", bars("Flows into one Open vSwitch", "confirmed flows a second", given))
    )


def of_work(part, _into):
    cells = {"all": tenths, "switch": tenths, "serving": tenths, "store": tenths, "client": tenths, "busy": ratio}
    rows = [[name, *columns({"rounds": rounds}, **cells)] for name, rounds in part["work"].items()]
    return (
        f"## What the limit is\n\nWhat each of {part['flows']:,} flows takes, in batches or from the raw socket at once: in all, "
        f"and of the time of processors, which are {part['processors']} for all of these together: for `ovs-vswitchd`, for the "
        "threads of the daemon that serve and read messages, for the one that writes the store, which waits for the disk "
        "besides, and for the client, which writes what was prepared and reads the answers. The switch takes flows on one "
        "processor, and the raw socket keeps that one busy; beside the daemon it shares what there is.\n\n"
        + table(["", "in all", "ovs-vswitchd", "serving", "store", "client", "processors busy"], rows)
    )


def of_latencies(part, into):
    given = part["latencies"]
    p50 = {name: part_of(rounds, "p50") for name, rounds in given.items()}
    rows = [
        [
            name, spread(p50[name], micros), spread(part_of(rounds, "p99"), micros),
            spread(part_of(rounds, "per_second"), whole), spread(ratios(p50[name], p50["raw socket"]), ratio),
        ]
        for name, rounds in given.items()
    ]
    return (
        f"## One flow\n\n{part['flows']:,} requests one after the other, from a Python client that writes and reads a socket. "
        "Flumen's answer is durable and confirmed by the switch; os-ken's says that the message was sent.\n\n"
        + table(["", "p50", "p99", "flows/s", "p50 to the raw one"], rows)
        + picture(
            into, "latencies",
            bars("One flow, from request to answer", "microseconds (median)", {n: [s * 1e6 for s in good(of)] for n, of in p50.items()}),
        )
    )


def columns(row, **forms):
    """The cells of a growing table: each figure in its form."""
    return [spread(part_of(row["rounds"], name), form) for name, form in forms.items()]


def of_switches(rows, into):
    def draw(axes):
        growth(axes, rows, "switches", "rules_per_second", "semilogx", marker="o", color=OURS)
        axes.set_ylim(bottom=0)
        axes.set_title("Every flow on every switch")
        axes.set_xlabel("emulated switches")
        axes.set_ylabel("confirmed rules a second")

    kibibytes = lambda value: f"{value / 1024:,.1f} KiB"
    cells = {"rules_per_second": whole, "resident": mebibytes, "bytes_per_switch": kibibytes}
    return (
        "## More switches\n\nFlows that go to all of so many emulated switches, which share the machine with the "
        "daemon; the memory of the daemon when all are there and idle, and how much of it came with each.\n\n"
        + table(["switches", "rules/s", "memory", "a switch"], [[whole(row["switches"]), *columns(row, **cells)] for row in rows])
        + picture(into, "switches", draw)
    )


def of_flows(rows, into):
    def draw(axes):
        growth(axes, rows, "flows", "reconciled_seconds", "loglog", marker="o", color=OURS, label="switch compared")
        growth(axes, rows, "flows", "restart_seconds", "loglog", marker="s", linestyle="--", color=LIMIT, label="requests served")
        axes.set_title("After kill -9 of the daemon")
        axes.set_xlabel("flows")
        axes.set_ylabel("seconds")
        axes.legend()

    cells = {
        "flows_per_second": whole, "bytes_per_flow": whole, "restart_seconds": hundredths, "reconciled_seconds": hundredths,
        "bytes_per_flow_after_restart": whole,
    }
    return (
        "## More flows\n\nSo many flows on one emulated switch, through batches of MessagePack; then the daemon is killed with "
        "`kill -9` and started again. Bytes are resident memory.\n\n"
        + table(
            ["flows", "flows/s", "bytes a flow", "serves again after", "switch compared after", "bytes a flow then"],
            [[whole(row["flows"]), *columns(row, **cells)] for row in rows],
        )
        + picture(into, "flows", draw)
    )


def of_storm(rows, _into):
    return (
        "## All switches at once\n\nThe daemon is killed under so many emulated switches and started again; until all of them "
        "have been read and compared.\n\n"
        + table(["switches", "all back after"], [[whole(row["switches"]), *columns(row, seconds=hundredths)] for row in rows])
    )


def of_drift(part, _into):
    rows = [
        [f"`{verb}`", spread(part_of(rounds, "median"), millis), spread(part_of(rounds, "longest"), millis)]
        for verb, rounds in part["drift"].items()
    ]
    return (
        f"## Somebody else's changes\n\n{part['times']} flows, each deleted or changed once by `ovs-ofctl`: from the end of its "
        "command until `ovs-ofctl dump-flows`, whose own time counts too, prints the table as it was.\n\n"
        + table(["", "median", "longest"], rows)
    )


def of_hostile(part, _into):
    beside, refusals = [], []
    for name, rounds in part.items():
        if all("failed" in one for one in rounds):
            beside.append([name, "", spread(rounds, ratio), "", "", ""])
        elif any("lawful" in one for one in rounds):
            lawful, refused = part_of(rounds, "lawful"), part_of(rounds, "refused")
            refusals.append([name, spread(refused, millis), spread(lawful, millis), spread(ratios(refused, lawful), ratio)])
        else:
            quantile = lambda when, which: part_of([one if "failed" in one else one[when] for one in rounds], which)
            alone, theirs = quantile("alone", "p99"), quantile("beside", "p99")
            beside.append([
                name, spread(part_of(rounds, "others"), whole), spread(alone, millis), spread(theirs, millis),
                spread(ratios(theirs, alone), ratio), spread(part_of(rounds, "grown"), mebibytes),
            ])
    return (
        "## Beside others\n\nSingle installs one after the other, alone and then beside clients that are hostile, careless or "
        "busy, as their p99; and by how much the daemon's memory grew meanwhile, flows that were installed included. "
        "Subscribers do not read while flows are installed all at once.\n\n"
        + table(["beside", "of them", "p99 alone", "p99 beside them", "ratio", "memory"], beside)
        + "\nA message that is refused, beside a lawful batch of the same length that asks for what is installed already: "
        "until the answer.\n\n"
        + table(["message", "refused after", "lawful one", "ratio"], refusals)
    )


def of_codec(part, _into):
    lines = part.get("lines", [f"not measured: {part.get('failed')}"])
    return "## The codec\n\nWhat `cargo bench -p openflow` prints:\n\n```text\n" + "\n".join(lines) + "\n```\n"


SECTIONS = {
    "rates": of_rates, "work": of_work, "latencies": of_latencies, "switches": of_switches, "flows": of_flows,
    "storm": of_storm, "drift": of_drift, "hostile": of_hostile, "codec": of_codec,
}


def page(figures, into=None):
    """The page; its pictures are drawn where there is a directory for them. Parts that were not measured are left out."""
    text = "# Figures\n\nMeasured by `make bench` on one machine, and written by it; nothing here is typed by hand.\n\n"
    text += table(["machine", ""], [[name, value] for name, value in figures["machine"].items()]).replace("---:", "---")
    rows = [[name, of["measured"], f"{of['seconds']} s", of["load"], of["binary"]] for name, of in figures["parts"].items()]
    if rows:
        text += "\n" + table(["part", "measured", "took", "load before", "binary"], rows)
    for name, section in SECTIONS.items():
        if name in figures:
            text += "\n" + section(figures[name], into)
    return text


def write(figures, into):
    with open(f"{into}/figures.md", "w", encoding="utf-8") as file:
        file.write(page(figures, into))


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as given:
        sys.stdout.write(page(json.load(given)))
