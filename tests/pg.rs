//! `pg` on real servers. Without PostgreSQL's programs these tests are skipped, and say so.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test fails by panicking and tells why"
)]

#[path = "pg/cluster.rs"]
mod cluster;
#[path = "pg/judge.rs"]
mod judge;
#[path = "pg/pki.rs"]
mod pki;
#[path = "pg/servers.rs"]
mod servers;
