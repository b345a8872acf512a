//! `pg` on real servers. Without PostgreSQL's programs these tests are skipped, and say so.

#[path = "pg/cluster.rs"]
mod cluster;
#[path = "pg/judge.rs"]
mod judge;
#[path = "pg/pki.rs"]
mod pki;
#[path = "pg/servers.rs"]
mod servers;
