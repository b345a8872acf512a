//! A server's settings of encryption, as the archive needs them, and what is wrong with them.

use std::io::{Cursor, Read, Write};

use super::{Error, Server, compression};
use crate::codec::{self, GpgSettings};
use crate::config::{BackupMethod, ServerConfig};
use crate::sys::user;
use crate::types::with_causes;

/// How gpg is run.
pub fn gpg(config: &ServerConfig) -> GpgSettings {
    GpgSettings {
        // Set without `encryption`, it reads what was encrypted in former days.
        passphrase_command: config.encryption_passphrase_command().map(str::to_owned),
        path_prefix: config.path_prefix().map(str::to_owned),
    }
}

/// Whom new WAL is encrypted for, if at all.
///
/// # Errors
/// When it is to be encrypted and nobody says for whom.
pub fn recipient(server: &Server<'_>) -> Result<Option<String>, Error> {
    let Some(encryption) = server.config.encryption() else { return Ok(None) };
    let key = encryption.key_id.filter(|key| !key.trim().is_empty());
    key.map(|key| Some(key.to_owned())).ok_or_else(|| {
        Error::refused(format!(
            "server '{}': encryption = gpg, and encryption_key_id is not set: nothing is archived, since it would not be \
             encrypted. Set encryption_key_id to the key to encrypt for",
            server.name()
        ))
    })
}

/// Why backups cannot be encrypted as the settings say, in the words of Barman.
pub fn fault(config: &ServerConfig) -> Option<&'static str> {
    let encryption = config.encryption()?;
    Some(match () {
        () if encryption.key_id.is_none() => "Encryption is set as gpg, but encryption_key_id is unset",
        () if config.backup_method() != BackupMethod::Postgres => {
            "Encryption is set as gpg, but backup_method != postgres"
        }
        () if config.backup_compression().is_none() => {
            "Encryption is set as gpg, but backup_compression is unset"
        }
        () if config.backup_compression_format() != Some("tar") => {
            "Encryption is set as gpg, but backup_compression_format != tar"
        }
        () => return None,
    })
}

/// What is tried.
const SAMPLE: &[u8] = b"barman";

/// Encrypts a few bytes; gives the message.
pub fn try_to_encrypt(server: &Server<'_>, recipient: &str) -> Result<Vec<u8>, String> {
    let mut message = Vec::new();
    let fill = |out: &mut dyn Write| out.write_all(SAMPLE);
    let encrypted = compression::codecs(server).encrypt(recipient, fill, &mut message);
    encrypted.map_err(|error| described(&error))?.map_err(|error| error.to_string())?;
    Ok(message)
}

/// Decrypts the message again.
pub fn try_to_decrypt(server: &Server<'_>, message: Vec<u8>) -> Result<(), String> {
    let decrypted = compression::codecs(server).decrypt(Cursor::new(message)).and_then(|mut stream| {
        let mut text = Vec::new();
        stream.read_to_end(&mut text)?;
        Ok(text)
    });
    match decrypted {
        Ok(text) if text == SAMPLE => Ok(()),
        Ok(_) => Err("what gpg decrypts is not what it has encrypted".to_owned()),
        Err(error) => Err(described(&error)),
    }
}

fn described(error: &codec::Error) -> String {
    match error {
        codec::Error::Gpg(fault) => format!("{fault}. {}", fault.hint(&user::current())),
        other => with_causes(other),
    }
}
