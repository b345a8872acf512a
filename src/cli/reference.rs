//! `doc/reference/`, made from the definitions of the command line.
//!
//! The test fails when a page is not what `--help` says; with `BARMAN_UPDATE_DOCS=1` it writes the pages.

use std::collections::BTreeSet;
use std::fmt::Write;

use clap::builder::PossibleValue;
use clap::{Arg, Command};

use super::help_text::{Block, Section, sections};
use crate::documents::{document_names, ensure_document, wrapped};

const REGENERATE: &str = "BARMAN_UPDATE_DOCS=1 cargo test --lib cli::reference";

#[test]
fn the_reference_says_what_the_help_says() {
    let mut program = super::command();
    program.build();
    let mut pages = BTreeSet::from(["README.md".to_owned()]);
    ensure_document("doc/reference/README.md", &index(&mut program), REGENERATE);
    for command in program.get_subcommands_mut().filter(|command| command.get_name() != "help") {
        let page = format!("{}.md", command.get_name());
        let title = format!("barman {}", command.get_name());
        ensure_document(&format!("doc/reference/{page}"), &page_of(&title, command), REGENERATE);
        pages.insert(page);
    }
    for mut command in super::client_commands() {
        command.build();
        let title = command.get_name().to_owned();
        let page = format!("{title}.md");
        ensure_document(&format!("doc/reference/{page}"), &page_of(&title, &mut command), REGENERATE);
        pages.insert(page);
    }
    assert_eq!(document_names("doc/reference"), pages, "a page of a command that there is no more");
}

#[test]
fn every_command_teaches_by_examples() {
    let program = super::command();
    for command in program.get_subcommands() {
        let long = command.get_long_about().map(ToString::to_string).unwrap_or_default();
        assert!(long.contains("\n\n"), "{}: the help does not say what it does and when", command.get_name());
        let more = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
        let typed: Vec<String> = sections(&more)
            .into_iter()
            .filter(|section| section.title == "Examples")
            .flat_map(|section| section.blocks)
            .filter_map(|block| if let Block::Typed(lines) = block { Some(lines) } else { None })
            .flatten()
            .collect();
        assert!(!typed.is_empty(), "{}: the help has no examples", command.get_name());
        for line in typed {
            // Of a line with a pipe or a crontab's fields, the part that is ours.
            let ours = line[line.rfind("barman ").unwrap()..].split('|').next().unwrap();
            let words = shell_words::split(ours).unwrap();
            assert!(super::command().try_get_matches_from(words).is_ok(), "this is refused: {line}");
        }
    }
}

fn index(program: &mut Command) -> String {
    let mut text = "\
# Commands

Made from the definitions that `barman --help` prints. The pages of the [manual](../manual/README.md) tell which command
helps with which job.

    barman [OPTIONS] COMMAND [ARGUMENTS]

| Command | |
| --- | --- |
"
    .to_owned();
    for command in program.get_subcommands().filter(|command| command.get_name() != "help") {
        let name = command.get_name();
        writeln!(text, "| [{name}]({name}.md) | {} |", command.get_about().unwrap()).unwrap();
    }
    text += "
## Programs for PostgreSQL's host

The same program under other names, which need neither a configuration nor a user of their own.

| Program | |
| --- | --- |
";
    for command in super::client_commands() {
        let name = command.get_name();
        writeln!(text, "| [{name}]({name}.md) | {} |", command.get_about().unwrap()).unwrap();
    }
    text += "
## How commands are typed

Names of commands are written out; long options may be abbreviated as long as they are unambiguous. `all` stands for
every server. A backup is named by its identifier, by its `--name`, or by `latest` (`last`), `oldest` (`first`),
`last-failed` or `latest-full` (`last-full`).

## Options before the command
";
    text += &arguments(program, |arg| !arg.is_positional());
    text += "
## Exit status

- `0`: nothing went wrong; warnings do not count
- `1`: something did; of several servers, one
- `2`: the command line is wrong; for `check --nagios`, a check failed
";
    text
}

fn page_of(title: &str, command: &mut Command) -> String {
    let usage = command.render_usage().to_string();
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    let mut text = format!("# {title}\n\n");
    writeln!(text, "    {}\n", usage.trim_start_matches("Usage: ").trim_end()).unwrap();
    let paragraphs: Vec<String> = about.split("\n\n").map(|paragraph| wrapped(paragraph, "", 118)).collect();
    writeln!(text, "{}", paragraphs.join("\n\n")).unwrap();
    let aliases: Vec<String> = command.get_all_aliases().map(|alias| format!("`{alias}`")).collect();
    if !aliases.is_empty() {
        writeln!(text, "\nAlso called {}.", aliases.join(", ")).unwrap();
    }
    for (title, matches) in
        [("Arguments", is_positional as fn(&Arg) -> bool), ("Options", |arg| !is_positional(arg))]
    {
        let listed = arguments(command, matches);
        if !listed.is_empty() {
            write!(text, "\n## {title}\n{listed}").unwrap();
        }
    }
    let more = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
    text.extend(sections(&more).iter().map(chapter));
    text
}

fn chapter(section: &Section) -> String {
    let mut text = format!("\n## {}\n", section.title);
    let mut in_list = false;
    for block in &section.blocks {
        let is_item = matches!(block, Block::Code(..));
        if !(is_item && in_list) {
            text.push('\n');
        }
        in_list = is_item;
        match block {
            Block::Remark(remark) => writeln!(text, "{remark}").unwrap(),
            Block::Code(code, meaning) => writeln!(text, "- `{code}`: {meaning}").unwrap(),
            Block::Typed(lines) => lines.iter().for_each(|line| writeln!(text, "    {line}").unwrap()),
        }
    }
    text
}

fn is_positional(arg: &Arg) -> bool {
    arg.is_positional()
}

fn arguments(command: &Command, matches: fn(&Arg) -> bool) -> String {
    let mut text = String::new();
    let shown = |arg: &&Arg| matches(arg) && !arg.is_hide_set() && arg.get_id() != "help";
    for arg in command.get_arguments().filter(shown) {
        let mut lines = vec![format!("`{}`", spelled(arg))];
        lines.extend(arg.get_long_help().or(arg.get_help()).map(|help| wrapped(&help.to_string(), "", 118)));
        if arg.get_action().takes_values() {
            let values: Vec<String> = arg.get_possible_values().iter().map(value).collect();
            lines.extend(
                (!values.is_empty()).then(|| wrapped(&format!("One of {}", values.join(", ")), "", 118)),
            );
            let default = arg.get_default_values().first().map(|value| value.to_string_lossy());
            lines.extend(default.map(|default| format!("Default: `{default}`")));
        }
        writeln!(text, "\n{}", lines.join("  \n")).unwrap();
    }
    text
}

/// As it is typed: `-j, --jobs <NJOBS>`.
fn spelled(arg: &Arg) -> String {
    match arg.get_short() {
        Some(short) if arg.get_long().is_some() => format!("-{short}, {arg}"),
        _ => arg.to_string(),
    }
}

fn value(value: &PossibleValue) -> String {
    match value.get_help() {
        Some(help) => format!("`{}` ({help})", value.get_name()),
        None => format!("`{}`", value.get_name()),
    }
}
