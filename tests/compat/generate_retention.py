#!/usr/bin/env python3
"""Writes the catalogues of tests/compat/catalog/retention-generated.txt; record.py then adds what Barman says of them.

    python3 tests/compat/generate_retention.py && python3 tests/compat/record.py /tmp/venv/bin/barman retention-generated

Forty servers, each with a policy and a few backups: complete and not, kept and not, increments of one another, with
clocks that go backwards on every third server. Always the same ones but for the times, which are relative to now.
"""

import os
import random
from datetime import datetime, timedelta, timezone

HERE = os.path.dirname(os.path.abspath(__file__))
STATUSES = ["DONE"] * 7 + ["FAILED", "WAITING_FOR_WALS", "EMPTY"]
dice = random.Random(20261125)
now = datetime.now(timezone.utc).replace(microsecond=0)


def policy():
    if dice.random() < 0.5:
        return f"REDUNDANCY {dice.randint(0, 5)}"
    unit, most = dice.choice([("DAYS", 60), ("WEEKS", 8), ("MONTHS", 2)])
    return f"RECOVERY WINDOW OF {dice.randint(0, most)} {unit}"


def server(name, clocks_are_odd):
    out = [f"-- config {name}", f"retention_policy = {policy()}", f"minimum_redundancy = {dice.choice([0, 0, 1, 2, 3, 5])}"]
    ages = [dice.randint(1, 60 * 24) for _ in range(dice.randint(2, 9))]
    if not clocks_are_odd:
        ages.sort(reverse=True)
    backups, children = [], {}
    for day, age in enumerate(ages, 1):
        id, parent = f"202601{day:02}T100000", None
        # Barman has no answer for increments of a backup that has not begun: "EXCEPTION: '20260108T100000'".
        begun = [backup[0] for backup in backups if backup[2] != "EMPTY"]
        if begun and dice.random() < 0.3:
            parent = dice.choice(begun)
            children.setdefault(parent, []).append(id)
        status = "DONE" if parent else dice.choice(STATUSES)
        backups.append((id, parent, status, now - timedelta(hours=age)))
    for id, parent, status, ended in backups:
        out += [f"-- backup {name} {id}", f"end_time={ended}", "mode=postgres"]
        out += [f"status={status}"] if status != "DONE" else []
        out += [f"parent_backup_id={parent}"] if parent else []
        out += [f"children_backup_ids={','.join(children[id])}"] if id in children else []
        if status == "DONE" and not parent and dice.random() < 0.25:
            out.append(f"-- keep {name} {id} {dice.choice(['full', 'standalone'])}")
    return out, [id for id, _, status, _ in backups if status == "DONE"]


lines = ["Policies over generated catalogues: see generate_retention.py."]
commands = ["-- $ list-backups all"]
for number in range(1, 41):
    text, done = server(f"s{number:02}", number % 3 == 0)
    lines += text
    if number % 4 == 0 and done:
        commands.append(f"-- $ show-backup s{number:02} {dice.choice(done)}")
with open(f"{HERE}/catalog/retention-generated.txt", "w") as case:
    case.write("\n".join(lines + commands) + "\n")
