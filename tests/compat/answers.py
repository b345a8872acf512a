#!/usr/bin/env python3
"""Asks the real Barman one question after the other, without starting Python anew for each.

    answers.py BARMAN

Each line of standard input is a JSON list: the words behind `barman`, and the file that is its standard input; each line
of standard output is an object with the exit code and what was printed. The program that a fork runs is the installed script, whole.
"""

import importlib
import json
import os
import re
import runpy
import sys
import tempfile


def preload(script):
    """Imports what the script imports: forks have it at once."""
    with open(script) as text:
        for name in re.findall(r"^from (\S+) import", text.read(), flags=re.M):
            importlib.import_module(name)


def ask(script, words, input):
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if not child:
            os.dup2(os.open(input, os.O_RDONLY), 0)
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            sys.argv = [script, *words]
            runpy.run_path(script, run_name="__main__")
            sys.exit()
        _, status = os.waitpid(child, 0)
        out.seek(0)
        err.seek(0)
        code = os.waitstatus_to_exitcode(status)
        return {"code": code, "stdout": out.read().decode(), "stderr": err.read().decode()}


if __name__ == "__main__":
    preload(sys.argv[1])
    for line in iter(sys.stdin.readline, ""):
        print(json.dumps(ask(sys.argv[1], *json.loads(line))), flush=True)
