//! psql is the judge: with the same string, in the same environment, we get in where it gets in, in the same way,
//! and fail where it fails, with the same words.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use barman::pg::{Client, Conninfo};
use barman::sys::Cancel;
use tempfile::TempDir;

use crate::cluster::{Cluster, bindir};
use crate::pki::Pki;

/// Not a test of its own: the other process of [`Judge::ours`], whose environment is the case's.
#[test]
#[ignore = "the judge starts it"]
fn connects_as_told() {
    let Ok(text) = std::env::var("BARMAN_TEST_CONNINFO") else { return };
    let connect = || Client::connect(&text.parse::<Conninfo>()?, &Cancel::default());
    match connect() {
        Ok(_) => println!("OUTCOME in"),
        Err(error) => println!("OUTCOME {error}"),
    }
    println!("END");
}

/// How an attempt ended: what the server logged of it, or the error.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    In(String),
    Error(String),
}

/// A server with every kind of user, certificates, and two home directories: an empty one and one with files.
struct Judge {
    cluster: Cluster,
    pki: Pki,
    homes: TempDir,
}

impl Judge {
    fn new() -> Option<Self> {
        let found = bindir().filter(|_| Command::new("psql").arg("--version").output().is_ok());
        let Some(bindir) = found else {
            eprintln!("SKIPPED: no PostgreSQL server programs or no psql found");
            return None;
        };
        let cluster =
            Cluster::start(&bindir, "log_connections = on\nlog_line_prefix = ''\nlog_hostname = off");
        let (pki, homes) = (Pki::new(), TempDir::new().unwrap());
        pki.install(&cluster);
        cluster.sql("CREATE ROLE plain LOGIN; CREATE ROLE tls LOGIN; CREATE ROLE cert LOGIN; CREATE ROLE scram LOGIN PASSWORD 'it''s a \\ secret'");
        cluster.sql("CREATE ROLE clear LOGIN PASSWORD 'clear'; SET password_encryption = md5; CREATE ROLE md5 LOGIN PASSWORD 'md5'");
        cluster.set_hba(
            "hostssl all tls all trust\nhostnossl all plain all trust\nhostssl all cert all cert\n\
             host all scram all scram-sha-256\nlocal all scram scram-sha-256\nhost all md5 all md5\nhost all clear all password",
        );
        cluster.pg_ctl("restart");
        let judge = Self { cluster, pki, homes };
        judge.make_homes();
        Some(judge)
    }

    fn make_homes(&self) {
        let (empty, full) = (self.home("empty"), self.home("full"));
        fs::create_dir_all(&empty).unwrap();
        fs::create_dir_all(full.join(".postgresql")).unwrap();
        let private = |path: PathBuf, content: &[u8]| {
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        };
        private(full.join(".pgpass"), b"localhost:*:*:scram:it's a \\\\ secret\n127.0.0.1:*:*:*:wrong\n");
        let service = "[main]\nhost=127.0.0.1\nport=PORT\nuser=scram\npassword=it's a \\ secret\ndbname=postgres\n[bad]\nhots=x\n";
        private(
            full.join(".pg_service.conf"),
            service.replace("PORT", &self.cluster.port.to_string()).as_bytes(),
        );
        for (file, name) in
            [("root.crt", "root.crt"), ("client.crt", "postgresql.crt"), ("client.key", "postgresql.key")]
        {
            private(full.join(".postgresql").join(name), &fs::read(self.pki.dir().join(file)).unwrap());
        }
    }

    fn home(&self, name: &str) -> PathBuf {
        self.homes.path().join(name)
    }

    /// Puts what varies into a text.
    fn fill(&self, text: &str) -> String {
        text.replace("PORT", &self.cluster.port.to_string())
            .replace("SOCKETS", self.cluster.socket_dir())
            .replace("%PKI%", self.pki.dir().to_str().unwrap())
            .replace("ENCODED", &self.cluster.socket_dir().replace('/', "%2F"))
    }

    fn psql(&self, text: &str, home: &str, variables: &[(&str, &str)]) -> Outcome {
        let mut command = Command::new("psql");
        command.args(["-X", "-w", "-c", "SELECT 1", "-d", &self.fill(text)]);
        self.judge(command, home, variables, |output| {
            let said = String::from_utf8(output.stderr).unwrap();
            let lines = said.trim_end().lines().filter(|line| !line.starts_with('\t'));
            (!output.status.success())
                .then(|| lines.collect::<Vec<_>>().join("\n").replace("psql: error: ", ""))
        })
    }

    fn ours(&self, text: &str, home: &str, variables: &[(&str, &str)]) -> Outcome {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--ignored", "--exact", "judge::connects_as_told", "--nocapture", "--test-threads=1"]);
        command.env("BARMAN_TEST_CONNINFO", self.fill(text));
        self.judge(command, home, variables, |output| {
            let said = String::from_utf8(output.stdout).unwrap();
            let outcome = said.split_once("OUTCOME ").unwrap_or_else(|| panic!("{said}")).1;
            let outcome = outcome.split_once("\nEND").unwrap().0;
            (outcome != "in").then(|| outcome.to_owned())
        })
    }

    fn judge(
        &self,
        mut command: Command,
        home: &str,
        variables: &[(&str, &str)],
        error: impl Fn(Output) -> Option<String>,
    ) -> Outcome {
        let logged = self.cluster.log().len();
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(name);
            }
        }
        command.env("HOME", self.home(home)).env("LC_ALL", "C");
        command.envs(variables.iter().map(|(name, value)| (*name, self.fill(value))));
        if let Some(error) = error(command.output().unwrap()) {
            return Outcome::Error(error);
        }
        let log = self.cluster.log()[logged..].to_owned();
        let last =
            |start: &str| log.lines().rfind(|line| line.contains(start)).unwrap_or_default().to_owned();
        let received = last("connection received").split(" port=").next().unwrap_or_default().to_owned();
        let authorized = last("connection authorized");
        let name = authorized
            .find("application_name=")
            .map(|at| authorized[at..].split(' ').next().unwrap().to_owned());
        Outcome::In(format!("{received}; {}", authorized.replace(&name.unwrap_or_default(), "")))
    }

    /// Asserts that both end in the same way; gives our end.
    fn agree(&self, text: &str, home: &str, variables: &[(&str, &str)]) -> Outcome {
        let (theirs, ours) = (self.psql(text, home, variables), self.ours(text, home, variables));
        assert_eq!(ours, theirs, "{text} (home {home}, {variables:?})");
        ours
    }
}

#[test]
fn psql_and_we_agree_on_places_names_and_passwords() {
    let Some(judge) = Judge::new() else { return };
    let password = "password='it\\'s a \\\\ secret'";
    for text in [
        "host=SOCKETS port=PORT user=postgres",
        "host=127.0.0.1 port=PORT user=postgres dbname=template1",
        "host = 127.0.0.1 port = PORT  user='postgres' dbname=postgres sslmode=disable",
        "hostaddr=127.0.0.1 port=PORT user=postgres",
        "host=nowhere.invalid hostaddr=127.0.0.1 port=PORT user=postgres",
        "postgresql://postgres@127.0.0.1:PORT/postgres?sslmode=disable",
        "postgres://postgres@ENCODED:PORT/postgres",
        "postgresql:///postgres?host=SOCKETS&port=PORT&user=postgres",
        "postgresql://scram:it%27s%20a%20%5C%20secret@127.0.0.1:PORT/postgres",
        &format!("host=127.0.0.1 port=PORT user=scram dbname=postgres {password}"),
        &format!("host=SOCKETS port=PORT user=scram dbname=postgres {password}"),
        "host=127.0.0.1 port=PORT user=md5 dbname=postgres password=md5",
        "host=127.0.0.1 port=PORT user=clear dbname=postgres password=clear",
        "host=127.0.0.1,127.0.0.1 port=1,PORT user=postgres",
        "host=nowhere.invalid,SOCKETS port=PORT user=postgres",
        "host=127.0.0.1 port=PORT user=postgres options='-c default_transaction_read_only=on' target_session_attrs=read-only",
    ] {
        let outcome = judge.agree(text, "empty", &[]);
        assert!(matches!(outcome, Outcome::In(_)), "{text}: {outcome:?}");
    }
    for text in [
        "host=127.0.0.1 port=1 user=postgres sslmode=disable",
        "host=127.0.0.1,SOCKETS port=1,2 user=postgres sslmode=disable",
        "host=/nowhere user=postgres",
        "host=127.0.0.1 port=PORT user=nobody dbname=postgres sslmode=disable",
        "host=127.0.0.1 port=PORT user=nobody dbname=postgres",
        "host=127.0.0.1 port=PORT user=nobody dbname=postgres sslmode=allow",
        "host=127.0.0.1 port=PORT user=postgres dbname=nowhere",
        "host=127.0.0.1 port=PORT user=scram dbname=postgres password=wrong",
        "host=127.0.0.1 port=PORT user=scram dbname=postgres password=wrong sslmode=disable",
        "host=127.0.0.1 port=PORT user=scram dbname=postgres sslmode=disable",
        "host=nowhere.invalid user=postgres",
        "host=127.0.0.1 port=PORT user=postgres target_session_attrs=standby",
        "host=127.0.0.1 port=PORT user=postgres target_session_attrs=read-only sslmode=disable",
    ] {
        let outcome = judge.agree(text, "empty", &[]);
        assert!(matches!(outcome, Outcome::Error(_)), "{text}: {outcome:?}");
    }
}

#[test]
fn psql_and_we_agree_on_environment_service_and_password_file() {
    let Some(judge) = Judge::new() else { return };
    let port = ("PGPORT", "PORT");
    let cases: [(&str, &[(&str, &str)]); 11] = [
        ("", &[("PGHOST", "SOCKETS"), port, ("PGUSER", "postgres")]),
        ("user=postgres", &[("PGHOST", "127.0.0.1"), port, ("PGUSER", "scram"), ("PGDATABASE", "template1")]),
        ("service=main", &[]),
        ("", &[("PGSERVICE", "main")]),
        ("service=main user=postgres", &[]),
        ("service=main sslmode=disable", &[("PGSSLMODE", "require"), ("PGUSER", "plain")]),
        ("host=localhost user=scram dbname=postgres sslmode=disable", &[port]),
        ("host=localhost hostaddr=127.0.0.1 user=scram dbname=postgres", &[port]),
        ("host=127.0.0.1 user=md5 dbname=postgres", &[port, ("PGPASSWORD", "md5")]),
        ("host=127.0.0.1 user=tls dbname=postgres", &[port, ("PGSSLMODE", "require")]),
        ("host=127.0.0.1 user=plain dbname=postgres", &[port, ("PGSSLMODE", "disable")]),
    ];
    for (text, variables) in cases {
        let outcome = judge.agree(text, "full", variables);
        assert!(matches!(outcome, Outcome::In(_)), "{text}: {outcome:?}");
    }
    let wrong = "host=127.0.0.1 user=scram dbname=postgres sslmode=disable";
    let Outcome::Error(error) = judge.agree(wrong, "full", &[port]) else { panic!("let in") };
    assert!(error.contains("password retrieved from file"), "{error}");
}

#[test]
fn psql_and_we_agree_on_tls() {
    let Some(judge) = Judge::new() else { return };
    let at = |rest: &str| format!("host=localhost hostaddr=127.0.0.1 port=PORT dbname=postgres {rest}");
    for (rest, home) in [
        // Retries of allow and prefer: the server takes these users in one way only.
        ("user=tls sslmode=allow", "empty"),
        ("user=tls sslmode=prefer", "empty"),
        ("user=plain sslmode=allow", "empty"),
        ("user=plain sslmode=prefer", "empty"),
        ("user=plain", "empty"),
        ("user=tls sslmode=require", "empty"),
        // A root certificate in the home directory, or a named one.
        ("user=tls sslmode=require", "full"),
        ("user=tls sslmode=verify-ca sslrootcert=%PKI%/root.crt", "empty"),
        ("user=tls sslmode=verify-full", "full"),
        ("user=tls sslmode=verify-full sslrootcert=%PKI%/root.crt sslcrl=%PKI%/none.crl", "empty"),
        ("user=plain sslmode=prefer sslrootcert=%PKI%/stranger.crt", "empty"),
        // The user's certificate.
        ("user=cert sslmode=require", "full"),
        ("user=cert sslmode=require sslcert=%PKI%/client.crt sslkey=%PKI%/client.key", "empty"),
        ("user=cert sslmode=require sslcert=%PKI%/client.crt sslkey=%PKI%/client.der", "empty"),
        (
            "user=cert sslmode=require sslcert=%PKI%/client.crt sslkey=%PKI%/locked.key sslpassword=sesame",
            "empty",
        ),
        // Channel binding and versions.
        ("user=scram password='it\\'s a \\\\ secret' sslmode=require channel_binding=require", "empty"),
        ("user=scram password='it\\'s a \\\\ secret' sslmode=require channel_binding=disable", "empty"),
        ("user=tls sslmode=require ssl_max_protocol_version=TLSv1.2", "empty"),
        ("user=tls sslmode=require sslsni=0", "empty"),
    ] {
        let outcome = judge.agree(&at(rest), home, &[]);
        assert!(matches!(outcome, Outcome::In(_)), "{rest}: {outcome:?}");
    }
    for (rest, home, reason) in [
        ("user=plain sslmode=require", "empty", "no pg_hba.conf entry"),
        ("user=tls sslmode=disable", "empty", "no pg_hba.conf entry"),
        ("user=tls sslmode=verify-ca", "empty", "does not exist"),
        ("user=tls sslmode=require sslrootcert=%PKI%/stranger.crt", "empty", "certificate verify failed"),
        (
            "user=tls sslmode=verify-ca sslrootcert=%PKI%/root.crt sslcrl=%PKI%/revoked.crl",
            "empty",
            "revoked",
        ),
        ("user=tls sslmode=verify-full host=other", "full", "does not match host name \"other\""),
        ("user=tls sslmode=verify-full host=''", "full", "host name must be specified"),
        ("user=cert sslmode=require", "empty", "certificate"),
        (
            "user=cert sslmode=require sslcert=%PKI%/stranger.crt sslkey=%PKI%/stranger.key",
            "empty",
            "unknown ca",
        ),
        (
            "user=cert sslmode=require sslcert=%PKI%/client.crt sslkey=%PKI%/open.key",
            "empty",
            "group or world access",
        ),
        ("user=cert sslmode=require sslcert=%PKI%/client.crt sslkey=%PKI%/none", "empty", "none"),
        (
            "user=cert sslmode=require sslcert=%PKI%/client.crt sslkey=%PKI%/locked.key sslpassword=x",
            "empty",
            "locked.key",
        ),
        ("user=md5 password=md5 sslmode=require channel_binding=require", "empty", "channel binding"),
    ] {
        let text = at(rest);
        let (theirs, ours) = (judge.psql(&text, home, &[]), judge.ours(&text, home, &[]));
        let (Outcome::Error(_), Outcome::Error(ours)) = (theirs, ours) else { panic!("{rest}: let in") };
        // A server that refuses our certificate closes at once: what we were sending may break the connection
        // before its reason is read.
        let was_cut = reason == "unknown ca" && ours.contains("Connection reset by peer");
        assert!(ours.contains(reason) || was_cut, "{rest}: {ours}");
    }
}
