//! The pages of section 1: `barman` and each of its commands.

use std::io;
use std::path::PathBuf;

use barman::cli::help_text::{Block, sections};
use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};

use crate::roff_text;

/// The name at the foot of the pages.
const SOURCE: &str = concat!("Barman in Rust ", env!("CARGO_PKG_VERSION"));
const MANUAL: &str = "Barman in Rust";

/// Beside which pages one should read.
const SEE_ALSO: &str = "barman(1), barman(5)";

/// The pages, by their names.
pub fn pages() -> io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut program = barman::cli::command().disable_help_subcommand(true);
    program.build();
    let mut pages = vec![(PathBuf::from("man/barman.1"), page(&program, true)?)];
    for command in program.get_subcommands() {
        let path = PathBuf::from(format!("man/barman-{}.1", command.get_name()));
        pages.push((path, page(command, false)?));
    }
    for mut command in barman::cli::client_commands() {
        command.build();
        let path = PathBuf::from(format!("man/{}.1", command.get_name()));
        pages.push((path, page(&command, false)?));
    }
    Ok(pages)
}

fn page(command: &Command, is_program: bool) -> io::Result<Vec<u8>> {
    let title = command.get_display_name().unwrap_or_else(|| command.get_name()).to_uppercase();
    let man = Man::new(command.clone().help_template("")).title(title).source(SOURCE).manual(MANUAL);
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    description(command).to_writer(&mut page)?;
    man.render_options_section(&mut page)?;
    if is_program {
        commands(command).to_writer(&mut page)?;
        files().to_writer(&mut page)?;
    }
    let more = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
    for section in sections(&more) {
        rendered(&section.title, &section.blocks).to_writer(&mut page)?;
    }
    let mut roff = Roff::new();
    roff.control("SH", ["SEE ALSO"]).text([roman(SEE_ALSO)]);
    roff.to_writer(&mut page)?;
    Ok(page)
}

/// What the long help says below its first line, which is the name of the page.
fn description(command: &Command) -> Roff {
    let long = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    let mut paragraphs: Vec<&str> = long.split("\n\n").collect();
    if paragraphs.len() > 1 {
        paragraphs.remove(0);
    }
    let mut roff = Roff::new();
    roff.control("SH", ["DESCRIPTION"]);
    for paragraph in paragraphs {
        roff.control("PP", []).text(roff_text::from_markdown(paragraph));
    }
    roff
}

fn rendered(title: &str, blocks: &[Block]) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", [title.to_uppercase().as_str()]);
    for block in blocks {
        match block {
            Block::Remark(remark) => {
                roff.control("PP", []).text(roff_text::from_markdown(remark));
            }
            Block::Typed(lines) => {
                roff.control("RS", ["4"]).control("nf", []);
                for line in lines {
                    roff.text([roman(line)]);
                }
                roff.control("fi", []).control("RE", []);
            }
            Block::Code(code, meaning) => {
                roff.control("TP", ["4"]).text([bold(code)]).text(roff_text::from_markdown(meaning));
            }
        }
    }
    roff
}

fn commands(program: &Command) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["COMMANDS"]);
    for command in program.get_subcommands() {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        roff.control("TP", []);
        roff.text([bold(format!("barman-{}", command.get_name())), roman("(1)")]);
        roff.text([roman(about)]);
    }
    roff
}

fn files() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["FILES"]);
    for (name, meaning) in [
        ("/etc/barman.conf, ~/.barman.conf", "The configuration, see barman(5)"),
        ("/etc/barman.d/", "Further files of it, one for each server by custom"),
        ("/var/lib/barman/", "By custom the backups and the WAL, a directory for each server"),
        ("/var/log/barman/barman.log", "By custom the log"),
    ] {
        roff.control("TP", []).text([italic(name)]).text([roman(meaning)]);
    }
    roff
}
