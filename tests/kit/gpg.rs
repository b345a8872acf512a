//! The keyring of the backup host's user, with keys that are thrown away.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::program::{Outcome, PASSWORD, Program};
use super::{Site, tools};

/// Whose key tests encrypt for.
pub const KEY: &str = "barman@example.com";

/// Has the site encrypt for [`KEY`], which its keyring has, protected.
pub fn encrypt(site: &mut Site) -> Keyring {
    let keyring = Keyring::new(site.dir());
    keyring.generate(KEY, true, "never");
    site.set("encryption", "gpg");
    site.set("encryption_key_id", KEY);
    tell_passphrase(site, PASSWORD);
    keyring
}

/// Has the site open its key with `passphrase`.
pub fn tell_passphrase(site: &mut Site, passphrase: &str) {
    let path = site.dir().join("passphrase");
    fs::write(&path, format!("{passphrase}\n")).unwrap();
    site.set("encryption_passphrase_command", &format!("cat {}", path.display()));
}

/// `~/.gnupg` of somebody. No agent outlives it.
pub struct Keyring {
    home: PathBuf,
}

impl Keyring {
    /// The empty keyring of the user whose home is `home`, which is where gpg looks for it.
    pub fn new(home: &Path) -> Self {
        let dir = home.join(".gnupg");
        fs::create_dir_all(&dir).unwrap();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
        Self { home: home.to_owned() }
    }

    /// Makes a key of this mail address, protected with [`PASSWORD`] or not at all. `expires` is a date or `never`.
    ///
    /// It is an RSA key: what is encrypted for others, Barman 3.19.1 does not recognise with the `file` of Debian 12.
    pub fn generate(&self, address: &str, is_protected: bool, expires: &str) {
        self.generate_as(&["rsa2048", "encrypt"], address, is_protected, expires);
    }

    /// The same, of the kind that new releases of gpg make by default.
    pub fn generate_elliptic(&self, address: &str) {
        self.generate_as(&["future-default", "default"], address, false, "never");
    }

    fn generate_as(&self, kind: &[&str; 2], address: &str, is_protected: bool, expires: &str) {
        let passphrase = if is_protected { PASSWORD } else { "" };
        let words = [
            "--pinentry-mode",
            "loopback",
            "--passphrase",
            passphrase,
            "--faked-system-time",
            "20250101T000000",
        ];
        let make = ["--quick-generate-key", address, kind[0], kind[1], expires];
        self.program("gpg").args(["--batch"]).args(words).args(make).shown_as("").run().ok();
    }

    /// Gives `other` the public key of `address`, which trusts it.
    pub fn send_public_key(&self, address: &str, other: &Self) {
        let key = self.home.join("public.key").display().to_string();
        self.gpg(&format!("--yes --output {key} --export {address}")).ok();
        other.gpg(&format!("--import {key}")).ok();
        let trust = format!("{}:6:\n", self.fingerprint(address));
        other.program("gpg").args(["--batch", "--import-ownertrust"]).input(&trust).shown_as("").run().ok();
    }

    /// The key's full name.
    pub fn fingerprint(&self, address: &str) -> String {
        let listed = self.gpg(&format!("--with-colons --list-keys {address}")).ok().stdout;
        let line = listed.lines().find_map(|line| line.strip_prefix("fpr:")).unwrap();
        line.trim_matches(':').to_owned()
    }

    /// Runs gpg on it; `words` are typed as in a shell.
    pub fn gpg(&self, words: &str) -> Outcome {
        self.program("gpg").args(["--batch"]).args(shell_words::split(words).unwrap()).run()
    }

    /// Makes the agent forget every passphrase it has been told.
    pub fn forget_passphrases(&self) {
        self.program("gpgconf").args(["--kill", "gpg-agent"]).shown_as("").run().ok();
    }

    fn program(&self, name: &str) -> Program {
        Program::new(&tools::debian_program(name), &self.home)
    }
}

impl Drop for Keyring {
    fn drop(&mut self) {
        self.forget_passphrases();
    }
}
