//! Which servers the names on a command line mean.

use std::collections::BTreeSet;

use super::{Config, ServerConfig};

/// The word that means every server.
const ALL: &str = "all";

/// A name that does not mean a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// No server has that name.
    #[error("Unknown server '{0}'")]
    Unknown(String),
    /// Every server, and some of them again.
    #[error("You cannot use 'all' with other server names")]
    AllAndOthers,
    /// Every server, where one is wanted.
    #[error("You cannot use 'all' in a single server context")]
    AllForOne,
}

impl Config {
    /// The server of that name.
    pub fn server(&self, name: &str) -> Result<&ServerConfig, SelectError> {
        match self.servers.get(name) {
            Some(server) => Ok(server),
            None if name == ALL => Err(SelectError::AllForOne),
            None => Err(SelectError::Unknown(name.to_owned())),
        }
    }

    /// The servers of those names, or of `all`, each once, sorted by name; and what is wrong with the names. Work
    /// goes on with the servers that are known.
    pub fn select<N: AsRef<str>>(&self, names: &[N]) -> (Vec<&ServerConfig>, Vec<SelectError>) {
        let names: BTreeSet<&str> = names.iter().map(AsRef::as_ref).collect();
        if names.contains(ALL) {
            let errors = if names.len() > 1 { vec![SelectError::AllAndOthers] } else { Vec::new() };
            return (self.servers.values().collect(), errors);
        }
        let (mut servers, mut errors) = (Vec::new(), Vec::new());
        for name in names {
            match self.server(name) {
                Ok(server) => servers.push(server),
                Err(error) => errors.push(error),
            }
        }
        (servers, errors)
    }
}
