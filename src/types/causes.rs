use std::error::Error;

/// An error and what caused it on one line: `cannot read '/x': Permission denied (os error 13)`.
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    let (mut text, mut next) = (error.to_string(), error.source());
    while let Some(cause) = next {
        let words = cause.to_string();
        // A transparent wrapper repeats what it wraps.
        if !text.ends_with(&words) {
            text = format!("{text}: {words}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read '/x'")]
    struct Unreadable {
        source: std::io::Error,
    }

    #[test]
    fn each_cause_follows_what_it_caused() {
        let error = Unreadable { source: std::io::Error::other("the disk is gone") };
        assert_eq!(with_causes(&error), "cannot read '/x': the disk is gone");
        assert_eq!(with_causes(&std::io::Error::other("alone")), "alone");
    }

    #[test]
    fn a_transparent_wrapper_says_nothing_twice() {
        let wrapped = anyhow::Error::from(Unreadable { source: std::io::Error::other("the disk is gone") });
        assert_eq!(with_causes(wrapped.as_ref()), "cannot read '/x': the disk is gone");
        let wrapped = std::io::Error::other(Unreadable { source: std::io::Error::other("the disk is gone") });
        assert_eq!(with_causes(&wrapped), "cannot read '/x': the disk is gone");
    }
}
