//! WAL on its way out: a file is found by its name, wherever it lies by now, and sent as it was or as it is wanted.
//!
//! Neither the list of the archive nor the backups are looked at, so that an answer takes the time of opening a file.

use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};

use super::archive::Archive;
use super::content::Content;
use super::error::Error;
use crate::codec::{Compression, Encoder, Format, Level, Origin};
use crate::sys::fs::{File, PathContext, read_head};
use crate::types::{SegmentSize, WalName, WalSegment};

/// The places where a server's WAL can be: the archive, and those where it waits to be archived.
pub struct Outlet<'a> {
    archive: &'a Archive,
    incoming_dir: PathBuf,
    streaming_dir: PathBuf,
}

/// What a file is sent as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As PostgreSQL wrote it.
    Plain,
    /// Compressed so, by us or already.
    Compressed(Format),
    /// Compressed as it is stored, or not; never encrypted.
    AsStored,
}

/// A file that was found, open: it may be moved while it is sent.
pub struct Found<'a> {
    archive: &'a Archive,
    file: File,
    path: PathBuf,
    origin: Origin,
    /// The complete segment that it is; none of a partial one, nor of other files.
    segment: Option<WalSegment>,
}

impl<'a> Outlet<'a> {
    /// The places of a server.
    pub fn new(archive: &'a Archive, incoming_dir: PathBuf, streaming_dir: PathBuf) -> Self {
        Self { archive, incoming_dir, streaming_dir }
    }

    /// Finds a file; with `partial`, a segment that PostgreSQL has not completed will do. `None` when there is none.
    ///
    /// # Errors
    /// When one of the places cannot be looked at: that a file is not there must be certain, since PostgreSQL ends a
    /// recovery at it.
    pub fn find(&self, name: WalName, partial: bool) -> Result<Option<Found<'a>>, Error> {
        for (wanted, path, origin) in self.candidates(name, partial) {
            match self.archive.files.open(&path) {
                Ok(file) => {
                    let (archive, segment) = (self.archive, wanted.segment());
                    return Ok(Some(Found { archive, file, path, origin, segment }));
                }
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error.into()),
            }
        }
        // Of a disk that is not mounted nobody knows what is on it.
        self.archive.files.metadata(&self.archive.paths().wals_dir)?;
        Ok(None)
    }

    /// Where to look, in this order. A file that is archived meanwhile has left the others when it is in the archive.
    fn candidates(&self, name: WalName, partial: bool) -> Vec<(WalName, PathBuf, Origin)> {
        let archived = |name| (name, self.archive.path_of(name), Origin::Archived);
        let incoming = |name: WalName| (name, self.incoming_dir.join(name.to_string()), Origin::Incoming);
        let streaming = |name: WalName| (name, self.streaming_dir.join(name.to_string()), Origin::Incoming);
        let mut places = vec![archived(name), incoming(name), streaming(name)];
        if let (true, Some(segment)) = (partial, name.segment()) {
            let partial = WalName::Partial(segment);
            places.extend([streaming(partial), streaming(name), archived(partial), incoming(partial)]);
        }
        places.push(archived(name));
        places
    }

    /// The segments from `first` on that are there without a gap, at most `limit`.
    pub fn run_from(&self, first: WalSegment, limit: usize) -> Result<Vec<WalSegment>, Error> {
        let mut run = Vec::new();
        let mut candidates = vec![first];
        while run.len() < limit {
            let mut there = None;
            for candidate in candidates {
                if self.find(WalName::Segment(candidate), false)?.is_some() {
                    there = Some(candidate);
                    break;
                }
            }
            let Some(segment) = there else { break };
            run.push(segment);
            candidates = possible_successors(segment);
        }
        Ok(run)
    }
}

/// The segments that can follow `segment`: the next one of the log and, when a log can end here, the first of the next
/// log. The size of the segments is not known without a backup.
fn possible_successors(segment: WalSegment) -> Vec<WalSegment> {
    let mut successors: Vec<WalSegment> =
        SegmentSize::all().filter(|size| segment.fits(*size)).filter_map(|size| segment.next(size)).collect();
    // By name, the rest of the log comes before the next one.
    successors.sort_unstable();
    successors.dedup();
    successors
}

impl Found<'_> {
    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What PostgreSQL has written of it so far, decompressed.
    pub fn content(self) -> Result<Content, Error> {
        self.archive.decoded_open(self.file, &self.path, self.origin)
    }

    /// Writes the file to `out`, `target` being its name, and tells how many bytes that was.
    ///
    /// # Errors
    /// Also when a segment is shorter or longer than it says itself; part of it has been written then.
    pub fn send(self, form: Form, out: &mut dyn Write, target: &Path) -> Result<u64, Error> {
        let mut out = out;
        let is_segment = self.segment.is_some();
        let (content, is_as_wanted) = self.open(form)?;
        let content = if is_segment && !is_as_wanted { content.expecting_what_it_says()? } else { content };
        let bytes = match form {
            Form::Compressed(format) if !is_as_wanted => {
                let mut encoder = Encoder::new(&mut out, format, Level::default()).at("write", target)?;
                let bytes = content.copy_to(&mut encoder, target)?;
                encoder.finish().at("write", target)?;
                bytes
            }
            _ => content.copy_to(&mut out, target)?,
        };
        out.flush().at("write", target)?;
        Ok(bytes)
    }

    /// What the file holds, and whether it is compressed as it is wanted.
    fn open(self, form: Form) -> Result<(Content, bool), Error> {
        let (archive, codecs) = (self.archive, &self.archive.codecs);
        if form == Form::Plain {
            return Ok((archive.decoded_open(self.file, &self.path, self.origin)?, false));
        }
        let failed = |source| archive.undecoded(&self.path, source);
        // Nobody but the archive has a use for its encryption.
        let mut stream = codecs.decrypt(self.file).map_err(failed)?;
        let head = read_head(&mut stream, codecs.detector().wanted_bytes());
        let head = head.map_err(|error| failed(error.into()))?;
        let compression = match self.origin {
            Origin::Incoming => codecs.detector().detect(&head),
            Origin::Archived => codecs.detector().detect_archived(&head),
        };
        let whole = Cursor::new(head).chain(stream);
        let is_as_wanted = form.is(compression);
        let stream = match is_as_wanted {
            true => Box::new(whole),
            false => codecs.decode(whole, self.origin).map_err(failed)?,
        };
        Ok((Content::new(stream, archive.server_name(), self.path.clone()), is_as_wanted))
    }
}

impl Form {
    /// Whether what is stored with `compression` is in this form already.
    fn is(self, compression: Option<Compression>) -> bool {
        match (self, compression.map(Compression::format)) {
            (Self::Plain, _) | (_, None) => false,
            (Self::Compressed(wanted), Some(stored)) => stored == Some(wanted),
            (Self::AsStored, Some(_)) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::wal::testkit::Yard;

    const NAME: &str = "0000000100000000000000A1";

    struct Places(Yard);

    impl Places {
        fn new() -> Self {
            let yard = Yard::new(None);
            for dir in ["wals/0000000100000000", "streaming"] {
                fs::create_dir_all(yard.path(dir)).unwrap();
            }
            Self(yard)
        }

        fn put(&self, path: &str, content: &[u8]) {
            fs::write(self.0.path(path), content).unwrap();
        }

        fn send(&self, name: &str, partial: bool, form: Form) -> Result<Option<Vec<u8>>, Error> {
            let archive = self.0.archive();
            let outlet = Outlet::new(&archive, self.0.path("incoming"), self.0.path("streaming"));
            let Some(found) = outlet.find(name.parse().unwrap(), partial)? else { return Ok(None) };
            let mut out = Vec::new();
            found.send(form, &mut out, Path::new("out"))?;
            Ok(Some(out))
        }

        fn plain(&self, name: &str, partial: bool) -> Option<Vec<u8>> {
            self.send(name, partial, Form::Plain).unwrap()
        }

        fn run_from(&self, name: &str, limit: usize) -> Vec<String> {
            let archive = self.0.archive();
            let outlet = Outlet::new(&archive, self.0.path("incoming"), self.0.path("streaming"));
            let run = outlet.run_from(name.parse().unwrap(), limit).unwrap();
            run.iter().map(ToString::to_string).collect()
        }
    }

    fn encoded(content: &[u8], format: Format) -> Vec<u8> {
        let mut encoder = Encoder::new(Vec::new(), format, Level::Low).unwrap();
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_file_is_found_wherever_it_is_and_the_archived_one_goes_first() {
        let places = Places::new();
        assert_eq!(places.plain(NAME, true), None);
        let steps = [
            (format!("incoming/{NAME}.partial"), true),
            (format!("wals/0000000100000000/{NAME}.partial"), true),
            (format!("streaming/{NAME}.partial"), true),
            (format!("streaming/{NAME}"), false),
            (format!("incoming/{NAME}"), false),
            (format!("wals/0000000100000000/{NAME}"), false),
        ];
        for (path, partial) in steps {
            places.put(&path, path.as_bytes());
            assert_eq!(places.plain(NAME, true).unwrap(), path.as_bytes());
            assert_eq!(places.plain(NAME, false).is_some(), !partial, "{path}");
        }
    }

    #[test]
    fn a_place_that_cannot_be_looked_at_is_not_one_without_the_file() {
        let places = Places::new();
        fs::remove_dir_all(places.0.path("wals")).unwrap();
        let error = places.send(NAME, false, Form::Plain).unwrap_err();
        assert!(error.to_string().contains("wals"), "{error}");
    }

    #[test]
    fn a_file_is_sent_in_the_form_that_is_wanted() {
        let places = Places::new();
        let content = b"content".repeat(9);
        let stored = encoded(&content, Format::Gzip);
        places.put(&format!("wals/0000000100000000/{NAME}"), &stored);
        let send = |form| places.send(NAME, false, form).unwrap().unwrap();
        assert_eq!(send(Form::Plain), content);
        assert_eq!(send(Form::AsStored), stored);
        assert_eq!(send(Form::Compressed(Format::Gzip)), stored);
        assert!(send(Form::Compressed(Format::Bzip2)).starts_with(b"BZh"));
        places.put(&format!("wals/0000000100000000/{NAME}"), &content);
        assert_eq!(send(Form::AsStored), content);
        assert!(send(Form::Compressed(Format::Gzip)).starts_with(b"\x1f\x8b"));
    }

    #[test]
    fn a_segment_that_is_cut_off_is_an_error_and_not_an_answer() {
        let places = Places::new();
        let mut segment = vec![0; 1 << 20];
        segment[..40].copy_from_slice(
            b"\x10\xd1\x07\0\x01\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\
              \x4d\x0b\x6b\x5a\x1c\x3d\x02\x6b\0\0\x10\0\0\x20\0\0",
        );
        places.put(&format!("incoming/{NAME}"), &segment);
        assert_eq!(places.plain(NAME, false).unwrap(), segment);
        for cut in [encoded(&segment[..9000], Format::Gzip), segment[..9000].to_vec()] {
            places.put(&format!("incoming/{NAME}"), &cut);
            let error = places.send(NAME, false, Form::Plain).unwrap_err();
            assert!(matches!(error, Error::WrongLength { bytes: 9000, .. }), "{error}");
        }
        // What PostgreSQL has not completed is as long as it is.
        places.put(&format!("streaming/{NAME}.partial"), &segment[..9000]);
        fs::remove_file(places.0.path(&format!("incoming/{NAME}"))).unwrap();
        assert_eq!(places.plain(NAME, true).unwrap(), segment[..9000]);
    }

    #[test]
    fn a_run_of_segments_ends_at_a_gap_and_not_at_the_end_of_a_log() {
        let places = Places::new();
        fs::create_dir(places.0.path("wals/0000000100000001")).unwrap();
        let names = [
            "0000000100000000000000FE",
            "0000000100000000000000FF",
            "000000010000000100000000",
            "000000010000000100000002",
        ];
        for name in names {
            places.put(&format!("wals/{}/{name}", &name[..16]), b"");
        }
        assert_eq!(places.run_from(names[0], 10), names[..3]);
        assert_eq!(places.run_from(names[0], 2), names[..2]);
        assert!(places.run_from("0000000100000000000000FD", 10).is_empty());
    }
}
