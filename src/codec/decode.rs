use std::io::{self, BufReader, Cursor, Read};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;

use super::{Compression, Detector, Error};
use crate::sys::fs::read_head;

const BUFFER_BYTES: usize = 128 << 10;

/// What `input` holds once decompressed, and the compression that its first bytes tell.
///
/// All members of a gzip or bzip2 file are read. Fails when this version does not read the format; damage shows
/// as an error while reading.
pub fn decode<'a>(
    mut input: impl Read + Send + 'a,
    detector: &Detector,
) -> Result<(Option<Compression>, Box<dyn Read + Send + 'a>), Error> {
    let head = read_head(&mut input, detector.wanted_bytes())?;
    let compression = detector.detect(&head);
    let whole = BufReader::with_capacity(BUFFER_BYTES, Cursor::new(head).chain(input));
    let decoded: Box<dyn Read + Send + 'a> = match compression {
        None => Box::new(whole),
        Some(Compression::Gzip | Compression::Pigz | Compression::Pygzip) => {
            Box::new(MultiGzDecoder::new(whole))
        }
        Some(Compression::Bzip2 | Compression::Pybzip2) => Box::new(MultiBzDecoder::new(whole)),
        Some(
            other @ (Compression::Xz
            | Compression::Zstd
            | Compression::Lz4
            | Compression::Snappy
            | Compression::Custom),
        ) => return Err(Error::Unavailable(other)),
    };
    Ok((compression, decoded))
}

/// Whether two streams hold the same bytes.
pub fn same_bytes(mut a: impl Read, mut b: impl Read) -> io::Result<bool> {
    let (mut chunk_a, mut chunk_b) = (vec![0; BUFFER_BYTES], vec![0; BUFFER_BYTES]);
    loop {
        let (len_a, len_b) = (fill(&mut a, &mut chunk_a)?, fill(&mut b, &mut chunk_b)?);
        if chunk_a[..len_a] != chunk_b[..len_b] {
            return Ok(false);
        }
        if len_a == 0 {
            return Ok(true);
        }
    }
}

/// Reads until the chunk is full or the stream ends: streams give their bytes in pieces of any size.
fn fill(stream: &mut impl Read, chunk: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < chunk.len() {
        match stream.read(&mut chunk[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use proptest::prelude::*;

    use super::*;
    use crate::codec::{Encoder, Level};

    fn encode(content: &[u8], compression: Compression) -> Vec<u8> {
        let mut encoder = Encoder::new(Vec::new(), compression, Level::Low).unwrap();
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn decode_all(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        let (_, mut stream) = decode(bytes, &Detector::default()).map_err(io::Error::other)?;
        stream.read_to_end(&mut content)?;
        Ok(content)
    }

    /// Compresses badly enough for members to be of full size.
    fn noise(len: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        (0..len).map(|_| next()).collect()
    }

    #[test]
    fn content_of_several_members_comes_back_whole() {
        let content = noise((2 << 20) + 3);
        for compression in Compression::ALL.into_iter().filter(|c| c.is_available()) {
            assert!(decode_all(&encode(&content, compression)).unwrap() == content, "{compression}");
            assert_eq!(decode_all(&encode(b"", compression)).unwrap(), b"");
        }
    }

    #[test]
    fn the_programs_gzip_and_bzip2_read_what_we_write() {
        let content = noise((2 << 20) + 17);
        for (program, compression) in [("gzip", Compression::Gzip), ("bzip2", Compression::Bzip2)] {
            let mut child = Command::new(program)
                .arg("-dc")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let (mut stdin, encoded) = (child.stdin.take().unwrap(), encode(&content, compression));
            let feeder = std::thread::spawn(move || stdin.write_all(&encoded));
            let output = child.wait_with_output().unwrap();
            feeder.join().unwrap().unwrap();
            assert!(output.status.success() && output.stdout == content, "{program}");
        }
    }

    #[test]
    fn a_cut_file_is_an_error_and_never_shorter_content() {
        let content = noise((2 << 20) + 4096);
        for compression in [Compression::Gzip, Compression::Bzip2] {
            let whole = encode(&content, compression);
            for len in [whole.len() - 1, whole.len() / 2, 12] {
                assert!(decode_all(&whole[..len]).is_err(), "{compression} cut to {len} bytes");
            }
        }
    }

    #[test]
    fn a_format_of_a_later_version_is_named() {
        let refused = decode(&b"\xfd7zXZ\x00 and so on"[..], &Detector::default()).map(drop).unwrap_err();
        assert_eq!(refused.to_string(), "compression 'xz' is not available in this version");
        assert!(Encoder::new(Vec::new(), Compression::Zstd, Level::Medium).is_err());
    }

    #[test]
    fn streams_are_the_same_whatever_pieces_they_come_in() {
        let content = noise(BUFFER_BYTES * 2 + 1);
        let pieces = content[..7].chain(&content[7..]);
        assert!(same_bytes(pieces, &content[..]).unwrap());
        assert!(!same_bytes(&content[1..], &content[..]).unwrap());
        assert!(!same_bytes(&content[..content.len() - 1], &content[..]).unwrap());
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_or_refused_without_panic(
            magic in prop::sample::select(vec![&b""[..], b"\x1f\x8b\x08", b"BZh9"]),
            rest: Vec<u8>,
        ) {
            let _ = decode_all(&[magic, &rest].concat());
        }
    }
}
