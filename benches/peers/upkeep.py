"""Cases that look after what is there: check, cron, delete, rebuild-xlogdb, verification."""

import gzip
import shutil
import subprocess
import time

import catalogue
from contest import BARMAN, OURS, Contender, at_most, case, memory_below, times_faster
from copying import backup_home, rest_of_wal, rsync_server
from reading import ARCHIVED, both
from testbed import BARMAN as BARMAN_BIN
from testbed import OURS as OURS_BIN
from testbed import PG, WORK, Home, empty

PROGRAMS = {OURS: OURS_BIN, BARMAN: BARMAN_BIN}
AT_A_TIME = 8   # of the servers that ours asks
HANDSHAKES = "as many handshakes of ssh"


def several(number):
    return f"{number} server{'s' if number > 1 else ''}"


def checked(kind, number, server):
    """A home with so many servers, all of one cluster, and nothing wrong with them."""
    names = [f"server{index:03}" for index in range(number)]
    home = Home(OURS_BIN, f"check-{kind}-{number}", {name: server | {"minimum_redundancy": 0} for name in names})
    for name in names:
        catalogue.make(home.server(name), name, 3, 100)
    return home


def checks_over_ssh(number):
    def make(rig):
        home = checked("ssh", number, rsync_server(rig.cluster()))
        shaken = f"seq {number} | xargs -I_ -P {AT_A_TIME} ssh database true"
        return [*both(home, "check", "all"), Contender(HANDSHAKES, ["sh", "-c", shaken], floor=True)]
    return make


def checks_on_this_host(number):
    def make(rig):
        server = rsync_server(rig.cluster()) | {"backup_method": "local-rsync"}
        del server["ssh_command"]
        return both(checked("local", number, server), "check", "all")
    return make


for number in (1, 10, 50):
    case(f"check-ssh-{number}", f"`check all` of {several(number)} with ssh", at_most(1.15, HANDSHAKES),
         times_faster(BARMAN, 1))(checks_over_ssh(number))
for number in (1, 10, 50):
    case(f"check-local-{number}", f"`check all` of {several(number)} without ssh",
         times_faster(BARMAN, 5))(checks_on_this_host(number))


def quiet(home):
    """Waits until what `cron` has started is done."""
    while subprocess.run(["pgrep", "-f", str(home.config)], capture_output=True).returncode == 0:
        time.sleep(0.05)


def crons(servers):
    def make(rig):
        contenders, homes = [], []
        for program, binary in PROGRAMS.items():
            names = {f"server{number:03}": ARCHIVED for number in range(servers)}
            home = Home(binary, f"cron-{program}", names)
            for name in names:
                catalogue.make(home.server(name), name, 3, 100)
            homes.append(home)
            # Nobody's background runs into another one's turn.
            contenders.append(Contender(program, home.command("cron"), lambda: [quiet(home) for home in homes]))
        return contenders
    return make


for servers in (1, 10, 50):
    case(f"cron-{servers}", f"`cron` with {several(servers)}, none with new WAL",
         times_faster(BARMAN, 5), note="What they start in the background is not counted.")(crons(servers))


FOUND = "find -delete"


@case("delete-100k", "`delete` of a backup with 100,000 WAL files", at_most(2, FOUND), memory_below(64))
def delete(rig):
    contenders = []
    for program, binary in PROGRAMS.items():
        home = Home(binary, f"delete-{program}", {"main": ARCHIVED})

        def before(home=home):
            catalogue.make(empty(home.server()), "main", 2, 200_000)
            catalogue.write_files(home.server() / "wals", 100_000, b"segment")

        contenders.append(Contender(program, home.command("delete", "main", "oldest"), before))
    place = WORK / "floor/delete"

    def files():
        catalogue.make(empty(place), "main", 0, 100_000, files=b"segment")

    found = ["find", str(place / "wals"), "-mindepth", "1", "-delete"]
    return [*contenders, Contender(FOUND, found, files, floor=True)]


@case("rebuild-20k", "`rebuild-xlogdb` of 20,000 files", times_faster(BARMAN, 100))
def rebuild(rig):
    home = Home(OURS_BIN, "rebuild", {"main": ARCHIVED | {"compression": "gzip"}})
    catalogue.make(home.server(), "main", 1, 20_000, files=gzip.compress(b"segment"))
    return both(home, "rebuild-xlogdb", "main")


VERIFIED = "pg_verifybackup"


def with_backup(rig, name):
    """A home with a finished backup, and the directory of its data."""
    home = backup_home(rig, OURS, name)
    home.run("backup", "main")
    rest_of_wal(home)
    return home, next((home.server() / "base").iterdir()) / "data"


@case("verify-backup", "`verify-backup`", times_faster(BARMAN, 1), times_faster(VERIFIED, 1))
def verify(rig):
    home, data = with_backup(rig, "verify")
    home.run("generate-manifest", "main", "latest")
    judge = Contender(VERIFIED, [str(PG / "pg_verifybackup"), "-n", str(data)])
    return [*both(home, "verify-backup", "main", "latest"), judge]


@case("generate-manifest", "`generate-manifest`", times_faster(BARMAN, 1))
def generate_manifest(rig):
    home, data = with_backup(rig, "manifest")
    def before():
        (data / "backup_manifest").unlink(missing_ok=True)
    return both(home, "generate-manifest", "main", "latest", before=before)
