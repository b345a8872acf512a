use std::path::PathBuf;
use std::sync::Arc;

use super::*;
use crate::sys::Cancel;
use crate::sys::events::Silent;

const MAIN: &str = "\
[barman]
barman_user = nobody
barman_home = {home}
reuse_backup = link

[main]  ; the shop
conninfo = host=db password=secret
backup_options = concurrent_backup

[berlin]
model = on
cluster = main
conninfo = host=berlin
";

struct Site {
    dir: tempfile::TempDir,
    context: Context,
}

impl Site {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let site = Self { context: Context::new(Arc::new(Silent), Cancel::default()), dir };
        site.write("barman.conf", &MAIN.replace("{home}", site.path("").to_str().unwrap()));
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name))
            .unwrap_or_default()
            .replace(self.path("").to_str().unwrap(), "{home}")
    }

    fn global(&self) -> Global {
        MainFile::load(&self.path("barman.conf"), &self.context.files).unwrap().global().clone()
    }

    fn update(&self, json: &str) -> Result<Vec<String>, String> {
        run(&self.context, &self.global(), json).map_err(|error| error.description())
    }
}

#[test]
fn options_are_changed_where_they_are_set_and_new_ones_go_to_a_file_of_their_own() {
    let site = Site::new();
    let json = r#"[{"scope": "server", "server_name": "main", "conninfo": "host=new", "compression": "gzip",
                    "reuse_backup": "copy"},
                   {"scope": "model", "model_name": "paris", "cluster": "main", "conninfo": "host=paris"}]"#;
    assert_eq!(site.update(json).unwrap(), ["main", "paris"]);
    let changed = MAIN
        .replace("conninfo = host=db password=secret", "conninfo = host=new")
        .replace("= concurrent_backup\n", "= concurrent_backup\nreuse_backup = copy\n");
    assert_eq!(site.read("barman.conf"), changed);
    let own = "[main]\ncompression = gzip\n[paris]\ncluster = main\nconninfo = host=paris\nmodel = on\n";
    assert_eq!(site.read(".barman.auto.conf"), own);
    assert_eq!(site.read("cfg_changes.queue"), "[]");
}

#[test]
fn what_makes_no_sense_changes_nothing() {
    for (json, why) in [
        ("x", "no JSON"),
        ("{}", "no list"),
        ("[1]", "item 1 of the list"),
        (r#"[{"scope": "bla"}]"#, "'scope' is invalid: 'bla'"),
        (r#"[{"scope": "server"}]"#, "'server_name' is missing"),
        (r#"[{"scope": "server", "server_name": "all"}]"#, "'server_name' is missing"),
        (r#"[{"scope": "server", "server_name": "berlin"}]"#, "'berlin' is a model"),
        (r#"[{"scope": "model", "model_name": "main"}]"#, "'main' is a server"),
        (r#"[{"scope": "model", "model_name": "new"}]"#, "'cluster' is missing"),
        (r#"[{"scope": "server", "server_name": "main", "nosuch": "1"}]"#, "Invalid option 'nosuch'"),
        (r#"[{"scope": "server", "server_name": "main", "model": "on"}]"#, "Invalid option 'model'"),
        (
            r#"[{"scope": "model", "model_name": "berlin", "backup_directory": "/x"}]"#,
            "Invalid option 'backup_directory'",
        ),
        (r#"[{"scope": "server", "server_name": "main", "parallel_jobs": "x"}]"#, "Validation failed"),
        (r#"[{"scope": "server", "server_name": "main", "parallel_jobs": 5}]"#, "must be a text: \"5\""),
    ] {
        let site = Site::new();
        let said = site.update(json).unwrap_err();
        assert!(said.contains(why), "{json}: {said}");
        assert_eq!(
            (site.read("barman.conf").as_str(), site.read("cfg_changes.queue").as_str()),
            (MAIN, ""),
            "{json}"
        );
    }
}

#[test]
fn what_cannot_be_made_now_is_made_later_in_its_order() {
    let site = Site::new();
    let waiting = |value: &str, file: &str| {
        format!(
            r#"[{{"section": "main", "changes_set": [{{"key": "parallel_jobs", "value": {value}, "config_file": "{}"}}]}}]"#,
            site.path(file).display()
        )
    };
    // The file is a directory.
    site.write("cfg_changes.queue", &waiting("5", "."));
    let json = r#"[{"scope": "server", "server_name": "main", "parallel_jobs": "2"}]"#;
    let said = site.update(json).unwrap_err();
    assert!(
        said.starts_with("Unable to process a set of changes. Exiting.\n")
            && said.contains("cfg_changes.queue")
    );
    assert_eq!(site.read("cfg_changes.queue").matches("changes_set").count(), 2);
    assert_eq!(site.read(".barman.auto.conf"), "");

    // As the Python Barman leaves a number that it could not write.
    site.write("cfg_changes.queue", &waiting("5", "barman.conf"));
    run_queue(&site.context, &site.global()).unwrap();
    assert!(site.read("barman.conf").contains("concurrent_backup\nparallel_jobs = 5\n"));
    assert_eq!(site.read("cfg_changes.queue"), "[]");
}

#[test]
fn a_queue_that_cannot_be_read_is_kept() {
    let site = Site::new();
    site.write("cfg_changes.queue", "[{");
    site.update("[]").unwrap();
    assert_eq!(
        (site.read("cfg_changes.queue"), site.read("cfg_changes.malformed")),
        ("[]".into(), "[{".into())
    );
}

#[test]
fn one_process_at_a_time_changes_files() {
    let site = Site::new();
    let _lock = Lock::try_acquire(&site.path(".config-update.lock")).unwrap().unwrap();
    assert!(site.update("[]").unwrap_err().contains("another process is updating"));
    site.write("cfg_changes.queue", "[{");
    run_queue(&site.context, &site.global()).unwrap();
    assert_eq!(site.read("cfg_changes.queue"), "[{");
}
