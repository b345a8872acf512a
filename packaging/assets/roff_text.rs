//! The little Markdown of our help texts in the language of man pages.

use clap_mangen::roff::{Inline, bold, roman};

/// What stands between backticks, or between double asterisks, in bold.
pub fn from_markdown(text: &str) -> Vec<Inline> {
    let text = text.replace("**", "`");
    let pieces = text.split('`').enumerate().filter(|(_, piece)| !piece.is_empty());
    pieces.map(|(at, piece)| if at % 2 == 1 { bold(piece) } else { roman(piece) }).collect()
}
