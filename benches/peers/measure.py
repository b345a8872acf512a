"""One run of a command: how long, and how much memory it and its children took."""

import json
import os
import shlex
import shutil
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Memory:
    """Peaks of resident memory in MiB."""

    own: float
    largest_child: float


class Failed(Exception):
    """A command that did not do what it should; its figure would mean nothing."""


def seconds(command, env, cwd, expected):
    """Runs `command` with its output thrown away, to end with status `expected`, and gives how long it took."""
    with tempfile.TemporaryFile() as errors:
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0),
            (os.POSIX_SPAWN_DUP2, errors.fileno(), 2),
        ]
        os.chdir(cwd)
        program = shutil.which(command[0], path=env["PATH"]) or command[0]
        begin = time.perf_counter_ns()
        pid = os.posix_spawn(program, command, env, file_actions=actions)
        _, status = os.waitpid(pid, 0)
        end = time.perf_counter_ns()
        code = os.waitstatus_to_exitcode(status)
        if code != expected:
            errors.seek(0)
            raise Failed(f"{' '.join(command)}: exit status {code}\n{errors.read().decode(errors='replace')}")
    return (end - begin) / 1e9


def hyperfine(command, env, cwd):
    """A second opinion on a command that may run again and again: its median by hyperfine(1)."""
    with tempfile.NamedTemporaryFile("r") as told:
        timed = ["hyperfine", "-N", "--warmup", "2", "--runs", "20", "--export-json", told.name, shlex.join(command)]
        subprocess.run(timed, env=env, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, check=True)
        return json.load(told)["results"][0]["median"]


def watched(command, env, cwd, expected):
    """Runs `command`, watched: gives how long it took, a little more than it takes by itself, and its memory.

    The kernel tells the peak of the process and all its children in one figure, through time(1), which is small; that
    of the process alone is its own high-water mark, looked at until it ends.
    """
    with tempfile.NamedTemporaryFile("r") as told:
        timed = ["/usr/bin/time", "-q", "-f", "%e %M", "-o", told.name, *command]
        process = subprocess.Popen(
            timed, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        watch = Watch(process.pid)
        code = process.wait()
        watch.join()
        taken, largest = told.read().split()
    if code != expected:
        raise Failed(f"{' '.join(command)}: exit status {code}")
    largest = int(largest) / 1024
    if not watch.had_children or watch.peak == 0:
        return float(taken), Memory(own=largest, largest_child=0)
    return float(taken), Memory(own=watch.peak, largest_child=largest)


class Watch(threading.Thread):
    """Looks at the only child of `parent` until it is gone."""

    def __init__(self, parent):
        super().__init__()
        self.parent, self.peak, self.had_children = parent, 0.0, False
        self.start()

    def run(self):
        while True:
            try:
                if child := children(self.parent):
                    self.look(child[0])
                elif self.peak:
                    return
            except OSError:
                return
            time.sleep(0.002)

    def look(self, pid):
        with open(f"/proc/{pid}/status") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    self.peak = max(self.peak, int(line.split()[1]) / 1024)
        self.had_children = self.had_children or bool(children(pid))


def children(pid):
    """The processes that `pid` has started."""
    with open(f"/proc/{pid}/task/{pid}/children") as listed:
        return [int(word) for word in listed.read().split()]
