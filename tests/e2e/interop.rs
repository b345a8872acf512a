//! Barman 3.19.1 and we, on the same configuration and the same barman_home, in turn and at the same time.

use std::fs;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::kit::{Site, Version, World, tools};
use crate::on_every_version;

on_every_version!(each_program_restores_what_the_other_one_backed_up);

fn each_program_restores_what_the_other_one_backed_up(version: Version) {
    let mut world = World::new(version);
    world.site.set("compression", "gzip");
    world.pg.prepare_pgbench();
    let ours = world.backup();
    world.note("between the backups");
    // Reuses our files, and must find in our record all that it needs.
    world.site.reference("backup main --immediate-checkpoint --wait").ok();
    let theirs = world.site.backups().remove(0);
    assert_ne!(ours, theirs);
    world.note("between the backups, too");
    // And we reuse theirs.
    let ours_again = world.backup();
    world.note("before the target");
    let time = world.pg.sql("SELECT clock_timestamp()");
    let contents = world.pg.contents();
    thread::sleep(Duration::from_millis(200));
    world.note("after the target");
    world.ship_wal();

    assert_both_say_the_same(&world.site, &[&ours, &theirs, &ours_again]);

    let restore = |by_us: bool, id: &str, name: &str| {
        let restored = world.restore_by(name, |site, place| {
            let words = format!("restore main {id} {place} --target-time '{time}' --target-action promote");
            if by_us { site.barman(&words) } else { site.reference(&words) }
        });
        let mut pg = restored.start();
        assert_eq!(pg.contents(), contents, "{name}");
        pg.stop_and_verify_pages();
    };
    restore(false, &ours, "ours-by-them");
    restore(true, &theirs, "theirs-by-us");
    restore(false, &ours_again, "ours-again-by-them");

    // What one deletes is gone for the other, and what is left is whole.
    world.site.reference(&format!("delete main {ours}")).ok();
    assert_eq!(world.site.backups(), [ours_again.clone(), theirs.clone()]);
    world.site.barman(&format!("delete main {theirs}")).ok();
    assert_both_say_the_same(&world.site, &[&ours_again]);
    restore(false, &ours_again, "what-is-left");
}

/// The answers to questions about the catalogue agree to the byte.
#[track_caller]
fn assert_both_say_the_same(site: &Site, backups: &[&String]) {
    let mut questions: Vec<String> = [
        "list-servers",
        "list-servers --minimal",
        "list-backups main",
        "list-backups all --minimal",
        "check main",
        "check main --nagios",
        "show-backup main latest",
        "show-backup main oldest",
        "show-backup main nosuch",
    ]
    .map(str::to_owned)
    .into();
    for id in backups {
        questions.push(format!("show-backup main {id}"));
        for target in ["full", "data", "wal", "standalone"] {
            questions.push(format!("list-files main {id} --target {target}"));
        }
    }
    for question in questions {
        let (us, them) = (site.barman(&question), site.reference(&question));
        assert_eq!((us.code, us.stdout), (them.code, them.stdout), "barman {question}");
    }
}

#[test]
fn each_program_respects_a_backup_of_the_other_one_that_runs() {
    let mut world = World::new(Version::V15);
    world.pg.prepare_pgbench();
    world.backup();
    world.site.set("bandwidth_limit", "100");
    world.site.set("reuse_backup", "off");
    for ours_first in [true, false] {
        let words = "backup main --immediate-checkpoint";
        let running =
            if ours_first { world.site.start_barman(words) } else { world.site.start_reference(words) };
        crate::kit::eventually("the backup copies files", || !world.programs_called("rsync").is_empty());
        let refused = if ours_first { world.site.reference(words) } else { world.site.barman(words) };
        refused.fails(1, &["another backup process is running"]);
        running.signal(Signal::SIGINT);
        assert_eq!(running.finish().code, 1);
    }
}

/// The WAL archive of a server that is never asked for anything else.
struct Archive {
    site: Site,
    _dir: tempfile::TempDir,
    next: u32,
}

impl Archive {
    fn new() -> Self {
        tools::become_unprivileged();
        let dir = tempfile::Builder::new().prefix("barman-e2e-").tempdir_in("/tmp").unwrap();
        let mut site = Site::new(dir.path());
        site.set("compression", "gzip");
        Self { site, _dir: dir, next: 1 }
    }

    /// Puts `count` new segments into incoming, each with bytes of its own.
    fn ship(&mut self, count: u32) {
        for number in self.next..self.next + count {
            let name = segment(number);
            let temporary = self.site.incoming().join(format!(".{name}"));
            fs::write(&temporary, content(number)).unwrap();
            fs::rename(temporary, self.site.incoming().join(name)).unwrap();
        }
        self.next += count;
    }

    fn assert_nothing_is_lost(&self) {
        let index = self.site.indexed_wal();
        for number in 1..self.next {
            let name = segment(number);
            assert!(index.contains(&name), "{name} has no line in the index");
            let archived = fs::File::open(self.site.archived(&name)).unwrap();
            let mut bytes = Vec::new();
            std::io::copy(&mut flate2::read::MultiGzDecoder::new(archived), &mut bytes).unwrap();
            assert!(bytes == content(number), "{name} is not what was shipped");
        }
    }
}

fn segment(number: u32) -> String {
    format!("0000000100000000{number:08X}")
}

/// Content that gzip has some work with: mostly distinct words.
fn content(number: u32) -> Vec<u8> {
    let words = 0..(1_u32 << 20) / 8;
    words.flat_map(|word| (u64::from(word) << 20).wrapping_mul(u64::from(number) | 1).to_le_bytes()).collect()
}

#[test]
fn archiving_killed_at_any_instant_and_finished_by_the_other_program_loses_nothing() {
    const KILLS: u32 = 110;
    let mut archive = Archive::new();
    if tools::testing_the_reference() {
        eprintln!("skipped: Barman 3.19.1 loses lines of xlog.db this way");
        return;
    }
    // How long a whole run takes is the time within which to kill.
    archive.ship(4);
    let started = std::time::Instant::now();
    archive.site.barman("archive-wal main").ok();
    let whole = started.elapsed();
    let mut cut_short = 0;
    for kill in 0..KILLS {
        archive.ship(4);
        let running = archive.site.start_barman("archive-wal main");
        // Spread over the whole run without a pattern, the same in every run of the test.
        thread::sleep(whole * (kill * 37 % KILLS) / KILLS);
        running.signal(Signal::SIGKILL);
        cut_short += u32::from(running.finish().code == 137);
        archive.site.reference("archive-wal main").ok();
    }
    assert!(cut_short > KILLS / 2, "only {cut_short} runs were still at work when they were killed");
    assert_eq!(fs::read_dir(archive.site.incoming()).unwrap().count(), 0);
    archive.assert_nothing_is_lost();
    let index = archive.site.indexed_wal();
    let in_place: Vec<_> = (1..archive.next).map(segment).collect();
    let mut distinct = index.clone();
    distinct.dedup();
    assert_eq!(distinct, in_place, "ascending, and repeated at most by the program that came after");
}
