//! Which start of the machine this is.

use std::fs;

/// Where Linux tells it.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// A word that is another one after each start of the machine; `None` when the system does not tell.
pub fn boot_id() -> Option<String> {
    let text = fs::read_to_string(BOOT_ID).ok()?;
    Some(text.trim().to_owned()).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_was_started_once_since_we_asked_last() {
        assert_eq!(boot_id().unwrap().len(), 36);
        assert_eq!(boot_id(), boot_id());
    }
}
