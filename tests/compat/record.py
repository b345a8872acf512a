#!/usr/bin/env python3
"""Records what the real Barman prints about the catalogues described in tests/compat/catalog/*.txt.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install barman==3.19.1 psycopg2-binary
    python3 tests/compat/record.py /tmp/venv/bin/barman [case ...]

A case is a text of sections. The first ones describe a barman_home; tests/compat_catalog.rs reads them too:

    -- config SERVER             lines to add to the section of a server; every case has the server main
    -- backup SERVER ID          a record in meta/ and a data file: default.info with these fields changed;
                                 a name without a value takes the field away
    -- wals SERVER FIRST COUNT SIZE TIME EVERY
                                 COUNT segments from FIRST on: SIZE, SIZE+1, ... bytes, EVERY seconds apart
    -- wal SERVER NAME SIZE TIME COMPRESSION
    -- keep SERVER ID TARGET     a keep annotation in meta/; TARGET:old, where it was before
    -- file PATH                 any other file
    -- dir PATH                  an empty directory

The rest is written by this script: the time, each command with its output, and what is left on the disk. Where our
answer differs on purpose, it follows in a section that the script keeps:

    -- ours EXIT WHY             our standard output, and our exit status
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "catalog")
with open(os.path.join(HERE, "..", "server.conf")) as file:
    SERVER = file.read()


def sections(text):
    """Yields (words of the heading, body)."""
    for part in re.split(r"^-- ", text, flags=re.M)[1:]:
        heading, _, body = part.partition("\n")
        yield heading, body


def put(path, content):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as out:
        out.write(content)


class Home:
    def __init__(self, path):
        self.path = path
        self.config = {"main": ""}
        self.now = None

    def build(self, heading, body):
        words, rest = heading.split(), heading.partition(" ")[2]
        if words[0] == "config":
            self.config[words[1]] = body
        elif words[0] == "backup":
            self.backup(words[1], words[2], body)
        elif words[0] == "wals":
            server, first, count, size, at, every = words[1:]
            for i in range(int(count)):
                self.wal(server, f"{first[:16]}{int(first[16:], 16) + i:08X}", int(size) + i, float(at) + i * float(every), "None")
        elif words[0] == "wal":
            self.wal(words[1], words[2], int(words[3]), float(words[4]), words[5])
        elif words[0] == "keep":
            target, _, old = words[3].partition(":")
            place = f"base/{words[2]}/annotations/keep" if old else f"meta/{words[2]}-keep"
            put(f"{self.path}/{words[1]}/{place}", target)
        elif words[0] == "file":
            put(f"{self.path}/{rest}", body)
        elif words[0] == "dir":
            os.makedirs(f"{self.path}/{rest}", exist_ok=True)

    def backup(self, server, id, body):
        with open(f"{HERE}/default.info") as default:
            fields = dict(line.rstrip("\n").split("=", 1) for line in default)
        fields["server_name"] = server
        for line in filter(None, body.split("\n")):
            name, equals, value = line.partition("=")
            fields.update({name: value}) if equals else fields.pop(name)
        put(f"{self.path}/{server}/meta/{id}-backup.info", "".join(f"{n}={fields[n]}\n" for n in sorted(fields)))
        put(f"{self.path}/{server}/base/{id}/data/PG_VERSION", "17\n")

    def wal(self, server, name, size, at, compression):
        wals = f"{self.path}/{server}/wals"
        place = wals if name.endswith(".history") else f"{wals}/{name[:16]}"
        if not os.path.exists(f"{place}/{name}"):
            put(f"{place}/{name}", "x" * size)
        with open(f"{wals}/{server}-xlog.db", "a") as xlogdb:
            xlogdb.write(f"{name}\t{size}\t{at!r}\t{compression}\tNone\n")

    def finish(self):
        text = f"[barman]\nbarman_home = {self.path}\nbarman_user = root\nlog_file = {self.path}/../log\n"
        for name, extra in self.config.items():
            text += SERVER.format(name=name) + extra
        put(f"{self.path}/../barman.conf", text)
        for name in self.config:
            os.makedirs(f"{self.path}/{name}/wals", exist_ok=True)
            open(f"{self.path}/{name}/wals/{name}-xlog.db", "a").close()

    def tree(self):
        lines = []
        for dir, dirs, files in os.walk(self.path):
            dirs.sort()
            if dir != self.path:
                lines += [os.path.relpath(f"{dir}/{name}", self.path) for name in files]
                lines += [os.path.relpath(dir, self.path) + "/"] if not files and not dirs else []
        for name in sorted(lines):
            yield name
            if name.endswith("xlog.db") or "/meta/" in name and not name.endswith("/"):
                with open(f"{self.path}/{name}") as content:
                    yield from ("    " + line for line in content.read().splitlines())


def record(barman, path):
    with open(path) as case:
        text = case.read()
    intro = text[: text.index("-- ")]
    out = [intro]
    where = tempfile.mkdtemp()
    home = Home(f"{where}/home")
    os.makedirs(home.path)
    commands = []
    for heading, body in sections(text):
        if heading.startswith("$ "):
            commands.append((heading[2:], []))
        elif heading.startswith("ours "):
            commands[-1][1].append(f"-- {heading}\n{body}")
        elif heading.split()[0] not in ("stderr", "exit", "tree", "now"):
            home.build(heading, body)
            out.append(f"-- {heading}\n{body}")
    home.finish()
    out.append(f"-- now {time.strftime('%Y-%m-%d %H:%M:%S+00:00', time.gmtime())}\n")

    def clean(text):
        text = text.replace(home.path, "@HOME@")
        return re.sub(r"\(start time: .* \d{4}, elapsed", "(start time: @TIME@, elapsed", text)

    for command, ours in commands:
        argv = [barman, "-c", f"{where}/barman.conf", *command.split()]
        done = subprocess.run(argv, capture_output=True, text=True, env={**os.environ, "TZ": "UTC"}, timeout=60)
        out.append(f"-- $ {command}\n{clean(done.stdout)}")
        if done.stderr:
            out.append(f"-- stderr\n{clean(done.stderr)}")
        out.append(f"-- exit {done.returncode}\n")
        out += ours
    if any(not re.match(r"-f|list|show", command) for command, _ in commands):
        out.append("-- tree\n" + "".join(line + "\n" for line in home.tree()))
    with open(path, "w") as case:
        case.write("".join(out))
    shutil.rmtree(where)


if __name__ == "__main__":
    names = sys.argv[2:] or [name[:-4] for name in sorted(os.listdir(HERE)) if name.endswith(".txt")]
    for name in names:
        record(sys.argv[1], f"{HERE}/{name}.txt")
