use std::fmt;

use crate::sys::process::{self, NOT_CONNECTED};
use crate::sys::{Cancelled, Finished};

/// As many lines of rsync's complaints are worth reading.
const LINES_SHOWN: usize = 20;

/// The runner of processes keeps no more of standard error; what is this long may lack its beginning.
const STDERR_KEPT: usize = 64 << 10;

/// rsync did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is none on this host.
    #[error("program 'rsync' not found on this host: install rsync, or set 'path_prefix'")]
    NotInstalled,
    /// It ended with an exit code that means failure.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// It could not be run.
    #[error(transparent)]
    Process(process::Error),
    /// We were asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl Error {
    /// Whether another attempt may succeed although nobody has done anything about it.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Failed(failure) => !matches!(
                failure.reason,
                Reason::NotInstalledThere
                    | Reason::NoShell
                    | Reason::UncleanShell
                    | Reason::UnknownOption
                    | Reason::NoSuchDirectory
                    | Reason::Vanished
            ),
            Self::Process(_) => true,
            Self::NotInstalled | Self::Cancelled(_) => false,
        }
    }

    /// Whether one side is an rsync too old for `option`.
    pub(in crate::transfer) fn is_unknown_option(&self, option: &str) -> bool {
        matches!(self, Self::Failed(failure) if failure.reason == Reason::UnknownOption
            && failure.stderr.contains(option))
    }
}

/// How rsync failed, and what it had to say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason} (rsync exit code {code})\nrsync error:\n{stderr}")]
pub struct Failure {
    /// What the exit code and the complaints amount to.
    pub reason: Reason,
    /// The exit code; a signal gives 128 and its number.
    pub code: i32,
    /// The last lines of standard error.
    pub stderr: String,
}

/// Why rsync failed, as far as it matters to the one who must do something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The remote shell could not be started.
    NoShell,
    /// The remote shell did not get through to the other host.
    NotConnected,
    /// The other host has no rsync.
    NotInstalledThere,
    /// The account on the other host prints something when it logs in.
    UncleanShell,
    /// One side is too old.
    UnknownOption,
    /// A file system is full.
    NoSpace,
    /// A file may not be read or written.
    PermissionDenied,
    /// The directory to be copied does not exist.
    NoSuchDirectory,
    /// Something of a source that nobody should change is not there any more.
    Vanished,
    /// The connection broke in the middle.
    ConnectionLost,
    /// A signal ended it.
    Killed,
    /// Anything else.
    Other,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoShell => "the program of the ssh command cannot be started: check its name",
            Self::NotConnected => {
                "no connection to the other host: check that the ssh command logs in without a password"
            }
            Self::NotInstalledThere => "program 'rsync' not found on the other host: install rsync there",
            Self::UncleanShell => {
                "the account on the other host prints text when a command is run: silence its start-up files"
            }
            Self::UnknownOption => {
                "the rsync of this host or of the other is too old: 3.0 or later is needed"
            }
            Self::NoSpace => "no space left where the files are written: make room and try again",
            Self::PermissionDenied => "permission denied: check the owner and mode of the files named below",
            Self::NoSuchDirectory => "a directory does not exist, or is not mounted",
            Self::Vanished => {
                "files of the source vanished or shrank while they were copied: something deletes or changes it"
            }
            Self::ConnectionLost => "the connection to the other host was lost",
            Self::Killed => "rsync was killed",
            Self::Other => "rsync failed",
        })
    }
}

/// Tells success from failure. When nobody should change the source, a change is one.
pub(super) fn judge(finished: Finished, is_source_still: bool) -> Result<Finished, Error> {
    let stderr = finished.stderr_text();
    let complete = finished.stderr.len() < STDERR_KEPT;
    match finished.code {
        // 24: some files vanished before they could be copied.
        0 => Ok(finished),
        24 if !is_source_still => Ok(finished),
        23 if complete
            && !stderr.is_empty()
            && stderr.lines().all(|line| is_harmless(line, is_source_still)) =>
        {
            Ok(finished)
        }
        code => Err(Failure { reason: reason(code, &stderr), code, stderr: last_lines(&stderr) }.into()),
    }
}

/// Whether a line of standard error tells of nothing but files that come and go, or says so in summary.
///
/// A file that shrinks while it is read is sent again, and complained about all the same. An empty line ends the
/// line of progress before a complaint. Of a source that nobody should change nothing may go; but a link that pointed
/// to nothing in the original does so in the copy.
fn is_harmless(line: &str, is_source_still: bool) -> bool {
    let gone = line.starts_with("rsync: ")
        && line.contains("link_stat \"")
        && line.ends_with("No such file or directory (2)");
    let shrunk = line.starts_with("rsync: ")
        && line.contains("read errors mapping ")
        && line.ends_with(": No data available (61)");
    let vanished = line.starts_with("file has vanished: ") || line.starts_with("directory has vanished: ");
    let points_to_nothing = line.starts_with("symlink has no referent: ");
    let sent_again = line.starts_with("WARNING: ") && line.ends_with("(will try again).");
    let summary = line.is_empty()
        || line.starts_with("rsync error: some files/attrs were not transferred")
        || line.starts_with("rsync warning: some files vanished");
    let has_changed = gone || shrunk || vanished;
    (has_changed && !is_source_still) || points_to_nothing || sent_again || summary
}

fn reason(code: i32, stderr: &str) -> Reason {
    let says = |text: &str| stderr.contains(text);
    match code {
        1 | 12 if says("unknown option") => Reason::UnknownOption,
        2 if says("is your shell clean") => Reason::UncleanShell,
        127 => Reason::NotInstalledThere,
        12 if says("not found") => Reason::NotInstalledThere,
        12 | 14 if says("Failed to exec") => Reason::NoShell,
        NOT_CONNECTED => Reason::NotConnected,
        // ssh has ended, and rsync found out before it could ask for its exit code.
        12 if says("(0 bytes received so far)") => Reason::NotConnected,
        _ if says("No space left on device") || says("Disk quota exceeded") => Reason::NoSpace,
        _ if says("Permission denied (13)") || says("Operation not permitted (1)") => {
            Reason::PermissionDenied
        }
        _ if says("change_dir ") && says("No such file or directory (2)") => Reason::NoSuchDirectory,
        23 | 24 if says("has vanished: ") || says("link_stat ") || says("No data available (61)") => {
            Reason::Vanished
        }
        24 => Reason::Vanished,
        10 | 12 | 30 | 35 => Reason::ConnectionLost,
        20 | 129.. => Reason::Killed,
        _ => Reason::Other,
    }
}

fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES_SHOWN)..].join("\n")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn judged(code: i32, stderr: &str) -> Result<Finished, Error> {
        judge(finished(code, stderr), false)
    }

    fn finished(code: i32, stderr: &str) -> Finished {
        Finished { code, stdout: Vec::new(), stderr: stderr.into(), took: Duration::ZERO }
    }

    fn reason_of(code: i32, stderr: &str) -> Reason {
        match judged(code, stderr) {
            Err(Error::Failed(failure)) => failure.reason,
            other => panic!("{other:?}"),
        }
    }

    const SUMMARY: &str = "rsync error: some files/attrs were not transferred (see previous errors) (code 23) at \
                           main.c(1518) [generator=3.0.9]\n";

    #[test]
    fn files_that_come_and_go_are_no_failure() {
        assert!(judged(24, "file has vanished: \"/srv/pg/base/1/2\"\n").is_ok());
        let lines = [
            "rsync: link_stat \"/srv/pg/base/1/2\" failed: No such file or directory (2)\n",
            "rsync: [sender] link_stat \"/srv/pg/base/1/2\" failed: No such file or directory (2)\n",
            "rsync: [sender] read errors mapping \"/srv/pg/base/1/2\": No data available (61)\n",
            "WARNING: base/1/2 failed verification -- update discarded (will try again).\n",
            "directory has vanished: \"/srv/pg/base/1\"\n",
            "symlink has no referent: \"/srv/pg/link\"\n\n",
        ];
        for line in lines {
            assert!(judged(23, &format!("{line}{SUMMARY}")).is_ok(), "{line}");
        }
    }

    #[test]
    fn nothing_may_go_of_a_source_that_nobody_should_change() {
        let gone = "rsync: [sender] link_stat \"/backup/base/1/2\" failed: No such file or directory (2)\n";
        let shrunk = "rsync: [sender] read errors mapping \"/backup/base/1/2\": No data available (61)\n";
        let vanished = "file has vanished: \"/backup/base/1/2\"\n";
        for (code, line) in [(24, vanished), (23, vanished), (23, gone), (23, shrunk)] {
            match judge(finished(code, &format!("{line}{SUMMARY}")), true) {
                Err(Error::Failed(failure)) => assert_eq!(failure.reason, Reason::Vanished, "{line}"),
                other => panic!("{line}: {other:?}"),
            }
        }
        let dangling = format!("symlink has no referent: \"/backup/link\"\n{SUMMARY}");
        assert!(judge(finished(23, &dangling), true).is_ok());
    }

    #[test]
    fn one_other_complaint_among_them_is_a_failure() {
        let vanished = "file has vanished: \"/srv/pg/base/1/2\"\n";
        for line in [
            "rsync: [sender] send_files failed to open \"/srv/pg/x\": Permission denied (13)\n",
            "rsync: [receiver] mkstemp \"/backup/.2.xy\" failed: No such file or directory (2)\n",
            "ERROR: base/1/2 failed verification -- update discarded.\n",
            "rsync: [sender] read errors mapping \"/srv/pg/base/1/2\": Input/output error (5)\n",
            "rsync: [sender] change_dir \"/srv/pg\" failed: No such file or directory (2)\n",
        ] {
            assert!(judged(23, &format!("{vanished}{line}{SUMMARY}")).is_err(), "{line}");
        }
        assert!(judged(23, "\n").is_err(), "a reason that is not given is not a good one");
        assert!(judged(23, &vanished.repeat(2000)).is_err(), "the beginning may be lost");
    }

    #[test]
    fn the_reason_tells_who_must_do_something() {
        let cases = [
            (
                127,
                "bash: line 1: rsync: command not found\nrsync error: remote command not found",
                Reason::NotInstalledThere,
            ),
            (
                12,
                "sh: 1: rsync: not found\nrsync error: error in rsync protocol data stream",
                Reason::NotInstalledThere,
            ),
            (
                12,
                "rsync: [Receiver] Failed to exec /nope/ssh: No such file or directory (2)",
                Reason::NoShell,
            ),
            (255, "ssh: connect to host pg port 22: Connection refused", Reason::NotConnected),
            (
                12,
                "ssh: connect to host pg port 22: Connection refused\nrsync: connection unexpectedly closed (0 bytes \
                 received so far) [Receiver]",
                Reason::NotConnected,
            ),
            (2, "protocol version mismatch -- is your shell clean?", Reason::UncleanShell),
            (11, "rsync: [receiver] write failed on \"/x\": No space left on device (28)", Reason::NoSpace),
            (
                23,
                "rsync: [sender] change_dir \"/srv/pg\" failed: No such file or directory (2)",
                Reason::NoSuchDirectory,
            ),
            (
                23,
                "rsync: [sender] opendir \"/srv/pg\" failed: Permission denied (13)",
                Reason::PermissionDenied,
            ),
            (
                12,
                "rsync: connection unexpectedly closed (94 bytes received so far) [receiver]",
                Reason::ConnectionLost,
            ),
            (1, "rsync: --ignore-missing-args: unknown option", Reason::UnknownOption),
            (12, "rsync: on remote machine: --ignore-missing-args: unknown option", Reason::UnknownOption),
            (137, "", Reason::Killed),
            (22, "ERROR: out of memory", Reason::Other),
        ];
        for (code, stderr, reason) in cases {
            assert_eq!(reason_of(code, stderr), reason, "{code} {stderr}");
        }
    }

    #[test]
    fn the_message_has_reason_code_and_the_end_of_what_rsync_said() {
        let long = (0..100).map(|n| format!("rsync: complaint {n}\n")).collect::<String>();
        let message = judged(11, &long).unwrap_err().to_string();
        assert!(
            message.starts_with("rsync failed (rsync exit code 11)\nrsync error:\nrsync: complaint 80\n")
        );
        assert!(message.ends_with("rsync: complaint 99"));
    }

    #[test]
    fn what_only_a_person_can_mend_is_not_tried_again() {
        assert!(!judged(127, "").unwrap_err().is_retryable());
        assert!(judged(255, "").unwrap_err().is_retryable());
        assert!(!Error::NotInstalled.is_retryable());
    }
}
