//! What the shells offer when somebody presses the tab key, asked of the shells themselves.
//!
//! bash is on every machine; the stories of zsh and fish need those, and say aloud when they are not there.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "this is test code")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// Calls the function that `complete` knows for barman, as readline does.
const BASH: &str = r#"
source <(BARMAN_COMPLETE=bash barman)
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_TYPE=9
function=$(complete -p barman | sed 's/.*-F \([^ ]*\).*/\1/')
"$function" barman "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\n' "${COMPREPLY[@]}"
"#;

/// Loads the script as zsh does when the function is first needed; zsh's menu is played by `_describe`.
const ZSH: &str = r#"
words=("$@") CURRENT=$#
compdef() { }
compadd() { }
_describe() { shift; for list in $@; do [[ $list == -* ]] || print -l -- ${(P)list} 2>/dev/null; done }
eval "$(BARMAN_COMPLETE=zsh barman)"
_clap_dynamic_completer_barman
"#;

/// A configuration with two servers and their catalogue.
struct Site(TempDir);

impl Site {
    fn new() -> Self {
        let site = Self(tempfile::tempdir().unwrap());
        let home = site.path().join("home");
        site.write(
            "barman.conf",
            &format!(
                "[barman]\nbarman_user = nobody-we-know\nbarman_home = {}\nlog_file = {}\nunknown_option = 1\n\
                 [main]\ndescription = Our shop\nconninfo = host=pg\n[spare]\nconninfo = host=pg\n",
                home.display(),
                site.path().join("log").display()
            ),
        );
        for (id, name, status) in
            [("20250102T100000", "nightly", "DONE"), ("20250103T100000", "None", "FAILED")]
        {
            let record =
                format!("backup_name={name}\nmode=rsync-concurrent\nserver_name=main\nstatus={status}\n");
            site.write(&format!("home/main/meta/{id}-backup.info"), &record);
        }
        site
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let programs = Path::new(env!("CARGO_BIN_EXE_barman")).parent().unwrap();
        command.env_clear().current_dir(self.path()).env("HOME", self.path());
        command.env("PATH", format!("{}:/usr/bin:/bin", programs.display()));
        command.env("BARMAN_CONFIG_FILE", self.path().join("barman.conf"));
        command
    }

    /// What bash offers for the last word of `line`, but for the options that could stand there as well.
    fn bash_values(&self, line: &str) -> Vec<String> {
        self.bash(line).into_iter().filter(|word| !word.starts_with('-')).collect()
    }

    /// What bash offers for the last word of `line`.
    fn bash(&self, line: &str) -> Vec<String> {
        let words = line.split(' ');
        offered(self.command("bash").args(["--norc", "-c", BASH, "bash"]).args(words).output().unwrap())
    }
}

/// The lines that a shell printed, when it complained about nothing.
fn offered(output: Output) -> Vec<String> {
    let complaints = String::from_utf8(output.stderr).unwrap();
    assert!(complaints.is_empty(), "the shell shows: {complaints}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.trim_end().to_owned()).filter(|line| !line.is_empty()).collect()
}

fn is_installed(shell: &str) -> bool {
    let found = Command::new(shell).arg("--version").output().is_ok();
    if !found {
        eprintln!("skipped: there is no {shell} on this machine");
    }
    found
}

#[test]
fn bash_offers_commands_options_and_values() {
    let site = Site::new();
    assert_eq!(site.bash("barman show"), ["show-backup", "show-servers"]);
    assert_eq!(site.bash("barman restore main latest /x --target-ti"), ["--target-time"]);
    assert_eq!(site.bash("barman restore main latest /x --target-action p"), ["pause", "promote"]);
}

#[test]
fn bash_offers_servers_and_the_backups_of_the_server_that_was_typed() {
    let site = Site::new();
    assert_eq!(site.bash_values("barman check "), ["main", "spare", "all"]);
    assert_eq!(site.bash("barman -q backup --wait ma"), ["main"]);
    let backups = site.bash_values("barman show-backup main ");
    let shortcuts = ["latest", "oldest", "last-failed", "latest-full"];
    assert_eq!(backups[..3], ["20250103T100000", "20250102T100000", "nightly"]);
    assert_eq!(backups[3..], shortcuts);
    assert_eq!(site.bash("barman recover main 20250102"), ["20250102T100000"]);
    assert_eq!(site.bash_values("barman delete spare "), shortcuts);
    assert_eq!(site.bash_values("barman delete unknown "), [""; 0]);
}

#[test]
fn the_configuration_that_was_typed_counts() {
    let site = Site::new();
    fs::rename(site.path().join("barman.conf"), site.path().join("other.conf")).unwrap();
    assert_eq!(site.bash_values("barman check "), [""; 0]);
    assert_eq!(site.bash("barman -c other.conf check m"), ["main"]);
    assert_eq!(site.bash("barman --config=~/other.conf delete main n"), ["nightly"]);
}

/// `barman_user` is not the one who types, and the configuration has a line to complain about: nothing of it shows, and
/// no file is made.
#[test]
fn completion_reads_and_does_nothing_else() {
    let site = Site::new();
    let entries = || fs::read_dir(site.path()).unwrap().count();
    let before = entries();
    assert_eq!(site.bash("barman check ma"), ["main"]);
    site.write("barman.conf", "no section\n");
    assert_eq!(site.bash("barman check ma"), [""; 0]);
    assert_eq!(entries(), before, "something was written");
}

/// `COMPLETE` is a name that other programs and people use.
#[test]
fn the_program_works_when_nobody_asks_for_completion() {
    let output = Site::new().command("barman").arg("--version").env("COMPLETE", "bash").output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("3.19.1 "));
}

#[test]
fn zsh_offers_the_same() {
    if !is_installed("zsh") {
        return;
    }
    let site = Site::new();
    let zsh = |line: &str| {
        offered(site.command("zsh").args(["-f", "-c", ZSH, "zsh"]).args(line.split(' ')).output().unwrap())
    };
    assert_eq!(zsh("barman check ma"), ["main:Our shop"]);
    assert!(zsh("barman show-backup main ").contains(&"20250103T100000:FAILED".to_owned()));
}

#[test]
fn fish_offers_the_same() {
    if !is_installed("fish") {
        return;
    }
    let site = Site::new();
    let fish = |line: &str| {
        let ask = format!("BARMAN_COMPLETE=fish barman | source; complete -C '{line}'");
        offered(site.command("fish").args(["--no-config", "-c", &ask]).output().unwrap())
    };
    assert_eq!(fish("barman check ma"), ["main\tOur shop"]);
    assert!(fish("barman show-backup main ").contains(&"20250103T100000\tFAILED".to_owned()));
}
