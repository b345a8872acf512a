use super::Compression;

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
    custom_magic: Option<Vec<u8>>,
}

impl Detector {
    /// Knows `custom_compression_magic` too, the bytes that the user's own filter begins its output with.
    pub fn with_custom_magic(magic: impl Into<Vec<u8>>) -> Self {
        Self { custom_magic: Some(magic.into()).filter(|magic| !magic.is_empty()) }
    }

    /// How many first bytes of a file [`Detector::detect`] wants to see.
    pub fn wanted_bytes(&self) -> usize {
        let custom = self.custom_magic.as_ref().map_or(0, Vec::len);
        MAGIC.iter().map(|(_, magic)| magic.len()).fold(custom, usize::max)
    }

    /// The compression of a file that begins with `head`; `None` when it is not compressed, or in a way nobody
    /// told us. Of several identifiers of one format, the format's own name is given.
    pub fn detect(&self, head: &[u8]) -> Option<Compression> {
        let custom = self.custom_magic.iter().map(|magic| (Compression::Custom, magic.as_slice()));
        custom.chain(MAGIC).find(|(_, magic)| head.starts_with(magic)).map(|(compression, _)| compression)
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

    #[test]
    fn every_format_is_known_by_its_first_bytes() {
        for (compression, magic) in MAGIC {
            assert_eq!(Detector::default().detect(&[magic, b"rest"].concat()), Some(compression));
        }
        let wal_page = b"\x16\xd1\x07\x00\x01\x00\x00\x00\x00\x00\x00\x03";
        for plain in [&b""[..], b"\x1f", wal_page, b"START WAL LOCATION", b"1\t0/3000000\t"] {
            assert_eq!(Detector::default().detect(plain), None);
            assert!(!is_encrypted(plain));
        }
    }

    #[test]
    fn the_magic_of_the_users_own_filter_counts() {
        let detector = Detector::with_custom_magic(*b"a magic longer than all others");
        assert_eq!(detector.wanted_bytes(), 30);
        assert_eq!(detector.detect(b"a magic longer than all others and more"), Some(Compression::Custom));
    }

    #[test]
    fn messages_of_gpg_are_known() {
        assert!(is_encrypted(b"\x85\x01\x0c\x03abc"));
        assert!(is_encrypted(b"\x84\x5e\x03abc"));
    }
}
