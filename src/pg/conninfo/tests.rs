use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::pg::conninfo::keywords::Keyword;

fn parsed(text: &str) -> BTreeMap<&'static str, String> {
    let conninfo: Conninfo = text.parse().unwrap();
    conninfo.parameters.into_iter().map(|(key, value)| (key.name(), value)).collect()
}

fn map<const N: usize>(pairs: [(&'static str, &str); N]) -> BTreeMap<&'static str, String> {
    pairs.map(|(key, value)| (key, value.to_owned())).into()
}

#[test]
fn keyword_strings_are_read_as_libpq_reads_them() {
    let cases = [
        ("", map([])),
        (" \t\n", map([])),
        ("host=a port = 1  user= me", map([("host", "a"), ("port", "1"), ("user", "me")])),
        ("password='a b\\'c\\\\'user=me", map([("password", "a b'c\\"), ("user", "me")])),
        ("password=a\\ b'c dbname=''", map([("password", "a b'c"), ("dbname", "")])),
        ("host=a host=b port=", map([("host", "b"), ("port", "")])),
        ("dbname=x\\", map([("dbname", "x")])),
        ("options=-csearch_path=", map([("options", "-csearch_path=")])),
        ("application_name=π", map([("application_name", "π")])),
        ("dbname=postgres://x", map([("dbname", "postgres://x")])),
    ];
    for (text, expected) in cases {
        assert_eq!(parsed(text), expected, "{text}");
    }
}

#[test]
fn uris_are_read_as_libpq_reads_them() {
    let cases = [
        ("postgresql://", map([])),
        ("postgres:///db", map([("dbname", "db")])),
        (
            "postgresql://me:p%40%3a@h:1/d%20b",
            map([("user", "me"), ("password", "p@:"), ("host", "h"), ("port", "1"), ("dbname", "d b")]),
        ),
        ("postgresql://a:1,b,[::1]:3/", map([("host", "a,b,::1"), ("port", "1,,3")])),
        ("postgresql://a,b", map([("host", "a,b"), ("port", ",")])),
        ("postgresql://%2Fvar%2Frun/db", map([("host", "/var/run"), ("dbname", "db")])),
        (
            "postgresql://h?sslmode=require&user=me&",
            map([("host", "h"), ("sslmode", "require"), ("user", "me")]),
        ),
        ("postgresql:///?host=/tmp&ssl=true", map([("host", "/tmp"), ("sslmode", "require")])),
        ("postgresql://u@h/d?dbname=e", map([("user", "u"), ("host", "h"), ("dbname", "e")])),
        ("postgresql://@:5433", map([("port", "5433")])),
    ];
    for (text, expected) in cases {
        assert_eq!(parsed(text), expected, "{text}");
    }
}

#[test]
fn what_libpq_refuses_is_refused_without_showing_passwords() {
    let cases = [
        (
            "host",
            "connection string has no '=' after the word at character 1 (values with blanks need quotes: 'a b')",
        ),
        (
            "password=my secret",
            "connection string has no '=' after the word at character 13 (values with blanks need quotes: 'a b')",
        ),
        ("password=my se=cret", "connection string has an unknown keyword '…' at character 13"),
        ("hots=x", "connection string has an unknown keyword 'hots' at character 1"),
        ("password='secret", "connection string has no closing quote for the value of 'password'"),
        ("postgresql://h?hots=x", "connection URI has an unknown parameter 'hots'"),
        ("postgresql://h?user", "connection URI has a parameter that is not 'keyword=value'"),
        ("postgresql://h?user=a=b", "connection URI has a parameter that is not 'keyword=value'"),
        ("postgresql://h/%zz", "connection URI has a malformed percent-encoding"),
        ("postgresql://h/%00", "connection URI has a malformed percent-encoding"),
        ("postgresql://[::1/d", "connection URI has a malformed IPv6 address; it is written [::1]:5432"),
        ("postgresql://[::1]x/d", "connection URI has a malformed IPv6 address; it is written [::1]:5432"),
    ];
    for (text, message) in cases {
        assert_eq!(text.parse::<Conninfo>().unwrap_err().to_string(), message, "{text}");
    }
}

#[test]
fn a_connection_string_is_shown_without_its_password() {
    let conninfo: Conninfo = "host=a password='top secret' user=me".parse().unwrap();
    assert_eq!(conninfo.to_string(), "host=a password=*REDACTED* user=me");
    assert_eq!(format!("{conninfo:?}"), "Conninfo(\"host=a password=*REDACTED* user=me\")");
    assert_eq!(conninfo.text(), "host=a password='top secret' user=me");
}

#[test]
fn programs_get_the_text_with_a_name_and_an_empty_search_path() {
    let program = |text: &str| text.parse::<Conninfo>().unwrap().for_program("barman").text().to_owned();
    assert_eq!(program("host=a"), "host=a application_name=barman options=-csearch_path=");
    assert_eq!(program("application_name=x options=y"), "application_name=x options=y");
    assert_eq!(
        program("postgresql://h/d"),
        "postgresql://h/d?application_name=barman&options=-csearch_path%3D"
    );
    assert_eq!(
        program("postgresql://h?user=u"),
        "postgresql://h?user=u&application_name=barman&options=-csearch_path%3D"
    );
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_without_panic(text in "\\PC*") {
        let _ = text.parse::<Conninfo>();
        let _ = format!("postgresql://{text}").parse::<Conninfo>();
    }

    #[test]
    fn keyword_like_text_is_read_or_refused_without_panic(text in "(host|port|=|'|\\\\| |a|,)*") {
        let _ = text.parse::<Conninfo>();
    }

    #[test]
    fn uri_like_text_is_read_or_refused_without_panic(text in "postgres://(host|[0-9]|[/:?&=@,%\\[\\]]|a)*") {
        let _ = text.parse::<Conninfo>();
    }

    #[test]
    fn values_that_are_added_are_read_back(
        value in "[^\0]*", form in prop::sample::select(vec!["", "host=x", "postgres://", "postgres://h/d?user=u"]),
    ) {
        let conninfo = form.parse::<Conninfo>().unwrap().with(Keyword::Password, &value);
        let again: Conninfo = conninfo.text().parse().unwrap();
        prop_assert_eq!(again.get("password"), Some(value.as_str()));
        prop_assert_eq!(again, conninfo);
    }
}

/// Resolves in a made-up environment: variables, a home directory with these files (mode 0600), user `os`.
fn resolve(text: &str, variables: &[(&str, &str)], files: &[(&str, &str)]) -> Result<Settings, Error> {
    let home = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = home.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }
    let variable = |name: &str| {
        let value = variables.iter().find(|(known, _)| *known == name)?.1;
        Some(value.replace('~', home.path().to_str().unwrap()))
    };
    let text = text.replace('~', home.path().to_str().unwrap());
    text.parse::<Conninfo>()?.resolve(&Surroundings {
        variable: &variable,
        home: Some(home.path().into()),
        user: "os".into(),
        files: &Files::default(),
    })
}

fn places(settings: &Settings) -> Vec<(Place, u16)> {
    settings.hosts.iter().map(|host| (host.place.clone(), host.port)).collect()
}

fn password(host: &Host) -> Option<&str> {
    host.password.secret().map(Secret::expose)
}

#[test]
fn nothing_said_is_the_default_socket_as_the_system_user() {
    let settings = resolve("", &[], &[]).unwrap();
    assert_eq!(places(&settings), [(Place::Unix("/var/run/postgresql".into()), 5432)]);
    assert_eq!((settings.user.as_str(), settings.dbname.as_str()), ("os", "os"));
    assert_eq!(settings.tls.mode, SslMode::Prefer);
    assert_eq!(resolve("user=me", &[], &[]).unwrap().dbname, "me");
}

#[test]
fn string_stands_over_service_over_environment() {
    let service = "[svc]\nhost=service\nport=1\nuser=service\ndbname=service\n";
    let variables = [("PGHOST", "env"), ("PGUSER", "env"), ("PGSSLMODE", "disable"), ("PGDATABASE", "env")];
    let settings = resolve("service=svc user=text", &variables, &[(".pg_service.conf", service)]).unwrap();
    assert_eq!(places(&settings), [(Place::Name("service".into()), 1)]);
    assert_eq!((settings.user.as_str(), settings.dbname.as_str()), ("text", "service"));
    assert_eq!(settings.tls.mode, SslMode::Disable);
    // An empty value in the string hides the variable and then counts as none.
    assert_eq!(
        places(&resolve("host=", &variables, &[]).unwrap())[0].0,
        Place::Unix("/var/run/postgresql".into())
    );
}

#[test]
fn a_service_is_found_where_libpq_finds_it() {
    let found = |text: &str, variables: &[(&str, &str)]| {
        let files = [
            (".pg_service.conf", "[own]\nuser=own\n[both]\nuser=own\n"),
            ("sys/pg_service.conf", "[system]\nuser=system\n[both]\nuser=system\n"),
            ("named.conf", "[own]\nuser=named\n"),
        ];
        resolve(text, variables, &files).map(|settings| settings.user)
    };
    let system = ("PGSYSCONFDIR", "~/sys");
    assert_eq!(found("service=own", &[system]).unwrap(), "own");
    assert_eq!(found("service=both", &[system]).unwrap(), "own");
    assert_eq!(found("service=system", &[system]).unwrap(), "system");
    assert_eq!(found("", &[system, ("PGSERVICE", "system")]).unwrap(), "system");
    assert_eq!(found("service=own", &[("PGSERVICEFILE", "~/named.conf")]).unwrap(), "named");
    assert_eq!(found("service=own servicefile=~/named.conf", &[]).unwrap(), "named");
    let error = found("service=none", &[system]).unwrap_err().to_string();
    assert!(error.starts_with("definition of service 'none' not found in '/"), "{error}");
    let error = found("service=own", &[("PGSERVICEFILE", "/nowhere")]).unwrap_err();
    assert_eq!(error.to_string(), "service file '/nowhere': not found");
}

#[test]
fn hosts_addresses_and_ports_are_paired() {
    let address = |text: &str, name: Option<&str>| Place::Address {
        address: text.parse().unwrap(),
        name: name.map(str::to_owned),
    };
    let settings = resolve("host=a,/tmp,,@x port=1,,3,4", &[], &[]).unwrap();
    let expected = [
        (Place::Name("a".into()), 1),
        (Place::Unix("/tmp".into()), 5432),
        (Place::Unix("/var/run/postgresql".into()), 3),
        (Place::Unix("@x".into()), 4),
    ];
    assert_eq!(places(&settings), expected);
    let settings = resolve("host=a,b hostaddr=127.0.0.1,::1 port=9", &[], &[]).unwrap();
    assert_eq!(places(&settings), [(address("127.0.0.1", Some("a")), 9), (address("::1", Some("b")), 9)]);
    assert_eq!(places(&resolve("hostaddr=::1", &[], &[]).unwrap()), [(address("::1", None), 5432)]);
    for (text, message) in [
        ("host=a,b hostaddr=::1", "connection parameters host and hostaddr have 2 and 1 entries"),
        ("host=a,b port=1,2,3", "connection parameters port and host have 3 and 2 entries"),
        ("hostaddr=localhost", "connection parameter 'hostaddr' has an invalid value 'localhost'"),
        ("host=a port=0", "connection parameter 'port' has an invalid value"),
        ("postgres://me:sec/ret@h", "connection parameter 'port' has an invalid value"),
        ("port=65536", "connection parameter 'port' has an invalid value"),
    ] {
        assert_eq!(resolve(text, &[], &[]).unwrap_err().to_string(), message);
    }
}

#[test]
fn passwords_come_from_string_environment_or_file_by_host() {
    let file = [(".pgpass", "a:5432:*:*:first\nlocalhost:*:*:*:local\n127.0.0.1:*:*:*:address\n")];
    let found = |text: &str, variables: &[(&str, &str)]| {
        let settings = resolve(text, variables, &file).unwrap();
        settings.hosts.iter().map(|host| password(host).map(str::to_owned)).collect::<Vec<_>>()
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(found("host=a,b,", &[]), [some("first"), None, some("local")]);
    assert_eq!(found("hostaddr=127.0.0.1", &[]), [some("address")]);
    assert_eq!(found("host=a hostaddr=127.0.0.1", &[]), [some("first")]);
    assert_eq!(found("host=a", &[("PGPASSWORD", "env")]), [some("env")]);
    assert_eq!(found("host=a password=text", &[("PGPASSWORD", "env")]), [some("text")]);
    assert_eq!(found("host=a password=''", &[]), [some("first")]);
    assert_eq!(found("host=a passfile=/nowhere", &[]), [None]);
}

#[test]
fn a_password_file_that_others_may_read_is_not_used_and_says_why() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("pass");
    fs::write(&path, "*:*:*:*:secret").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    let settings = resolve(&format!("passfile={}", path.display()), &[], &[]).unwrap();
    let Password::None { note: Some(note) } = &settings.hosts[0].password else {
        panic!("password was used")
    };
    assert!(note.contains("group or world access") && note.contains(path.to_str().unwrap()), "{note}");
}

#[test]
fn secrets_are_not_in_the_debug_form_of_the_settings() {
    let settings = resolve("password=hidden sslpassword=hidden", &[], &[]).unwrap();
    assert!(!format!("{settings:?}").contains("hidden"));
}

#[test]
fn values_and_contradictions_that_libpq_refuses_are_refused() {
    let cases = [
        ("sslmode=maybe", "connection parameter 'sslmode' has an invalid value 'maybe'"),
        ("connect_timeout=soon", "connection parameter 'connect_timeout' has an invalid value 'soon'"),
        (
            "target_session_attrs=master",
            "connection parameter 'target_session_attrs' has an invalid value 'master'",
        ),
        ("require_auth=md5,!none", "connection parameter 'require_auth' has an invalid value 'md5,!none'"),
        (
            "ssl_max_protocol_version=TLSv1.1",
            "connection parameter 'ssl_max_protocol_version': it is below ssl_min_protocol_version",
        ),
        (
            "sslrootcert=system sslmode=require",
            "connection parameter 'sslmode': sslrootcert=system needs 'verify-full'",
        ),
        (
            "sslnegotiation=direct sslmode=prefer",
            "connection parameter 'sslmode': sslnegotiation=direct needs 'require', 'verify-ca' or 'verify-full'",
        ),
    ];
    for (text, message) in cases {
        assert_eq!(resolve(text, &[], &[]).unwrap_err().to_string(), message);
    }
    let error = resolve("", &[("PGSSLMODE", "x")], &[]).unwrap_err();
    assert_eq!(error.to_string(), "connection parameter 'sslmode' (from PGSSLMODE) has an invalid value 'x'");
}

#[test]
fn protections_we_do_not_have_are_refused_and_never_dropped() {
    for text in [
        "gssencmode=require",
        "krbsrvname=postgres",
        "gsslib=gssapi",
        "gssdelegation=1",
        "sslcertmode=require",
        "oauth_issuer=https://x",
        "scram_client_key=x",
        "sslkeylogfile=/tmp/x",
        "min_protocol_version=3.2",
    ] {
        let error = resolve(text, &[], &[]).unwrap_err();
        assert!(matches!(error, Error::NotSupported { .. }), "{text}: {error}");
    }
    for text in ["gssencmode=prefer", "gssdelegation=0", "sslcertmode=allow", "max_protocol_version=latest"] {
        assert!(resolve(text, &[], &[]).is_ok(), "{text}");
    }
}

#[test]
fn tls_files_are_those_in_the_home_directory_unless_named() {
    let tls = resolve("", &[], &[]).unwrap().tls;
    let Roots::File(Some(root)) = &tls.roots else { panic!("no root file") };
    assert!(root.ends_with(".postgresql/root.crt"));
    assert!(tls.crl.is_some_and(|crl| crl.path.ends_with(".postgresql/root.crl") && !crl.named));
    let tls = resolve("sslrootcert=/r sslcrldir=/d sslkey=/k", &[("PGSSLCERT", "/c")], &[]).unwrap().tls;
    assert!(matches!(tls.roots, Roots::File(Some(path)) if path == Path::new("/r")));
    assert!(tls.crl.is_none() && tls.crl_dir.as_deref() == Some(Path::new("/d")));
    assert_eq!(tls.key.as_deref(), Some(Path::new("/k")));
    assert!(tls.certificate.is_some_and(|file| file.named && file.path == Path::new("/c")));
    let tls = resolve("sslrootcert=system", &[], &[]).unwrap().tls;
    assert!(matches!((tls.roots, tls.mode), (Roots::System, SslMode::VerifyFull)));
}

#[test]
fn allowed_ways_to_authenticate_are_listed_or_excluded() {
    let policy = |text: &str| resolve(text, &[], &[]).unwrap().auth;
    let only = policy("require_auth='md5, scram-sha-256'");
    assert!(
        only.allows(AuthMethod::Md5) && !only.allows(AuthMethod::None) && !only.allows(AuthMethod::Password)
    );
    let except = policy("require_auth=!password,!none");
    assert!(except.allows(AuthMethod::Md5) && !except.allows(AuthMethod::Password));
    assert!(policy("").allows(AuthMethod::None));
}

proptest! {
    #[test]
    fn any_parameters_are_resolved_or_refused_without_panic(
        parameters in prop::collection::vec((prop::sample::select(Keyword::all().collect::<Vec<_>>()), "[a-z0-9,!.:/@-]{0,6}"), 0..6),
    ) {
        let mut conninfo: Conninfo = "passfile=/nowhere".parse().unwrap();
        for (key, value) in parameters.iter().filter(|(key, _)| *key != Keyword::ServiceFile) {
            conninfo = conninfo.with(*key, value);
        }
        let around = Surroundings { variable: &|_| None, home: None, user: "os".into(), files: &Files::default() };
        let _ = conninfo.resolve(&around);
    }
}
