#!/usr/bin/env python3
"""Asks Python's configparser and the real Barman 3.19.1 how they read odd configurations.

Writes `ini.json` and `barman.json` beside itself; `tests/config_golden.rs` compares ours with them.

    python3 -m venv /tmp/oracle && /tmp/oracle/bin/pip install barman==3.19.1 psycopg2-binary
    /tmp/oracle/bin/python tests/config_golden/make.py

Barman runs as a program, one process per question. Nothing here is taken from its source.
"""

import configparser
import getpass
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True

from cases import BARMAN_CASES, INI_CASES, INI_FRAGMENTS  # noqa: E402

HERE = pathlib.Path(__file__).parent
BARMAN = pathlib.Path(sys.executable).parent / "barman"


# --- the INI dialect: Python's parser without interpolation -------------------------------------------------


def random_texts(count):
    """Texts built from fragments that mean something to a parser; always the same ones."""
    dice = random.Random(20261123)
    for _ in range(count):
        yield "".join(dice.choice(INI_FRAGMENTS) for _ in range(dice.randint(1, 14)))


def read_ini(text):
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    with tempfile.NamedTemporaryFile("wb", suffix=".conf") as file:
        file.write(text.encode())
        file.flush()
        try:
            with open(file.name, encoding="utf-8") as lines:
                parser.read_file(lines)
        except configparser.Error as error:
            line = error.lineno if hasattr(error, "lineno") else error.errors[0][0]
            return {"error": type(error).__name__, "line": line}
    return {
        "defaults": list(parser.defaults().items()),
        "sections": [[name, list(parser._sections[name].items())] for name in parser.sections()],
    }


def ini_table():
    texts = [*INI_CASES, *random_texts(600)]
    return [{"text": text, "read": read_ini(text)} for text in texts]


# --- the whole: Barman itself -------------------------------------------------------------------------------


def sorted_sets(text):
    """Sets print in the order of their hashes."""
    return re.sub(
        r"\{('[^{}:]*')\}", lambda found: "{" + ", ".join(sorted(found[1].split(", "))) + "}", text
    )


def shown_settings(text):
    """`show-servers` as {server: {key: text}}; a value may have several lines."""
    servers, current, key = {}, None, None
    for line in text.splitlines():
        if header := re.fullmatch(r"Server (.*?)(?: \(inactive\)| \(WARNING: disabled\))?:", line):
            current = servers.setdefault(header[1], {})
        elif setting := re.match(r"\t([a-z_0-9]+): (.*)", line):
            key = setting[1]
            current[key] = sorted_sets(setting[2])
        elif current and key:
            current[key] += "\n" + line
    return servers


def ask(home, *words):
    environment = dict(os.environ, HOME=str(home / "user"), PYTHONHASHSEED="0")
    environment.pop("BARMAN_CONFIG_FILE", None)
    asked = [str(BARMAN), "-c", str(home / "barman.conf"), *words]
    return subprocess.run(asked, capture_output=True, text=True, env=environment, cwd=home, timeout=120)


def masked(value, home):
    """The place of the test and the user differ from run to run."""
    if isinstance(value, str):
        return value.replace(str(home), "@HOME@")
    if isinstance(value, list):
        return [masked(item, home) for item in value]
    if isinstance(value, dict):
        return {masked(key, home): masked(item, home) for key, item in value.items()}
    return value


def read_barman(case):
    name, files = case
    with tempfile.TemporaryDirectory() as directory:
        home = pathlib.Path(directory).resolve()
        (home / "user").mkdir()
        for path, text in files.items():
            target = home / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                target.mkdir()
            elif text.startswith("@LINK@"):
                target.symlink_to(text.removeprefix("@LINK@").replace("@HOME@", str(home)))
            else:
                text = text.replace("@HOME@", str(home)).replace("@USER@", getpass.getuser())
                target.write_text(text, newline="")
        answer = {"name": name, "files": files, **answers(home)}
        return masked(answer, home)


def answers(home):
    listed = ask(home, "list-servers")
    log = home / "log"
    logged = log.read_text() if log.exists() else ""
    said = [line for line in listed.stderr.splitlines() if not re.match(r"\d{4}-\d\d-\d\d ", line)]
    messages = re.findall(r"^\d{4}-\S+ \S+ \[\d+\] \S+ ((?:WARNING|ERROR): .*)", logged, re.MULTILINE)
    diagnosed = ask(home, "diagnose", "--show-config-source")
    if not diagnosed.stdout.startswith("{"):
        return {"exit": listed.returncode, "says": said[-1:], "fatal": True}
    document = json.loads(diagnosed.stdout)
    shown = shown_settings(ask(home, "show-servers", "all").stdout)
    return {
        "exit": listed.returncode,
        "lists": listed.stdout.splitlines(),
        "says": [line for line in said if not line.startswith("See log")],
        "logs": [line for line in messages if line not in said],
        "errors": document["global"]["config"]["errors_list"],
        "models": {
            name: {key: entry for key, entry in sources(model["config"]).items() if entry != [None, "default"]}
            for name, model in document["models"].items()
        },
        "servers": {
            name: {
                "active_model": server["active_model"],
                "messages": server["msg_list"],
                "settings": sources(server["config"]),
                "shown": shown.get(name),
            }
            for name, server in document["servers"].items()
        },
    }


def sources(config):
    tidy = {}
    for key, entry in sorted(config.items()):
        if not isinstance(entry, dict) or "source" not in entry:
            continue
        value = entry["value"]
        if key in ("backup_options", "recovery_options") and isinstance(value, str):
            value = ",".join(sorted(filter(None, value.split(","))))
        tidy[key] = [value, entry["source"]]
    return tidy


def without_defaults(cases):
    """Keeps of each server what differs from the first case, whose server sets nothing."""
    base = cases[0]["servers"]["main"]
    for case in cases[1:]:
        for name, server in case.get("servers", {}).items():
            for part in ("settings", "shown") if server["shown"] else ("settings",):
                own = json.loads(json.dumps(base[part]).replace("/main", f"/{name}").replace('"main"', f'"{name}"'))
                server[part] = {
                    key: value
                    for key, value in server[part].items()
                    if key in base["settings"] and own[key] != value
                }
    base["shown"] = {key: value for key, value in base["shown"].items() if key in base["settings"]}
    return cases


def write(name, rows):
    lines = ",\n".join(json.dumps(row, sort_keys=True, ensure_ascii=True) for row in rows)
    (HERE / name).write_text(f"[\n{lines}\n]\n")
    print(f"{name}: {len(rows)} rows")


if __name__ == "__main__":
    write("ini.json", ini_table())
    with ThreadPoolExecutor(4) as pool:
        write("barman.json", without_defaults(list(pool.map(read_barman, BARMAN_CASES.items()))))
