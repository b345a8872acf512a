"""Runs the cases named on the command line, or all, and writes the report."""

import json
import os
import shutil
import sys
from functools import cache

import archiving  # noqa: F401  each of these registers its cases
import copying  # noqa: F401
import growth  # noqa: F401
import reading  # noqa: F401
import recovery  # noqa: F401
import report
import testbed
import upkeep  # noqa: F401
from contest import CASES


class Rig:
    """What the cases share; started when the first of them asks."""

    env, work, user = testbed.ENV, testbed.WORK, testbed.USER

    def __init__(self):
        self.sshd = testbed.Sshd()
        self.clusters, self.endings = {}, []

    def cluster(self, scale=testbed.SCALE):
        if scale not in self.clusters:
            self.clusters[scale] = testbed.Cluster(scale)
        return self.clusters[scale]

    def at_end(self, ending):
        """What is to be done when the cases are over."""
        self.endings.append(ending)

    def stop(self):
        for ending in self.endings:
            ending()
        for cluster in self.clusters.values():
            cluster.stop()
        self.sshd.stop()


def named(word):
    """The case of this name, or the cases whose names begin with it."""
    found = [word] if word in CASES else [name for name in CASES if name.startswith(f"{word}-")]
    return found or sys.exit(f"no such case: {word}; --list names them")


def main(words):
    if "--list" in words:
        for case in CASES.values():
            print(f"{case.name:<26} {case.title}")
        return
    names = [name for word in words or CASES for name in named(word)]
    kept = testbed.WORK / "results.json"
    results = json.loads(kept.read_text()) if kept.exists() else {}
    rounds = int(os.environ["ROUNDS"])
    rig = Rig()
    try:
        for name in names:
            print(f"=== {CASES[name].title}", flush=True)
            results[name] = CASES[name].run(rig, rounds)
            for contender, figures in results[name].items():
                print(f"    {contender:<22} {report.duration(figures['median'])}", flush=True)
            kept.write_text(json.dumps(results, indent=1))
    finally:
        rig.stop()
        # What the next run starts with it makes anew.
        shutil.rmtree(testbed.WORK / "homes", ignore_errors=True)
    (testbed.WORK / "benchmarks.md").write_text(report.page(CASES, results))


main(sys.argv[1:])
