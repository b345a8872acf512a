//! `%(option)s` in values.
//!
//! Barman expands a value twice: when its file is read, with the options of the same section and file, and again
//! when it is used, with those of all files. Hence a percent sign is written `%%%%` there; releases before 3.10
//! expanded once and wanted `%%`. We do both passes too, so that what works there means the same here, but the
//! second one takes what it does not understand as it stands. So `%%` and `%%%%` are both a percent sign, and
//! `%(name)s`, which those old releases knew, works again.

/// Python gives up after so many references within references.
const MAX_DEPTH: u32 = 10;

/// What is wrong with the percent signs of a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A `%` that begins nothing.
    #[error("has a single '%' (a percent sign is written '%%%%')")]
    Percent,
    /// A `%(` without its end.
    #[error("has '%(' without ')s'")]
    Unfinished,
    /// A reference to an option that is not there.
    #[error("refers to '{0}', which is not set")]
    Unknown(String),
    /// References that lead back to themselves, or nearly.
    #[error("has references within references without end")]
    Depth,
}

/// What a name in `%(name)s` stands for.
pub(super) enum Found<'a> {
    /// A text, with references of its own.
    Raw(&'a str),
    /// A text that is final.
    Final(String),
    /// Nothing yet: the reference stays as it is.
    Kept,
    /// Nothing, and nothing later.
    Missing,
}

/// The two times a value is expanded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// When its file is read.
    File,
    /// When it is used.
    Use,
}

/// Expands `text`; `find` looks names up, in lower case.
pub(super) fn expand<'a>(text: &str, pass: Pass, find: &dyn Fn(&str) -> Found<'a>) -> Result<String, Fault> {
    expand_to_depth(text, pass, find, 0)
}

fn expand_to_depth<'a>(
    text: &str,
    pass: Pass,
    find: &dyn Fn(&str) -> Found<'a>,
    depth: u32,
) -> Result<String, Fault> {
    if depth > MAX_DEPTH {
        return Err(Fault::Depth);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        rest = after;
        if let Some(after) = rest.strip_prefix('%') {
            out.push('%');
            rest = after;
        } else if let Some((name, after)) = reference(rest) {
            match find(&name.to_lowercase()) {
                Found::Raw(raw) => out.push_str(&expand_to_depth(raw, pass, find, depth + 1)?),
                Found::Final(text) => out.push_str(&text),
                Found::Kept => {
                    out.push('%');
                    out.push_str(&rest[..rest.len() - after.len()]);
                }
                Found::Missing => return Err(Fault::Unknown(name.to_owned())),
            }
            rest = after;
        } else if pass == Pass::Use {
            out.push('%');
        } else {
            return Err(if rest.starts_with('(') { Fault::Unfinished } else { Fault::Percent });
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// The name in `(name)s`, and what follows.
fn reference(text: &str) -> Option<(&str, &str)> {
    let (name, after) = text.strip_prefix('(')?.split_once(')')?;
    let after = after.strip_prefix('s')?;
    (!name.is_empty()).then_some((name, after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn find(name: &str) -> Found<'static> {
        match name {
            "a" => Found::Raw("<%(b)s>"),
            "b" => Found::Final("100%".to_owned()),
            "later" => Found::Kept,
            "loop" => Found::Raw("%(loop)s"),
            _ => Found::Missing,
        }
    }

    #[test]
    fn references_are_followed_and_percents_halved() {
        for (text, file, used) in [
            ("plain", Ok("plain"), Ok("plain")),
            ("%%%%", Ok("%%"), Ok("%%")),
            ("%(A)s", Ok("<100%>"), Ok("<100%>")),
            ("%(later)s %(b)s", Ok("%(later)s 100%"), Ok("%(later)s 100%")),
            ("date +%Y", Err(Fault::Percent), Ok("date +%Y")),
            ("%(b)d", Err(Fault::Unfinished), Ok("%(b)d")),
            ("%()s", Err(Fault::Unfinished), Ok("%()s")),
            ("%(c)s", Err(Fault::Unknown("c".into())), Err(Fault::Unknown("c".into()))),
            ("%(loop)s", Err(Fault::Depth), Err(Fault::Depth)),
        ] {
            assert_eq!(expand(text, Pass::File, &find), file.map(str::to_owned), "{text}");
            assert_eq!(expand(text, Pass::Use, &find), used.map(str::to_owned), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_expanded_or_refused_without_panic(text in "([%()s]|\\(a\\)s|é){0,20}") {
            let _ = expand(&text, Pass::File, &find);
            prop_assert!(!matches!(expand(&text, Pass::Use, &find), Err(Fault::Percent | Fault::Unfinished)));
        }
    }
}
