"""doc/benchmarks.md, from the figures."""

import os
import platform
import subprocess
from datetime import date

import testbed
from contest import BARMAN, OURS, PGBACKREST

INTRODUCTION = """\
# Benchmarks

Made by `bash benches/peers.sh`, which brings its own PostgreSQL, sshd, data and peers. In each of {rounds} rounds all
contenders of a case take their turn, after a `sync`, and the first one changes from round to round; the median counts.
*Italic* contenders are the floor: no program for the job, but what the machine allows at best. "Ratio" is how many times
as long as ours it took. Memory is the peak of the process itself / of its largest child, in MiB. A line below each
table says what the case must show, and whether it does.

Absolute times belong to this machine; look at the ratios.

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
    rows = {
        "Date": date.today().isoformat(),
        "Commit": os.environ.get("COMMIT", "?"),
        "Machine": f"{os.cpu_count()} cores, {model}, {memory:.0f} GiB, {kind}, Linux {platform.release()}",
        "PostgreSQL": line_of([str(testbed.PG / "postgres"), "--version"]),
        "Ours": line_of([testbed.OURS, "--version"]),
        "Barman": f"{line_of([testbed.BARMAN, '--version'])}, Python {line_of([str(testbed.WORK / 'peer/bin/python'), '--version']).split()[-1]}",
        "pgBackRest": line_of(["pgbackrest", "version"]),
        "rsync, ssh": f"{line_of(['rsync', '--version'])}; "
        + subprocess.run(["ssh", "-V"], capture_output=True, text=True).stderr.strip(),
    }
    return "| | |\n|---|---|\n" + "".join(f"| {name} | {text} |\n" for name, text in rows.items())


def memory(figures):
    own, child = figures["own_mib"], figures["child_mib"]
    if not own:
        return ""
    return f"{own:.0f} / {child:.0f}" if child else f"{own:.0f}"


def table(case, results):
    ours = results[OURS]["median"]
    told = any(figures["told"] for figures in results.values())
    text = f"### {case.title}\n\n| | Median | Least to most | Ratio | Memory |{' |' if told else ''}\n"
    text += f"|---|---:|---:|---:|---:|{'---|' if told else ''}\n"
    for name, figures in results.items():
        shown = f"*{name}*" if figures["floor"] else name
        spread = f"{duration(figures['least'])} to {duration(figures['most'])}"
        ratio = "" if name == OURS else f"{figures['median'] / ours:.2f}"
        text += f"| {shown} | {duration(figures['median'])} | {spread} | {ratio} | {memory(figures)} |"
        text += f" {figures['told']} |\n" if told else "\n"
    verdicts = [f"{'**reached**' if holds else '**not reached**'}: {wanted}" for wanted, holds in case.verdicts(results)]
    if verdicts:
        text += "\n" + "; ".join(verdicts) + "."
    if case.note:
        text += f"\n\n{case.note}"
    return text + "\n\n"


def page(cases, results):
    rounds = max(figures["rounds"] for result in results.values() for figures in result.values())
    text = INTRODUCTION.format(rounds=rounds) + machine() + "\n"
    return text + "".join(table(case, results[name]) for name, case in cases.items() if name in results)
