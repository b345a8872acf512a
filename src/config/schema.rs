//! The one table of options. Reading, checking, inheritance, `show-servers`, `barman.conf.sample` and
//! `doc/configuration.md` all come from it.

mod describe;
mod options;

use super::kind::Kind;
pub use describe::KINDS;
pub use options::OPTIONS;

/// An option: its name, what it holds, where it may stand, and what it does.
#[derive(Debug)]
pub struct OptionDef {
    /// The name, in lower case.
    pub name: &'static str,
    /// The sections it may stand in.
    pub scope: Scope,
    /// What it holds.
    pub kind: Kind,
    /// The value of a server that sets none, as text; may refer to other options, as in `%(backup_directory)s`.
    pub default: Option<&'static str>,
    /// The release of Barman that brought it; 1.3.3 stands for that or an earlier one.
    pub since: &'static str,
    /// Where the documentation tells of it.
    pub topic: Topic,
    /// Whether it acts in this version of ours.
    pub support: Support,
    /// What it does, in a sentence or two.
    pub help: &'static str,
}

/// The sections an option may stand in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// `[barman]` only: about the installation.
    Global,
    /// A server.
    Server,
    /// A server or a model.
    ServerModel,
    /// `[barman]`, for all servers, or a server.
    Inherited,
    /// `[barman]`, for all servers, or a server or a model.
    InheritedModel,
    /// A model: the option that makes it one.
    Model,
    /// Nowhere: the program sets it.
    Internal,
}

impl Scope {
    /// Whether every server has a value for it.
    pub const fn is_of_servers(self) -> bool {
        !matches!(self, Self::Global | Self::Model)
    }

    /// Whether `[barman]` gives servers a value for it.
    pub const fn is_inherited(self) -> bool {
        matches!(self, Self::Inherited | Self::InheritedModel)
    }

    /// Whether a model may set it.
    pub const fn is_of_models(self) -> bool {
        matches!(self, Self::ServerModel | Self::InheritedModel | Self::Model | Self::Internal)
    }
}

/// Whether an option acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It does.
    Acts,
    /// It is read and checked, and the engine that it steers is still to come.
    Later,
}

/// Chapters of the documentation, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the titles say it")]
pub enum Topic {
    Installation,
    Server,
    Directories,
    Backup,
    Copy,
    Archiving,
    Compression,
    Retention,
    Checks,
    Restore,
    Hooks,
    Streaming,
    Encryption,
    Nodes,
    Models,
    Cloud,
    Snapshots,
    Deprecated,
}

impl Topic {
    /// All of them, in their order.
    pub const ALL: [Self; 18] = [
        Self::Installation,
        Self::Server,
        Self::Directories,
        Self::Backup,
        Self::Copy,
        Self::Archiving,
        Self::Compression,
        Self::Retention,
        Self::Checks,
        Self::Restore,
        Self::Hooks,
        Self::Streaming,
        Self::Encryption,
        Self::Nodes,
        Self::Models,
        Self::Cloud,
        Self::Snapshots,
        Self::Deprecated,
    ];

    /// The heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::Installation => "The installation",
            Self::Server => "The server",
            Self::Directories => "Directories of a server",
            Self::Backup => "Backup",
            Self::Copy => "Copying files",
            Self::Archiving => "Archiving WAL",
            Self::Compression => "Compressing WAL",
            Self::Retention => "What is kept",
            Self::Checks => "What is checked",
            Self::Restore => "Restore",
            Self::Hooks => "Hook scripts",
            Self::Streaming => "Streaming from PostgreSQL",
            Self::Encryption => "Encryption",
            Self::Nodes => "Passive nodes",
            Self::Models => "Models",
            Self::Cloud => "Object stores",
            Self::Snapshots => "Disk snapshots",
            Self::Deprecated => "Deprecated",
        }
    }
}

/// The place of an option in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(u8);

impl Key {
    /// How many there are.
    pub const COUNT: usize = OPTIONS.len();

    /// The option of that name, which must exist: in a `const` the compiler sees to it.
    pub const fn named(name: &str) -> Self {
        let mut index = 0;
        while index < OPTIONS.len() {
            if same_text(OPTIONS[index].name, name) {
                return Self(index as u8);
            }
            index += 1;
        }
        panic!("no such option");
    }

    /// The option of that name, if there is one.
    pub fn find(name: &str) -> Option<Self> {
        OPTIONS.binary_search_by(|option| option.name.cmp(name)).ok().map(|index| Self(index as u8))
    }

    /// All options, sorted by name.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT as u8).map(Self)
    }

    /// Its row of the table.
    pub fn def(self) -> &'static OptionDef {
        &OPTIONS[self.index()]
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.def().name
    }

    /// Its number, below [`Key::COUNT`].
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// The key of an option, known to exist when the program is compiled.
macro_rules! key {
    ($name:expr) => {
        const { $crate::config::schema::Key::named($name) }
    };
}
pub(super) use key;

const fn same_text(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() != other.len() {
        return false;
    }
    let mut index = 0;
    while index < one.len() {
        if one[index] != other[index] {
            return false;
        }
        index += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_has_every_option_of_3_19_1() {
        assert!(OPTIONS.is_sorted_by(|one, next| one.name < next.name));
        let count = |matches: fn(Scope) -> bool| OPTIONS.iter().filter(|o| matches(o.scope)).count();
        assert_eq!(count(Scope::is_of_servers), 121);
        assert_eq!(count(Scope::is_of_models), 95);
        assert_eq!(count(|scope| scope == Scope::Global), 9);
    }

    #[test]
    fn every_option_is_found_by_its_name() {
        for key in Key::all() {
            assert_eq!(Key::find(key.name()), Some(key));
            assert_eq!(Key::named(key.name()), key);
        }
        assert_eq!(Key::find("lock_file"), None);
    }

    #[test]
    fn help_is_written_as_sentences() {
        for option in OPTIONS {
            assert!(option.help.ends_with('.') && option.help.len() > 15, "{}", option.name);
        }
    }
}
