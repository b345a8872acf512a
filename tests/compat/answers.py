#!/usr/bin/env python3
"""Asks the real Barman one question after the other, without starting Python anew for each.

    answers.py BARMAN

Each line of standard input is a JSON list: the words behind `barman`, and the file that is its standard input; each line
of standard output is an object with the exit code and what was printed. The program that a fork runs is the installed script, whole.
"""

import atexit
import gc
import importlib
import json
import os
import re
import runpy
import sys
import tempfile
import traceback


def preload(script):
    """Imports what the script imports: forks have it at once."""
    with open(script) as text:
        for name in re.findall(r"^from (\S+) import", text.read(), flags=re.M):
            importlib.import_module(name)


def run(script):
    """Runs the script and ends as it does, but without the tidying up of memory, which takes as long as an answer."""
    code = 0
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        code = end.code or 0
        if not isinstance(code, int):
            print(code, file=sys.stderr)
            code = 1
    except BaseException:
        traceback.print_exc()
        code = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def ask(script, words, input):
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if not child:
            os.dup2(os.open(input, os.O_RDONLY), 0)
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            sys.argv = [script, *words]
            run(script)
        _, status = os.waitpid(child, 0)
        out.seek(0)
        err.seek(0)
        code = os.waitstatus_to_exitcode(status)
        return {"code": code, "stdout": out.read().decode(), "stderr": err.read().decode()}


if __name__ == "__main__":
    preload(sys.argv[1])
    gc.freeze()
    for line in iter(sys.stdin.readline, ""):
        print(json.dumps(ask(sys.argv[1], *json.loads(line))), flush=True)
