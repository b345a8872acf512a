"""The odd configurations that `make.py` asks about."""

# Each one is a whole file for the INI parser.
INI_CASES = [
    "",
    "\n\n# only a comment\n; and another\n",
    "[main]\n",
    "[main]\na = 1\n",
    "[main]\na=1\nb:2\nc : 3 = 4\nd = 5 : 6\n",
    "[ main ]\na = 1\n",
    "  [main]\n  a = 1\n  b = 2\n",
    "[main] text after\na = 1\n",
    "[a] b]\nx = 1\n",
    "[a][b]\nx = 1\n",
    "[]\nx = 1\n",
    "[main]\n[]\n",
    "[main\nx = 1\n",
    "[main]\n[other\n",
    "[ma=in]\nx = 1\n",
    "x = 1\n[main]\n",
    "text\n",
    "[main]\nnothing\n",
    "[main]\nnothing\nelse\nx = 1\n",
    "[main]\nA.Long Name = 1\nÄÖ = 2\n",
    "[main]\n= 1\n",
    "[main]\n : 1\n",
    "[main]\nx =\n",
    "[main]\nx =    \ny = 1\n",
    "[main]\nx = 1 ; not a comment\ny = 1 # nor this\n",
    "[main]\n  # comment\n\t; comment\nx = 1\n",
    "[main]\nx = 1\n  y = 2\n  [z]\n",
    "[main]\nx = 1\n  more\n\n  after a blank\n\n\ny = 2\n",
    "[main]\nx = 1\n# comment\n  more\n  ; comment\n  again\n",
    "[main]\nx = 1\n\n\n",
    "[main]\nx = 1\n   \n\t\n  tail\n",
    "[main]\nx =\n  first\n  second\n",
    "[main]\n   x = 1\n  y = 2\n   z = 3\n",
    "[main]\n\tx = 1\n        y = 2\n",
    "[main]\nx = 1\n[main]\ny = 2\nx = 3\n",
    "[main]\nx = 1\ny = 2\nX = 3\n",
    "[b]\nx = 1\n[a]\nx = 2\n[b]\ny = 3\n",
    "[DEFAULT]\nd = 1\n[main]\nx = 2\n[DEFAULT]\ne = 3\n",
    "[default]\nd = 1\n[Main]\nx = 2\n[main]\nx = 3\n",
    "[DEFAULT]\nd = 1\n  2\n[main]\n",
    "[main]\r\nx = 1\r\ny = 2\r\n",
    "[main]\rx = 1\ry = 2\r",
    "[main]\nx = 1\x0b2\x0c3\x1c4\x854\xa05\u20286\n",
    "[main]\nx = \xa01\u3000\n",
    "[main]\nx\xa0=\u20031\n",
    "\xa0[main]\nx = 1\n\xa0y = 2\n",
    "[main]\n\x1cx = 1\n y = 2\n",
    "[main]\n\x00x = \x00\n",
    "\ufeff[main]\nx = 1\n",
    "[main]\nx = 1\\\ny = 2\n",
    "[main]\nx = 'a'\ny = \"b\"\n",
    "[main]\nx = 100%\ny = %(x)s\n",
    "[main]\nx = 1",
    "[main]",
    "[main]\nx",
    "[İ]\nİX = 1\nΣΑΣ = 2\nẞ = 3\n",
    "[main]\nx = 1\n#comment\ny = 2\n #comment\nz = 3\n",
    "[main]\nx = 1\n  y = 2\nz = 3\n  w\n",
    "[main]\n[other]\n  x = 1\n",
    "[main]\nx=1=2=3\ny==\nz::\n",
    "[main]\nwith space = 1\nwith\ttab = 2\n",
    "[main]\nx = a\n  b = c\n d = e\nf = g\n",
    "[main]\nx = 1\n  [inner]\n  y = 2\n",
    "[main]\n: = 2\n",
]

# Random texts are built from these.
INI_FRAGMENTS = [
    "[main]\n", "[a]\n", "[DEFAULT]\n", "[", "]", "x", "Y = ", "z=1\n", "key : value\n", "\n", "\n", "\n\n",
    "  ", " ", "\t", "# c\n", ";", " = ", ":", "=", "text\n", "  more\n", "\r\n", "\r", "'q'", "\"q\"", "\xa0",
    "\x0c", "é", "%(x)s", "None", "[a]\nx = 1\n", "\nx = 2\n  cont\n", "\n  y = 3\n",
]  # fmt: skip

HEAD = "[barman]\nbarman_home = @HOME@\nbarman_user = @USER@\nlog_file = @HOME@/log\n"
READY = "conninfo = host=@HOME@/nowhere dbname=postgres\nssh_command = ssh pg\nbackup_options = concurrent_backup\narchiver = on\n"


def main(text="", head="", **others):
    """A configuration with one server, `main`, that sets `text`; more servers by name."""
    servers = {"main": text, **others}
    return {"barman.conf": HEAD + head + "".join(f"\n[{name}]\n{READY}{own}" for name, own in servers.items())}


def bare(text, head="", name="main"):
    """A server that sets nothing but `text`."""
    return {"barman.conf": f"{HEAD}{head}\n[{name}]\n{text}"}


def spread(conf_d, text="", head="", auto=None):
    """As `main`, with files in a configuration directory."""
    files = main(text, f"configuration_files_directory = @HOME@/conf.d\n{head}")
    files |= {f"conf.d/{name}": own for name, own in conf_d.items()}
    if auto is not None:
        files[".barman.auto.conf"] = auto
    return files


def each(option, *values):
    """One server for each value."""
    names = [f"s{number:02}" for number in range(len(values))]
    return main(**{name: f"{option} = {value}\n" for name, value in zip(names, values)})


def over(option, globally, *values):
    """Values of servers over a global one."""
    names = [f"s{number:02}" for number in range(len(values))]
    servers = {name: f"{option} = {value}\n" for name, value in zip(names, values)}
    return main(head=f"{option} = {globally}\n", **servers)


SNAPSHOT = "backup_method = snapshot\nsnapshot_disks = d\nsnapshot_instance = i\n"


def aws_locks(**options):
    locks = "".join(f"aws_snapshot_lock_{option} = {value}\n" for option, value in options.items())
    return f"{SNAPSHOT}snapshot_provider = aws\n{locks}"


BARMAN_CASES = {
    "defaults": main(),
    "nothing set": bare(""),
    "empty file": {"barman.conf": ""},
    "no barman section": {"barman.conf": "[main]\nx = 1\n"},
    "no home": {"barman.conf": "[barman]\nbarman_user = @USER@\n[main]\n"},
    "empty home": {"barman.conf": "[barman]\nbarman_home =\nbarman_user = @USER@\n[main]\n"},
    "quoted installation": {
        "barman.conf": "[barman]\nbarman_home = \"@HOME@/h\"\nbarman_user = '@USER@'\nlog_file = '@HOME@/log'\n[main]\n" + READY
    },
    "installation with empty options": main(
        head="log_level =\nbarman_lock_directory =\nconfig_changes_queue =\nlock_directory_cleanup =\n"
        "configuration_files_directory =\n"
    ),
    "home from the home directory": {
        "barman.conf": "[barman]\nbarman_home = ~/h\nbarman_user = @USER@\nlog_file = @HOME@/log\n[main]\n" + READY
    },
    "percent sign in the home": {
        "barman.conf": "[barman]\nbarman_home = @HOME@/a%%%%b\nbarman_user = @USER@\nlog_file = @HOME@/log\n[main]\n" + READY
    },
    "home None": {"barman.conf": "[barman]\nbarman_home = None\nbarman_user = @USER@\n[main]\n"},
    "no servers": {"barman.conf": HEAD},
    "server all": main(**{"all": ""}),
    "option before section": {"barman.conf": "x = 1\n" + HEAD},
    "key without value": main("nothing\n"),
    "byte order mark": {"barman.conf": "\ufeff" + HEAD},
    "server with odd names": {
        "barman.conf": HEAD + "".join(f"[{n}]\n{READY}" for n in ("ä", " x ", "a.b", "A", "barman ", "a'b"))
    },
    # Booleans, numbers, sizes, spans of time.
    "booleans": each(
        "immediate_checkpoint", "true", "T", "YES", "1", "On", "false", "f", "no", "0", "OFF",
        "maybe", "", "None", "none", "2", "tru", '" on"', "o\n  n",
    ),
    "booleans over a global": over("network_compression", "yes", "no", "", "None", "bad"),
    "integers": each(
        "parallel_jobs", "4", "+4", "-4", "0", "1_0", "1__0", "_1", "0x10", "1.0", "007", "", "None", "many",
        '" 5 "', "1 2", "-0", "- 1",
    ),
    "integers over a global": over("check_timeout", "7", "8", "", "None", "x"),
    "sizes": each(
        "last_backup_minimum_size", "10", "10k", "10Ki", "10 M", "10 Mi ", "1G", "1Gi", "1T", "1Ti", "10K", "10kB",
        "-1", "1.5G", "", "None", '" 10"', "0", "1 0", "10 Ki x",
    ),
    "sizes over a global": over("last_backup_minimum_size", "5k", "6k", "", "None", "x"),
    "intervals": each(
        "last_backup_maximum_age", "1 day", "2 DAYS", "3 weeks", "1 Month", "36 hours", "0 days", "4weeks",
        "1 year", "-1 days", "", "None", "x", "  5   weeks  ", "1 days 2 hours", "1\tday", "1 hour",
        "1.5 days", "10 minutes", "100 months",
    ),
    "intervals over a global": over("last_wal_maximum_age", "1 day", "2 hours", "", "None", "x"),
    # Words.
    "reuse_backup": each("reuse_backup", "copy", "LINK", "off", "true", "", "None", "no"),
    "backup_compression": each("backup_compression", "gzip", "LZ4", "zstd", "None", "none", "", "bzip2"),
    "backup_compression_format": each("backup_compression_format", "plain", "TAR", "", "zip"),
    "backup_compression_location": each("backup_compression_location", "client", "Server", "", "x"),
    "backup_method": each(
        "backup_method", "RSYNC", "Postgres", "local-rsync", "snapshot", "local-to-cloud", "", "None", "pgdump"
    ),
    "combine_mode": each("combine_mode", "LINK", "clone", "copy-file-range", "", "x"),
    "compression": each(
        "compression", "GZIP", "bzip2", "pygzip", "pybzip2", "pigz", "xz", "zstd", "lz4", "snappy", "custom",
        "none", "None", "", "lzma",
    ),
    "compression over a global": over("compression", "gzip", "bzip2", "", "None", "none", "x"),
    "compression_level": each(
        "compression_level", "LOW", "Medium", "high", "3", "-5", "1_0", "", "None", "best", "3.5", "007",
    ),
    "compression_level over a global": over("compression_level", "5", "low", "", "None", "x"),
    "create_slot": each("create_slot", "AUTO", "manual", "", "on"),
    "encryption": each("encryption", "gpg", "NONE", "none", "None", "", "aes"),
    "encryption over a global": over("encryption", "gpg", "none", "", "None", "x"),
    "aws_encryption": each("aws_encryption", "AES256", "aws:kms", "aes256", "", "None", "x"),
    "staging_location": each("staging_location", "local", "remote", "REMOTE", "", "x"),
    "slot_name": each("slot_name", "Barman_1", "a-b", "", "None", "with space", "ä"),
    # Sets and lists.
    "backup_options": each(
        "backup_options", "exclusive_backup", "Concurrent_Backup , external_configuration", "external_configuration",
        "exclusive_backup, concurrent_backup", "concurrent_backup, concurrent_backup", "", "None", "foo",
        "external_configuration, foo", ",", "exclusive_backup concurrent_backup", "exclusive_backup",
    ),
    "recovery_options": each("recovery_options", "get-wal", "GET-WAL, delta-restore", "", "None", "x", "delta-restore"),
    "recovery_options over a global": over("recovery_options", "get-wal", "delta-restore", "", "None", "x"),
    "snapshot_disks": each("snapshot_disks", "a", "a,b", "a, b ", "a,,b", "", "None", ","),
    # Paths.
    "absolute paths": each("staging_path", "/tmp/x", "tmp/x", "~/x", "", "None", "/"),
    "deprecated staging": main("local_staging_path = /a\nrecovery_staging_path = rel\n"),
    "directories": each(
        "wals_directory", "rel/dir", "ftp://x/y", "https://x/y", "http://127.0.0.1:10000/acc/c", "s3://", "gs:///x",
        "https://console.cloud.google.com/x", "https://console.cloud.google.com/storage/browser/",
        "http://console.cloud.google.com/storage/browser/b", "https://a.blob.core.windows.net",
        "https://a.blob.core.windows.net:80/c", "https://a.BLOB.core.windows.net/c",
    ),
    "unset directory": main("backup_directory = None\n"),
    "empty directory": main("wals_directory =\n"),
    "directories from directories": main("backup_directory = /srv/x\nwals_directory = /w\n"),
    "xlogdb_directory": over("xlogdb_directory", "/x", "/y", "", "None"),
    # What is made of settings when servers are built.
    "bandwidth_limit": each("bandwidth_limit", "100", "0", "-5", " 7", "1_0", "x", "1e3", "", "None"),
    "minimum_redundancy": each("minimum_redundancy", "3", "0", "-1", "1_0", "x", "+2"),
    "no minimum_redundancy": main("minimum_redundancy =\n"),
    "tablespace_bandwidth_limit": each(
        "tablespace_bandwidth_limit", "a:1 b:2", "a:1:2", ":5", "a:", "a", "a:1\n  b:2", "", "None", "a:x b:3", "a:0",
        "a:-1", "a:1 a:2",
    ),
    "tablespace limits equal to the limit": main("bandwidth_limit = 5\ntablespace_bandwidth_limit = a:5 b:6\n"),
    "tablespace limits zero": main("bandwidth_limit = 5\ntablespace_bandwidth_limit = a:0 b:5\n"),
    "retention_policy": each(
        "retention_policy", "REDUNDANCY 2", "redundancy   3", "Recovery Window of 4 Weeks", "RECOVERY WINDOW OF 1 day",
        "recovery window of 0 months", "REDUNDANCY -1", "REDUNDANCY", "RECOVERY WINDOW 2 DAYS",
        "RECOVERY WINDOW OF 2 HOURS", "REDUNDANCY 007", "RECOVERY\tWINDOW\tOF\t1\tDAY", "REDUNDANCY\n  4", "", "None",
        "none", "2", "REDUNDANCY 0", '" REDUNDANCY 1 "', "REDUNDANCY 2 x", "REDUNDANCY2", "RECOVERY WINDOW OF 2WEEKS",
        "RECOVERY WINDOW OF 007 Month",
    ),
    "retention_policy over a global": over("retention_policy", "REDUNDANCY 2", "REDUNDANCY 3", "", "None", "x"),
    "retention_policy_mode": each("retention_policy_mode", "auto", "AUTO", "manual", "", "None"),
    "wal_retention_policy": main(
        "wal_retention_policy = x\n",
        a="wal_retention_policy = x\nretention_policy = REDUNDANCY 1\n",
        b="wal_retention_policy = MAIN\nretention_policy = REDUNDANCY 1\n",
        c="wal_retention_policy =\nretention_policy = REDUNDANCY 1\n",
        d="retention_policy = REDUNDANCY 1\nminimum_redundancy = 4\n",
        e="retention_policy_mode = x\nwal_retention_policy = main\n",
    ),
    "plain text": main("description = It's  a = b : c # d\npath_prefix = /a:/b\nstreaming_archiver_name = x\n"),
    "ages and queues": main("max_incoming_wals_queue = 3\nlast_wal_maximum_age = 3 hours\n"),
    # Quotes, None, empty.
    "quotes": each(
        "description", '"Main"', "'Main'", '"a" "b"', '"Main" x', '""', "''", '"', "'a\"", '""x""', "'None'",
        '"None"', '" padded "', "\"it's\"", '"a\n  b"', "\"'both'\"", "None", "none", '"a"b"', "''''", '""""',
    ),
    "quoted section values": main(head='description = "x"\ncompression = "gzip"\n'),
    # Interpolation.
    "percent in a value": main("pre_backup_script = date +%Y\n"),
    "two percents": main("pre_backup_script = date +%%Y\n"),
    "four percents": main("pre_backup_script = date +%%%%Y\n"),
    "eight percents": main("pre_backup_script = date +%%%%%%%%Y\n"),
    "reference": main("description = x %(SSH_command)s y\nslot_name = a\n"),
    "reference to a reference": main("description = %(path_prefix)s\npath_prefix = <%(slot_name)s>\nslot_name = a\n"),
    "reference to an escape": main("description = %(path_prefix)s\npath_prefix = a%%%%b\n"),
    "reference to itself": main("description = %(description)s\n"),
    "reference to nothing": main("description = %(nothing)s\n"),
    "reference without end": main("description = %(slot_name\n"),
    "reference without type": main("description = %(slot_name)\nslot_name = a\n"),
    "reference of another type": main("description = %(slot_name)d\nslot_name = a\n"),
    "reference to a default": {"barman.conf": f"[DEFAULT]\nd = x\n{HEAD}[main]\n{READY}description = %(d)s\n"},
    "reference to the name": main("description = %(name)s\n"),
    "reference in barman": main(head="log_level = %(lv)s\nlv = DEBUG\n"),
    "escaped reference": main("description = %%(slot_name)s\nslot_name = a\n"),
    "twice escaped reference": main("description = %%%%(slot_name)s\nslot_name = a\n"),
    "escaped reference to nothing": main("description = %%(nothing)s\n"),
    "log_format as it must be": main(head="log_format = %%%%(asctime)s %%%%(message)s\n"),
    "log_format as one writes it": main(head="log_format = %(asctime)s %(message)s\n"),
    "log_format of the seed": main(head="log_format = %%(asctime)s %%(message)s\n"),
    "reference to an option of another file": spread({"a.conf": "[main]\ndescription = %(ssh_command)s\n"}),
    "escaped reference to another file": spread({"a.conf": "[main]\ndescription = %%(ssh_command)s\n"}),
    # Inheritance.
    "everything global": main(
        head="".join(
            f"{option} = {value}\n"
            for option, value in {
                "active": "off", "backup_directory": "/g", "basebackups_directory": "/g/b", "cluster": "g",
                "cloud_upload_max_archive_size": "1k", "conninfo": "x", "description": "g", "disabled": "true",
                "errors_directory": "/g/e", "gcp_zone": "z", "incoming_wals_directory": "/g/i",
                "primary_checkpoint_timeout": "3", "primary_conninfo": "p", "snapshot_disks": "d",
                "snapshot_instance": "i", "snapshot_zone": "z", "ssh_command": "ssh g", "streaming_conninfo": "s",
                "streaming_wals_directory": "/g/s", "wal_conninfo": "w", "wal_streaming_conninfo": "ws",
                "wals_directory": "/g/w", "cloud_upload_min_chunk_size": "1k",
                "archiver_batch_size": "3", "aws_region": "r", "path_prefix": "/p", "pre_backup_script": "true",
                "parallel_jobs": "3", "slot_name": "Global", "streaming_archiver_name": "n", "worm_mode": "on",
            }.items()
        )
    ),
    "a bad global value for two": main(head="parallel_jobs = many\n", b=""),
    "a bad global value that nobody needs": main("parallel_jobs = 3\n", head="parallel_jobs = many\n"),
    "disabled cannot be set": main("disabled = true\n"),
    "unset texts": over("pre_backup_script", "echo", "true", "", "None", "none"),
    "unknown options": main("zebra = 1\nAlpha = 2\nlock_file = x\nmodel = false\n", head="zulu = 1\nbravo = 2\n"),
    "model options in servers": main("model = off\n", other="model = no\n"),
    "model set to nothing": main("model =\n"),
    "model in barman": main(head="model = true\n"),
    "name in a server": main("name = x\n"),
    "model with a bad boolean": main("model = perhaps\n"),
    "global options in servers": main("barman_home = /x\nlog_level = DEBUG\n"),
    "lock directory": main(head="barman_lock_directory = @HOME@/locks\nlock_directory_cleanup = no\n"),
    "lock directory cleanup": main(head="lock_directory_cleanup = perhaps\n"),
    "log levels": main(head="log_level = loud\n"),
    "numeric log level": main(head="log_level = 10\n"),
    "lower case log level": main(head="log_level = debug\n"),
    # Servers that are not ready.
    "no conninfo": bare("ssh_command = ssh x\nbackup_options = concurrent_backup\narchiver = on\n"),
    "no conninfo but streaming": bare("ssh_command = ssh x\nbackup_method = postgres\nstreaming_archiver = on\n"),
    "no conninfo, streaming_conninfo": bare(
        "ssh_command = ssh x\nbackup_method = postgres\nstreaming_conninfo = host=@HOME@/no\nslot_name = a\nstreaming_archiver = on\n"
    ),
    "inactive and empty": bare("active = off\n"),
    "passive": bare("primary_ssh_command = ssh other\n"),
    "passive by a global": bare("", head="primary_ssh_command = ssh other\n"),
    "not passive again": bare("primary_ssh_command =\n", head="primary_ssh_command = ssh other\n"),
    "passive and inactive": bare("primary_ssh_command = ssh other\nactive = no\n"),
    "uri": bare("conninfo = postgresql://u@h/db\nssh_command = ssh x\narchiver = on\nbackup_options = concurrent_backup\n"),
    "no archiver": main("archiver = off\n"),
    "streaming only": main("archiver = off\nstreaming_archiver = on\n"),
    "streaming only with slot": main("archiver = off\nstreaming_archiver = on\nslot_name = s\n"),
    "both archivers": main("streaming_archiver = on\n"),
    "rsync without ssh": bare("conninfo = host=@HOME@/no\narchiver = on\nbackup_options = concurrent_backup\n"),
    "rsync with compression": main("backup_compression = gzip\n"),
    "rsync with compression none": main("backup_compression = none\n"),
    "local-rsync with ssh": main("backup_method = local-rsync\n"),
    "local-rsync": bare("conninfo = host=@HOME@/no\nbackup_method = local-rsync\narchiver = on\n"),
    "local-rsync with everything wrong": main("backup_method = local-rsync\nbackup_compression = gzip\n"),
    "rsync with everything wrong": bare(
        "backup_compression = gzip\narchiver = off\nstreaming_archiver = on\n"
    ),
    "rsync with compression and no strategy": main("backup_compression = gzip\nbackup_options =\n"),
    "postgres": main("backup_method = postgres\n"),
    "postgres without strategy": main("backup_method = postgres\nbackup_options = external_configuration\n"),
    "postgres exclusive": main("backup_method = postgres\nbackup_options = exclusive_backup\n"),
    "postgres with everything wrong": main(
        "backup_method = postgres\nreuse_backup = link\nnetwork_compression = on\ntablespace_bandwidth_limit = a:1\n"
        "bandwidth_limit = 5\n"
    ),
    "postgres reuse off": main("backup_method = postgres\nreuse_backup = off\n"),
    "snapshot with nothing": bare("conninfo = host=@HOME@/no\nbackup_method = snapshot\narchiver = on\n"),
    "snapshot with wrong options": main(
        "backup_method = snapshot\nreuse_backup = copy\nnetwork_compression = on\ntablespace_bandwidth_limit = a:1\n"
        "bandwidth_limit = 5\nbackup_compression = gzip\nbackup_options =\n"
    ),
    "snapshot with harmless options": main(
        SNAPSHOT + "snapshot_provider = x\nreuse_backup = off\nnetwork_compression = off\nbandwidth_limit = 0\n"
    ),
    "snapshot of an unknown provider": main(
        "backup_method = snapshot\nsnapshot_provider = x\nsnapshot_disks = d\nsnapshot_instance = i\n"
    ),
    "local-to-cloud": main("backup_method = local-to-cloud\n"),
    "no backup strategy": main("backup_options = external_configuration\n"),
    "inactive without strategy": main("backup_options =\nactive = off\narchiver = off\n"),
    "primary_conninfo": main("primary_conninfo = host=p\n"),
    # Files.
    "configuration directory": spread(
        {
            "b.conf": "[main]\ndescription = b\nslot_name = b\n",
            "a.conf": "[main]\ndescription = a\n[other]\n" + READY,
            "B.conf": "[main]\ndescription = upper\npath_prefix = /B\n",
            "1.conf": "[main]\nslot_name = one\n",
            ".hidden.conf": "[main]\ndescription = hidden\n",
            "c.conf.bak": "[main]\ndescription = bak\n",
            "d.conf": None,
        }
    ),
    "configuration directory missing": main(head="configuration_files_directory = @HOME@/missing\n"),
    "configuration directory is a file": main(head="configuration_files_directory = @HOME@/barman.conf\n"),
    "included barman section that differs": spread({"a.conf": "[barman]\ncompression = gzip\n"}),
    "included barman section that repeats": spread({"a.conf": "[barman]\nbarman_home = @HOME@\n"}),
    "included empty barman section": spread({"a.conf": "[barman]\n"}),
    "included defaults reach barman": spread({"a.conf": "[DEFAULT]\nslot_name = d\n[barman]\n[main]\n"}),
    "included defaults": spread({"a.conf": "[DEFAULT]\nslot_name = d\n[main]\ndescription = %(slot_name)s\n"}),
    "defaults": main(),
    "defaults reach every section": {
        "barman.conf": "[DEFAULT]\nslot_name = d\nnonsense = 1\n" + HEAD + "[main]\n" + READY + "[b]\n" + READY
    },
    "included file that is broken": spread({"a.conf": "[main]\nnothing\n"}),
    "automatic file": spread({"z.conf": "[main]\ndescription = z\n"}, auto="[main]\ndescription = auto\nslot_name = a\n"),
    "automatic file with a new server": spread({}, auto="[new]\n" + READY),
    "automatic file is a directory": main() | {".barman.auto.conf": None},
    "automatic file with barman": spread({}, auto="[barman]\ncompression = gzip\n"),
    # Models.
    "model": main("", **{"m1": "model = yes\ncluster = main\ndescription = from the model\n"}),
    "model active": main("", **{"m1": "model = yes\ncluster = main\ndescription = from the model\nslot_name =\n"})
    | {"main/.active-model.auto": "m1\n"},
    "model active with bad values": main(
        "parallel_jobs = 2\n", **{"m1": "model = yes\ncluster = main\nparallel_jobs = many\nbackup_directory = /x\nzebra = 1\n"}
    )
    | {"main/.active-model.auto": " m1 "},
    "model that breaks the server": main("", **{"m1": "model = yes\ncluster = main\nbackup_compression = gzip\n"})
    | {"main/.active-model.auto": "m1"},
    "model that repairs the server": main("bandwidth_limit = 4\nconninfo =\n", **{"m1": "model = t\ncluster = main\nbandwidth_limit = 7\nretention_policy = REDUNDANCY 3\n"})
    | {"main/.active-model.auto": "m1"},
    "model of another cluster": main("", **{"m1": "model = yes\ncluster = other\ndescription = x\n"})
    | {"main/.active-model.auto": "m1"},
    "model without cluster": main("", **{"m1": "model = yes\n"}),
    "model called all": main("", **{"all": "model = yes\ncluster = main\n"}),
    "active model that does not exist": main() | {"main/.active-model.auto": "gone"},
    "active model that is a server": main("", b="") | {"main/.active-model.auto": "b"},
    "active model file is empty": main() | {"main/.active-model.auto": "  \n"},
    "models for two servers": main(
        "", b="cluster = main\n", **{"m1": "model = yes\ncluster = main\ndescription = x\n"}
    )
    | {"b/.active-model.auto": "m1"},
    "model with sets": main("", **{"m1": "model = on\ncluster = main\nbackup_options = external_configuration\nrecovery_options = get-wal\nlast_wal_maximum_age = 1 day\nimmediate_checkpoint = off\nworm_mode = on\n"})
    | {"main/.active-model.auto": "m1"},
    # Paths that meet.
    "conflict within a server": main("errors_directory = @HOME@/main/base\n"),
    "conflict and everything else": bare("errors_directory = @HOME@/main/base\n") | {"main/.active-model.auto": "gone"},
    "conflict of three": main("errors_directory = @HOME@/s\nincoming_wals_directory = @HOME@/s\nstreaming_wals_directory = @HOME@/s\n"),
    "conflict within and between": main(
        "", b="backup_directory = @HOME@/main\nbasebackups_directory = @HOME@/bb\nincoming_wals_directory = @HOME@/bb\n"
    ),
    "conflict through a link within": main("errors_directory = @HOME@/l\n") | {"l": "@LINK@@HOME@/main/base"},
    "conflict between servers": main("", b="backup_directory = @HOME@/main\n"),
    "conflict through a link": main("", b="wals_directory = @HOME@/link\n") | {"link": "@LINK@@HOME@/main/wals"},
    "conflict through a link above": main("", b="backup_directory = @HOME@/link\n") | {"link": "@LINK@@HOME@/main", "main": None},
    "conflict through dots": main("", b="wals_directory = @HOME@/b/../main/./wals/\n"),
    "conflict within two servers": main(
        "errors_directory = @HOME@/x\nincoming_wals_directory = @HOME@/x\nstreaming_wals_directory = @HOME@/x\n",
        b="wals_directory = @HOME@/x\n",
    ),
    "xlogdb directories may meet": main("xlogdb_directory = @HOME@/x\n", b="xlogdb_directory = @HOME@/x\n"),
    "relative paths meet": main("wals_directory = x/w\n", b="wals_directory = ./x/w\n"),
    "conflict with an inactive server": main("", b="active = off\nbackup_directory = @HOME@/main\n"),
    # Rarer interactions.
    "inactive with everything wrong": main("active = no\narchiver = off\nstreaming_archiver = on\nbackup_compression = gzip\n"),
    "forced archiver on an inactive server": main("active = no\narchiver = no\n"),
    "locks without a length": main(aws_locks(mode="compliance")),
    "locks with two lengths": main(aws_locks(mode="compliance", duration=5, expiration_date="2030-01-01T00:00:00.0Z")),
    "locks of no mode": main(aws_locks(mode="x")),
    "locks with everything wrong": main(aws_locks(mode="x", duration=-5, cool_off_period=-1, expiration_date="x")),
    "locks that can be governed": main(aws_locks(mode="governance", duration=5, cool_off_period=5)),
    "locks in capitals": main(aws_locks(mode="GOVERNANCE", duration=5, cool_off_period=5)),
    "locks with zeros": main(aws_locks(mode="governance", duration=0, cool_off_period=0)),
    "locks that are too long": main(aws_locks(mode="compliance", duration=36501, cool_off_period=73)),
    "locks to a moment": main(aws_locks(mode="compliance", expiration_date="2030-01-01T00:00:00.5Z")),
    "locks to a moment without a fraction": main(aws_locks(mode="compliance", expiration_date="2030-01-01T00:00:00Z")),
    "locks of others": main(aws_locks(mode="x").replace("= aws", "= x")),
    "locks without a mode": main(aws_locks(duration=-5)),
    "compression checks of postgres": main("backup_method = postgres\nbackup_compression = gzip\nbackup_compression_level = 12\nbackup_compression_workers = 2\nbackup_compression_format = plain\n"),
    "compression none of postgres": main("backup_method = postgres\nbackup_compression = none\nbackup_compression_level = 3\nbackup_compression_workers = 2\n"),
    "gpg": main("encryption = gpg\n"),
    "keepalive": over("keepalive_interval", "5", "6", "0"),
    "multi-line values": main("pre_backup_script = one\n  two\n\n  three\nslot_name = a\n   b\n"),
    "wal conninfo": main("wal_conninfo = host=w\nwal_streaming_conninfo = host=ws\n"),
}
