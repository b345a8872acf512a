//! The command that reaches another host, as the configuration gives it.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::sys::{Cancelled, Command, Context, Finished, env, process};

/// Never ask a question, and take the key of a host seen for the first time as Barman does.
const OPTIONS: [&str; 4] = ["-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"];

/// The exit code by which ssh tells that it did not get through to the command.
const NOT_CONNECTED: i32 = 255;

/// What a shell would make something of, were the text given to one; in double quotes only the last two act.
const SHELL_SYNTAX: &[char] = &[';', '|', '&', '>', '<', '(', ')', '\n', '$', '`'];
const SHELL_SYNTAX_IN_DOUBLE_QUOTES: &[char] = &['$', '`'];

/// Something on the other host could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration gives no words.
    #[error("ssh command is empty")]
    Empty,
    /// A quotation is opened and not closed, or the text ends with a backslash.
    #[error("ssh command '{0}' ends inside a quotation")]
    Unbalanced(String),
    /// It asks for a shell, which it is not given.
    #[error(
        "ssh command '{text}' has a '{character}' that only a shell understands; no shell is used, quote it"
    )]
    ShellSyntax {
        /// The text of the configuration.
        text: String,
        /// What is not quoted.
        character: char,
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
        let mut words = split(text)?;
        if words.is_empty() {
            return Err(Error::Empty);
        }
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
        let quoted = words.into_iter().map(|word| quoted_for_shell(word.as_ref()).into_owned());
        Command::new(&self.words[0])
            .args(&self.words[1..])
            .args(quoted)
            .path_prefix(self.path_prefix.as_deref())
    }

    /// The value of rsync's `-e`, which rsync splits by rules of its own: at blanks, with quotes that are
    /// doubled to be meant literally, and without backslashes.
    pub fn rsync_shell(&self) -> OsString {
        let words: Vec<_> = self.words.iter().map(|word| quoted_for_rsync(word)).collect();
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
        Ok(ConnectionTest {
            code: finished.code,
            stray_output: finished.stdout.clone(),
            stderr: finished.stderr_text(),
        })
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

/// Splits a text into words as a POSIX shell does before it expands anything.
fn split(text: &str) -> Result<Vec<OsString>, Error> {
    let unbalanced = || Error::Unbalanced(text.into());
    let refuse = |character, syntax: &[char]| match syntax.contains(&character) {
        true => Err(Error::ShellSyntax { text: text.into(), character }),
        false => Ok(character),
    };
    let mut words = Vec::new();
    let mut chars = text.trim().chars().peekable();
    while let Some(&first) = chars.peek() {
        if is_blank(first) {
            chars.next();
            continue;
        }
        let mut word = String::new();
        while let Some(character) = chars.next_if(|&next| !is_blank(next)) {
            match character {
                '\'' => loop {
                    match chars.next().ok_or_else(unbalanced)? {
                        '\'' => break,
                        literal => word.push(literal),
                    }
                },
                '"' => loop {
                    match chars.next().ok_or_else(unbalanced)? {
                        '"' => break,
                        '\\' => match chars.next().ok_or_else(unbalanced)? {
                            escaped @ ('"' | '\\' | '$' | '`') => word.push(escaped),
                            other => word.extend(['\\', other]),
                        },
                        literal => word.push(refuse(literal, SHELL_SYNTAX_IN_DOUBLE_QUOTES)?),
                    }
                },
                '\\' => word.push(chars.next().ok_or_else(unbalanced)?),
                literal => word.push(refuse(literal, SHELL_SYNTAX)?),
            }
        }
        let expanded = if first == '~' { env::expand_home(&word).into() } else { word.into() };
        words.push(expanded);
    }
    Ok(words)
}

fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t')
}

/// A word as a POSIX shell must read it to get it back, and the usual shells that are not POSIX too.
fn quoted_for_shell(word: &OsStr) -> Cow<'_, OsStr> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+=:,@%".contains(byte);
    if !word.is_empty() && word.as_bytes().iter().all(plain) {
        return Cow::Borrowed(word);
    }
    Cow::Owned(quoted(word, br"'\''"))
}

fn quoted_for_rsync(word: &OsStr) -> Cow<'_, OsStr> {
    let plain = |byte: &u8| !b" '\"".contains(byte);
    if !word.is_empty() && word.as_bytes().iter().all(plain) {
        return Cow::Borrowed(word);
    }
    Cow::Owned(quoted(word, b"''"))
}

/// Puts a word in single quotes, `escaped` standing for a quote inside.
fn quoted(word: &OsStr, escaped: &[u8]) -> OsString {
    let parts: Vec<&[u8]> = word.as_bytes().split(|&byte| byte == b'\'').collect();
    OsString::from_vec([b"'", &parts.join(escaped)[..], b"'"].concat())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sys::{Cancel, Processes, SystemProcesses};

    fn words(text: &str) -> Vec<String> {
        split(text).unwrap().into_iter().map(|word| word.into_string().unwrap()).collect()
    }

    fn shell_output(script: &OsStr) -> Vec<u8> {
        SystemProcesses.run(&Command::new("sh").arg("-c").arg(script), &Cancel::default()).unwrap().stdout
    }

    #[test]
    fn the_text_is_split_as_a_shell_splits_it() {
        let cases: [(&str, &[&str]); 5] = [
            ("ssh postgres@pg", &["ssh", "postgres@pg"]),
            (" ssh\t-p 22  pg ", &["ssh", "-p", "22", "pg"]),
            (r#"ssh -i '/srv/my key' "a b"c \ d"#, &["ssh", "-i", "/srv/my key", "a bc", " d"]),
            (r#"ssh "\"\x\\" '' "$" "#.trim_end_matches(r#" "$" "#), &["ssh", r#""\x\"#, ""]),
            (r"ssh -o 'ProxyCommand=nc %h %p; true' \$", &["ssh", "-o", "ProxyCommand=nc %h %p; true", "$"]),
        ];
        for (text, expected) in cases {
            assert_eq!(words(text), expected, "{text}");
        }
    }

    #[test]
    fn a_leading_tilde_is_our_home_unless_it_is_quoted() {
        let home = env::home().unwrap().into_os_string().into_string().unwrap();
        assert_eq!(words("ssh -i ~/key"), ["ssh".into(), "-i".into(), format!("{home}/key")]);
        assert_eq!(words("ssh '~/key' a~/b"), ["ssh", "~/key", "a~/b"]);
    }

    #[test]
    fn what_only_a_shell_understands_is_refused_with_the_reason() {
        for text in
            ["ssh $HOST", "ssh pg; true", "ssh \"$X\"", "a | b", "a > b", "a < b", "a && b", "`a`", "\"`a`\""]
        {
            assert!(matches!(SshCommand::parse(text), Err(Error::ShellSyntax { .. })), "{text}");
        }
        assert_eq!(
            SshCommand::parse("ssh pg > x").unwrap_err().to_string(),
            "ssh command 'ssh pg > x' has a '>' that only a shell understands; no shell is used, quote it"
        );
    }

    #[test]
    fn text_without_words_or_end_is_refused() {
        assert!(matches!(SshCommand::parse("  "), Err(Error::Empty)));
        for text in ["ssh 'pg", "ssh \"pg", "ssh pg\\", "ssh \"\\"] {
            assert!(matches!(SshCommand::parse(text), Err(Error::Unbalanced(_))), "{text}");
        }
    }

    #[test]
    fn a_remote_command_never_asks_and_its_words_are_quoted() {
        let ssh = SshCommand::parse("ssh -p 2222 postgres@pg").unwrap();
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

    fn any_word() -> impl Strategy<Value = OsString> {
        prop::collection::vec(1..=255u8, 0..12).prop_map(OsString::from_vec)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_shell_gives_back_every_word(words in prop::collection::vec(any_word(), 1..4)) {
            let quoted: Vec<_> = words.iter().map(|word| quoted_for_shell(word)).collect();
            let mut script = OsString::from(r"printf '%s\0' ");
            script.push(quoted.join(OsStr::new(" ")));
            let expected: Vec<u8> = words.iter().flat_map(|word| [word.as_bytes(), b"\0"].concat()).collect();
            prop_assert_eq!(shell_output(&script), expected);
        }

        #[test]
        fn any_text_is_split_as_shell_words_or_refused(text in r#"[ -~\t]{0,20}"#) {
            if let Ok(words) = split(&text) && !text.contains('~') && !text.contains('#') {
                let expected = shell_words::split(&text).unwrap();
                prop_assert_eq!(words, expected.into_iter().map(OsString::from).collect::<Vec<_>>());
            }
        }

        #[test]
        fn any_text_at_all_is_split_or_refused(text in any::<String>()) {
            let _ = SshCommand::parse(&text);
        }
    }
}
