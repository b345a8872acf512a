//! Restores that stop half-way, and their repetition.

use super::*;

/// The steps of every restore but the first, which also makes the index of the WAL.
fn steps_of_a_restore(site: &Site) -> usize {
    site.restore_to("first", Files::default()).unwrap();
    let probe = CrashAfter::new(usize::MAX);
    site.restore_to("whole", Files::probed(probe.clone())).unwrap();
    site.assert_complete("whole", "undisturbed");
    probe.seen()
}

#[test]
fn a_restore_that_stops_anywhere_leaves_nothing_startable_but_the_whole_and_can_be_repeated() {
    assert_every_stop_is_survived(&Site::new());
}

#[test]
fn so_does_a_restore_out_of_archives() {
    assert_every_stop_is_survived(&Site::archived());
}

fn assert_every_stop_is_survived(site: &Site) {
    let steps = steps_of_a_restore(site);
    assert!(steps > 20, "{steps}");
    for allowed in 0..steps {
        let (to, when) = (format!("to-{allowed}"), format!("stopped after {allowed} of {steps} steps"));
        assert!(site.restore_to(&to, Files::probed(CrashAfter::new(allowed))).is_err(), "{when}");
        if site.is_startable(&to) {
            site.assert_complete(&to, &when);
        }
        let is_marked = site.path(&format!("{to}/.barman-restore-incomplete")).exists();
        if is_marked || !site.is_startable(&to) {
            site.restore_to(&to, Files::default()).unwrap_or_else(|error| panic!("{when}: {error}"));
        }
        site.assert_complete(&to, &when);
    }
}

#[test]
fn a_repetition_that_stops_anywhere_does_not_leave_the_control_file_of_the_attempt_before() {
    let site = Site::new();
    let steps = steps_of_a_restore(&site);
    for allowed in (0..steps).step_by(3) {
        let (to, when) = (format!("to-{allowed}"), format!("stopped after {allowed} of {steps} steps"));
        site.restore_to(&to, Files::probed(CrashAfter::new(steps - 2))).unwrap_err();
        assert!(site.is_startable(&to));
        // What tells a whole data directory from one that is being written anew.
        real::write(site.path(&format!("{to}/base/1/1259")), "half").unwrap();
        let _ = site.restore_to(&to, Files::probed(CrashAfter::new(allowed)));
        let is_old = site.read(&format!("{to}/base/1/1259")).as_deref() == Some("half");
        if site.is_startable(&to) && !is_old {
            site.assert_complete(&to, &when);
        }
    }
}

#[test]
fn a_repetition_with_other_options_is_not_steered_by_those_of_the_attempt_before() {
    for site in [Site::new(), Site::archived()] {
        let attempt = |to: &str, standby, files| {
            let location = format!("ts:{}", site.path(&format!("{to}-ts")).display());
            run(&site.server(files), &RestoreRequest { standby, ..site.request(to, &[&location]) })
        };
        // The last step before the mark goes.
        let stopped = (0..steps_of_a_restore(&site)).rev().map(|allowed| (allowed, format!("to-{allowed}")));
        let to = stopped.into_iter().find_map(|(allowed, to)| {
            let _ = attempt(&to, true, Files::probed(CrashAfter::new(allowed)));
            site.path(&format!("{to}/.barman-restore-incomplete")).exists().then_some(to)
        });
        let to = to.unwrap();
        let left =
            ["standby.signal", "barman_wal/000000010000000000000009"].map(|name| site.path(&to).join(name));
        real::write(&left[1], "of a target that lay further").unwrap();
        assert!(left[0].exists());
        attempt(&to, false, Files::default()).unwrap();
        site.assert_complete(&to, "after an attempt to make a standby");
        assert!(!left.iter().any(|path| path.exists()));
    }
}

#[test]
fn what_was_started_since_is_not_taken_for_an_unfinished_restore() {
    let site = Site::new();
    let steps = steps_of_a_restore(&site);
    site.restore_to("to", Files::probed(CrashAfter::new(steps - 2))).unwrap_err();
    real::write(site.path("to/global/pg_control"), "in production").unwrap();
    let error = site.restore_to("to", Files::default()).unwrap_err().to_string();
    assert!(error.contains("is not empty"), "{error}");
    assert_eq!(site.read("to/global/pg_control").as_deref(), Some("in production"));
}
