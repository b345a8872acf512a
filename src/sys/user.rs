//! The user we run as.

use std::env;
use std::ffi::CString;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use nix::unistd::{Uid, User, initgroups, setgid, setuid};

/// Why the program may not run as it was started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The account does not exist.
    #[error("the configured user '{0}' does not exists")]
    Unknown(String),
    /// We are neither that user nor root.
    #[error("please run barman as '{0}' user")]
    NotAllowed(String),
    /// The account exists but root could not become it.
    #[error("cannot become user '{user}'")]
    Switch {
        /// The account.
        user: String,
        /// The system call's answer.
        source: nix::Error,
    },
}

/// The name of the account with the number `uid`.
pub fn name_of(uid: u32) -> Option<String> {
    User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.name)
}

/// The name of the user we run as, or the number when it has none.
pub fn current() -> String {
    let uid = Uid::effective();
    name_of(uid.as_raw()).unwrap_or_else(|| uid.to_string())
}

/// Whether a file or directory is ours, and nobody else may write to it.
pub fn has_to_itself(metadata: &Metadata) -> bool {
    metadata.uid() == Uid::effective().as_raw() && metadata.mode() & 0o022 == 0
}

/// Makes sure that we run as `name`: nothing to do when we do, a switch when we are root.
///
/// The switch takes the user's groups, group and user, sets `HOME`, and drops root's `PG*` variables, which name
/// another person's passwords and servers. It must come before any thread, log file or lock.
pub fn ensure(name: &str) -> Result<(), Error> {
    let user = User::from_name(name).ok().flatten().ok_or_else(|| Error::Unknown(name.into()))?;
    if user.uid == Uid::effective() {
        return Ok(());
    }
    if !Uid::effective().is_root() {
        return Err(Error::NotAllowed(name.into()));
    }
    let become_user = || -> nix::Result<()> {
        let c_name = CString::new(name).map_err(|_| nix::Error::EINVAL)?;
        initgroups(&c_name, user.gid)?;
        setgid(user.gid)?;
        setuid(user.uid)
    };
    become_user().map_err(|source| Error::Switch { user: name.into(), source })?;
    adopt_environment(&user);
    Ok(())
}

#[expect(
    unsafe_code,
    reason = "the environment can only be changed safely before the first thread, which is now"
)]
fn adopt_environment(user: &User) {
    let theirs: Vec<_> =
        env::vars_os().map(|(name, _)| name).filter(|n| n.to_string_lossy().starts_with("PG")).collect();
    // SAFETY: called once at start-up, before any thread exists.
    unsafe {
        for name in theirs {
            env::remove_var(name);
        }
        env::set_var("HOME", &user.dir);
        env::set_var("USER", &user.name);
        env::set_var("LOGNAME", &user.name);
    }
}
