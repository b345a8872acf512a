//! The end of a long help, taken apart, so that the reference and the man pages can say the same in their own form.
//!
//! A line that ends with a colon at the margin is the heading of a section. In it, two blanks lead a remark or an exit
//! code with its meaning, four blanks what is typed; a line at the margin is a remark on the whole.

/// A section of the help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Its heading, without the colon.
    pub title: String,
    /// What it says.
    pub blocks: Vec<Block>,
}

/// A piece of a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// A sentence.
    Remark(String),
    /// Lines to type.
    Typed(Vec<String>),
    /// An exit code and its meaning.
    Code(String, String),
}

/// The sections of `help`.
pub fn sections(help: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for line in help.lines().filter(|line| !line.trim().is_empty()) {
        match line.strip_suffix(':') {
            Some(title) if !line.starts_with(' ') => {
                sections.push(Section { title: title.to_owned(), blocks: Vec::new() });
            }
            _ => {
                if let Some(section) = sections.last_mut() {
                    section.add(line);
                }
            }
        }
    }
    sections
}

impl Section {
    fn add(&mut self, line: &str) {
        if let Some(typed) = line.strip_prefix("    ") {
            match self.blocks.last_mut() {
                Some(Block::Typed(lines)) => lines.push(typed.to_owned()),
                _ => self.blocks.push(Block::Typed(vec![typed.to_owned()])),
            }
            return;
        }
        let text = line.trim_start();
        self.blocks.push(match text.split_once("  ") {
            Some((code, meaning)) if code.bytes().all(|byte| byte.is_ascii_digit()) => {
                Block::Code(code.to_owned(), meaning.to_owned())
            }
            _ => Block::Remark(text.to_owned()),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_help_text_has_sections_of_remarks_lines_to_type_and_exit_codes() {
        let help =
            "Examples:\n  One:\n    barman a\n    barman b\n\nExit status:\n  0  fine\n\nNothing else.";
        assert_eq!(
            sections(help),
            [
                Section {
                    title: "Examples".into(),
                    blocks: vec![
                        Block::Remark("One:".into()),
                        Block::Typed(vec!["barman a".into(), "barman b".into()]),
                    ],
                },
                Section {
                    title: "Exit status".into(),
                    blocks: vec![
                        Block::Code("0".into(), "fine".into()),
                        Block::Remark("Nothing else.".into()),
                    ],
                },
            ]
        );
    }
}
