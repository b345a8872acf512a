"""Cases, those who contend in them, and the rounds."""

import os
import statistics
from dataclasses import dataclass, field
from typing import Callable

import measure

OURS, BARMAN, PGBACKREST = "ours", "Barman", "pgBackRest"

# Seconds.
SHORT = 0.5   # what takes no longer is timed by hyperfine too
LONG = 2.0    # what takes longer is watched while it is timed: that makes no difference then
SLOW = 20.0   # a peer that takes longer has few turns
FEW = 3


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
    status: int = 0   # that it ends with
    tell: Callable[[], str] | None = None   # one more thing to say after a run, such as a size
    watched: bool = True   # whether the memory that it takes means anything


@dataclass(frozen=True)
class Target:
    """What ours must reach: a ratio to another contender, or a bound of its own."""

    text: str
    holds: Callable[[dict[str, dict]], bool]


def times_faster(other, ratio):
    """Ours takes at most one `ratio`th of what `other` takes."""
    text = f"faster than {other}" if ratio == 1 else f"{ratio:g} times faster than {other}"
    return Target(text, lambda of: of[other]["median"] >= ratio * of[OURS]["median"])


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

    @property
    def subject(self):
        """The module that has it."""
        return self.make.__module__

    def run(self, rig, rounds):
        """Lets all contend; gives the figures of each."""
        runs = [Runs(contender, rounds) for contender in self.make(rig)]
        for number in range(rounds):
            # Nobody always goes first.
            turn = number % len(runs)
            for contender in runs[turn:] + runs[:turn]:
                contender.take_turn(rig)
        second = self.subject == "reading"
        return {of.contender.name: of.figures(rig, second) for of in runs}

    def verdicts(self, results):
        """Each target, and whether it is reached."""
        return [Verdict.on(target, results) for target in self.targets]


@dataclass(frozen=True)
class Verdict:
    """What the medians say of a target, and whether the least times agree: if not, it is a matter of luck."""

    wanted: str
    holds: bool
    is_sure: bool

    @classmethod
    def on(cls, target, results):
        least = {name: figures | {"median": figures["least"]} for name, figures in results.items()}
        holds = bool(target.holds(results))
        return cls(target.text, holds, holds == bool(target.holds(least)))

    def __str__(self):
        doubt = "" if self.is_sure else ", though not by the least times"
        return f"{'reached' if self.holds else 'not reached'}{doubt}"


class Runs:
    """The runs of a contender."""

    def __init__(self, contender, rounds):
        self.contender, self.rounds = contender, rounds
        self.times, self.told = [], []
        self.memory = None if contender.watched else measure.Memory(0, 0)

    def turns(self):
        """How many there are to be."""
        is_peer = self.contender.name in (BARMAN, PGBACKREST)
        return min(FEW, self.rounds) if is_peer and self.median() > SLOW else self.rounds

    def median(self):
        return statistics.median(self.times or [0])

    def told_in_the_middle(self):
        """What was said of the run whose time is the median."""
        told = sorted(zip(self.times, self.told))
        return told[len(told) // 2][1] if told else ""

    def take_turn(self, rig):
        """One run, timed; the last one of what is not short is watched as well."""
        if len(self.times) == self.turns():
            return
        contender = self.contender
        command, env = contender.command, rig.env | contender.env
        contender.before()
        os.sync()
        if contender.watched and self.median() > LONG and len(self.times) + 1 == self.turns():
            taken, self.memory = measure.watched(command, env, rig.work, contender.status)
        else:
            taken = measure.seconds(command, env, rig.work, contender.status)
        self.times.append(taken)
        if contender.tell:
            self.told.append(contender.tell())

    def figures(self, rig, second_opinion):
        """What the report needs to know."""
        contender = self.contender
        if self.memory is None:
            contender.before()
            _, self.memory = measure.watched(contender.command, rig.env | contender.env, rig.work, contender.status)
        figures = {
            "median": self.median(),
            "least": min(self.times),
            "most": max(self.times),
            "rounds": len(self.times),
            "commit": os.environ["COMMIT"],
            "own_mib": self.memory.own,
            "child_mib": self.memory.largest_child,
            "floor": contender.floor,
            "told": self.told_in_the_middle(),
        }
        if second_opinion and self.median() <= SHORT:
            figures["hyperfine"] = measure.hyperfine(contender.command, rig.env | contender.env, rig.work)
        return figures


CASES: dict[str, Case] = {}


def case(name, title, *targets, note=""):
    """Registers the function below it, which makes the contenders."""
    def register(make):
        CASES[name] = Case(name, title, make, list(targets), note)
        return make
    return register
