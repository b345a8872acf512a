use super::{Compression, plain};

/// The formats that begin with bytes of their own. No WAL page, label or history begins with any of them.
const MAGIC: [(Compression, &[u8]); 6] = [
    (Compression::Bzip2, b"BZh"),
    (Compression::Gzip, b"\x1f\x8b\x08"),
    (Compression::Lz4, b"\x04\x22\x4d\x18"),
    (Compression::Snappy, b"\xff\x06\x00\x00sNaPpY"),
    (Compression::Xz, b"\xfd7zXZ\x00"),
    (Compression::Zstd, b"\x28\xb5\x2f\xfd"),
];

/// Tells a file's compression from its first bytes.
#[derive(Debug, Clone, Default)]
pub struct Detector {
    custom: Mark,
}

/// How files that a filter of the user's has made are known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Mark {
    /// There are none.
    #[default]
    None,
    /// By their first bytes, which nothing else in this archive begins with: where a built-in format does, too, the
    /// filter's file is meant.
    Magic(Vec<u8>),
    /// By their first bytes, where no built-in format begins with them.
    FormerMagic(Vec<u8>),
    /// By being nothing else.
    Unmarked,
}

impl Detector {
    pub(super) fn new(custom: Mark) -> Self {
        Self { custom }
    }

    /// How many first bytes of a file this wants to see.
    pub fn wanted_bytes(&self) -> usize {
        let custom = match &self.custom {
            Mark::Magic(magic) | Mark::FormerMagic(magic) => magic.len(),
            Mark::None | Mark::Unmarked => 0,
        };
        MAGIC.iter().map(|(_, magic)| magic.len()).fold(custom.max(plain::HEAD_BYTES), usize::max)
    }

    /// Whether what is archived and like nothing else is the work of the user's filter.
    pub(super) fn knows_unmarked(&self) -> bool {
        self.custom == Mark::Unmarked
    }

    /// The compression of a file that begins with `head`; `None` when it is not compressed, or in a way nobody
    /// told us. Of several identifiers of one format, the format's own name is given.
    pub fn detect(&self, head: &[u8]) -> Option<Compression> {
        let built_in = MAGIC.iter().find(|(_, magic)| head.starts_with(magic)).map(|(format, _)| *format);
        match &self.custom {
            // Barman asks in the order of the identifiers: `bzip2` comes before `custom`.
            Mark::Magic(magic) if built_in != Some(Compression::Bzip2) && head.starts_with(magic) => {
                Some(Compression::Custom)
            }
            Mark::FormerMagic(magic) if built_in.is_none() && head.starts_with(magic) => {
                Some(Compression::Custom)
            }
            _ => built_in,
        }
    }

    /// As [`Detector::detect`], of a file that the archive has: there it may also be the work of the user's filter
    /// that nothing tells.
    pub fn detect_archived(&self, head: &[u8]) -> Option<Compression> {
        let is_unmarked = || self.knows_unmarked() && !plain::is_plain(head) && !is_encrypted(head);
        self.detect(head).or_else(|| is_unmarked().then_some(Compression::Custom))
    }
}

/// Whether a file that begins with `head` is an OpenPGP message to a public key, as `gpg --encrypt` writes it.
///
/// Such a message begins with a packet of tag 1 (old or new header form) whose content begins with version 3 or 6.
pub fn is_encrypted(head: &[u8]) -> bool {
    let version = match head {
        [0x84 | 0xc1, _, version, ..] | [0x85, _, _, version, ..] => *version,
        _ => return false,
    };
    matches!(version, 3 | 6)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAL_PAGE: &[u8] = b"\x16\xd1\x07\x00\x01\x00\x00\x00\x00\x00\x00\x03";

    #[test]
    fn every_format_is_known_by_its_first_bytes() {
        for (compression, magic) in MAGIC {
            assert_eq!(Detector::default().detect(&[magic, b"rest"].concat()), Some(compression));
        }
        for plain in [&b""[..], b"\x1f", WAL_PAGE, b"START WAL LOCATION", b"1\t0/3000000\t"] {
            assert_eq!(Detector::default().detect_archived(plain), None);
            assert!(!is_encrypted(plain));
        }
    }

    #[test]
    fn the_magic_of_the_users_own_filter_counts() {
        let magic = b"a magic that is longer than all of the others are";
        let detector = Detector::new(Mark::Magic(magic.to_vec()));
        assert_eq!(detector.wanted_bytes(), magic.len());
        assert_eq!(detector.detect(&[&magic[..], b" and more"].concat()), Some(Compression::Custom));
        assert_eq!(detector.detect_archived(WAL_PAGE), None);
    }

    #[test]
    fn a_magic_that_a_format_has_too_means_the_filter_as_long_as_it_is_in_use() {
        let detect = |mark: fn(Vec<u8>) -> Mark, head: &[u8]| {
            Detector::new(mark(head.to_vec())).detect(b"\x1f\x8b\x08BZh")
        };
        assert_eq!(detect(Mark::Magic, b"\x1f\x8b"), Some(Compression::Custom));
        assert_eq!(detect(Mark::FormerMagic, b"\x1f\x8b"), Some(Compression::Gzip));
        assert_eq!(Detector::new(Mark::Magic(b"BZ".to_vec())).detect(b"BZh9"), Some(Compression::Bzip2));
    }

    #[test]
    fn what_is_archived_and_nothing_else_is_of_the_filter_that_marks_nothing() {
        let detector = Detector::new(Mark::Unmarked);
        assert_eq!(detector.detect(b"whatever"), None);
        assert_eq!(detector.detect_archived(b"whatever"), Some(Compression::Custom));
        assert_eq!(detector.detect_archived(b"\x1f\x8b\x08"), Some(Compression::Gzip));
        assert_eq!(detector.detect_archived(b"1\t0/3000000\t"), None);
        assert_eq!(detector.detect_archived(b"\x85\x01\x0c\x03abc"), None);
    }

    #[test]
    fn messages_of_gpg_are_known() {
        assert!(is_encrypted(b"\x85\x01\x0c\x03abc"));
        assert!(is_encrypted(b"\x84\x5e\x03abc"));
    }
}
