//! What the documentation says of an option beside its help, in Markdown: `doc/configuration.md`, the sample and the
//! man page all say it in these words.

use super::super::kind::Kind;
use super::{OptionDef, Scope, Support};

/// What the kinds are called, and what their values look like.
pub const KINDS: [(&str, &str); 14] = [
    ("yes or no", "`true`, `t`, `yes`, `1`, `on` or `false`, `f`, `no`, `0`, `off`, in any case"),
    ("number", "a whole number"),
    (
        "time",
        "a number and a unit: `day`, `week`, `month` (31 days) or `hour`, in any case, with or without `s`: `4 weeks`",
    ),
    (
        "size",
        "bytes, or with `k`, `M`, `G`, `T` (powers of 1000) or `Ki`, `Mi`, `Gi`, `Ti` (powers of 1024): `30Gi`",
    ),
    ("text", "anything"),
    ("path", "a path; `~/` at its beginning is the home directory"),
    ("absolute path", "a path that begins with `/`"),
    (
        "path or address",
        "a path, or `s3://bucket/...`, `gs://bucket/...`, `https://account.blob.core.windows.net/container/...`",
    ),
    ("slot name", "lower case letters, digits and underscores"),
    ("word", "one of the words that are listed, in any case unless said otherwise"),
    ("words", "any of the words that are listed, with commas between them"),
    ("list", "texts with commas between them"),
    ("level", "`low`, `medium`, `high` or a number"),
    ("limits", "`tablespace:kB` with blanks between them"),
];

impl OptionDef {
    /// What it holds, its default, the sections it may stand in, the release that brought it.
    pub fn facts(&self) -> Vec<String> {
        let kind = kind_name(self.kind);
        let mut facts =
            vec![self.words().map_or_else(|| kind.to_owned(), |words| format!("{kind}: {words}"))];
        facts.extend(self.default.map(|default| format!("default `{default}`")));
        facts.push(sections(self.scope).to_owned());
        facts.push(format!("since {}", self.since));
        if self.support == Support::Later {
            facts.push("**not yet in effect**".to_owned());
        }
        facts
    }

    /// The words that it may be, when it is one or some of a list.
    pub fn words(&self) -> Option<String> {
        let (words, exact) = match self.kind {
            Kind::Word(kind) => (kind.words, kind.exact),
            Kind::Set(kind) => (kind.words, false),
            _ => return None,
        };
        let words = words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
        Some(if exact { format!("{words} in exactly this case") } else { words })
    }
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "yes or no",
        Kind::Int | Kind::LateInt => "number",
        Kind::Interval => "time",
        Kind::Size => "size",
        Kind::Text | Kind::Retention => "text",
        Kind::Path => "path",
        Kind::AbsolutePath => "absolute path",
        Kind::PathOrUrl => "path or address",
        Kind::SlotName => "slot name",
        Kind::Word(_) => "word",
        Kind::Set(_) => "words",
        Kind::List => "list",
        Kind::CompressionLevel => "level",
        Kind::TablespaceLimits => "limits",
    }
}

fn sections(scope: Scope) -> &'static str {
    match scope {
        Scope::Global => "`[barman]` only",
        Scope::Server => "server",
        Scope::ServerModel => "server, model",
        Scope::Inherited => "`[barman]`, server",
        Scope::InheritedModel => "`[barman]`, server, model",
        Scope::Model => "model",
        Scope::Internal => "nowhere",
    }
}
