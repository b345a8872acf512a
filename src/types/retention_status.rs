use std::fmt;

/// What a retention policy says of a backup; `Display` gives the word of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetentionStatus {
    /// The policy needs it.
    Valid,
    /// The policy does not need it.
    Obsolete,
    /// The policy does not need it, but without it there would be fewer than the minimum redundancy.
    PotentiallyObsolete,
    /// Kept on request, with all WAL after it.
    KeptFull,
    /// Kept on request, with the WAL that it needs itself.
    KeptStandalone,
    /// Not a complete backup, or none that the policy knows: nothing is said.
    Unjudged,
}

impl fmt::Display for RetentionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Valid => "VALID",
            Self::Obsolete => "OBSOLETE",
            Self::PotentiallyObsolete => "OBSOLETE*",
            Self::KeptFull => "KEEP:FULL",
            Self::KeptStandalone => "KEEP:STANDALONE",
            Self::Unjudged => "-",
        })
    }
}
