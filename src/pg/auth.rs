//! A look at what the server asks for during authentication, before the client answers.
//!
//! `tokio_postgres` would send a password in clear to any server that asks. The gate reads along with the first
//! messages of the server and stops the connection when it asks for a way that `require_auth` excludes, that
//! needs a password we do not have, or that we do not have at all.

use super::conninfo::{AuthMethod, AuthPolicy};

/// Bytes of a message before its body: the tag and the length.
const HEADER: usize = 5;

/// Reads along until the server says that authentication is complete.
#[derive(Debug)]
pub(super) struct Gate {
    policy: AuthPolicy,
    has_password: bool,
    /// The beginning of the message that is arriving: the header and, of a request, the four bytes of its kind.
    head: Vec<u8>,
    /// Bytes of the message that are still to come and do not matter.
    skip: usize,
    asked: bool,
    passed: bool,
}

impl Gate {
    pub(super) fn new(policy: AuthPolicy, has_password: bool) -> Self {
        Self { policy, has_password, head: Vec::new(), skip: 0, asked: false, passed: false }
    }

    /// Whether the server has accepted us.
    pub(super) fn is_passed(&self) -> bool {
        self.passed
    }

    /// Looks at the next bytes from the server; fails with the reason why they must not be answered.
    pub(super) fn inspect(&mut self, mut bytes: &[u8]) -> Result<(), String> {
        while !self.passed && !bytes.is_empty() {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            let Some((first, rest)) = bytes.split_first() else { break };
            self.head.push(*first);
            bytes = rest;
            self.look_at_head()?;
        }
        Ok(())
    }

    fn look_at_head(&mut self) -> Result<(), String> {
        let Some(length) = self.head.get(1..HEADER) else { return Ok(()) };
        let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize;
        let is_request = self.head[0] == b'R' && length >= 8;
        if is_request && self.head.len() < HEADER + 4 {
            return Ok(());
        }
        // The length counts itself and not the tag.
        self.skip = (length + 1).saturating_sub(self.head.len());
        let kind = is_request.then(|| self.head[HEADER + 3]);
        self.head.clear();
        kind.map_or(Ok(()), |kind| self.look_at_request(kind))
    }

    fn look_at_request(&mut self, kind: u8) -> Result<(), String> {
        let (method, needs_password) = match kind {
            0 => return self.complete(),
            3 => (AuthMethod::Password, true),
            5 => (AuthMethod::Md5, true),
            7 => (AuthMethod::Gss, false),
            9 => (AuthMethod::Sspi, false),
            10 => (AuthMethod::ScramSha256, true),
            // What follows within a method that was let through.
            8 | 11 | 12 => return Ok(()),
            other => {
                return Err(format!(
                    "the server asks for authentication method {other}, which is not supported"
                ));
            }
        };
        self.asked = true;
        let name = method.name();
        if !self.policy.allows(method) {
            return Err(format!(
                "the server asks for authentication by '{name}', which require_auth excludes"
            ));
        }
        if matches!(method, AuthMethod::Gss | AuthMethod::Sspi) {
            return Err(format!("the server asks for authentication by '{name}', which is not supported"));
        }
        if needs_password && !self.has_password {
            return Err("fe_sendauth: no password supplied".into());
        }
        Ok(())
    }

    fn complete(&mut self) -> Result<(), String> {
        if !self.asked && !self.policy.allows(AuthMethod::None) {
            return Err("the server lets us in without authentication, which require_auth excludes".into());
        }
        self.passed = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pg::conninfo::{Conninfo, Surroundings};
    use crate::sys::Files;

    fn gate(require_auth: &str, has_password: bool) -> Gate {
        let conninfo: Conninfo = format!("require_auth='{require_auth}'").parse().unwrap();
        let around =
            Surroundings { variable: &|_| None, home: None, user: "os".into(), files: &Files::default() };
        Gate::new(conninfo.resolve(&around).unwrap().auth, has_password)
    }

    fn message(tag: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap();
        [&[tag], &length.to_be_bytes()[..], body].concat()
    }

    fn request(kind: u8) -> Vec<u8> {
        message(b'R', &[&[0, 0, 0, kind], &b"SCRAM-SHA-256\0\0"[..]].concat())
    }

    #[test]
    fn a_request_is_let_through_or_stopped_by_its_kind() {
        let ask = |require: &str, password: bool, kinds: &[u8]| {
            let mut gate = gate(require, password);
            kinds.iter().try_for_each(|kind| gate.inspect(&request(*kind))).map(|()| gate.is_passed())
        };
        assert_eq!(ask("", false, &[0]), Ok(true));
        assert_eq!(ask("", true, &[10, 11, 12, 0]), Ok(true));
        assert_eq!(ask("scram-sha-256", true, &[10, 11]), Ok(false));
        assert_eq!(ask("", false, &[5]).unwrap_err(), "fe_sendauth: no password supplied");
        for (require, kind) in [("scram-sha-256", 3), ("!password", 3), ("scram-sha-256", 0), ("!none", 0)] {
            assert!(
                ask(require, true, &[kind]).unwrap_err().contains("require_auth excludes"),
                "{require} {kind}"
            );
        }
        for kind in [2, 6, 7, 9, 200] {
            assert!(ask("", true, &[kind]).unwrap_err().contains("not supported"), "{kind}");
        }
    }

    #[test]
    fn the_request_is_found_behind_other_messages_and_in_pieces() {
        let bytes = [message(b'N', b"notice"), message(b'v', &[0; 8]), request(3)].concat();
        let mut gate = gate("!password", true);
        let pieces: Vec<_> = bytes.iter().map(|byte| gate.inspect(&[*byte])).collect();
        assert!(pieces.iter().any(Result::is_err));
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_are_inspected_without_panic(pieces: Vec<Vec<u8>>) {
            let mut gate = gate("", true);
            for piece in pieces {
                let _ = gate.inspect(&piece);
            }
        }
    }
}
