//! Words of a command line: taken out of a text, and quoted to be read back.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::sys::env;

/// What a shell would make something of, were the text given to one; in double quotes only the last two act.
const SHELL_SYNTAX: &[char] = &[';', '|', '&', '>', '<', '(', ')', '\n', '$', '`'];
const SHELL_SYNTAX_IN_DOUBLE_QUOTES: &[char] = &['$', '`'];

/// A text that is not a list of words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There are none.
    #[error("is empty")]
    Empty,
    /// A quotation is opened and not closed, or the text ends with a backslash.
    #[error("ends inside a quotation")]
    Unbalanced,
    /// It asks for a shell, which it is not given.
    #[error("has a '{0}' that only a shell understands; no shell is used, quote it")]
    ShellSyntax(char),
}

/// Splits a text into words as a POSIX shell does before it expands anything; expands a leading `~/` as well.
pub(super) fn split(text: &str) -> Result<Vec<OsString>, Error> {
    let mut words = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(&first) = chars.peek() {
        if is_blank(first) {
            chars.next();
            continue;
        }
        let mut word = String::new();
        while let Some(character) = chars.next_if(|&next| !is_blank(next)) {
            match character {
                '\'' => single_quoted(&mut chars, &mut word)?,
                '"' => double_quoted(&mut chars, &mut word)?,
                '\\' => word.push(chars.next().ok_or(Error::Unbalanced)?),
                literal => word.push(unless_syntax(literal, SHELL_SYNTAX)?),
            }
        }
        words.push(if first == '~' { env::expand_home(&word).into() } else { word.into() });
    }
    if words.is_empty() { Err(Error::Empty) } else { Ok(words) }
}

fn single_quoted(chars: &mut impl Iterator<Item = char>, word: &mut String) -> Result<(), Error> {
    loop {
        match chars.next().ok_or(Error::Unbalanced)? {
            '\'' => return Ok(()),
            literal => word.push(literal),
        }
    }
}

fn double_quoted(chars: &mut impl Iterator<Item = char>, word: &mut String) -> Result<(), Error> {
    loop {
        match chars.next().ok_or(Error::Unbalanced)? {
            '"' => return Ok(()),
            '\\' => match chars.next().ok_or(Error::Unbalanced)? {
                escaped @ ('"' | '\\' | '$' | '`') => word.push(escaped),
                other => word.extend(['\\', other]),
            },
            literal => word.push(unless_syntax(literal, SHELL_SYNTAX_IN_DOUBLE_QUOTES)?),
        }
    }
}

fn unless_syntax(character: char, syntax: &[char]) -> Result<char, Error> {
    if syntax.contains(&character) { Err(Error::ShellSyntax(character)) } else { Ok(character) }
}

fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t')
}

/// A word as a POSIX shell must read it to get it back, and the usual shells that are not POSIX too.
pub(super) fn quoted_for_shell(word: &OsStr) -> Cow<'_, OsStr> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+=:,@%".contains(byte);
    if !word.is_empty() && word.as_bytes().iter().all(plain) {
        return Cow::Borrowed(word);
    }
    Cow::Owned(quoted(word, br"'\''"))
}

/// A word as rsync must read it in the value of `-e` to get it back: it splits at blanks, knows both kinds of
/// quotes, doubled to be meant literally, and no backslashes.
pub(super) fn quoted_for_rsync(word: &OsStr) -> Cow<'_, OsStr> {
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
    use crate::sys::{Cancel, Command, Processes, SystemProcesses};

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
            (r#"ssh "\"\x\\" ''"#, &["ssh", r#""\x\"#, ""]),
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
    fn what_only_a_shell_understands_is_refused() {
        for text in ["$A", "a; b", "a \"$B\"", "a | b", "a > b", "a < b", "a && b", "`a`", "\"`a`\"", "(a)"] {
            assert!(matches!(split(text), Err(Error::ShellSyntax(_))), "{text}");
        }
    }

    #[test]
    fn text_without_words_or_end_is_refused() {
        assert_eq!(split("  "), Err(Error::Empty));
        for text in ["ssh 'pg", "ssh \"pg", "ssh pg\\", "ssh \"\\"] {
            assert_eq!(split(text), Err(Error::Unbalanced), "{text}");
        }
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
            let _ = split(&text);
        }
    }
}
