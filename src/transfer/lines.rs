use std::io::{self, Write};

/// No line of rsync is longer: a path has at most 4096 bytes, and an escaped byte has five.
const LONGEST: usize = 64 << 10;

/// Cuts what a program prints into lines while it runs, and gives each to a function.
///
/// A carriage return ends a line too: rsync rewrites its line of progress with it. A line is given without its
/// end, an empty one not at all.
pub struct Lines<F> {
    partial: Vec<u8>,
    each: F,
}

impl<F: FnMut(&[u8]) -> io::Result<()>> Lines<F> {
    pub fn new(each: F) -> Self {
        Self { partial: Vec::new(), each }
    }

    fn complete(&mut self, piece: &[u8]) -> io::Result<()> {
        if self.partial.is_empty() {
            return if piece.is_empty() { Ok(()) } else { (self.each)(piece) };
        }
        self.partial.extend_from_slice(piece);
        let line = std::mem::take(&mut self.partial);
        (self.each)(&line)
    }
}

impl<F: FnMut(&[u8]) -> io::Result<()>> Write for Lines<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            self.complete(&rest[..end])?;
            rest = &rest[end + 1..];
        }
        self.partial.extend_from_slice(rest);
        if self.partial.len() > LONGEST {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a line without end in the output"));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines_of(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        let mut writer = Lines::new(|line: &[u8]| {
            lines.push(line.to_vec());
            Ok(())
        });
        for piece in pieces {
            writer.write_all(piece).unwrap();
        }
        lines
    }

    #[test]
    fn output_without_line_ends_is_not_collected_for_ever() {
        let mut writer = Lines::new(|_: &[u8]| Ok(()));
        assert!((0..100).any(|_| writer.write_all(&[b'x'; 4096]).is_err()));
    }

    proptest! {
        #[test]
        fn lines_do_not_depend_on_how_the_output_arrives(
            output in prop::collection::vec(prop::sample::select(b"ab\n\r ".to_vec()), 0..40),
            cut in 0..40usize,
        ) {
            let cut = cut.min(output.len());
            let expected: Vec<Vec<u8>> = output
                .split(|byte| matches!(byte, b'\n' | b'\r'))
                .filter(|line| !line.is_empty())
                .map(<[u8]>::to_vec)
                .collect();
            let whole = [&output[..], b"\n"].concat();
            prop_assert_eq!(lines_of(&[&whole[..cut], &whole[cut..]]), expected);
        }
    }
}
