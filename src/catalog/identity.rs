use serde::{Deserialize, Serialize};
use serde_json::Serializer;
use serde_json::ser::PrettyFormatter;

use super::{Catalog, Error};

/// Which cluster the backups are of: written by the first backup and never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The system identifier that `initdb` gave the cluster.
    pub systemid: String,
    /// The major version: `17`, `9.6`.
    pub version: String,
}

impl Identity {
    /// Indented by four blanks, a line feed at the end, as Barman writes it.
    pub fn to_json(&self) -> Vec<u8> {
        let mut text = Vec::new();
        let mut serializer = Serializer::with_formatter(&mut text, PrettyFormatter::with_indent(b"    "));
        self.serialize(&mut serializer).expect("two texts can be written into memory");
        text.push(b'\n');
        text
    }
}

impl Catalog {
    /// The cluster that the backups are of; `None` before the first backup.
    pub fn identity(&self) -> Result<Option<Identity>, Error> {
        let path = self.layout.identity();
        let content = self.files.read_if_exists(&path).map_err(|source| self.file_error(source))?;
        let parsed = content.map(|content| serde_json::from_slice(&content)).transpose();
        parsed.map_err(|source| Error::MalformedIdentity { server: self.layout.server.clone(), path, source })
    }

    /// Records the cluster that the backups are of.
    pub fn save_identity(&self, identity: &Identity) -> Result<(), Error> {
        let path = self.layout.identity();
        self.files.replace_durably(&path, &identity.to_json()).map_err(|source| self.file_error(source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_written_as_barman_writes_it() {
        let identity = Identity { systemid: "7139870358166741016".into(), version: "17".into() };
        let text = "{\n    \"systemid\": \"7139870358166741016\",\n    \"version\": \"17\"\n}\n";
        assert_eq!(String::from_utf8(identity.to_json()).unwrap(), text);
    }
}
