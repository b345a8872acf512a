//! Where recovery stops, out of what was typed.

use chrono::Local;

use super::request::TypedTarget;
use crate::ops::{Error, Server};
use crate::types::{Assumed, RecoveryTarget, TargetTime, parse_target_time, timestamp_text};

/// The longest name of a restore point. With a longer one in its configuration PostgreSQL does not start.
const NAME_BYTES: usize = 63;

/// Understands what was typed, and says what had to be assumed.
pub fn resolve(server: &Server<'_>, typed: &TypedTarget) -> Result<RecoveryTarget, Error> {
    Ok(match typed {
        TypedTarget::Immediate => RecoveryTarget::Immediate,
        TypedTarget::Xid(xid) => RecoveryTarget::Xid(parse_xid(xid)?),
        TypedTarget::Name(name) if name.is_empty() => {
            return Err(Error::refused("The name of the restore point to restore to is empty"));
        }
        TypedTarget::Name(name) if name.len() > NAME_BYTES => {
            return Err(Error::refused(format!(
                "The name of the restore point to restore to has {} bytes, and PostgreSQL knows names of up to \
                 {NAME_BYTES}",
                name.len()
            )));
        }
        TypedTarget::Name(name) => RecoveryTarget::Name(name.clone()),
        TypedTarget::Lsn(lsn) => RecoveryTarget::Lsn(*lsn),
        TypedTarget::Time(text) => {
            let parsed = parse_time(text)?;
            tell_assumptions(server, text, &parsed);
            RecoveryTarget::Time(parsed.moment)
        }
    })
}

/// Understands a moment.
pub fn parse_time(text: &str) -> Result<TargetTime, Error> {
    parse_target_time(text, &Local)
        .map_err(|why| Error::refused(format!("Unable to parse the target time parameter '{text}': {why}")))
}

/// A moment that is not the one that was meant loses data or brings the disaster back.
fn tell_assumptions(server: &Server<'_>, text: &str, target: &TargetTime) {
    let moment = timestamp_text(target.moment);
    match target.assumed {
        Assumed::Nothing => {}
        Assumed::LocalZone => server.warning(format!(
            "No time zone has been specified through '--target-time' command-line option. Barman assumed the same \
             time zone from the Barman host. That makes it {moment}."
        )),
        Assumed::FirstOfTwo => server.warning(format!(
            "The clocks of this host showed '{text}' twice, because they were set back. The first of the two is \
             taken: {moment}."
        )),
    }
    if target.is_order_assumed {
        server.warning(format!(
            "The numbers in '{text}' can be read as several dates. The one that is taken: {}. Write the year first, \
             like '2026-01-31', to leave no doubt.",
            target.moment.format("%-d %B %Y")
        ));
    }
}

/// What PostgreSQL reads as a transaction number; on anything else it would not start.
fn parse_xid(text: &str) -> Result<String, Error> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<u64>() {
        Ok(_) if is_number => Ok(text.to_owned()),
        _ => Err(Error::refused(format!(
            "Unable to parse the target xid parameter '{text}': write a transaction number, like '4711'"
        ))),
    }
}

/// Whether one can stop just before the target: only time, transaction and position have a before and an after.
pub fn takes_exclusive(server: &Server<'_>, target: Option<&RecoveryTarget>) -> bool {
    match target {
        Some(RecoveryTarget::Time(_) | RecoveryTarget::Xid(_) | RecoveryTarget::Lsn(_)) => true,
        Some(RecoveryTarget::Immediate | RecoveryTarget::Name(_)) | None => {
            server.warning(
                "'--exclusive' has no effect: it goes with '--target-time', '--target-xid' or '--target-lsn'",
            );
            false
        }
    }
}
