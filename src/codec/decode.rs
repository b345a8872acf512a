use std::io::{self, BufRead, BufReader, Read};

use bzip2::bufread::MultiBzDecoder;
use liblzma::bufread::XzDecoder;

use super::Format;
use super::gzip::GzipContent;
use super::lz4_frames::Lz4Frames;

const BUFFER_BYTES: usize = 128 << 10;

/// What `input` holds in `format`, all members of it. Damage shows as an error while reading.
pub(super) fn decoder<'a>(
    format: Format,
    input: impl Read + Send + 'a,
) -> io::Result<Box<dyn BufRead + Send + 'a>> {
    let input = BufReader::with_capacity(BUFFER_BYTES, input);
    Ok(match format {
        Format::Gzip => Box::new(GzipContent::new(input)),
        Format::Bzip2 => buffered(MultiBzDecoder::new(input)),
        Format::Xz => buffered(XzDecoder::new_multi_decoder(input)),
        Format::Zstd => buffered(zstd::stream::read::Decoder::with_buffer(input)?),
        Format::Lz4 => buffered(Lz4Frames::new(input)?),
        Format::Snappy => buffered(snap::read::FrameDecoder::new(input)),
    })
}

/// Content is handed on from where it was decoded to: what has no such place gets one.
pub(super) fn buffered<'a>(input: impl Read + Send + 'a) -> Box<dyn BufRead + Send + 'a> {
    Box::new(BufReader::with_capacity(BUFFER_BYTES, input))
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

    fn encode(content: &[u8], format: Format, level: Level) -> Vec<u8> {
        let mut encoder = Encoder::new(Vec::new(), format, level).unwrap();
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn decode(bytes: &[u8], format: Format) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        decoder(format, bytes)?.read_to_end(&mut content)?;
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
    fn content_comes_back_whole_at_every_level() {
        let content = noise((2 << 20) + 3);
        for format in Format::ALL {
            for level in [Level::Low, Level::Medium, Level::High, Level::Number(-99), Level::Number(99)] {
                assert!(
                    decode(&encode(&content, format, level), format).unwrap() == content,
                    "{format:?} {level:?}"
                );
                assert_eq!(decode(&encode(b"", format, level), format).unwrap(), b"", "{format:?} {level:?}");
            }
        }
    }

    #[test]
    fn members_that_follow_one_another_are_one_content() {
        for format in Format::ALL {
            let members = [
                encode(b"one", format, Level::Low),
                encode(b"", format, Level::Low),
                encode(b"two", format, Level::High),
            ];
            assert_eq!(decode(&members.concat(), format).unwrap(), b"onetwo", "{format:?}");
        }
    }

    #[test]
    fn the_programs_of_the_formats_read_what_we_write() {
        let content = noise((2 << 20) + 17);
        for (program, format) in [("gzip", Format::Gzip), ("bzip2", Format::Bzip2)] {
            let mut child = Command::new(program)
                .arg("-dc")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let (mut stdin, encoded) = (child.stdin.take().unwrap(), encode(&content, format, Level::Low));
            let feeder = std::thread::spawn(move || stdin.write_all(&encoded));
            let output = child.wait_with_output().unwrap();
            feeder.join().unwrap().unwrap();
            assert!(output.status.success() && output.stdout == content, "{program}");
        }
    }

    #[test]
    fn a_cut_file_is_an_error_and_never_shorter_content() {
        let content = noise((2 << 20) + 4096);
        for format in Format::ALL {
            let whole = encode(&content, format, Level::Low);
            for len in [whole.len() - 1, whole.len() - 5, whole.len() / 2, 12] {
                assert!(decode(&whole[..len], format).is_err(), "{format:?} cut to {len} bytes");
            }
        }
    }

    #[test]
    fn a_damaged_file_is_an_error_and_never_other_content() {
        let content = noise(300_000);
        for format in Format::ALL {
            let whole = encode(&content, format, Level::Medium);
            for at in (20..whole.len()).step_by(20_011) {
                let mut damaged = whole.clone();
                damaged[at] ^= 0x40;
                let read = decode(&damaged, format);
                assert!(read.is_err() || read.unwrap() == content, "{format:?} damaged at {at}");
            }
        }
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
        fn any_content_comes_back_at_any_level(
            format in prop::sample::select(Format::ALL.to_vec()),
            level in -30_i64..30,
            content: Vec<u8>,
            times in 1_usize..300,
        ) {
            let (content, level) = (content.repeat(times), Level::Number(level));
            prop_assert_eq!(decode(&encode(&content, format, level), format).unwrap(), content);
        }

        #[test]
        fn any_bytes_are_decoded_or_refused_without_panic(
            format in prop::sample::select(Format::ALL.to_vec()),
            kept in 0_usize..40,
            rest: Vec<u8>,
        ) {
            let sound = encode(b"sound", format, Level::Low);
            let _ = decode(&[&sound[..kept.min(sound.len())], &rest].concat(), format);
        }
    }
}
