//! Files of the other host, beside the trees that rsync copies.

use std::collections::BTreeSet;
use std::fs;
use std::io::Cursor;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use barman::transfer::remote::{Change, Error, NewFile, RemoteHost};
use barman::transfer::{Retry, SshCommand, ssh};
use proptest::prelude::*;

use crate::kit::*;

const ODD: &str = "it's \"my\" $HOME & `é` \\ dir*";

fn host(sshd: &Sshd) -> RemoteHost {
    RemoteHost {
        ssh: sshd.ssh(),
        context: context(),
        retry: Retry::default(),
        compress: false,
        bandwidth_limit: 0,
    }
}

/// The first logs in with the shell of the account, the second with one that is not POSIX.
fn hosts() -> [RemoteHost; 2] {
    static FISH: OnceLock<Sshd> = OnceLock::new();
    let start = || Sshd::start("ForceCommand exec fish -c \"$SSH_ORIGINAL_COMMAND\"");
    [host(Sshd::shared()), host(FISH.get_or_init(start))]
}

#[test]
fn what_is_there_is_seen() {
    for host in hosts() {
        let dir = Dir::new();
        let odd = dir.join(ODD);
        write(&odd.join(".hid\nden"), "");
        write(&odd.join("visible"), "");
        write(&odd.join("visible too"), "");
        let closed = dir.join("closed");
        fs::create_dir(&closed).unwrap();
        set_mode(&closed, 0o500);
        let (new, file) = (closed.join("a/b"), odd.join("visible/below"));
        let survey = host.survey(&[&odd, &dir.join("new/one"), &file, &new, Path::new("/")]).unwrap();
        assert!(survey.missing_programs.is_empty() && !survey.user.is_empty());
        let [odd_place, new_place, file_place, closed_place, root] = &survey.places[..] else {
            panic!("{survey:?}")
        };
        assert_eq!((&odd_place.existing, odd_place.is_directory, odd_place.is_occupied), (&odd, true, true));
        assert_eq!(odd_place.hidden, [".hid\nden"]);
        assert_eq!((new_place.existing.as_path(), new_place.is_occupied), (dir.path(), false));
        assert_eq!(
            new_place.room.as_ref().unwrap().file_system,
            odd_place.room.as_ref().unwrap().file_system
        );
        assert_eq!((&file_place.existing, file_place.is_directory), (&odd.join("visible"), false));
        assert!(odd_place.closed.is_none());
        if survey.user != "root" {
            assert_eq!((&closed_place.existing, closed_place.closed.is_some()), (&closed, true));
        }
        assert!(root.is_directory && root.is_occupied);
    }
}

#[test]
fn changes_are_made_and_may_be_repeated() {
    for host in hosts() {
        let dir = Dir::new();
        let odd = dir.join(ODD);
        write(&odd.join("from"), "moved");
        write(&odd.join("link/in the way"), "");
        write(&odd.join("gone"), "");
        fs::create_dir(odd.join("open")).unwrap();
        fs::set_permissions(odd.join("open"), fs::Permissions::from_mode(0o755)).unwrap();
        let changes = [
            Change::Directory(odd.join("made/deep")),
            Change::Private(odd.join("open")),
            Change::Link { target: odd.join("made"), link: odd.join("link") },
            Change::Rename { from: odd.join("from"), to: odd.join("to") },
            Change::Remove(odd.join("gone")),
            Change::Sync(odd.clone()),
        ];
        for _ in 0..2 {
            host.change(&changes).unwrap();
            host.replace(&odd.join("replaced"), b"content\0\xff", 0o640).unwrap();
            assert_eq!(fs::read_link(odd.join("link")).unwrap(), odd.join("made"));
            assert_eq!(fs::read(odd.join("to")).unwrap(), b"moved");
            assert_eq!(names(&odd), ["", "link", "made", "made/deep", "open", "replaced", "to"]);
        }
        let mode = |name: &str| fs::metadata(odd.join(name)).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode("made/deep"), mode("open"), mode("replaced")), (0o700, 0o700, 0o640));
        assert_eq!(host.read(&odd.join("replaced")).unwrap().unwrap(), b"content\0\xff");
        let error = host.change(&[Change::Directory(odd.join("to/below"))]).unwrap_err();
        assert!(matches!(&error, Error::Failed { path, .. } if *path == odd.join("to/below")), "{error}");
        assert!(error.to_string().contains("Not a directory"), "{error}");
    }
}

#[test]
fn many_files_arrive_whole_compressed_or_not() {
    let content = |number: usize| noise(number as u64, number * 100_000);
    for compress in [false, true] {
        let (dir, host) = (Dir::new(), RemoteHost { compress, ..host(Sshd::shared()) });
        write(&dir.join("3"), "what was there before, and is longer than what comes");
        set_mode(&dir.join("3"), 0o400);
        // The fourth is larger than what is kept in memory.
        let size = |number: usize| if number == 4 { 40_000_000 } else { number * 100_000 };
        let file = |number: usize| NewFile {
            name: number.to_string(),
            mode: 0o600,
            content: Box::new(Cursor::new(noise(number as u64, size(number)))),
            origin: "made here".into(),
        };
        host.send::<Error>(dir.path(), 6, &|number| Ok(file(number))).unwrap();
        for number in [0, 1, 2, 3, 5] {
            assert_eq!(fs::read(dir.join(number.to_string())).unwrap(), content(number), "{number}");
        }
        assert_eq!(fs::read(dir.join("4")).unwrap(), noise(4, 40_000_000));
    }
}

#[test]
fn a_source_that_fails_is_the_reason_that_is_given() {
    let (dir, host) = (Dir::new(), host(Sshd::shared()));
    let sent = host.send::<Error>(dir.path(), 3, &|number| match number {
        1 => Err(Error::Unclean { command: "of the source".into() }),
        _ => Ok(NewFile::of(number.to_string(), 0o600, b"x".into())),
    });
    assert!(matches!(sent, Err(Error::Unclean { .. })), "{sent:?}");
    let sent = host.send::<Error>(&dir.join("nowhere"), 1, &|_| Ok(NewFile::of("a", 0o600, vec![])));
    let error = sent.unwrap_err().to_string();
    assert!(error.contains("nowhere") && error.contains("No such file or directory"), "{error}");
}

#[test]
fn a_connection_that_is_lost_is_made_anew() {
    let dir = Dir::new();
    // The first two connections break in the middle.
    let count = dir.join("count");
    let script = format!(
        "echo x >> {0}; [ $(wc -l < {0}) -gt 2 ] || {{ (sleep 0.3; kill $$) & }}; exec $real \"$@\"",
        count.display()
    );
    let stand_in = dir.stand_in("ssh", &script);
    let (context, listener) = listened();
    let slow = RemoteHost {
        ssh: Sshd::shared().ssh().with_path_prefix(Some(&stand_in)),
        context,
        retry: Retry { times: 2, sleep: Duration::from_millis(10) },
        compress: false,
        bandwidth_limit: 1000,
    };
    let opened = AtomicUsize::new(0);
    slow.send::<Error>(dir.path(), 1, &|_| {
        opened.fetch_add(1, Ordering::SeqCst);
        Ok(NewFile::of("large", 0o600, noise(1, 1_000_000)))
    })
    .unwrap();
    assert_eq!(fs::read(dir.join("large")).unwrap(), noise(1, 1_000_000));
    assert_eq!(opened.into_inner(), 3);
    let said = listener.said.lock().unwrap();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("attempt 1") && said[0].contains("Retrying in 0 seconds"), "{said:?}");
}

#[test]
fn an_account_that_talks_or_refuses_is_told_apart_from_a_host_that_is_away() {
    for command in
        ["echo welcome; eval \"$SSH_ORIGINAL_COMMAND\"", "echo This account is not available.; exit 1"]
    {
        let sshd = Sshd::start(&format!("ForceCommand {command}"));
        let error = host(&sshd).survey(&[Path::new("/")]).unwrap_err();
        assert!(matches!(error, Error::Unclean { .. }), "{error}");
    }
    let bare = Sshd::start("SetEnv PATH=/nowhere");
    let survey = host(&bare).survey(&[Path::new("/")]).unwrap();
    assert_eq!(
        (survey.missing_programs, &survey.places[0].room),
        (vec!["rsync".into(), "tar".into()], &None)
    );
    let ssh = SshCommand::parse("ssh -F none -p 1 127.0.0.1").unwrap();
    let away = RemoteHost { ssh, ..host(Sshd::shared()) };
    let error = away.survey(&[Path::new("/")]).unwrap_err();
    assert!(matches!(error, Error::Ssh(ssh::Error::NotConnected { .. })), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    #[test]
    fn any_names_are_meant_literally(names in prop::collection::btree_set("[^/\0]{1,40}", 1..50)) {
        let (dir, host) = (Dir::new(), host(Sshd::shared()));
        let paths: Vec<_> = names.iter().filter(|name| !matches!(name.as_str(), "." | "..")).map(|name| dir.join(name)).collect();
        let changes: Vec<_> = paths.iter().cloned().map(Change::Directory).collect();
        host.change(&changes).unwrap();
        let made: BTreeSet<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        prop_assert_eq!(made, paths.iter().cloned().collect());
        let below: Vec<_> = paths.iter().map(|path| path.join("x")).collect();
        let survey = host.survey(&below.iter().map(PathBuf::as_path).collect::<Vec<_>>()).unwrap();
        for (place, path) in survey.places.iter().zip(&paths) {
            prop_assert_eq!(&place.existing, path);
        }
    }
}
