//! The file of changes that are still to be made.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ops::Error;
use crate::sys::Context;

/// Changes of one section that belong together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ChangeSet {
    pub section: String,
    pub changes_set: Vec<Change>,
}

/// An option to be set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Change {
    pub key: String,
    /// A text; the Python Barman lets numbers through.
    pub value: Value,
    /// The file to change.
    pub config_file: PathBuf,
}

impl Change {
    /// The value as it is written.
    pub fn text(&self) -> String {
        match &self.value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

/// The queue, first in first out; whoever has it holds its lock.
pub(super) struct Queue<'a> {
    context: &'a Context,
    path: &'a Path,
    sets: Vec<ChangeSet>,
}

impl<'a> Queue<'a> {
    /// Reads the file. One that makes no sense is told, kept aside and replaced by the next change.
    pub fn load(context: &'a Context, path: &'a Path) -> Result<Self, Error> {
        let sets = match context.files.read_if_exists(path)? {
            None => Vec::new(),
            Some(bytes) => match serde_json::from_slice(&bytes) {
                Ok(sets) => sets,
                Err(error) => {
                    let kept = path.with_extension("malformed");
                    context.files.rename(path, &kept)?;
                    context.events.warning(&format!(
                        "Malformed or empty configuration change queue: {} ({error}). It is kept as '{}'; repeat the \
                         changes in it that are still wanted",
                        path.display(),
                        kept.display()
                    ));
                    Vec::new()
                }
            },
        };
        Ok(Self { context, path, sets })
    }

    /// Puts sets at the end.
    pub fn add(&mut self, sets: Vec<ChangeSet>) -> Result<(), Error> {
        self.sets.extend(sets);
        self.save()
    }

    /// The set that is next.
    pub fn first(&self) -> Option<&ChangeSet> {
        self.sets.first()
    }

    /// Forgets the set that has been made.
    pub fn remove_first(&mut self) -> Result<(), Error> {
        self.sets.remove(0);
        self.save()
    }

    fn save(&self) -> Result<(), Error> {
        let text = serde_json::to_vec_pretty(&self.sets).expect("texts and paths can be written as JSON");
        Ok(self.context.files.replace_durably(self.path, &text)?)
    }
}
