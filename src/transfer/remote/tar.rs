use std::io::{self, Write};

const BLOCK_BYTES: usize = 512;

/// The largest size that the header of a file can tell.
const LARGEST_BYTES: u64 = (8 << 30) - 1;

/// The room for a name in the header, and for directories before it.
const NAME_BYTES: usize = 100;
const PREFIX_BYTES: usize = 155;

/// What `tar -x` reads: regular files under names that fit, in the form of POSIX.1-1988 (ustar).
pub(super) struct TarWriter<W> {
    out: W,
    /// What is missing of the file that is being written.
    missing_bytes: u64,
    /// What fills its last block.
    padding_bytes: usize,
}

impl<W: Write> TarWriter<W> {
    pub fn new(out: W) -> Self {
        Self { out, missing_bytes: 0, padding_bytes: 0 }
    }

    /// Begins a file of `size` bytes, which are written next.
    pub fn begin(&mut self, name: &str, mode: u32, size: u64, modified_secs: u64) -> io::Result<()> {
        self.end_file()?;
        self.out.write_all(&header(name, mode, size, modified_secs)?)?;
        self.missing_bytes = size;
        self.padding_bytes = (size.wrapping_neg() % BLOCK_BYTES as u64) as usize;
        Ok(())
    }

    /// Ends the archive.
    pub fn finish(mut self) -> io::Result<()> {
        self.end_file()?;
        self.out.write_all(&[0; 2 * BLOCK_BYTES])?;
        self.out.flush()
    }

    fn end_file(&mut self) -> io::Result<()> {
        if self.missing_bytes > 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a file is shorter than it was"));
        }
        let padding = std::mem::take(&mut self.padding_bytes);
        self.out.write_all(&[0; BLOCK_BYTES][..padding])
    }
}

/// The content of the file that was begun.
impl<W: Write> Write for TarWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        let missing = self.missing_bytes.checked_sub(count as u64);
        self.missing_bytes = missing
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a file is longer than it was"))?;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn header(name: &str, mode: u32, size: u64, modified_secs: u64) -> io::Result<[u8; BLOCK_BYTES]> {
    let fitting = split(name).filter(|_| !name.is_empty() && size <= LARGEST_BYTES);
    let (prefix, name) = fitting.ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, format!("'{name}' does not fit into tar"))
    })?;
    let mut header = [0; BLOCK_BYTES];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, &format!("{:07o}", mode & 0o7777));
    put(108, "0000000");
    put(116, "0000000");
    put(124, &format!("{size:011o}"));
    put(136, &format!("{modified_secs:011o}"));
    // The sum is taken with blanks in its place.
    put(148, "        ");
    put(156, "0");
    put(257, "ustar");
    put(263, "00");
    put(345, prefix);
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    Ok(header)
}

/// The directories that have to stand apart because the name is too long, and the rest of it.
fn split(name: &str) -> Option<(&str, &str)> {
    if name.len() <= NAME_BYTES {
        return Some(("", name));
    }
    let slashes = name.match_indices('/').map(|(at, _)| (&name[..at], &name[at + 1..]));
    slashes
        .filter(|(prefix, rest)| prefix.len() <= PREFIX_BYTES && !rest.is_empty())
        .find(|(_, rest)| rest.len() <= NAME_BYTES)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::{fs, process};

    use super::*;

    #[test]
    fn tar_unpacks_it() {
        let dir = tempfile::tempdir().unwrap();
        let long = format!("{}/{}", "d".repeat(90), "n".repeat(99));
        let files = [
            ("empty", 0o600, 0),
            ("one", 0o640, 1),
            ("block", 0o600, 512),
            ("more", 0o644, 100_001),
            (long.as_str(), 0o600, 3),
        ];
        let mut archive = Vec::new();
        let mut writer = TarWriter::new(&mut archive);
        for (name, mode, size) in files {
            writer.begin(name, mode, size as u64, 1_700_000_000).unwrap();
            writer.write_all(&vec![b'x'; size]).unwrap();
        }
        writer.finish().unwrap();
        fs::write(dir.path().join("archive"), archive).unwrap();
        let tar = process::Command::new("tar").current_dir(dir.path()).args(["-xpf", "archive"]).output();
        let tar = tar.unwrap();
        assert!(tar.status.success() && tar.stderr.is_empty(), "{tar:?}");
        for (name, mode, size) in files {
            let path = dir.path().join(name);
            assert_eq!(fs::read(&path).unwrap(), vec![b'x'; size], "{name}");
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, mode, "{name}");
        }
    }

    #[test]
    fn a_file_of_another_size_than_was_said_is_an_error() {
        let mut writer = TarWriter::new(Vec::new());
        writer.begin("a", 0o600, 3, 0).unwrap();
        writer.write_all(b"ab").unwrap();
        assert!(writer.begin("b", 0o600, 0, 0).is_err());
        let mut writer = TarWriter::new(Vec::new());
        writer.begin("a", 0o600, 1, 0).unwrap();
        assert!(writer.write_all(b"ab").is_err());
    }
}
