use nix::unistd::Pid;

use super::*;

#[test]
fn output_and_exit_code_are_kept() {
    let command = Command::new("sh").args(["-c", "echo out; echo err >&2; exit 3"]);
    let finished = SystemProcesses.run(&command, &Cancel::default()).unwrap();
    assert_eq!(
        (finished.code, &finished.stdout[..], &finished.stderr[..]),
        (3, &b"out\n"[..], &b"err\n"[..])
    );
}

#[test]
fn input_larger_than_a_pipe_goes_through() {
    let input = vec![b'x'; 1 << 20];
    let finished = SystemProcesses.feed(&Command::new("cat"), &input, &Cancel::default()).unwrap();
    assert_eq!(finished.stdout, input);
}

#[test]
fn output_comes_while_input_still_goes_in() {
    // More than the pipes hold: it would stand still if one waited for the other.
    let (input, mut output) = (vec![b'x'; 1 << 20], Vec::new());
    SystemProcesses.exchange(&Command::new("cat"), &input, &mut output, &Cancel::default()).unwrap();
    assert_eq!(output, input);
}

#[test]
fn of_much_output_the_end_is_kept() {
    let mut end = End::default();
    for line in 0..20_000 {
        writeln!(end, "line {line}").unwrap();
    }
    assert!(end.text().len() <= KEPT_BYTES && end.text().ends_with("line 19998\nline 19999\n"));
}

#[test]
fn a_stop_ends_the_whole_group() {
    let cancel = Cancel::default();
    let token = cancel.clone();
    let runner = thread::spawn(move || {
        SystemProcesses.run(&Command::new("sh").args(["-c", "sleep 600 & sleep 600"]), &token)
    });
    thread::sleep(Duration::from_millis(100));
    cancel.cancel();
    assert!(matches!(runner.join().unwrap(), Err(Error::Cancelled(_))));
}

#[test]
fn a_piped_program_changes_more_than_the_pipes_hold() {
    let input = Box::new(io::Cursor::new(vec![b'x'; 1 << 20]));
    let output = read_pipe("tr x y", input, &Cancel::default());
    assert!(output.unwrap() == vec![b'y'; 1 << 20]);
}

#[test]
fn a_piped_program_that_fails_is_no_end_of_its_output() {
    let input = || Box::new(io::Cursor::new(b"input"));
    let failed = read_pipe("cat; echo no room >&2; exit 3", input(), &Cancel::default()).unwrap_err();
    let command = "sh -c 'cat; echo no room >&2; exit 3'";
    assert_eq!(failed.to_string(), format!("{command} ended with exit code 3: no room"));
}

#[test]
fn input_that_cannot_be_read_is_no_end_of_the_output() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }
    let input = Box::new((&b"a beginning"[..]).chain(Broken));
    let failed = read_pipe("cat", input, &Cancel::default()).unwrap_err();
    assert_eq!(failed.to_string(), "the disk is gone");
}

#[test]
fn a_piped_program_ends_with_its_stream_and_with_a_stop() {
    let endless = || Box::new(io::repeat(b'x'));
    let command = Command::new("sh").args(["-c", "cat | cat"]);
    let mut stream = SystemProcesses.pipe(&command, endless(), &Cancel::default()).unwrap();
    stream.read_exact(&mut [0; 100_000]).unwrap();
    drop(stream);

    let cancel = Cancel::default();
    let token = cancel.clone();
    let reader = thread::spawn(move || read_pipe("cat >/dev/null", endless(), &token));
    thread::sleep(Duration::from_millis(100));
    cancel.cancel();
    assert_eq!(reader.join().unwrap().unwrap_err().to_string(), "interrupted");
}

fn read_pipe(line: &str, input: Box<dyn Read + Send>, cancel: &Cancel) -> io::Result<Vec<u8>> {
    let command = Command::new("sh").args(["-c", line]);
    let (mut output, mut stream) =
        (Vec::new(), SystemProcesses.pipe(&command, input, cancel).map_err(io::Error::other)?);
    stream.read_to_end(&mut output).map(|_| output)
}

#[test]
fn a_program_that_ignores_the_request_to_end_is_ended() {
    let cancel = Cancel::default();
    let token = cancel.clone();
    let deaf = "trap '' TERM; sleep 600 & wait; sleep 600";
    let runner = thread::spawn(move || SystemProcesses.run(&Command::new("sh").args(["-c", deaf]), &token));
    thread::sleep(Duration::from_millis(100));
    cancel.cancel();
    assert!(matches!(runner.join().unwrap(), Err(Error::Cancelled(_))));
}

#[test]
fn a_stop_does_not_wait_for_who_has_left_the_group_with_our_pipes() {
    let cancel = Cancel::default();
    let token = cancel.clone();
    let leaving = "setsid sleep 60 & true";
    let begun = Instant::now();
    let runner =
        thread::spawn(move || SystemProcesses.run(&Command::new("sh").args(["-c", leaving]), &token));
    thread::sleep(Duration::from_millis(100));
    cancel.cancel();
    assert!(matches!(runner.join().unwrap(), Err(Error::Cancelled(_))));
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_stop_ends_descendants_that_ignore_it_before_it_returns() {
    let cancel = Cancel::default();
    let token = cancel.clone();
    let (_dir, path) = pid_file();
    let deaf = format!("(trap '' TERM; echo $BASHPID > {path}; sleep 60) >/dev/null 2>&1 & wait");
    let runner =
        thread::spawn(move || SystemProcesses.run(&Command::new("bash").args(["-c", &deaf]), &token));
    let descendant = read_pid(&path);
    cancel.cancel();
    assert!(matches!(runner.join().unwrap(), Err(Error::Cancelled(_))));
    assert_gone(descendant);
}

#[test]
fn a_stream_that_is_dropped_ends_descendants_that_ignore_it() {
    let (_dir, path) = pid_file();
    let deaf = format!("(trap '' TERM; echo $BASHPID > {path}; sleep 60) >/dev/null 2>&1 & echo said; wait");
    let command = Command::new("bash").args(["-c", &deaf]);
    let stream = SystemProcesses.pipe(&command, Box::new(io::empty()), &Cancel::default()).unwrap();
    let descendant = read_pid(&path);
    drop(stream);
    assert_gone(descendant);
}

fn pid_file() -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pid").display().to_string();
    (dir, path)
}

fn read_pid(path: &str) -> Pid {
    loop {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        if text.ends_with('\n') {
            return Pid::from_raw(text.trim().parse().unwrap());
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Whoever was ended may wait to be buried by its new parent.
#[track_caller]
fn assert_gone(pid: Pid) {
    let deadline = Instant::now() + Duration::from_secs(2);
    let lives = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit(") ").next().is_some_and(|fields| !fields.is_empty() && !fields.starts_with('Z'))
    };
    while lives() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(10));
    }
    assert!(!lives());
}

#[test]
fn a_missing_program_is_named() {
    let missing = SystemProcesses.run(&Command::new("no-such-program"), &Cancel::default()).unwrap_err();
    assert_eq!(missing.to_string(), "program 'no-such-program' not found");
}
