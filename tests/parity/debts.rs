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

/// All of them.
pub const DEBTS: &[Debt] = &[
    Debt {
        name: "errors say what to do",
        row: "Inside an error there may be",
        settle: |_, ours| ours.drop_hints(),
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
    Debt {
        name: "records that lack something are shown",
        row: "A record that lacks something, as those",
        settle: |theirs, ours| give_up(theirs, ours, &["NoneType", "* main FAILED: PostgreSQL\n"]),
    },
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
        name: "show-servers tells why PostgreSQL does not answer",
        row: "`show-servers` of a server that cannot be reached",
        settle: |_, ours| ours.drop_lines("connection_error"),
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
        name: "nothing is said of a version that is not known",
        row: "`exclusive backup supported: FAILED (unable to determine postgres version)`",
        settle: |theirs, ours| {
            give_up(theirs, ours, &["unable to determine postgres version", "exclusive backup supported"]);
        },
    },
];

/// Barman ends with an error of its own, so that there is nothing to compare.
fn give_up(theirs: &mut Answer, ours: &Answer, words: &[&str]) {
    if words.iter().any(|words| theirs.has(words)) {
        *theirs = ours.clone();
    }
}
