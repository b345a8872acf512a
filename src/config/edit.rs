//! Changing one option in the text of an INI file, and nothing else.

use std::ops::Range;

use super::ini::{self, Document, Entry, Section, is_blank, lines_of};

/// Why a text cannot be changed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// It cannot be read.
    #[error(transparent)]
    Syntax(#[from] ini::SyntaxError),
    /// The value would be read as something else, or something else would change.
    #[error("'{option}' in [{section}] cannot be set to this value without changing what else the file says")]
    Unsafe {
        /// The section.
        section: String,
        /// The option.
        option: String,
    },
}

/// Sets an option: where it stands, or else behind the other options of its section, or else in a new section at the
/// end. Comments, blank lines and the order of all else stay.
///
/// # Errors
/// When the result would not say the same but for that option, for example because the value has two lines.
pub fn set_option(text: &str, section: &str, option: &str, value: &str) -> Result<String, EditError> {
    let before = ini::parse(text.as_bytes())?;
    let known = before.sections.iter().find(|known| known.name == section);
    let mut lines: Vec<String> = lines_of(text).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    end_last_line(&mut lines);
    let line = format!("{option} = {value}");
    match known {
        Some(known) => match known.entries.iter().find(|entry| entry.name == option) {
            Some(entry) => replace(&mut lines, entry, &line),
            None => insert(&mut lines, known, &line),
        },
        None => lines.push(format!("[{section}]\n{}\n", line.trim_end())),
    }
    let text = lines.concat();
    let after = ini::parse(text.as_bytes())?;
    let wanted = with_option(&before, section, option, value.trim_matches(is_blank));
    match contents(&after) == wanted {
        true => Ok(text),
        false => Err(EditError::Unsafe { section: section.to_owned(), option: option.to_owned() }),
    }
}

fn end_last_line(lines: &mut [String]) {
    if let Some(last) = lines.last_mut()
        && !last.ends_with(['\n', '\r'])
    {
        last.push('\n');
    }
}

/// Comments between the lines of a value go behind it.
fn replace(lines: &mut Vec<String>, entry: &Entry, line: &str) {
    let range = index(entry.line)..index(entry.last_line) + 1;
    let comments =
        lines[range.clone()].iter().filter(|line| line.trim_matches(is_blank).starts_with(['#', ';']));
    let replacement: Vec<String> =
        [like(&lines[range.start], line)].into_iter().chain(comments.cloned()).collect();
    lines.splice(range, replacement);
}

fn insert(lines: &mut Vec<String>, section: &Section, line: &str) {
    let last = section.entries.iter().max_by_key(|entry| entry.last_line);
    let Range { start, end } = last.map_or_else(
        || index(section.line)..index(section.line) + 1,
        |entry| index(entry.line)..index(entry.last_line) + 1,
    );
    let line = like(&lines[start], line);
    lines.insert(end, line);
}

/// The line indented and ended as another one: what is indented further would continue it.
fn like(other: &str, line: &str) -> String {
    let content = other.trim_matches(is_blank);
    let start = other.find(content).unwrap_or(0);
    let end = &other[other.trim_end_matches(['\n', '\r']).len()..];
    format!("{}{}{end}", &other[..start], line.trim_end())
}

fn index(line: u32) -> usize {
    line.saturating_sub(1) as usize
}

/// What a file says, without where it does.
type Contents = (Vec<(String, String)>, Vec<(String, Vec<(String, String)>)>);

fn contents(document: &Document) -> Contents {
    let options =
        |entries: &[Entry]| entries.iter().map(|entry| (entry.name.clone(), entry.text.clone())).collect();
    let sections = document.sections.iter();
    (
        options(&document.defaults),
        sections.map(|section| (section.name.clone(), options(&section.entries))).collect(),
    )
}

fn with_option(document: &Document, section: &str, option: &str, value: &str) -> Contents {
    let mut wanted = contents(document);
    let position = wanted.1.iter().position(|(name, _)| name == section).unwrap_or_else(|| {
        wanted.1.push((section.to_owned(), Vec::new()));
        wanted.1.len() - 1
    });
    let options = &mut wanted.1[position].1;
    match options.iter_mut().find(|(name, _)| name == option) {
        Some((_, text)) => value.clone_into(text),
        None => options.push((option.to_owned(), value.to_owned())),
    }
    wanted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_option_is_changed_where_it_stands_or_added_where_it_belongs() {
        for (what, text, changed) in [
            ("a value", "[a]\nX: 1\ny = 2\n", "[a]\nx = 9\ny = 2\n"),
            ("the last of two", "[a]\nx = 1\nx = 2\n", "[a]\nx = 1\nx = 9\n"),
            ("a long value", "[a]\nx = 1\n  # why\n  2\n\ny = 3\n", "[a]\nx = 9\n  # why\n\ny = 3\n"),
            (
                "a new option",
                "[a]\ny = 1\n  2\n\n# b\n[b]\nx = 3\n",
                "[a]\ny = 1\n  2\nx = 9\n\n# b\n[b]\nx = 3\n",
            ),
            ("an indented one", "[a]\n  y = 1\n  z = 2\n", "[a]\n  y = 1\n  z = 2\n  x = 9\n"),
            ("one without line end", "[a]\ny = 1", "[a]\ny = 1\nx = 9\n"),
            ("one in an empty section", "[a]\r\n[b]\r\n", "[a]\r\nx = 9\r\n[b]\r\n"),
            ("a new section", "[b]\ny = 1", "[b]\ny = 1\n[a]\nx = 9\n"),
            ("an empty file", "", "[a]\nx = 9\n"),
        ] {
            assert_eq!(set_option(text, "a", "x", "9").as_deref(), Ok(changed), "{what}");
        }
    }

    #[test]
    fn a_value_that_would_say_more_is_refused() {
        for value in ["1\ny = 2", "1\n[b]", "1\n  2"] {
            assert!(matches!(set_option("[a]\n", "a", "x", value), Err(EditError::Unsafe { .. })), "{value}");
        }
        assert!(set_option("[a]\n", "a", "x", "").is_ok());
    }

    proptest! {
        #[test]
        fn what_is_set_is_read_and_nothing_else_changes(
            text in "([a-c]{1,2} ?[=:] ?[a-c]*|\\[[ab]\\]|[ #;][a-c]*| {2}[a-c]|)(\n|\r\n)",
            lines in 0..12_usize,
            value in "[ -~]{0,8}",
        ) {
            let text = format!("[a]\n{}", text.repeat(lines));
            if let Ok(changed) = set_option(&text, "b", "c", &value) {
                let document = ini::parse(changed.as_bytes()).unwrap();
                let section = document.sections.iter().find(|section| section.name == "b").unwrap();
                let entry = section.entries.iter().find(|entry| entry.name == "c").unwrap();
                prop_assert_eq!(&entry.text, value.trim_matches(is_blank));
            }
        }
    }
}
