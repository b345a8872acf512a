//! The command that reaches another host, as the configuration gives it.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::words;
use crate::sys::process::{self, NOT_CONNECTED};
use crate::sys::{Cancelled, Command, Context, Finished};

/// Never ask a question, and take the key of a host seen for the first time as Barman does.
const OPTIONS: [&str; 4] = ["-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"];

/// Something on the other host could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration does not give a command.
    #[error("ssh command '{text}' {reason}")]
    Malformed {
        /// The text of the configuration.
        text: String,
        /// What is wrong with it.
        reason: words::Error,
    },
    /// ssh did not reach the host, or was not let in.
    #[error("cannot connect with '{command}' (return code {NOT_CONNECTED})\n{stderr}")]
    NotConnected {
        /// The command that was tried, as a person would type it.
        command: String,
        /// What ssh had to say.
        stderr: String,
    },
    /// A file of the other host could not be read.
    #[error("cannot read '{path}' with '{command}'\n{stderr}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The command that was tried, as a person would type it.
        command: String,
        /// What the other side had to say.
        stderr: String,
    },
    /// ssh could not be run.
    #[error(transparent)]
    Process(process::Error),
    /// We were asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl From<process::Error> for Error {
    fn from(error: process::Error) -> Self {
        match error {
            process::Error::Cancelled(cancelled) => Self::Cancelled(cancelled),
            other => Self::Process(other),
        }
    }
}

/// A remote shell and the host it goes to, such as `ssh -p 2222 postgres@pg`, with the options that keep it from
/// asking questions. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshCommand {
    text: Arc<str>,
    words: Arc<[OsString]>,
    path_prefix: Option<Arc<str>>,
}

impl SshCommand {
    /// Reads `ssh_command` of the configuration, or `--remote-ssh-command`.
    ///
    /// The text is split into words as a shell does it, and a leading `~/` of a word is expanded; no shell ever
    /// sees it, so what only a shell understands is refused rather than passed on literally.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut words =
            words::split(text).map_err(|reason| Error::Malformed { text: text.into(), reason })?;
        words.extend(OPTIONS.map(OsString::from));
        Ok(Self { text: text.trim().into(), words: words.into(), path_prefix: None })
    }

    /// Looks for the program in the directories of `path_prefix` first.
    #[must_use]
    pub fn with_path_prefix(self, path_prefix: Option<&str>) -> Self {
        Self { path_prefix: path_prefix.map(Into::into), ..self }
    }

    /// The command that runs `words` on the other host: its shell, whatever it splits and expands, gives the
    /// program there exactly these words.
    pub fn remote(&self, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let quoted = words.into_iter().map(|word| words::quoted_for_shell(word.as_ref()).into_owned());
        Command::new(&self.words[0])
            .args(&self.words[1..])
            .args(quoted)
            .path_prefix(self.path_prefix.as_deref())
    }

    /// The value of rsync's `-e`, which rsync splits into words by rules of its own.
    pub fn rsync_shell(&self) -> OsString {
        let words: Vec<_> = self.words.iter().map(|word| words::quoted_for_rsync(word)).collect();
        words.join(OsStr::new(" "))
    }

    /// Runs `words` on the other host and waits for the end; any exit code but ssh's own is an answer.
    pub fn run(
        &self,
        words: impl IntoIterator<Item = impl AsRef<OsStr>>,
        context: &Context,
    ) -> Result<Finished, Error> {
        let finished = context.processes.run(&self.remote(words), &context.cancel)?;
        if finished.code == NOT_CONNECTED {
            return Err(Error::NotConnected { command: self.to_string(), stderr: finished.stderr_text() });
        }
        Ok(finished)
    }

    /// Runs `true` on the other host: one connection tells whether we get in, and whether the shell there prints
    /// anything that would spoil the output of other commands.
    pub fn test(&self, context: &Context) -> Result<ConnectionTest, Error> {
        let finished = context.processes.run(&self.remote(["true"]), &context.cancel)?;
        let stderr = finished.stderr_text();
        Ok(ConnectionTest { code: finished.code, stray_output: finished.stdout, stderr })
    }

    /// The whole of a small file of the other host; `None` when there is none.
    pub fn read_file(&self, path: &Path, context: &Context) -> Result<Option<Vec<u8>>, Error> {
        // Through env, so that the answer is in English whatever shell and language the account there has.
        let words = ["env", "LC_ALL=C", "cat", "--"].map(OsStr::new).into_iter().chain([path.as_os_str()]);
        let finished = self.run(words, context)?;
        match finished.stderr_text() {
            _ if finished.success() => Ok(Some(finished.stdout)),
            stderr if stderr.ends_with(": No such file or directory") => Ok(None),
            stderr => Err(Error::Read { path: path.into(), command: self.to_string(), stderr }),
        }
    }

    /// The text of the configuration.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// As it is run, for a message: the text of the configuration and the options added to it.
impl fmt::Display for SshCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.text, OPTIONS.join(" "))
    }
}

/// What came of running `true` on the other host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionTest {
    /// The exit code; 255 is ssh's own.
    pub code: i32,
    /// What the shell there printed although nothing was asked of it.
    pub stray_output: Vec<u8>,
    /// The end of standard error.
    pub stderr: String,
}

impl ConnectionTest {
    /// Whether the command was run.
    pub fn connected(&self) -> bool {
        self.code == 0
    }

    /// Whether the output of a command is nothing but the command's.
    pub fn output_clean(&self) -> bool {
        self.stray_output.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_command_never_asks_and_its_words_are_quoted() {
        let ssh = SshCommand::parse(" ssh -p 2222 postgres@pg ").unwrap();
        assert_eq!(
            ssh.remote(["test", "-e", "/srv/it's here"]).args[2..],
            [
                "postgres@pg",
                "-o",
                "BatchMode=yes",
                "-o",
                "StrictHostKeyChecking=no",
                "test",
                "-e",
                r"'/srv/it'\''s here'"
            ]
        );
        assert_eq!(ssh.to_string(), "ssh -p 2222 postgres@pg -o BatchMode=yes -o StrictHostKeyChecking=no");
    }

    #[test]
    fn rsync_gets_its_own_kind_of_quotes() {
        let ssh = SshCommand::parse(r#"ssh -i '/srv/my key' "it's" a\b"#).unwrap();
        assert_eq!(
            ssh.rsync_shell(),
            r"ssh -i '/srv/my key' 'it''s' ab -o BatchMode=yes -o StrictHostKeyChecking=no"
        );
    }

    #[test]
    fn a_command_for_a_shell_is_refused_with_the_reason() {
        assert_eq!(
            SshCommand::parse("ssh pg > x").unwrap_err().to_string(),
            "ssh command 'ssh pg > x' has a '>' that only a shell understands; no shell is used, quote it"
        );
        assert_eq!(SshCommand::parse("").unwrap_err().to_string(), "ssh command '' is empty");
    }
}
