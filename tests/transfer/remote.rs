//! The command that reaches the other host.

use barman::transfer::smart_copy::{CopyItem, SmartCopy};
use barman::transfer::{Endpoint, SshCommand, ssh};

use proptest::prelude::*;

use crate::kit::*;

#[test]
fn a_connection_is_tested_with_one_command() {
    let test = Sshd::shared().ssh().test(&context()).unwrap();
    assert!(test.connected() && test.output_clean(), "{test:?}");
    let noisy = Sshd::start("ForceCommand echo welcome; eval \"$SSH_ORIGINAL_COMMAND\"");
    let test = noisy.ssh().test(&context()).unwrap();
    assert!(test.connected() && !test.output_clean());
    let refused = SshCommand::parse("ssh -F none -p 1 127.0.0.1").unwrap().test(&context()).unwrap();
    assert_eq!((refused.connected(), refused.code), (false, 255));
    assert!(refused.stderr.contains("Connection refused"));
}

#[test]
fn small_files_of_the_other_host_are_read() {
    let (dir, ssh) = (Dir::new(), Sshd::shared().ssh());
    let path = dir.join("it's \"here\" $HOME");
    write(&path, b"two\nlines\xff");
    assert_eq!(ssh.read_file(&path, &context()).unwrap().unwrap(), b"two\nlines\xff");
    assert_eq!(ssh.read_file(&dir.join("nothing"), &context()).unwrap(), None);
    let error = ssh.read_file(dir.path(), &context()).unwrap_err();
    assert!(matches!(&error, ssh::Error::Read { path, .. } if path == dir.path()), "{error}");
    let refused = SshCommand::parse("ssh -F none -p 1 127.0.0.1").unwrap();
    assert!(matches!(refused.read_file(&path, &context()), Err(ssh::Error::NotConnected { .. })));
}

#[test]
fn rsync_starts_an_ssh_whose_name_is_odd() {
    let dir = Dir::new();
    let odd = dir.join("it's \"my\" ssh\\program");
    write(&odd, format!("#!/bin/sh\nexec {} \"$@\"", Sshd::shared().command()));
    set_mode(&odd, 0o755);
    write(&dir.join("pg/PG_VERSION"), "15\n");
    let text = shell_words::quote(&odd.display().to_string()).into_owned();
    let source = Endpoint::Ssh(SshCommand::parse(&text).unwrap());
    let item = CopyItem::tree("pgdata", dir.join("pg"), dir.join("data"));
    SmartCopy { items: vec![item], ..SmartCopy::new(source, Endpoint::Local) }.run(&context()).unwrap();
    assert_eq!(tree(&dir.join("data")), tree(&dir.join("pg")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn rsync_gives_ssh_the_very_words_of_the_configuration(words in prop::collection::vec("[^\0]{0,8}", 0..5)) {
        let dir = Dir::new();
        let (program, got) = (dir.join("ssh"), dir.join("got"));
        write(&program, format!("#!/bin/sh\nprintf '%s\\0' \"$@\" > {}\nexit 255", got.display()));
        set_mode(&program, 0o755);
        let text = [&[program.display().to_string()], &words[..]].concat();
        let text = text.iter().map(|word| shell_words::quote(word)).collect::<Vec<_>>().join(" ");
        let source = Endpoint::Ssh(SshCommand::parse(&text).unwrap());
        let item = CopyItem::tree("pgdata", dir.join("pg"), dir.join("data"));
        let copied = SmartCopy { items: vec![item], ..SmartCopy::new(source, Endpoint::Local) }.run(&context());
        prop_assert!(copied.is_err());
        let got = String::from_utf8(std::fs::read(got).unwrap()).unwrap();
        let got: Vec<_> = got.split('\0').take(words.len()).collect();
        prop_assert_eq!(got, words);
    }
}
