//! A server's settings of WAL compression, as the archive needs them, and what is wrong with them.

use super::{Server, encryption};
use crate::codec::{Codecs, Compression, Custom, Level};
use crate::config::{CompressionLevel, ServerConfig};

/// What the server's archive is written and read with.
pub fn codecs(server: &Server<'_>) -> Codecs {
    let config = server.config;
    let custom = Custom {
        compression_filter: config.custom_compression_filter().map(str::to_owned),
        decompression_filter: config.custom_decompression_filter().map(str::to_owned),
        magic: magic(config).unwrap_or_default(),
        is_in_use: compression(config) == Some(Compression::Custom),
        path_prefix: config.path_prefix().map(str::to_owned),
    };
    Codecs::new(&server.context, custom).with_gpg(&server.context, encryption::gpg(config))
}

/// How new WAL is compressed.
pub fn compression(config: &ServerConfig) -> Option<Compression> {
    config.compression().and_then(|configured| configured.as_str().parse().ok())
}

/// How hard.
pub fn level(config: &ServerConfig) -> Level {
    match config.compression_level() {
        CompressionLevel::Low => Level::Low,
        CompressionLevel::Medium => Level::Medium,
        CompressionLevel::High => Level::High,
        CompressionLevel::Number(level) => Level::Number(level),
    }
}

/// Why WAL cannot be compressed as the settings say, or archived WAL not be told apart.
pub fn fault(server: &Server<'_>) -> Option<String> {
    let unusable = compression(server.config).and_then(|compression| {
        let usable = codecs(server).ensure_usable(compression);
        usable.err().map(|error| error.to_string())
    });
    unusable.or_else(|| magic(server.config).err())
}

/// What is done otherwise than the settings say.
pub fn remark(config: &ServerConfig) -> Option<String> {
    let (compression, level) = (compression(config)?, level(config));
    let format = compression.format()?;
    level.is_beyond(format).then(|| {
        let used = level.on_scale_of(format);
        format!("compression_level is beyond the levels of {compression}: {used} is used")
    })
}

/// The bytes that `custom_compression_magic` spells in hexadecimal digits, behind `0x` or not.
fn magic(config: &ServerConfig) -> Result<Option<Vec<u8>>, String> {
    let Some(text) = config.custom_compression_magic() else { return Ok(None) };
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    let byte = |pair: &[u8]| {
        let digit = |at: usize| char::from(*pair.get(at)?).to_digit(16);
        u8::try_from(digit(0)? * 16 + digit(1)?).ok()
    };
    let bytes: Option<Vec<u8>> = digits.as_bytes().chunks(2).map(byte).collect();
    let bytes = bytes.filter(|bytes| !bytes.is_empty());
    bytes
        .map(Some)
        .ok_or_else(|| format!("custom_compression_magic '{text}' is not 0x and pairs of hexadecimal digits"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::kit::server;

    #[test]
    fn the_magic_is_read_with_its_prefix_and_without() {
        let home = tempfile::tempdir().unwrap();
        let read = |text: &str| magic(&server(home.path(), &format!("custom_compression_magic = {text}\n")));
        assert_eq!(read("0x28b52FFD"), Ok(Some(vec![0x28, 0xb5, 0x2f, 0xfd])));
        assert_eq!(read("28b5"), Ok(Some(vec![0x28, 0xb5])));
        assert_eq!(magic(&server(home.path(), "")), Ok(None));
        for wrong in ["0x", "0x1", "0xzz", "zst\u{e9}", "0x+1"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_level_beyond_the_scale_is_remarked() {
        let home = tempfile::tempdir().unwrap();
        let remark = |text: &str| remark(&server(home.path(), text));
        assert_eq!(remark("compression = zstd\ncompression_level = 22\n"), None);
        assert_eq!(
            remark("compression = zstd\ncompression_level = 99\n").unwrap(),
            "compression_level is beyond the levels of zstd: 22 is used"
        );
        assert_eq!(remark("compression = snappy\ncompression_level = high\n"), None);
        assert_eq!(remark("compression = custom\ncompression_level = 5\n"), None);
    }
}
