//! Whether what is to be encrypted can be, and can be read again.

use super::Rows;
use crate::ops::{Server, encryption};

/// The check of a server that encrypts; others have none.
pub fn check(server: &Server<'_>, rows: &mut Rows) {
    let Some(settings) = server.config.encryption() else { return };
    if let Some(fault) = encryption::fault(server.config) {
        rows.fail("encryption", fault);
        return;
    }
    let message = match encryption::try_to_encrypt(server, settings.key_id.unwrap_or_default()) {
        Ok(message) => message,
        Err(reason) => {
            tracing::error!("server '{}': encryption test failed: {reason}", server.name());
            rows.fail("encryption", "encryption test failed. Check the log file for more details");
            rows.explain(reason);
            return;
        }
    };
    rows.ok("encryption", "encryption test succeeded");
    // A host without the private key is no fault: that is what a public key is for. One that was told how to open it
    // and cannot would fail in the middle of a restore.
    if server.config.encryption_passphrase_command().is_some()
        && let Err(reason) = encryption::try_to_decrypt(server, message)
    {
        tracing::error!("server '{}': decryption test failed: {reason}", server.name());
        rows.fail("decryption", format!("what is encrypted cannot be restored here: {reason}"));
    }
}
