use std::io::{BufRead, Cursor, Read, Write};
use std::sync::Arc;

use super::decode::{buffered, decoder};
use super::gpg::{Gpg, GpgSettings};
use super::{Compression, Custom, Detector, Error, is_encrypted};
use crate::sys::fs::read_head;
use crate::sys::{Cancel, Context, Processes};

/// What the files of an archive are written and read with: the built-in formats, the user's own filters, and gpg.
#[derive(Clone)]
pub struct Codecs {
    detector: Detector,
    custom: Custom,
    gpg: Gpg,
    processes: Arc<dyn Processes>,
    cancel: Cancel,
}

/// Where a file was found, which tells what it can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It has arrived, and is as its sender made it.
    Incoming,
    /// The archive has it.
    Archived,
}

impl Codecs {
    /// The built-in formats, and `custom` with its filters run in the world of `context`.
    pub fn new(context: &Context, custom: Custom) -> Self {
        Self {
            detector: Detector::new(custom.mark()),
            custom,
            gpg: Gpg::new(context, GpgSettings::default()),
            processes: context.processes.clone(),
            cancel: context.cancel.clone(),
        }
    }

    /// The same, with gpg as `settings` say. Without, what is encrypted stays closed.
    #[must_use]
    pub fn with_gpg(self, context: &Context, settings: GpgSettings) -> Self {
        Self { gpg: Gpg::new(context, settings), ..self }
    }

    /// Tells compressions apart.
    pub fn detector(&self) -> &Detector {
        &self.detector
    }

    /// Fails when new files cannot be compressed so that they can be read again.
    pub fn ensure_usable(&self, compression: Compression) -> Result<(), Error> {
        if compression == Compression::Custom {
            self.compression_filter()?;
            self.decompression_filter()?;
        }
        Ok(())
    }

    /// What `input` becomes through `custom_compression_filter`, to be read by the thread that asks.
    pub fn filter(&self, input: impl Read + Send + 'static) -> Result<Box<dyn Read + Send>, Error> {
        self.run(self.compression_filter()?, input)
    }

    /// Encrypts for `recipient` what `fill` writes. The outer result tells of gpg and of `out`, the inner one is that
    /// of `fill`: where it is an error, what `out` has is worth nothing.
    pub fn encrypt<E: Send>(
        &self,
        recipient: &str,
        fill: impl FnOnce(&mut dyn Write) -> Result<(), E> + Send,
        out: &mut dyn Write,
    ) -> Result<Result<(), E>, Error> {
        self.gpg.encrypt(recipient, fill, out)
    }

    /// What `input` holds once decrypted, compressed or not, to be read by the thread that asks.
    pub fn decrypt(&self, mut input: impl Read + Send + 'static) -> Result<Box<dyn BufRead + Send>, Error> {
        let head = read_head(&mut input, self.detector.wanted_bytes())?;
        let is_encrypted = self.is_encrypted(&head);
        let whole = Cursor::new(head).chain(input);
        Ok(if is_encrypted { buffered(self.gpg.decrypt(whole)?) } else { buffered(whole) })
    }

    /// What `input` holds once decrypted and decompressed, to be read by the thread that asks.
    ///
    /// All members of a file are read. Damage, and a program that fails, show as an error while reading.
    pub fn decode(
        &self,
        mut input: impl Read + Send + 'static,
        origin: Origin,
    ) -> Result<Box<dyn BufRead + Send>, Error> {
        let head = read_head(&mut input, self.detector.wanted_bytes())?;
        if self.is_encrypted(&head) {
            let message = Cursor::new(head).chain(input);
            // Before Barman encrypted, a filter of the user's own did, and may have left no other mark.
            if origin == Origin::Archived && !self.gpg.can_decrypt() && self.detector.knows_unmarked() {
                return Ok(buffered(self.run(self.decompression_filter()?, message)?));
            }
            let message = self.gpg.decrypt(message)?;
            // What arrives encrypted the Python Barman compresses and encrypts once more.
            return self.decrypt(self.decompress(message, origin)?);
        }
        self.decompress(Cursor::new(head).chain(input), origin)
    }

    fn decompress(
        &self,
        mut input: impl Read + Send + 'static,
        origin: Origin,
    ) -> Result<Box<dyn BufRead + Send>, Error> {
        let head = read_head(&mut input, self.detector.wanted_bytes())?;
        let compression = match origin {
            Origin::Incoming => self.detector.detect(&head),
            Origin::Archived => self.detector.detect_archived(&head),
        };
        let whole = Cursor::new(head).chain(input);
        Ok(match compression.map(Compression::format) {
            None => buffered(whole),
            Some(Some(format)) => decoder(format, whole)?,
            Some(None) => buffered(self.run(self.decompression_filter()?, whole)?),
        })
    }

    fn is_encrypted(&self, head: &[u8]) -> bool {
        self.detector.detect(head).is_none() && is_encrypted(head)
    }

    fn run(&self, line: &str, input: impl Read + Send + 'static) -> Result<Box<dyn Read + Send>, Error> {
        Ok(self.processes.pipe(&self.custom.command(line), Box::new(input), &self.cancel)?)
    }

    fn compression_filter(&self) -> Result<&str, Error> {
        let missing = Error::NoFilter { option: "custom_compression_filter" };
        self.custom.compression_filter.as_deref().ok_or(missing)
    }

    fn decompression_filter(&self) -> Result<&str, Error> {
        let missing = Error::NoFilter { option: "custom_decompression_filter" };
        self.custom.decompression_filter.as_deref().ok_or(missing)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::sys::events::Silent;

    fn codecs(custom: Custom) -> Codecs {
        Codecs::new(&Context::new(Arc::new(Silent), Cancel::default()), custom)
    }

    fn rot13() -> Custom {
        let filter = || Some("tr a-zA-Z n-za-mN-ZA-M | cat".to_owned());
        Custom {
            compression_filter: filter(),
            decompression_filter: filter(),
            is_in_use: true,
            ..Custom::default()
        }
    }

    fn read(stream: Result<impl Read, Error>) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        stream.map_err(io::Error::other)?.read_to_end(&mut content)?;
        Ok(content)
    }

    #[test]
    fn what_a_pipeline_of_the_user_made_comes_back() {
        let codecs = codecs(rot13());
        let content = b"Whatever WAL is".repeat(50_000);
        let filtered = read(codecs.filter(Cursor::new(content.clone()))).unwrap();
        assert!(filtered.starts_with(b"Jungrire JNY vf"));
        assert!(read(codecs.decode(Cursor::new(filtered), Origin::Archived)).unwrap() == content);
    }

    #[test]
    fn lines_that_name_the_files_of_barman_find_the_streams() {
        let line = Some("cat \"$1\" > \"$2\"".to_owned());
        let codecs = codecs(Custom { compression_filter: line, ..rot13() });
        assert_eq!(read(codecs.filter(&b"content"[..])).unwrap(), b"content");
    }

    #[test]
    fn what_arrives_is_not_taken_for_the_work_of_a_filter() {
        let codecs = codecs(rot13());
        assert_eq!(read(codecs.decode(&b"content"[..], Origin::Incoming)).unwrap(), b"content");
        assert_eq!(read(codecs.decode(&b"content"[..], Origin::Archived)).unwrap(), b"pbagrag");
    }

    #[test]
    fn a_filter_that_fails_or_is_missing_is_an_error_that_names_it() {
        let codecs = codecs(Custom { decompression_filter: Some("cat; false".to_owned()), ..rot13() });
        let failed = read(codecs.decode(&b"content"[..], Origin::Archived)).unwrap_err().to_string();
        assert!(failed.contains("'cat; false'") && failed.contains("exit code 1"), "{failed}");
        let missing = codecs_without_filters().ensure_usable(Compression::Custom).unwrap_err();
        assert_eq!(
            missing.to_string(),
            "compression 'custom' needs 'custom_compression_filter', which is not set"
        );
        let unread =
            codecs_without_filters().decode(&b"content"[..], Origin::Archived).map(drop).unwrap_err();
        assert!(unread.to_string().contains("custom_decompression_filter"), "{unread}");
    }

    fn codecs_without_filters() -> Codecs {
        codecs(Custom { is_in_use: true, ..Custom::default() })
    }

    #[test]
    fn what_a_filter_of_the_users_has_encrypted_is_for_that_filter() {
        let message = &b"\x85\x01\x0c\x03 and so on"[..];
        let whole = codecs(Custom { decompression_filter: Some("cat".to_owned()), ..Custom::default() });
        assert_eq!(read(whole.decode(message, Origin::Archived)).unwrap(), message);
        assert!(matches!(whole.decode(message, Origin::Incoming).map(drop), Err(Error::Encrypted)));
    }

    #[test]
    fn an_encrypted_file_is_never_taken_for_content() {
        let message = &b"\x85\x01\x0c\x03 and so on"[..];
        let refused = codecs(Custom::default()).decode(message, Origin::Archived).map(drop).unwrap_err();
        assert!(matches!(refused, Error::Encrypted));
    }
}
