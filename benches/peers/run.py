"""Runs the cases named on the command line, or all, and writes the report."""

import json
import os
import sys
from functools import cache

import archiving  # noqa: F401  each of these registers its cases
import copying  # noqa: F401
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
        self.server = None
        self.endings = []

    def cluster(self):
        self.server = self.server or testbed.Cluster()
        return self.server

    def at_end(self, ending):
        """What is to be done when the cases are over."""
        self.endings.append(ending)

    def stop(self):
        for ending in self.endings:
            ending()
        if self.server:
            self.server.stop()
        self.sshd.stop()


def main(words):
    if "--list" in words:
        for case in CASES.values():
            print(f"{case.name:<22} {case.title}")
        return
    unknown = [word for word in words if word not in CASES]
    if unknown:
        sys.exit(f"no such case: {', '.join(unknown)}; --list names them")
    kept = testbed.WORK / "results.json"
    results = json.loads(kept.read_text()) if kept.exists() else {}
    rounds = int(os.environ["ROUNDS"])
    rig = Rig()
    try:
        for name in words or CASES:
            print(f"=== {CASES[name].title}", flush=True)
            results[name] = CASES[name].run(rig, rounds)
            for contender, figures in results[name].items():
                print(f"    {contender:<22} {report.duration(figures['median'])}", flush=True)
            kept.write_text(json.dumps(results, indent=1))
    finally:
        rig.stop()
    (testbed.WORK / "benchmarks.md").write_text(report.page(CASES, results))


main(sys.argv[1:])
