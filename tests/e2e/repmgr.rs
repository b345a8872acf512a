//! repmgr, which makes a standby from a backup that it asks Barman for.

use std::fs;
use std::path::Path;

use crate::kit::program::Program;
use crate::kit::{Cluster, DatabaseHost, Outcome, Version, World, eventually, tools};

#[test]
fn repmgr_makes_a_whole_standby_from_one_of_our_backups() {
    let mut world = World::new(Version::V15);
    world.pg.prepare_pgbench();
    world.pg.sql("CREATE EXTENSION repmgr");
    let host = DatabaseHost::new(&world.path("hosts"), &mut world.sshd, &world.site);
    world.point_site_at_database();
    let ssh = host.ssh();
    let standby = world.path("standby");
    let configuration = |number: u8, data: &Path, more: &str| {
        let file = world.path(&format!("repmgr{number}.conf"));
        let text = format!(
            "node_id={number}\nnode_name='node{number}'\nconninfo='{}'\ndata_directory='{}'\npg_bindir='{}'\n{more}",
            world.pg.conninfo(),
            data.display(),
            tools::client_program("psql").parent().unwrap().display(),
        );
        fs::write(&file, text).unwrap();
        file
    };
    let conninfo = world.pg.conninfo().replace("user=", "username=");
    let connection: Vec<String> = conninfo.split(' ').map(|pair| format!("--{pair}")).collect();
    let repmgr = |file: &Path, words: &str| -> Outcome {
        Program::new(&tools::client_program("repmgr"), world.site.dir())
            .env("PATH", format!("{}:/usr/bin:/bin", ssh.parent().unwrap().display()))
            .env("PGPASSFILE", world.site.dir().join(".pgpass").to_str().unwrap())
            .args(["-f", file.to_str().unwrap()])
            .args(&connection)
            .args(words.split(' '))
            .run()
            .ok()
    };
    repmgr(&configuration(1, world.pg.data(), ""), "primary register");
    world.backup();
    world.note("after the backup");
    world.ship_wal();

    let more = format!(
        "barman_host='database'\nbarman_server='main'\ntablespace_mapping='{}={}'\n\
         restore_command='{} database barman get-wal main %f > %p'\n",
        world.path("tablespace").display(),
        world.path("standby-fast").display(),
        ssh.display(),
    );
    repmgr(&configuration(2, &standby, &more), "standby clone");
    let mut standby = Cluster::on(Version::V15, &standby, &world.path("standby-run"));
    // It has no password to stream with, and asks both ways in turn.
    standby.options.extend(["-c", "wal_retrieve_retry_interval=100ms"].map(Into::into));
    standby.start();
    assert_eq!(standby.sql("SELECT pg_is_in_recovery()"), "t");
    eventually("the standby has replayed all WAL", || standby.contents() == world.pg.contents());
    standby.stop_and_verify_pages();
}
