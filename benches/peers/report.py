"""doc/benchmarks.md, from the figures."""

import os
import platform
import subprocess
from datetime import date

import testbed
from contest import FEW, OURS, SLOW
from growth import exponent

INTRODUCTION = """\
# Benchmarks

Made by `bash benches/peers.sh`, which brings its own PostgreSQL, sshd, data and peers. In each of {rounds} rounds all
contenders of a case take their turn, after a `sync`, and the first one changes from round to round; the median counts.
A peer that takes more than {slow:g} seconds has {few} turns.
*Italic* contenders are the floor: no program for the job, but what the machine allows at best. "Ratio" is how many
times as long as ours it took. Memory is the peak of the process itself / of its largest child, in MiB. A line below
each table says what the case must show, and whether it does. "hyperfine" is a second opinion on what takes
milliseconds: the median of 20 runs in a row by that program, which can neither alternate nor prepare what most cases
need.

Absolute times belong to this machine; look at the ratios.

"""

# With the modules that have the cases.
HEADINGS = {
    "Start, lists, one WAL file": ["reading"], "Archiving": ["archiving"],
    "Backup and restore": ["copying", "recovery"], "Upkeep": ["upkeep"],
}
HEAD_OF_SUMMARY = """\
## Summary

| Case | Ours | Best peer | Ratio | Targets |
|---|---:|---:|---:|---|
"""
HEAD_OF_GROWTH = """\
## How cost grows

Our commands alone, at four sizes of what is there, which take turns as contenders do, in {rounds} rounds. Cost grows
as size^*e* from the least size to the greatest: 0 is flat, 1 is linear. What every command takes to start keeps *e*
below that of still greater sizes. What is flat takes at the greatest size at most a quarter more than at the least.
Memory is our peak at the least and at the greatest size, in MiB.

| Command | What grows | Least | | | Greatest | Memory | *e* | Must be | Why |
|---|---|---:|---:|---:|---:|---:|---:|---|---|
"""


END_OF_GROWTH = """
Of what runs every minute, `archive-wal` takes what has arrived, whatever is there. `cron` and `check` read the record
of each backup, of which there are as many as the retention policy keeps: another program may have changed one in its
place.
"""


def duration(seconds):
    """Three digits that matter."""
    if seconds < 0.1:
        return f"{seconds * 1000:.1f} ms"
    return f"{seconds:.2f} s" if seconds < 100 else f"{seconds:.0f} s"


def line_of(command):
    done = subprocess.run(command, capture_output=True, text=True, env=testbed.ENV)
    return done.stdout.splitlines()[0].strip() if done.stdout else "?"


def machine():
    with open("/proc/cpuinfo") as info:
        model = next((line.split(":")[1].strip() for line in info if line.startswith("model name")), "?")
    with open("/proc/meminfo") as info:
        memory = int(info.readline().split()[1]) / 2**20
    kind = line_of(["stat", "-f", "-c", "%T", str(testbed.WORK)])
    python = line_of([str(testbed.WORK / "peer/bin/python"), "--version"])
    rows = {
        "Date": date.today().isoformat(),
        "Commit": os.environ.get("COMMIT", "?"),
        "Machine": f"{os.cpu_count()} cores, {model}, {memory:.0f} GiB, {kind}, Linux {platform.release()}",
        "PostgreSQL": line_of([str(testbed.PG / "postgres"), "--version"]),
        "Ours": line_of([testbed.OURS, "--version"]),
        "Barman": f"{line_of([testbed.BARMAN, '--version'])}, {python}",
        "pgBackRest": line_of(["pgbackrest", "version"]),
        "rsync, ssh": f"{line_of(['rsync', '--version'])}; "
        + subprocess.run(["ssh", "-V"], capture_output=True, text=True).stderr.strip(),
    }
    return "| | |\n|---|---|\n" + "".join(f"| {name} | {text} |\n" for name, text in rows.items())


def memory(figures):
    own, child = figures["own_mib"], figures["child_mib"]
    if not own:
        return ""
    return f"{own:.0f} / {child:.0f}" if child else f"{own:.0f}" if own else ""


def row(cells):
    return f"| {' | '.join(cells)} |\n"


def table(case, results):
    """All that is known of a case."""
    ours = results[OURS]["median"]
    told = any(figures["told"] for figures in results.values())
    second = any("hyperfine" in figures for figures in results.values())
    text = row(["", "Median", "Least to most", "Ratio", "Memory"] + ["hyperfine"] * second + [""] * told)
    text += row(["---"] + ["---:"] * (4 + second) + ["---"] * told)
    for name, figures in results.items():
        cells = [
            f"*{name}*" if figures["floor"] else name,
            duration(figures["median"]),
            f"{duration(figures['least'])} to {duration(figures['most'])}",
            "" if name == OURS else f"{figures['median'] / ours:.2f}",
            memory(figures),
        ]
        opinion = duration(figures["hyperfine"]) if "hyperfine" in figures else ""
        text += row(cells + [opinion] * second + [figures["told"]] * told)
    if verdicts := case.verdicts(results):
        text += "\n" + "; ".join(f"**{verdict}**: {verdict.wanted}" for verdict in verdicts) + ".\n"
    if case.note:
        text += f"\n{case.note}\n"
    if results[OURS]["commit"] != os.environ["COMMIT"]:
        text += f"\nMeasured in {results[OURS]['rounds']} rounds at commit {results[OURS]['commit']}.\n"
    return f"### {case.title}\n\n{text}\n"


def summary(case, results):
    """One line on a case: ours, and the best of the others that do the same work."""
    ours = results[OURS]["median"]
    peers = {name: of["median"] for name, of in results.items() if name != OURS and not of["floor"]}
    best = min(peers, key=peers.get, default=None)
    doubtful = [verdict for verdict in case.verdicts(results) if not (verdict.holds and verdict.is_sure)]
    return row([
        case.title,
        duration(ours),
        f"{best}, {duration(peers[best])}" if best else "",
        f"{peers[best] / ours:.2f}" if best else "",
        "; ".join(f"**{verdict}**: {verdict.wanted}" for verdict in doubtful) or ("reached" if case.targets else ""),
    ])


def growth(case, results):
    """One line on how the cost of a command grows."""
    sizes = list(results.items())
    memories = " to ".join(f"{sizes[end][1]['own_mib']:.0f}" for end in (0, -1))
    [verdict] = case.verdicts(results)
    must_be = verdict.wanted if verdict.holds else f"{verdict.wanted}: **not reached**"
    return row([
        case.command, case.grows, *(f"{name}: {duration(figures['median'])}" for name, figures in sizes),
        memories, f"{exponent(results):.2f}", must_be, case.note,
    ])


def page(cases, results):
    """The whole document, of the cases that have figures."""
    known = [(case, results[name]) for name, case in cases.items() if name in results]
    def each(show, subjects):
        return "".join(show(case, figures) for case, figures in known if case.subject in subjects)

    rounds = max(figures["rounds"] for _, result in known for figures in result.values())
    text = INTRODUCTION.format(rounds=rounds, slow=SLOW, few=FEW) + machine() + "\n"
    text += f"{HEAD_OF_SUMMARY}{each(summary, sum(HEADINGS.values(), []))}\n"
    for heading, subjects in HEADINGS.items():
        text += f"## {heading}\n\n{each(table, subjects)}"
    grown = [figures for case, result in known if case.subject == "growth" for figures in result.values()]
    if grown:
        rounds, commits = max(of["rounds"] for of in grown), sorted({of["commit"] for of in grown})
        text += f"{HEAD_OF_GROWTH.format(rounds=rounds)}{each(growth, ['growth'])}{END_OF_GROWTH}"
        text += f"\nMeasured at {' and '.join(commits)}.\n"
    return f"{text.rstrip()}\n"
