use super::servers::title;
use crate::view::{Check, CheckReport};

/// One line per check under the server's name.
pub fn checks(report: &CheckReport, colors: bool) -> String {
    let mut text = title(&report.server, report.active, report.disabled);
    for check in &report.checks {
        let verdict = match (check.ok, colors) {
            (true, false) => "OK",
            (false, false) => "FAILED",
            (true, true) => "\x1b[32mOK\x1b[0m",
            (false, true) => "\x1b[31mFAILED\x1b[0m",
        };
        text += &format!("\t{}: {verdict}{}\n", check.label, in_brackets(&check.hint));
        for detail in &check.details {
            text += &format!("\t\t{detail}\n");
        }
    }
    text
}

/// The line that a Nagios plugin prints, the failed checks under it, and the plugin's exit code.
///
/// `other_errors` tells that something was wrong beside the checks, for example an unknown server.
pub fn nagios(reports: &[CheckReport], other_errors: bool) -> (String, u8) {
    let failing: Vec<&CheckReport> = reports.iter().filter(|report| !report.passed()).collect();
    let critical = failing.iter().any(|report| report.active);
    if critical {
        return (critical_text(reports, &failing), 2);
    }
    if other_errors {
        return ("BARMAN CRITICAL - Global configuration errors\n".into(), 2);
    }
    let ignored: String = failing.iter().map(|report| format!(" * IGNORING: {}", report.server)).collect();
    let ready: Vec<&CheckReport> = reports.iter().filter(|report| report.passed()).collect();
    let whom = match ready.as_slice() {
        [] => return (format!("BARMAN OK - No server configured{ignored}\n"), 0),
        [only] => only.server.clone(),
        several => {
            let names: String = several.iter().map(|report| format!(" * {}", report.server)).collect();
            format!("{} servers{names}", several.len())
        }
    };
    let figures = performance(reports);
    (format!("BARMAN OK - Ready to serve the Espresso backup for {whom}{ignored}{figures}\n"), 0)
}

fn critical_text(reports: &[CheckReport], failing: &[&CheckReport]) -> String {
    let summary = match reports {
        [only] => format!("server {} has issues", only.server),
        _ => format!("{} server out of {} have issues", failing.len(), reports.len()),
    };
    let mut text = format!("BARMAN CRITICAL - {summary}");
    for report in failing {
        let labels: Vec<&str> = failures(report).map(|check| check.label).collect();
        text += &format!(" * {} FAILED: {}", report.server, labels.join(", "));
    }
    text += &performance(reports);
    text.push('\n');
    for report in failing {
        for check in failures(report) {
            text += &format!("{}.{}: FAILED{}\n", report.server, check.label, in_brackets(&check.hint));
        }
    }
    text
}

fn failures(report: &CheckReport) -> impl Iterator<Item = &Check> {
    report.checks.iter().filter(|check| !check.ok)
}

fn performance(reports: &[CheckReport]) -> String {
    let figures: Vec<String> = reports
        .iter()
        .map(|r| format!("{0}={1}B {0}_wals={2}B", r.server, r.last_backup_bytes, r.wal_bytes))
        .collect();
    if figures.is_empty() { String::new() } else { format!("|{}", figures.join(" ")) }
}

fn in_brackets(hint: &str) -> String {
    if hint.is_empty() { String::new() } else { format!(" ({hint})") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(server: &str, active: bool, failing: &[&'static str]) -> CheckReport {
        let check = |label, ok| Check {
            label,
            ok,
            hint: if ok { "fine".into() } else { String::new() },
            reason: None,
            details: vec![],
            tolerated_by_backup: false,
        };
        let mut checks = vec![check("directories", true)];
        checks.extend(failing.iter().map(|label| check(label, false)));
        let server = server.to_owned();
        CheckReport { server, active, disabled: false, checks, last_backup_bytes: 10, wal_bytes: 2 }
    }

    #[test]
    fn each_check_has_a_line_with_its_hint_in_brackets() {
        let text = checks(&report("main", true, &["ssh"]), false);
        assert_eq!(text, "Server main:\n\tdirectories: OK (fine)\n\tssh: FAILED\n");
    }

    #[test]
    fn nagios_reads_one_line_and_an_exit_code() {
        let ok = |name| report(name, true, &[]);
        let bad = |name| report(name, true, &["ssh", "PostgreSQL"]);
        let cases = [
            (
                vec![ok("a")],
                false,
                0,
                "BARMAN OK - Ready to serve the Espresso backup for a|a=10B a_wals=2B\n",
            ),
            (
                vec![ok("a"), ok("b")],
                false,
                0,
                "BARMAN OK - Ready to serve the Espresso backup for 2 servers * a * b\
                 |a=10B a_wals=2B b=10B b_wals=2B\n",
            ),
            (vec![], false, 0, "BARMAN OK - No server configured\n"),
            (vec![], true, 2, "BARMAN CRITICAL - Global configuration errors\n"),
            (
                vec![bad("a")],
                false,
                2,
                "BARMAN CRITICAL - server a has issues * a FAILED: ssh, PostgreSQL|a=10B a_wals=2B\n\
                 a.ssh: FAILED\na.PostgreSQL: FAILED\n",
            ),
            (
                vec![ok("a"), bad("b")],
                false,
                2,
                "BARMAN CRITICAL - 1 server out of 2 have issues * b FAILED: ssh, PostgreSQL\
                 |a=10B a_wals=2B b=10B b_wals=2B\nb.ssh: FAILED\nb.PostgreSQL: FAILED\n",
            ),
        ];
        for (reports, errors, code, text) in cases {
            assert_eq!(nagios(&reports, errors), (text.to_owned(), code));
        }
    }

    #[test]
    fn what_fails_on_an_inactive_server_is_no_alarm() {
        let (ok, idle) = (|name| report(name, true, &[]), |name| report(name, false, &[]));
        let (bad, ignored) = (|name| report(name, true, &["ssh"]), |name| report(name, false, &["ssh"]));
        let cases = [
            (vec![ignored("a")], 0, "OK - No server configured * IGNORING: a\n"),
            (vec![idle("a")], 0, "OK - Ready to serve the Espresso backup for a|a=10B"),
            (
                vec![ok("a"), ignored("b")],
                0,
                "OK - Ready to serve the Espresso backup for a * IGNORING: b|a=10B",
            ),
            (
                vec![ok("a"), idle("b"), ignored("c"), ignored("d")],
                0,
                "OK - Ready to serve the Espresso backup for 2 servers * a * b * IGNORING: c * IGNORING: d|a=10B",
            ),
            (
                vec![bad("a"), ignored("b"), ok("c")],
                2,
                "CRITICAL - 2 server out of 3 have issues * a FAILED: ssh * b",
            ),
        ];
        for (reports, code, start) in cases {
            let (text, found) = nagios(&reports, false);
            assert!(text.starts_with(&format!("BARMAN {start}")), "{text}");
            assert_eq!(found, code);
        }
    }
}
