//! The page of section 5: the configuration, made from the table of options.

use barman::config::schema::{KINDS, OPTIONS, Topic};
use clap_mangen::roff::{Roff, bold, roman};

use crate::roff_text;

/// What is to be known before the options.
const FORM: [&str; 4] = [
    "The main file is the one given by `--config`, or by the variable `BARMAN_CONFIG_FILE`, or the first of \
     `~/.barman.conf`, `/etc/barman.conf` and `/etc/barman/barman.conf`. Its section `[barman]` is about the \
     installation, and gives every server what the server does not set itself. Each other section is a server. Sections \
     of servers also stand in the files `*.conf` of `configuration_files_directory`.",
    "An option is a line `name = value`. Lines that begin with `;` or `#` are comments; a line that begins with a blank \
     continues the one before. A percent sign is written `%%%%`. The same options may be written in TOML, in a file \
     whose name ends in `.toml`.",
    "After a change, `barman check` says what is wrong with it; `barman show-servers` prints every value in force.",
    "The file doc/configuration.md of the program's sources says the same as this page, and more of the form.",
];

/// The page.
pub fn page() -> Vec<u8> {
    let mut roff = Roff::new();
    let source = concat!("Barman in Rust ", env!("CARGO_PKG_VERSION"));
    roff.control("TH", ["BARMAN", "5", "", source, "Barman in Rust"]);
    roff.control("SH", ["NAME"]).text([roman("barman - configuration of barman(1)")]);
    roff.control("SH", ["DESCRIPTION"]);
    for paragraph in FORM {
        roff.control("PP", []).text(roff_text::from_markdown(paragraph));
    }
    roff.control("SH", ["VALUES"]);
    for (kind, meaning) in KINDS {
        roff.control("TP", []).text([bold(kind)]).text(roff_text::from_markdown(meaning));
    }
    for topic in Topic::ALL {
        roff.control("SH", [topic.title().to_uppercase().as_str()]);
        for option in OPTIONS.iter().filter(|option| option.topic == topic) {
            let facts = format!(" ({})", option.facts().join("; "));
            let heading = std::iter::once(bold(option.name)).chain(roff_text::from_markdown(&facts));
            roff.control("TP", []).text(heading.collect::<Vec<_>>());
            roff.text(roff_text::from_markdown(option.help));
        }
    }
    roff.control("SH", ["SEE ALSO"]).text([roman("barman(1)")]);
    roff.render().into_bytes()
}
