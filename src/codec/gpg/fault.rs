use std::fmt;

/// Why gpg did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// There is no gpg.
    #[error("program 'gpg' not found")]
    NotInstalled,
    /// Nothing can be encrypted for the recipient.
    #[error("gpg cannot encrypt for '{recipient}': {reason}")]
    Recipient {
        /// The key as it was asked for.
        recipient: String,
        /// What is wrong with it.
        reason: Unusable,
    },
    /// The message is to other keys than the private ones that there are.
    #[error("it is encrypted for the key {keys}, whose private key is not in the keyring")]
    NoPrivateKey {
        /// The keys it is to.
        keys: String,
    },
    /// The passphrase is not the right one.
    #[error("what 'encryption_passphrase_command' prints does not open the private key")]
    WrongPassphrase,
    /// The command that prints it failed.
    #[error("'encryption_passphrase_command' ended with exit code {code}")]
    PassphraseCommand {
        /// The exit code.
        code: i32,
    },
    /// The message was cut or tampered with, or is none.
    #[error("gpg finds the encrypted file damaged: {said}")]
    Damaged {
        /// What gpg said.
        said: String,
    },
    /// Something else.
    #[error("gpg ended with exit code {code}: {said}")]
    Other {
        /// The exit code.
        code: i32,
        /// What gpg said.
        said: String,
    },
}

/// What is wrong with a public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unusable {
    /// It is not in the keyring.
    Absent,
    /// Several keys are meant.
    Ambiguous,
    /// It has expired.
    Expired,
    /// It was revoked.
    Revoked,
    /// It is not one to encrypt for.
    NotForEncryption,
    /// Nobody has said that it belongs to whom it names.
    Untrusted,
}

impl Unusable {
    /// What is wrong with a key that `--list-keys` shows, `--with-colons`, or does not show.
    pub(super) fn of_listed(listed: &str) -> Self {
        let mut validities = listed.lines().filter_map(|line| {
            let rest = line.strip_prefix("pub:").or_else(|| line.strip_prefix("sub:"))?;
            rest.split(':').next()
        });
        let Some(first) = validities.next() else { return Self::Absent };
        let has = |validity| first == validity || validities.clone().any(|it| it == validity);
        match () {
            () if has("e") => Self::Expired,
            () if has("r") => Self::Revoked,
            () => Self::NotForEncryption,
        }
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "the keyring has no such public key",
            Self::Ambiguous => "the keyring has several keys of that name",
            Self::Expired => "the key has expired",
            Self::Revoked => "the key was revoked",
            Self::NotForEncryption => "the key is not one to encrypt for",
            Self::Untrusted => "the keyring does not tell that the key is to be trusted",
        })
    }
}

impl Fault {
    /// Reads why an encryption failed out of what gpg wrote to standard error.
    pub(super) fn of_encryption(recipient: &str, code: i32, stderr: &str) -> Self {
        match unusable(stderr) {
            Some(reason) => Self::Recipient { recipient: recipient.to_owned(), reason },
            None => Self::Other { code, said: said(stderr) },
        }
    }

    /// Reads why a decryption failed out of what gpg wrote to standard error.
    pub(super) fn of_decryption(code: i32, stderr: &str) -> Self {
        let has = |word| statuses(stderr).any(|(status, _)| status == word);
        let keys = |word| {
            let keys = statuses(stderr).filter(|(status, _)| *status == word);
            keys.filter_map(|(_, rest)| rest.split(' ').next()).collect::<Vec<_>>().join(" or ")
        };
        // Several keys may be tried: one that opens the message is enough.
        let is_open = has("DECRYPTION_KEY") || has("PLAINTEXT");
        // The second word is a number of libgpg-error, whose last 16 bits tell the reason.
        let reason = statuses(stderr).find_map(|(status, rest)| {
            let number = rest.strip_prefix("pkdecrypt_failed ").filter(|_| status == "ERROR")?;
            Some(number.parse::<u32>().ok()? & 0xffff)
        });
        match reason {
            Some(BAD_PASSPHRASE | NO_PASSPHRASE) if !is_open => Self::WrongPassphrase,
            _ if has("NO_SECKEY") && !is_open => Self::NoPrivateKey { keys: keys("NO_SECKEY") },
            _ if has("BADMDC") || is_open || has("NODATA") => Self::Damaged { said: said(stderr) },
            _ => Self::Other { code, said: said(stderr) },
        }
    }

    /// What the person can do about it, for `server`.
    pub fn hint(&self, user: &str) -> String {
        match self {
            Self::NotInstalled => {
                "Install GnuPG (package 'gnupg' or 'gnupg2'), or name its directory in 'path_prefix'."
                    .to_owned()
            }
            Self::Recipient { recipient, reason } => remedy(*reason, recipient, user),
            Self::NoPrivateKey { keys } => format!(
                "Bring the private key into the keyring of user '{user}' on this host: \"gpg --import\", with what \
                 \"gpg --export-secret-keys {}\" has written where the key is.",
                keys.split(' ').next().unwrap_or_default()
            ),
            Self::WrongPassphrase => format!(
                "As user '{user}', run the command of 'encryption_passphrase_command' in a shell: its first line must \
                 be the passphrase of the private key, without blanks around it."
            ),
            Self::PassphraseCommand { .. } => format!(
                "As user '{user}', run the command of 'encryption_passphrase_command' in a shell, and see what it says."
            ),
            Self::Damaged { .. } => "Compare the file with another copy of it.".to_owned(),
            Self::Other { .. } => {
                format!("As user '{user}', see that \"gpg --list-keys\" shows the keys, and try gpg by hand.")
            }
        }
    }
}

const BAD_PASSPHRASE: u32 = 11;
const NO_PASSPHRASE: u32 = 177;

fn remedy(reason: Unusable, recipient: &str, user: &str) -> String {
    match reason {
        Unusable::Absent => format!(
            "Import the public key as user '{user}' (\"gpg --import\"); \"gpg --list-keys {recipient}\" must show it. Or \
             correct 'encryption_key_id'."
        ),
        Unusable::Ambiguous => {
            "Set 'encryption_key_id' to the fingerprint of the key that is meant.".to_owned()
        }
        Unusable::Expired => format!(
            "Let it live longer where its private key is (\"gpg --quick-set-expire FINGERPRINT 2y\"), and import the \
             public key again as user '{user}'; or set 'encryption_key_id' to another key. Keep the old private key: \
             what was encrypted for it needs it."
        ),
        Unusable::Revoked | Unusable::NotForEncryption => {
            "Set 'encryption_key_id' to a key that can be encrypted for.".to_owned()
        }
        Unusable::Untrusted => format!(
            "Compare its fingerprint with the one where the key was made, and then tell the keyring that it is the right \
             one, as user '{user}': \"echo FINGERPRINT:6: | gpg --import-ownertrust\"."
        ),
    }
}

/// What is wrong with the key that gpg refuses.
fn unusable(stderr: &str) -> Option<Unusable> {
    let refused = statuses(stderr).find(|(status, _)| *status == "INV_RECP");
    match refused?.1.split(' ').next()? {
        "1" => Some(Unusable::Absent),
        "2" => Some(Unusable::Ambiguous),
        "3" => Some(Unusable::NotForEncryption),
        "4" => Some(Unusable::Revoked),
        "5" => Some(Unusable::Expired),
        "10" => Some(Unusable::Untrusted),
        _ => None,
    }
}

const STATUS: &str = "[GNUPG:] ";

/// The lines for programs: keyword and rest.
fn statuses(stderr: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = stderr.lines().filter_map(|line| line.strip_prefix(STATUS));
    lines.map(|line| line.split_once(' ').unwrap_or((line, "")))
}

/// The lines for people, as one.
fn said(stderr: &str) -> String {
    let lines = stderr.lines().filter(|line| !line.starts_with(STATUS));
    let lines = lines.map(|line| line.trim().trim_start_matches("gpg: ")).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_cannot_be_encrypted_for_is_told_with_what_is_wrong_with_it() {
        let reason = |stderr: &str| match Fault::of_encryption("k", 2, stderr) {
            Fault::Recipient { reason, .. } => Some(reason),
            _ => None,
        };
        assert_eq!(
            reason("gpg: k: skipped\n[GNUPG:] INV_RECP 1 k\n[GNUPG:] FAILURE encrypt 9"),
            Some(Unusable::Absent)
        );
        assert_eq!(Unusable::of_listed(""), Unusable::Absent);
        assert_eq!(Unusable::of_listed("tru:o:1\npub:u:255:22\nsub:e:255:18\n"), Unusable::Expired);
        assert_eq!(Unusable::of_listed("tru:o:1\npub:r:255:22\n"), Unusable::Revoked);
        assert_eq!(Unusable::of_listed("pub:u:255:22\n"), Unusable::NotForEncryption);
        assert_eq!(reason("[GNUPG:] INV_RECP 10 k"), Some(Unusable::Untrusted));
        assert_eq!(reason("gpg: no space left"), None);
        let other =
            Fault::of_encryption("k", 2, "[GNUPG:] FAILURE encrypt 1\ngpg: one\ngpg: two\n").to_string();
        assert_eq!(other, "gpg ended with exit code 2: one; two");
    }

    #[test]
    fn what_keeps_a_message_closed_is_told_apart() {
        let wrong = "[GNUPG:] ENC_TO 3F 1 0\ngpg: public key decryption failed: Bad passphrase\n\
                     [GNUPG:] ERROR pkdecrypt_failed 67108875\n[GNUPG:] DECRYPTION_FAILED";
        assert!(matches!(Fault::of_decryption(2, wrong), Fault::WrongPassphrase));
        let strange = "[GNUPG:] NO_SECKEY 3F93\n[GNUPG:] NO_SECKEY 4A\n[GNUPG:] DECRYPTION_FAILED";
        let told = Fault::of_decryption(2, strange).to_string();
        assert!(told.contains("3F93 or 4A"), "{told}");
        let cut = "[GNUPG:] NO_SECKEY 4A\n[GNUPG:] DECRYPTION_KEY 6D 0D u\ngpg: decryption failed: Invalid packet\n\
                   [GNUPG:] DECRYPTION_FAILED";
        assert!(matches!(Fault::of_decryption(2, cut), Fault::Damaged { .. }));
        assert!(matches!(Fault::of_decryption(2, "gpg: can't start the agent"), Fault::Other { .. }));
    }
}
