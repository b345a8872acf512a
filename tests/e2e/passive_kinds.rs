//! What a passive node copies besides full backups and plain WAL: incremental chains, and WAL that is encrypted.

use std::fs;

use crate::kit::gpg::{KEY, encrypt, tell_passphrase};
use crate::kit::program::PASSWORD;
use crate::kit::world::Plan;
use crate::kit::{Keyring, Site, Version, World, eventually};
use crate::passive::{Nodes, Program};
use crate::tar::{backup_by_barman, streaming_world};

/// Nodes whose primary has a full backup of PostgreSQL 18 and one that is based on it, in this order.
fn nodes_with_increment(primary: Program, passive: Program) -> (Nodes, [String; 2]) {
    let plan = Plan { settings: "summarize_wal = on", ..Plan::default() };
    let mut nodes = Nodes::around(streaming_world(Version::V18, &plan), primary, passive);
    let programs = Version::V18.server_program("pg_combinebackup");
    nodes.passive.set("path_prefix", programs.parent().unwrap().to_str().unwrap());
    let world = &nodes.world;
    let full = backup_by_barman(&world.site, "");
    world.note("between the backups");
    world.pg.sql("UPDATE parts SET name = name || ' again' WHERE id % 100 = 0");
    let increment = backup_by_barman(&world.site, &format!("--incremental {full}"));
    (nodes, [full, increment])
}

#[test]
fn an_increment_arrives_with_what_it_is_based_on_and_barman_restores_it_there() {
    let (mut nodes, [full, increment]) = nodes_with_increment(Program::Python, Program::Ours);
    nodes.world.note("after both");
    nodes.world.ship_wal();
    nodes.catch_up();
    let passive = &nodes.passive;
    for id in [&full, &increment] {
        nodes.assert_same_files(id);
        for field in ["parent_backup_id", "children_backup_ids", "tablespaces", "summarize_wal"] {
            assert_eq!(passive.field(id, field), nodes.world.site.field(id, field), "{id} {field}");
        }
        let links = fs::read_dir(passive.backup_dir(id).join("data/pg_tblspc")).unwrap();
        let links: Vec<_> = links.map(|link| fs::read_link(link.unwrap().path()).unwrap()).collect();
        assert!(links.iter().all(|link| link.starts_with(passive.backup_dir(id))), "{links:?}");
        assert_eq!(links.len(), 1, "{id}");
    }

    let staging = nodes.world.path("staging");
    nodes.passive.set("local_staging_path", staging.to_str().unwrap());
    let restored = nodes.world.restore_by("restored", |_, place| {
        nodes.passive.reference(&format!("restore main {increment} {place}"))
    });
    let mut pg = restored.start();
    assert_eq!(pg.contents(), nodes.world.pg.contents());
    pg.stop_and_verify_pages();

    // What is based on a backup goes with it, here as anywhere.
    nodes.passive.barman(&format!("delete main {full}")).ok();
    assert_eq!(nodes.passive.backups(), [""; 0]);
    assert_eq!(nodes.world.site.backups().len(), 2);
}

#[test]
fn a_passive_barman_copies_an_increment_from_us() {
    let (nodes, [full, increment]) = nodes_with_increment(Program::Ours, Program::Python);
    nodes.world.ship_wal();
    nodes.catch_up();
    for id in [&full, &increment] {
        for field in ["parent_backup_id", "children_backup_ids", "tablespaces"] {
            assert_eq!(nodes.passive.field(id, field), nodes.world.site.field(id, field), "{id} {field}");
        }
    }
    // It takes the letters of the children apart when Barman is its primary, and can delete nothing then.
    nodes.passive.reference(&format!("delete main {full}")).ok();
    assert_eq!(nodes.passive.backups(), [""; 0]);
}

/// The lines of xlog.db that name encrypted files, as both nodes must have them.
fn encrypted_lines(site: &Site) -> Vec<String> {
    let list = fs::read_to_string(site.xlogdb()).unwrap();
    list.lines().filter(|line| line.ends_with("\tgpg")).map(str::to_owned).collect()
}

#[test]
fn encrypted_wal_arrives_as_it_is_and_is_opened_with_the_keys_of_the_passive_node() {
    let mut nodes = Nodes::around(World::new(Version::V15), Program::Ours, Program::Ours);
    let id = nodes.backup();
    let keyring = encrypt(&mut nodes.world.site);
    for compression in ["gzip", ""] {
        match compression {
            "" => nodes.world.site.unset("compression"),
            some => nodes.world.site.set("compression", some),
        }
        nodes.world.note(compression);
        nodes.world.ship_wal();
    }
    nodes.catch_up();
    let listed = encrypted_lines(&nodes.passive);
    assert_eq!(listed, encrypted_lines(&nodes.world.site));
    assert!(listed.iter().any(|line| line.ends_with("\tgzip\tgpg")), "{listed:?}");
    assert!(listed.iter().any(|line| line.ends_with("\tNone\tgpg")), "{listed:?}");
    nodes.assert_same_files(&id);

    // Without the private key nothing of it can be read.
    let mut names = listed.iter().map(|line| line.split('\t').next().unwrap());
    let name = names.find(|name| name.len() == 24).unwrap();
    let place = nodes.passive.dir().join("fetched");
    let fetch = format!("get-wal main {name} -o {}", place.display());
    fs::create_dir_all(&place).unwrap();
    nodes.passive.barman(&fetch).fails(254, &[name, "encrypted with gpg", "encryption_passphrase_command"]);
    assert!(!place.join(name).exists());

    // The key is brought there by hand.
    let secret = nodes.world.path("secret");
    let export = format!(
        "--pinentry-mode loopback --passphrase {PASSWORD} --output {} --export-secret-keys {KEY}",
        secret.display()
    );
    keyring.gpg(&export).ok();
    let there = Keyring::new(nodes.passive.dir());
    there
        .gpg(&format!("--pinentry-mode loopback --passphrase {PASSWORD} --import {}", secret.display()))
        .ok();
    tell_passphrase(&mut nodes.passive, PASSWORD);
    nodes.passive.barman(&fetch).ok();
    assert_eq!(fs::metadata(place.join(name)).unwrap().len(), 16 << 20);
    nodes.assert_restorable(&id, &nodes.world.pg.contents());
    eventually("the passive node is idle", || nodes.is_idle());
}

#[test]
fn barman_that_takes_a_passive_node_over_finishes_what_waits_for_its_wal() {
    let mut nodes = Nodes::around(World::new(Version::V15), Program::Ours, Program::Ours);
    let id = nodes.backup();
    nodes.ask_primary_only(&id);
    // WAL cannot be copied now.
    nodes.passive.set("compression", "gzip");
    let differs = "does not match local compression method";
    nodes.passive.barman(&format!("sync-backup main {id}")).fails(1, &[differs]);
    assert_eq!(nodes.passive.field(&id, "status"), "WAITING_FOR_WALS");
    nodes.passive.barman("list-backups main").ok().says("WAITING_FOR_WALS");
    nodes.passive.unset("compression");

    nodes.runs = Program::Python;
    nodes.catch_up();
    nodes.assert_same_files(&id);
    // And does not begin again.
    let outcome = nodes.on_passive("cron").ok();
    assert!(!outcome.said("Starting copy of backup"), "{outcome}");
    eventually("the passive node is idle", || nodes.is_idle());
    assert_eq!(nodes.passive.field(&id, "status"), "DONE");
    nodes.assert_restorable(&id, &nodes.world.pg.contents());

    // Our cron finishes, too, what a copy has left that was killed when all WAL was here.
    let record = fs::read_to_string(nodes.passive.record(&id)).unwrap();
    let waiting = record.replace("status=DONE", "status=WAITING_FOR_WALS");
    // The standby that one of them was taken from has come to another timeline meanwhile.
    let across_timelines = waiting.replace("end_wal=00000001", "end_wal=00000002");
    for left in [waiting, across_timelines] {
        fs::write(nodes.passive.record(&id), left).unwrap();
        nodes.passive.barman("cron").ok().says("No WAL synchronisation required for server main");
        assert_eq!(nodes.passive.field(&id, "status"), "DONE");
    }

    // A backup whose deletion has begun is not told of: files of it may be gone.
    let told = || nodes.passive.barman("sync-info --primary main").ok().said(&id);
    assert!(told());
    fs::write(nodes.world.site.server_dir().join(format!("meta/{id}-delete_this")), "delete").unwrap();
    assert!(!told());

    // The passive nodes of Barman that were told of one file go on from where its line begins.
    nodes.world.ship_wal();
    let listed = nodes.world.site.indexed_wal();
    let answer = nodes.world.site.barman(&format!("sync-info main {} 0", listed[0])).ok();
    let tells = |name: &str| answer.said(&format!("\"name\": \"{name}\""));
    assert!(!tells(&listed[0]) && tells(&listed[1]), "{answer}");
}
