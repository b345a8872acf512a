use super::detect::Mark;
use crate::sys::Command;

/// The compression `custom`: shell command lines that turn their standard input into their standard output.
#[derive(Debug, Clone, Default)]
pub struct Custom {
    /// `custom_compression_filter`.
    pub compression_filter: Option<String>,
    /// `custom_decompression_filter`.
    pub decompression_filter: Option<String>,
    /// `custom_compression_magic`: what the first filter's output begins with.
    pub magic: Option<Vec<u8>>,
    /// Whether new files are compressed with it.
    pub is_in_use: bool,
    /// `path_prefix`: where its programs are looked for first.
    pub path_prefix: Option<String>,
}

impl Custom {
    /// How its files are known. Settings that are left over from former days still tell what was archived then.
    pub(super) fn mark(&self) -> Mark {
        match &self.magic {
            Some(magic) if self.is_in_use => Mark::Magic(magic.clone()),
            Some(magic) => Mark::FormerMagic(magic.clone()),
            None if self.is_in_use || self.decompression_filter.is_some() => Mark::Unmarked,
            None => Mark::None,
        }
    }

    /// Runs `line` through a shell, as the user wrote it. Barman hands the names of the files over as `$1` and `$2`;
    /// a line that uses them finds the streams there.
    pub(super) fn command(&self, line: &str) -> Command {
        let words = ["-c", line, "barman_command", "/dev/stdin", "/dev/stdout"];
        Command::new("/bin/sh").args(words).path_prefix(self.path_prefix.as_deref())
    }
}
