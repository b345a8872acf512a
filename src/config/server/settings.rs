//! The values of all options: those that most servers share, and those of this one.

use std::sync::Arc;

use crate::config::place::Source;
use crate::config::schema::Key;
use crate::config::value::Value;

/// A value and who set it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Setting {
    /// The value.
    pub value: Value,
    /// Who set it.
    pub source: Source,
}

/// A value for each option. Hundreds of servers differ in a dozen options and share the others.
#[derive(Clone)]
pub(in crate::config) struct Settings {
    /// One for each row of the table.
    shared: Arc<[Setting]>,
    /// Those that hold instead, sorted.
    own: Vec<(Key, Setting)>,
}

impl Settings {
    pub fn new(shared: Arc<[Setting]>) -> Self {
        Self { shared, own: Vec::new() }
    }

    pub fn get(&self, key: Key) -> &Setting {
        match self.own.binary_search_by_key(&key, |(own, _)| *own) {
            Ok(index) => &self.own[index].1,
            Err(_) => &self.shared[key.index()],
        }
    }

    /// Whether the server has a value of its own.
    pub fn is_own(&self, key: Key) -> bool {
        self.own.binary_search_by_key(&key, |(own, _)| *own).is_ok()
    }

    pub fn set(&mut self, key: Key, setting: Setting) {
        match self.own.binary_search_by_key(&key, |(own, _)| *own) {
            Ok(index) => self.own[index].1 = setting,
            Err(index) => self.own.insert(index, (key, setting)),
        }
    }

    /// Puts another value in place of the one that somebody set.
    pub fn replace(&mut self, key: Key, value: Value) {
        let current = self.get(key);
        if current.value != value {
            let source = current.source.clone();
            self.set(key, Setting { value, source });
        }
    }
}
