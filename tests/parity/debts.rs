//! Where our answers differ from Barman's, on purpose.

use crate::programs::Answer;

/// A difference.
pub struct Debt {
    /// What differs.
    pub name: &'static str,
    /// Words of the row of `doc/compatibility.md` that tells why.
    pub row: &'static str,
    /// Takes it out of the answers, Barman's first, and no more than it must; two answers that it does not touch are
    /// those of a question that it has nothing to do with.
    pub settle: fn(&mut Answer, &mut Answer),
}

const ERRORS_SAY_WHAT_TO_DO: Debt = Debt {
    name: "errors say what to do",
    row: "Inside an error there may be",
    settle: |_, ours| ours.drop_hints(),
};

const RECORDS_THAT_LACK_SOMETHING: Debt = Debt {
    name: "records that lack something are shown",
    row: "A record that lacks something, as those",
    settle: |theirs, ours| give_up(theirs, ours, &["NoneType", "* main FAILED: PostgreSQL\n"]),
};

/// Those of questions.
pub const DEBTS: &[Debt] = &[
    ERRORS_SAY_WHAT_TO_DO,
    Debt {
        name: "the reason stands in the message",
        row: "The log explains, the terminal says",
        settle: |_, ours| ours.drop_reasons(),
    },
    Debt {
        name: "what makes no sense is refused with a reason",
        row: "Inside an error there may be",
        settle: |theirs, ours| give_up(theirs, ours, &["Expecting value: line 1 column 1 (char 0)"]),
    },
    Debt {
        name: "backups are verified without PostgreSQL's program",
        row: "`Calling pg_verifybackup`",
        settle: |theirs, ours| give_up(theirs, ours, &["pg_verifybackup not found"]),
    },
    Debt {
        name: "what keeps a backup is shown",
        row: "A keep mark that says neither",
        settle: |theirs, _| {
            theirs.stdout = theirs.stdout.replace("\"message\": \"unknown\"", "\"message\": \"full\"");
        },
    },
    Debt {
        name: "one record that cannot be read hides no other",
        row: "One `backup.info` that cannot be read ends every command",
        settle: |theirs, ours| give_up(theirs, ours, &["invalid literal for int()"]),
    },
    Debt {
        name: "fields of a newer Barman are kept",
        row: "A field of a newer Barman in `backup.info` ends every command",
        settle: |theirs, ours| give_up(theirs, ours, &["Unsupported field 'phase_of_moon'"]),
    },
    RECORDS_THAT_LACK_SOMETHING,
    Debt {
        name: "snapshots need no module",
        row: "A record of a snapshot in Google's cloud",
        settle: |theirs, ours| give_up(theirs, ours, &["google-cloud-storage"]),
    },
    Debt {
        name: "misnamed records are reported",
        row: "A record under a name that is no backup identifier",
        settle: |theirs, ours| {
            if ours.has("is not named after a backup") || ours.has("20260101T100000.old") {
                *theirs = ours.clone();
            }
        },
    },
    Debt {
        name: "a server that was renamed has its backups",
        row: "A record with another `server_name`",
        settle: |theirs, ours| {
            give_up(theirs, ours, &["\"'renamed'\\nSee log file"]);
            theirs.stdout = theirs.stdout.replacen("\"renamed\": {", "\"main\": {", 1);
        },
    },
    Debt {
        name: "one line for Nagios in every format",
        row: "`-f json check --nagios`",
        settle: |theirs, _| theirs.stdout = theirs.stdout.replacen("{}BARMAN", "BARMAN", 1),
    },
    Debt {
        name: "Nagios is told what is wrong with the words",
        row: "`check --nagios` does not say that it knows no such server",
        settle: |theirs, ours| {
            if theirs.stdout.starts_with("BARMAN CRITICAL") && ours.stdout == theirs.stdout {
                ours.stderr = ours.stderr.replace("ERROR: Unknown server 'nosuch'\n", "");
            }
        },
    },
    Debt {
        name: "show-servers tells why PostgreSQL does not answer",
        row: "`show-servers` of a server that cannot be reached",
        settle: |_, ours| ours.drop_lines("connection_error"),
    },
    Debt {
        name: "a WAL file that cannot be looked for is not called missing",
        row: "`get-wal` ends with 1 for everything",
        settle: |theirs, ours| {
            if (theirs.code, ours.code) == (1, 254) {
                ours.code = 1;
            }
        },
    },
    Debt {
        name: "nothing comes behind a WAL file",
        row: "`-f json get-wal` puts `{}` behind the file",
        settle: |theirs, ours| {
            if theirs.stdout == format!("{}{{}}", ours.stdout) {
                theirs.stdout.clone_from(&ours.stdout);
            }
        },
    },
    Debt {
        name: "a list of WAL that is not in order is told in order",
        row: "`sync-info` follows the order of `xlog.db`",
        settle: |theirs, ours| {
            give_up(theirs, ours, &["first available wal '000000020000000000000001'"]);
            let sorted = |text: &str| {
                let mut lines: Vec<String> = text.lines().map(|line| line.replace(',', "")).collect();
                lines.sort();
                lines
            };
            let is_answer = theirs.has("\"last_position\"");
            if is_answer && sorted(&theirs.stdout) == sorted(&ours.stdout) {
                theirs.stdout.clone_from(&ours.stdout);
            }
        },
    },
    Debt {
        name: "children are told as a list",
        row: "`sync-info` tells `children_backup_ids` as one text",
        settle: |theirs, _| {
            if theirs.has("\"last_position\"") {
                theirs.stdout = theirs.stdout.split_inclusive('\n').map(children_as_list).collect();
            }
        },
    },
];

/// Those of changes.
pub const CHANGE_DEBTS: &[Debt] = &[
    ERRORS_SAY_WHAT_TO_DO,
    Debt {
        name: "what was foreseen is no exception",
        row: "The log explains, the terminal says",
        settle: |theirs, _| {
            let text = theirs.stderr.replace("EXCEPTION: ", "ERROR: ");
            theirs.stderr = text.replace("See log file for more details.\n", "");
        },
    },
    Debt {
        name: "a copy of the record for older programs",
        row: "Since 3.13.2 the record of a backup is in",
        settle: |theirs, ours| {
            ours.stdout = without_copies(&ours.stdout);
            theirs.drop_lines("/backup.info");
            ours.drop_lines("/backup.info");
        },
    },
    Debt {
        name: "a refused deletion names the backup",
        row: "`Cannot delete backup (main LocalBackupInfo",
        settle: |theirs, ours| give_up(theirs, ours, &["Cannot delete backup (main LocalBackupInfo"]),
    },
    Debt {
        name: "one server is no list",
        row: "`... generated for server ['main']`",
        settle: |theirs, _| theirs.stdout = theirs.stdout.replace("server ['main']", "server main"),
    },
    Debt {
        name: "a manifest as PostgreSQL writes it",
        row: "No `WAL-Ranges`",
        settle: |theirs, ours| {
            theirs.stdout = with_manifests_sorted(&theirs.stdout);
            ours.stdout = with_manifests_sorted(&ours.stdout);
        },
    },
    Debt {
        name: "links to tablespaces that came with a link",
        row: "Makes a link to each tablespace of the record",
        settle: |theirs, _| {
            theirs.stdout = theirs.stdout.replace("/data/pg_tblspc/16386\n", "/data/pg_tblspc/\n");
        },
    },
    Debt {
        name: "lines are counted from one",
        row: "Counts lines of configuration files from 0",
        settle: |theirs, ours| {
            theirs.stdout = without_line_numbers(&theirs.stdout);
            ours.stdout = without_line_numbers(&ours.stdout);
        },
    },
    Debt {
        name: "increments go before what they are based on",
        row: "A retention policy deletes a backup before",
        settle: |theirs, ours| {
            if theirs.has("Enforcing retention policy") {
                (theirs.stdout, ours.stdout) = (deletions(&theirs.stdout), deletions(&ours.stdout));
            }
        },
    },
    Debt {
        name: "old keep marks stay where they are",
        row: "`cron` moves keep marks of old releases",
        settle: |theirs, _| {
            if theirs.has("main/base/20260108T100000/annotations/\n") {
                theirs.stdout = theirs.stdout.replace("main/meta/20260108T100000-keep\n    full\n", "");
                theirs.stdout = theirs.stdout.replace("annotations/\n", "annotations/keep\n");
            }
        },
    },
    RECORDS_THAT_LACK_SOMETHING,
];

fn without_line_numbers(text: &str) -> String {
    let number = |line: &str| Some(line.split_once(".conf line ")?.1.split_once(':')?.0.to_owned());
    let line = |line: &str| match number(line) {
        Some(number) => line.replacen(&format!(" line {number}:"), " line:", 1),
        None => line.to_owned(),
    };
    text.split_inclusive('\n').map(line).collect()
}

/// What was deleted, in whatever order.
fn deletions(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().filter(|line| line.starts_with("Deleted ")).collect();
    lines.sort_unstable();
    lines.join("\n")
}

/// Barman ends with an error of its own, so that there is nothing to compare.
fn give_up(theirs: &mut Answer, ours: &Answer, words: &[&str]) {
    if words.iter().any(|words| theirs.has(words)) {
        *theirs = ours.clone();
    }
}

/// Leaves out the copies of records that have their place in `meta/`.
fn without_copies(tree: &str) -> String {
    let is_copy = |line: &&str| {
        let parts = line.strip_suffix("/backup.info\n").and_then(|path| path.split_once("/base/"));
        parts.is_some_and(|(server, id)| tree.contains(&format!("{server}/meta/{id}-backup.info\n")))
    };
    tree.split_inclusive('\n').filter(|line| !is_copy(line)).collect()
}

/// Manifests in the order of their paths, with what matters of each file.
fn with_manifests_sorted(tree: &str) -> String {
    let (mut text, mut files) = (String::new(), Vec::new());
    let field = |line: &str, name: &str| {
        let value = line.split_once(&format!("\"{name}\": ")).map_or("", |(_, value)| value);
        value.split([',', '}']).next().unwrap_or_default().trim().to_owned()
    };
    let mut is_manifest = false;
    for line in tree.split_inclusive('\n') {
        if !line.starts_with("    ") {
            files.sort();
            text.extend(std::mem::take(&mut files));
            is_manifest = line.ends_with("backup_manifest\n");
        }
        match is_manifest && line.starts_with("    ") {
            true if line.contains("\"Path\"") => {
                let fields = ["Path", "Size", "Checksum-Algorithm", "Checksum"].map(|name| field(line, name));
                files.push(fields.join(" ") + "\n");
            }
            true => {}
            false => text += line,
        }
    }
    text
}

/// The line with the children of a backup as we write it; any other as it is.
fn children_as_list(line: &str) -> String {
    let Some((start, children)) = line.split_once("\"children_backup_ids\": \"") else {
        return line.to_owned();
    };
    let children = children.trim_end().trim_end_matches(',').trim_end_matches('"');
    let children: Vec<_> = children.split(',').map(|id| format!("{start}  \"{id}\"")).collect();
    format!("{start}\"children_backup_ids\": [\n{}\n{start}],\n", children.join(",\n"))
}
