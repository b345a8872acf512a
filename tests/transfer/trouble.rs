//! What happens when something goes wrong.

use std::error::Error as _;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use barman::sys::{Cancel, Cancelled, Clock, Context, SystemClock};
use barman::transfer::smart_copy::{CopyItem, Error, ReuseMode, SmartCopy};
use barman::transfer::{Endpoint, Retry, SshCommand};
use barman::types::Timestamp;

use crate::kit::*;

fn copy_from(source: Endpoint, dir: &Dir) -> SmartCopy {
    let item = CopyItem::tree("pgdata", dir.join("pg"), dir.join("data"));
    SmartCopy { items: vec![item], ..SmartCopy::new(source, Endpoint::Local) }
}

fn copy(dir: &Dir) -> SmartCopy {
    copy_from(Sshd::shared().endpoint(), dir)
}

/// The error and what caused it, as a person gets to read it.
fn complaint(copy: &SmartCopy) -> String {
    let error = copy.run(&context()).unwrap_err();
    format!("{error}: {}", error.source().map(ToString::to_string).unwrap_or_default())
}

#[track_caller]
fn assert_complains(copy: &SmartCopy, words: &[&str]) {
    let complaint = complaint(copy);
    for word in words {
        assert!(complaint.contains(word), "{word:?} is not in {complaint}");
    }
}

#[test]
fn a_directory_that_does_not_exist_is_named() {
    let dir = Dir::new();
    let error = copy(&dir).run(&context()).unwrap_err();
    let expected = format!(
        "directory '{}' of 'pgdata' does not exist: is its file system mounted?",
        dir.join("pg").display()
    );
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_file_that_must_be_there_is_named() {
    let dir = Dir::new();
    fs::create_dir_all(dir.join("pg/global")).unwrap();
    let mut copy = copy(&dir);
    copy.items.push(CopyItem::file("pg_control", dir.join("pg"), dir.join("data"), "global/pg_control"));
    let error = copy.run(&context()).unwrap_err();
    let expected =
        format!("file '{}' of 'pg_control' does not exist", dir.join("pg/global/pg_control").display());
    assert_eq!(error.to_string(), expected);
}

#[test]
fn each_trouble_with_the_other_host_says_what_to_do() {
    let dir = Dir::new();
    write(&dir.join("pg/PG_VERSION"), "15\n");
    let ssh = |text: &str| Endpoint::Ssh(SshCommand::parse(text).unwrap());
    let refused = ssh("ssh -F none -p 1 127.0.0.1");
    assert_complains(&copy_from(refused, &dir), &["no connection to the other host", "Connection refused"]);
    let missing = ssh("/nowhere/ssh pg");
    assert_complains(
        &copy_from(missing, &dir),
        &["the program of the ssh command cannot be started", "/nowhere/ssh"],
    );
    let bare =
        Sshd::start("SetEnv PATH=/nowhere\nForceCommand PATH=/nowhere; eval \"$SSH_ORIGINAL_COMMAND\"");
    assert_complains(&copy_from(bare.endpoint(), &dir), &["install rsync there"]);
    let noisy = Sshd::start("ForceCommand echo welcome; eval \"$SSH_ORIGINAL_COMMAND\"");
    assert_complains(&copy_from(noisy.endpoint(), &dir), &["prints text", "is your shell clean"]);
}

#[test]
fn a_copy_from_one_other_host_to_another_is_refused() {
    let remote = Sshd::shared().endpoint();
    let error = SmartCopy::new(remote.clone(), remote).run(&context()).unwrap_err();
    assert!(matches!(error, Error::TwoRemotes));
}

#[test]
fn what_rsync_complains_of_is_shown() {
    let dir = Dir::new();
    write(&dir.join("pg/PG_VERSION"), "15\n");
    let full = "case \"$*\" in *--list-only*) exec $real \"$@\";; esac\n\
                echo 'rsync: [receiver] write failed on \"/x\": No space left on device (28)' >&2; exit 11";
    let stand_in = dir.stand_in("rsync", full);
    let copy = SmartCopy { path_prefix: Some(stand_in), ..copy(&dir) };
    assert_complains(
        &copy,
        &[
            "data transfer failure on directory",
            "make room",
            "code 11",
            "rsync error:\nrsync: [receiver] write",
        ],
    );
}

/// Sleeps in no time, and remembers it.
#[derive(Default)]
struct Impatient(Mutex<Vec<Duration>>);

impl Clock for Impatient {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    fn sleep(&self, span: Duration, _: &Cancel) -> Result<(), Cancelled> {
        self.0.lock().unwrap().push(span);
        Ok(())
    }
}

#[test]
fn a_failing_rsync_is_run_again_as_often_as_allowed() {
    let dir = Dir::new();
    write(&dir.join("pg/PG_VERSION"), "15\n");
    let flag = dir.join("attempts");
    // Fails at the first two copies, half-way.
    let script = format!(
        "case \"$*\" in *--list-only*) exec $real \"$@\";; esac\necho x >> {0}\n\
         [ $(wc -l < {0}) -gt 2 ] || {{ echo 'rsync: connection unexpectedly closed' >&2; exit 12; }}\nexec $real \"$@\"",
        flag.display()
    );
    let path_prefix = Some(dir.stand_in("rsync", &script));
    let retry = Retry { times: 2, sleep: Duration::from_secs(30) };
    let (context, listener) = listened();
    let clock = Arc::new(Impatient::default());
    let context = Context { clock: clock.clone(), ..context };
    SmartCopy { path_prefix: path_prefix.clone(), retry, ..copy(&dir) }.run(&context).unwrap();
    assert_eq!(tree(&dir.join("data")), tree(&dir.join("pg")));
    assert_eq!(clock.0.lock().unwrap()[..], [Duration::from_secs(30); 2]);
    let said = listener.said.lock().unwrap().clone();
    assert_eq!(said.len(), 2);
    assert!(
        said[1].starts_with("Warning: Failure executing rsync on pgdata (attempt 2): data transfer failure")
    );
    assert!(said[1].ends_with("Retrying in 30 seconds"));

    fs::remove_file(flag).unwrap();
    let once = Retry { times: 1, ..retry };
    assert!(SmartCopy { path_prefix, retry: once, ..copy(&dir) }.run(&context).is_err());
}

#[test]
fn an_rsync_without_the_option_to_ignore_missing_files_will_do() {
    let dir = Dir::new();
    write(&dir.join("pg/PG_VERSION"), "15\n");
    write(&dir.join("pg/gone"), "x");
    // Fails as 3.0.9 does, and removes a file between listing and copy.
    let script = format!(
        "for word; do [ \"$word\" != --ignore-missing-args ] || {{ \
         echo 'rsync: --ignore-missing-args: unknown option' >&2; exit 1; }}; done\n\
         case \"$*\" in *--list-only*) ;; *) rm -f {};; esac\nexec $real \"$@\"",
        dir.join("pg/gone").display()
    );
    let path_prefix = Some(dir.stand_in("rsync", &script));
    let report = SmartCopy { path_prefix, ..copy(&dir) }.run(&context()).unwrap();
    assert_eq!((report.files, tree(&dir.join("data"))), (1, tree(&dir.join("pg"))));
}

/// A copy that takes long: to send its files one by one at this rate.
fn slow(dir: &Dir) -> SmartCopy {
    write(&dir.join("pg/base/1/2"), noise(1, 4 << 20));
    let mut copy = copy(dir);
    copy.items[0].bandwidth_limit = 100;
    copy
}

fn assert_nothing_runs(dir: &Dir) {
    eventually("no rsync runs any more", || processes_mentioning(dir.path()).is_empty());
}

#[test]
fn nothing_runs_on_after_a_stop_and_the_copy_can_be_made_again() {
    let dir = Dir::new();
    let slow = slow(&dir);
    let context = context();
    let stopper = context.clone();
    thread::scope(|scope| {
        let copying = scope.spawn(|| slow.run(&context));
        eventually("it writes", || dir.join("data/base/1/2").exists());
        stopper.cancel.cancel();
        assert!(matches!(copying.join().unwrap(), Err(Error::Cancelled(_))));
    });
    assert_nothing_runs(&dir);
    copy(&dir).run(&crate::kit::context()).unwrap();
    assert_eq!(tree(&dir.join("data")), tree(&dir.join("pg")));
}

#[test]
fn the_first_failure_ends_the_others() {
    let dir = Dir::new();
    let mut slow = slow(&dir);
    // Another job reads a file that looks the same, and fails at it.
    for root in ["pg", "before"] {
        write(&dir.join(root).join("same"), "x");
        set_modified(&dir.join(root).join("same"), 1_700_000_000, 0);
    }
    let wait = format!("until [ -e {} ]; do sleep 0.01; done", dir.join("data/base/1").display());
    let script = format!("case \"$*\" in *--checksum*) {wait}; exit 22;; esac\nexec $real \"$@\"");
    slow.items[0].reuse = Some(dir.join("before"));
    let copy = SmartCopy {
        jobs: 2,
        reuse: ReuseMode::Copy,
        path_prefix: Some(dir.stand_in("rsync", &script)),
        ..slow
    };
    let error = copy.run(&context()).unwrap_err();
    assert!(matches!(error, Error::Transfer { .. }), "{error}");
    assert_nothing_runs(&dir);
}

#[test]
fn a_copy_that_was_stopped_before_does_nothing() {
    let dir = Dir::new();
    write(&dir.join("pg/PG_VERSION"), "15\n");
    let context = context();
    context.cancel.cancel();
    assert!(matches!(copy(&dir).run(&context), Err(Error::Cancelled(_))));
    assert!(!Path::new(&dir.join("data/PG_VERSION")).exists());
}
