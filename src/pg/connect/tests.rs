use std::net::TcpListener;
use std::thread;

use super::super::conninfo::{Conninfo, Surroundings};
use super::*;

/// A server that answers the n-th connection with the n-th script: what it sends after eight bytes came in.
fn server(scripts: &[&'static str]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let scripts = scripts.to_vec();
    thread::spawn(move || {
        for script in scripts {
            let mut socket = listener.accept().unwrap().0;
            let mut request = [0; 8];
            if socket.read_exact(&mut request).is_ok() {
                socket.write_all(script.as_bytes()).unwrap();
            }
        }
    });
    port
}

/// A port on which nobody listens.
fn dead_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn try_with<T>(
    text: &str,
    start: impl FnMut(Stream, &Attempted<'_>) -> Result<T, Failure>,
) -> Result<T, Error> {
    let files = Files::default();
    let around = Surroundings { variable: &|_| None, home: None, user: "os".into(), files: &files };
    let settings = text.parse::<Conninfo>()?.resolve(&around)?;
    connect(&settings, &files, &Cancel::default(), start)
}

/// The ports that were reached, each answered with `answer`; and how the search ended.
fn visit(text: &str, answer: fn(TargetSession) -> Result<(), Failure>) -> (Vec<u16>, Result<(), Error>) {
    let mut visited = Vec::new();
    let result = try_with(text, |_, attempted| {
        let Address::Tcp { address, .. } = attempted.route.address else { panic!("not TCP") };
        visited.push(address.port());
        answer(attempted.session)
    });
    (visited, result)
}

#[test]
fn hosts_are_tried_in_order_as_far_as_the_failure_allows() {
    let (dead, first, second) = (dead_port(), server(&[""; 9]), server(&[""; 9]));
    let text = format!("host=127.0.0.1,127.0.0.1,127.0.0.1 port={dead},{first},{second} sslmode=disable");
    assert_eq!(visit(&text, |_| Ok(())).0, [first]);
    assert_eq!(visit(&text, |_| Err(Failure::OtherHost("x".into()))).0, [first, second]);
    assert_eq!(visit(&text, |_| Err(Failure::Refused("x".into()))).0, [first]);
    let (visited, result) = visit(&text, |_| Err(Failure::Final("no".into())));
    assert_eq!(visited, [first]);
    let expected = format!(
        "connection to server at \"127.0.0.1\", port {dead} failed: Connection refused\n\
         connection to server at \"127.0.0.1\", port {first} failed: no"
    );
    assert_eq!(result.unwrap_err().to_string(), expected);
}

#[test]
fn a_preferred_standby_is_looked_for_everywhere_before_anything_will_do() {
    let (first, second) = (server(&[""; 9]), server(&[""; 9]));
    let text = format!(
        "host=127.0.0.1,127.0.0.1 port={first},{second} sslmode=disable target_session_attrs=prefer-standby"
    );
    let (visited, result) = visit(&text, |session| match session {
        TargetSession::Any => Ok(()),
        _ => Err(Failure::OtherHost("no standby".into())),
    });
    assert!(result.is_ok());
    assert_eq!(visited, [first, second, first]);
}

#[test]
fn all_hosts_are_tried_in_random_order() {
    let ports: Vec<u16> = (0..3).map(|_| server(&[""; 9])).collect();
    let list = ports.iter().map(u16::to_string).collect::<Vec<_>>().join(",");
    let hosts = ["127.0.0.1"; 3].join(",");
    let text = format!("host={hosts} port={list} sslmode=disable load_balance_hosts=random");
    let (mut visited, _) = visit(&text, |_| Err(Failure::OtherHost("next".into())));
    visited.sort_unstable();
    let mut expected = ports;
    expected.sort_unstable();
    assert_eq!(visited, expected);
}

#[test]
fn a_server_without_tls_is_taken_or_not_as_sslmode_says() {
    let port = server(&["Nready"; 2]);
    let greeting = try_with(&format!("host=127.0.0.1 port={port}"), |mut stream, _| {
        let mut greeting = [0; 5];
        stream.read_exact(&mut greeting).unwrap();
        assert!(!stream.is_encrypted() && stream.channel_binding().is_none());
        Ok(greeting)
    });
    assert_eq!(&greeting.unwrap(), b"ready");
    let refused = try_with(&format!("host=127.0.0.1 port={port} sslmode=require"), |_, _| Ok(()));
    assert!(refused.unwrap_err().to_string().ends_with("server does not support SSL, but SSL was required"));
}

#[test]
fn a_failed_handshake_is_followed_by_plain_only_where_it_is_preferred() {
    for (mode, taken) in [("prefer", true), ("require", false)] {
        let port = server(&["Sthis is no handshake", ""]);
        let result = try_with(&format!("host=127.0.0.1 port={port} sslmode={mode}"), |stream, _| {
            assert!(!stream.is_encrypted());
            Ok(())
        });
        assert_eq!(result.is_ok(), taken, "{mode}");
    }
}

#[test]
fn whoever_is_let_in_nowhere_in_plain_tries_tls_where_plain_was_only_allowed() {
    // The TLS request of the second attempt is answered with `N`.
    let port = server(&["", "N"]);
    let mut started = 0;
    let error = try_with::<()>(&format!("host=127.0.0.1 port={port} sslmode=allow"), |mut stream, _| {
        started += 1;
        stream.write_all(&[0; 8]).unwrap();
        Err(Failure::Refused("plain is not allowed".into()))
    });
    let error = error.unwrap_err().to_string();
    assert_eq!(started, 1);
    assert!(error.contains("plain is not allowed\n") && error.ends_with("SSL was required"), "{error}");
}

#[test]
fn an_error_that_comes_unprotected_is_not_repeated() {
    let port = server(&["Epay ransom to mallory", ""]);
    let error = try_with(&format!("host=127.0.0.1 port={port} sslmode=require"), |_, _| Ok(())).unwrap_err();
    assert!(error.to_string().ends_with("server sent an error response during SSL exchange"), "{error}");
}
