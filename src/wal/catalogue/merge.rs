use std::io::{BufRead, BufReader};

use super::Catalogue;
use crate::sys::fs::PathContext;
use crate::wal::error::Error;
use crate::wal::xlogdb::{Fields, XlogDbEntry};

impl Catalogue {
    /// Adds lines, which must be given ascending, each before the first line with a greater name: the Python Barman
    /// stops to read where a name is greater than what it looks for. A reader, or a crash, meets all of them or none.
    pub fn merge(&mut self, entries: &[XlogDbEntry]) -> Result<(), Error> {
        let mut lines = BufReader::with_capacity(1 << 20, self.files.open(&self.path)?);
        let mut new = entries.iter().peekable();
        let merged = Self::create(&self.files, &self.server, &self.path, |out| {
            let mut line = Vec::new();
            while lines.read_until(b'\n', &mut line).at("read", &self.path)? > 0 {
                if let Some(old) = Fields::parse(line.strip_suffix(b"\n").unwrap_or(&line)) {
                    while let Some(entry) = new.next_if(|entry| *entry.name < *old.name) {
                        out.write(format!("{entry}\n").as_bytes())?;
                    }
                }
                out.write(&line)?;
                line.clear();
            }
            new.by_ref().try_for_each(|entry| Ok(out.write(format!("{entry}\n").as_bytes())?))
        })?;
        let old = std::mem::replace(self, merged);
        self.index.inherit_completeness(&old.index);
        self.save_index();
        Ok(())
    }
}
