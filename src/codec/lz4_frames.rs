use std::io::{self, BufRead, Read};

use lz4::Decoder;

/// The content of an lz4 file: one frame after the other, as the program `lz4` reads it.
///
/// The library's decoder ends with the first frame, and takes the end of a cut file for the end of the frame.
pub(super) struct Lz4Frames<R> {
    state: State<R>,
}

enum State<R> {
    InFrame(Decoder<R>),
    Ended,
}

impl<R: BufRead> Lz4Frames<R> {
    pub fn new(input: R) -> io::Result<Self> {
        Ok(Self { state: State::InFrame(Decoder::new(input)?) })
    }
}

impl<R: BufRead> Read for Lz4Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let State::InFrame(decoder) = &mut self.state {
            let count = decoder.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            let State::InFrame(decoder) = std::mem::replace(&mut self.state, State::Ended) else { break };
            let (mut input, frame_ended) = decoder.finish();
            frame_ended.map_err(|_| io::Error::from(io::ErrorKind::UnexpectedEof))?;
            if !input.fill_buf()?.is_empty() {
                self.state = State::InFrame(Decoder::new(input)?);
            }
        }
        Ok(0)
    }
}
