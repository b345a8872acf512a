use std::ffi::{OsStr, OsString};

/// A script for the POSIX shell of another host. The shell that the account there logs in with, which may be any,
/// hands it on in single quotes: it is one line, without single quotes and what such shells expand in them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Script(&'static str);

impl Script {
    /// The words of a command that runs the script on `arguments`.
    pub fn with(self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Vec<OsString> {
        let words = ["/bin/sh", "-c", self.0, "sh"].map(OsString::from).into_iter();
        words.chain(arguments.into_iter().map(|argument| argument.as_ref().to_owned())).collect()
    }
}

/// Prints for each path, every field ended by a zero byte: how many steps up the first thing lies that exists, what
/// that is, whether it may be written, its path without symbolic links, and what `df` says of it; then the names in the directory, if it is the path
/// itself, the hidden ones, those of PostgreSQL, perhaps twice, and at most one other, and an empty one.
///
/// Before that it prints a word to be recognised by, the user, and the programs that are missing.
pub(super) const SURVEY: Script = Script(concat!(
    r#"LC_ALL=C; export LC_ALL; printf "barman\0%s\0" "$(id -un)"; "#,
    r#"for t in rsync tar; do command -v $t >/dev/null 2>&1 || printf "%s " $t; done; printf "\0"; "#,
    r#"for place in "$@"; do p=$place; n=0; "#,
    r#"until [ -e "$p" ] || [ -L "$p" ]; do p=${p%/*}; p=${p:-/}; n=$((n+1)); done; "#,
    r#"k=other; [ -d "$p" ] && k=directory; "#,
    r#"a=closed; [ -r "$p" ] && [ -w "$p" ] && [ -x "$p" ] && a=open; "#,
    r#"printf "%s\0" $n $k $a "$(cd "$p" 2>/dev/null && pwd -P)" "$(df -Pk "$p" 2>/dev/null | tail -n 1)"; "#,
    r#"if [ $n = 0 ] && [ $k = directory ]; then for f in "$p"/.* "$p"/PG_* "$p"/*; do "#,
    r#"[ -e "$f" ] || [ -L "$f" ] || continue; f=${f##*/}; "#,
    r#"case $f in .|..) ;; .*|PG_*) printf "%s\0" "$f";; *) printf "%s\0" "$f"; break;; esac; done; fi; "#,
    r#"printf "\0"; done"#,
));

/// Makes the changes that its arguments are. Where `sync` does not know `-f`, everything is synced; where there is
/// none, nothing.
pub(super) const CHANGE: Script = Script(concat!(
    r#"LC_ALL=C; export LC_ALL; "#,
    r#"keep() { if sync -f /dev/null 2>/dev/null; then sync -f "$1"; else sync 2>/dev/null || :; fi; }; "#,
    r#"while [ $# -gt 0 ]; do case $1 in "#,
    r#"directory) [ -d "$2" ] || { mkdir -p "$2" && chmod 700 "$2"; } || exit 1; shift 2;; "#,
    r#"private) chmod 700 "$2" || exit 1; shift 2;; "#,
    r#"link) rm -rf "$3" && ln -s "$2" "$3" || exit 1; shift 3;; "#,
    r#"rename) if [ -e "$2" ] || [ -L "$2" ]; then mv -f "$2" "$3" || exit 1; fi; shift 3;; "#,
    r#"remove) rm -f "$2" || exit 1; shift 2;; "#,
    r#"empty) if [ -d "$2" ]; then find "$2/" -type f -exec rm -f {} + || exit 1; "#,
    r#"for f in "$2"/*; do rm -rf "$f" || exit 1; done; fi; shift 2;; "#,
    r#"sync) keep "$2" || exit 1; shift 2;; "#,
    r#"*) exit 2;; esac; done"#,
));

/// Replaces the file `$1` by standard input, over `$2` in its directory `$3`, with mode `$4`, if `$5` bytes arrive: a
/// connection that dies looks like the end of the input. A `sync` that does not know files syncs everything.
pub(super) const REPLACE: Script = Script(concat!(
    r#"LC_ALL=C; export LC_ALL; umask 077; "#,
    r#"if command -v sync >/dev/null 2>&1; then keep=sync; else keep=:; fi; "#,
    r#"cat >"$2" || exit 1; [ $(wc -c <"$2") -eq "$5" ] || "#,
    r#"{ rm -f "$2"; echo "only a part of the content has arrived" >&2; exit 1; }; "#,
    r#"chmod "$4" "$2" && $keep "$2" && mv -f "$2" "$1" && $keep "$3""#,
));

/// Tells by its exit code whether there is a process of the number `$1`. One that we may not signal is there, too.
pub(super) const EXISTS: Script =
    Script(r#"kill -0 "$1" 2>/dev/null || [ -d "/proc/$1" ] || ps -p "$1" >/dev/null 2>&1"#);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::{Cancel, Command, Processes, SystemProcesses};

    #[test]
    fn a_content_of_which_a_part_arrives_is_not_put_in_place() {
        let dir = tempfile::tempdir().unwrap();
        let (path, temporary) = (dir.path().join("a file"), dir.path().join(".new"));
        std::fs::write(&path, "old").unwrap();
        let replace = |content: &[u8]| {
            let places = [path.as_os_str(), temporary.as_os_str(), dir.path().as_os_str()];
            let words = REPLACE.with(places.into_iter().chain(["600", "5"].map(OsStr::new)));
            let command = Command::new(&words[0]).args(&words[1..]);
            SystemProcesses.feed(&command, content, &Cancel::default()).unwrap().code
        };
        assert_ne!(replace(b"who"), 0);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        assert!(!temporary.exists());
        assert_eq!(replace(b"whole"), 0);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "whole");
    }

    #[test]
    fn a_process_is_there_or_not() {
        let exists = |process: u32| {
            let words = EXISTS.with([process.to_string()]);
            let command = Command::new(&words[0]).args(&words[1..]);
            SystemProcesses.run(&command, &Cancel::default()).unwrap().success()
        };
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        assert!(exists(child.id()) && exists(1));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!exists(child.id()));
    }

    #[test]
    fn scripts_survive_the_quotes_of_any_login_shell() {
        for Script(text) in [SURVEY, CHANGE, REPLACE, EXISTS] {
            assert!(!text.contains(['\'', '!', '\n']), "{text}");
            assert!(!text.contains(r"\\") && !text.ends_with('\\'), "{text}");
        }
    }
}
