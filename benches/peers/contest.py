"""Cases, those who contend in them, and the rounds."""

import os
import statistics
from dataclasses import dataclass, field
from typing import Callable

import measure

OURS, BARMAN, PGBACKREST = "ours", "Barman", "pgBackRest"


def nothing():
    """What there is to prepare for most commands."""


@dataclass(frozen=True)
class Contender:
    """One who does the work of a case. A `floor` is no program for it: what the machine allows at best."""

    name: str
    command: list[str]
    before: Callable[[], None] = nothing   # makes the state to start from; is not timed
    floor: bool = False
    env: dict[str, str] = field(default_factory=dict)
    tell: Callable[[], str] | None = None   # one more thing to say after a run, such as a size
    watched: bool = True   # whether the memory that it takes means anything


@dataclass(frozen=True)
class Target:
    """What ours must reach: a ratio to another contender, or a bound of its own."""

    text: str
    holds: Callable[[dict[str, dict]], bool]


def times_faster(other, ratio):
    """Ours takes at most one `ratio`th of what `other` takes."""
    return Target(f"{ratio:g} times faster than {other}", lambda of: of[other]["median"] >= ratio * of[OURS]["median"])


def at_most(ratio, other):
    """Ours takes at most `ratio` of what `other` takes."""
    return Target(f"at most {ratio:g} of {other}", lambda of: of[OURS]["median"] <= ratio * of[other]["median"])


def within(seconds):
    """Ours takes at most so many seconds."""
    shown = f"{seconds * 1000:g} ms" if seconds < 1 else f"{seconds:g} s"
    return Target(f"within {shown}", lambda of: of[OURS]["median"] <= seconds)


def memory_below(mib):
    """Ours, without its children, takes less memory than this."""
    return Target(f"below {mib} MiB", lambda of: of[OURS]["own_mib"] < mib)


@dataclass(frozen=True)
class Case:
    """A piece of work, done by each contender in turn in every round."""

    name: str
    title: str
    make: Callable[..., list[Contender]]   # prepares what all share
    targets: list[Target]
    note: str

    def run(self, rig, rounds):
        """Lets all contend; gives the figures of each."""
        contenders = self.make(rig)
        times = {contender.name: [] for contender in contenders}
        told = {}
        for number in range(rounds):
            # Nobody always goes first.
            turn = number % len(contenders)
            for contender in contenders[turn:] + contenders[:turn]:
                contender.before()
                os.sync()
                taken = measure.seconds(contender.command, rig.env | contender.env, rig.work)
                times[contender.name].append(taken)
                if contender.tell:
                    told[contender.name] = contender.tell()
        return {contender.name: figures(contender, times, told, rig) for contender in contenders}

    def verdicts(self, results):
        """Each target and whether it is reached."""
        return [(target.text, bool(target.holds(results))) for target in self.targets]


def figures(contender, times, told, rig):
    """What the report needs to know."""
    times = times[contender.name]
    memory = measure.Memory(0, 0)
    if contender.watched:
        contender.before()
        memory = measure.memory(contender.command, rig.env | contender.env, rig.work)
    return {
        "median": statistics.median(times),
        "least": min(times),
        "most": max(times),
        "rounds": len(times),
        "own_mib": memory.own,
        "child_mib": memory.largest_child,
        "floor": contender.floor,
        "told": told.get(contender.name, ""),
    }


CASES: dict[str, Case] = {}


def case(name, title, *targets, note=""):
    """Registers the function below it, which makes the contenders."""
    def register(make):
        CASES[name] = Case(name, title, make, list(targets), note)
        return make
    return register
