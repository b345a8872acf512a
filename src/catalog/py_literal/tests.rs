use std::io::Write as _;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use proptest::strategy::ValueTree;

use super::*;

fn read(text: &str) -> Literal {
    text.parse().unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

#[test]
fn what_barman_writes_is_written_back_unchanged() {
    for text in [
        "None",
        "True",
        "-16387",
        "1.25",
        "0.0",
        "-0.0",
        "1e-05",
        "0.0001",
        "1e+16",
        "1.2345678901234568e+18",
        "1000000000000000.0",
        "136465542960899.12",
        "9999999999999998.0",
        "[('tbs1', 16387, '/srv/ts1')]",
        "[]",
        "()",
        "(1,)",
        "{}",
        "{'copy_time': 1.25, 'total_time': 1.25}",
        r#"'START WAL LOCATION: 0/2000028\nLABEL: \'a"b\'\n'"#,
        r#""it's""#,
        r#"'say "hi"'"#,
        r"'back\\slash\ttab\r\x00\x7f\xa0\xad'",
        r"'\u200b\u2028\ue000\U000e0001'",
        "'grün ħ 日本 🐘 e\u{301}'",
    ] {
        assert_eq!(read(text).to_string(), text);
    }
}

#[test]
fn other_spellings_are_understood() {
    let cases = [
        ("[(u'ts', 16387L, \"/srv\")]", "[('ts', 16387, '/srv')]"),
        (" ( 1 , ) ", "(1,)"),
        ("((1))", "1"),
        ("[1,2,]", "[1, 2]"),
        ("{'a':1,}", "{'a': 1}"),
        (r"'\a\101\q\u00e9\U0001F418'", r"'\x07A\\qé🐘'"),
        (".5", "0.5"),
        ("1e3", "1000.0"),
        ("+7", "7"),
        ("1e999", "1e999"),
    ];
    for (text, written) in cases {
        assert_eq!(read(text).to_string(), written);
    }
}

#[test]
fn what_is_no_literal_is_refused_with_the_place() {
    for text in [
        "",
        "none",
        "'",
        "'a",
        "'a\nb'",
        "[",
        "[1",
        "[1 2]",
        "(,)",
        "{1}",
        "{1:}",
        "1 2",
        "-",
        "'a' 'b'",
        "1.2.3",
        r"'\x4'",
        r"'\ud800'",
        "f()",
        "{'a': 1 'b': 2}",
        "u",
        "99999999999999999999999999999999999999999",
    ] {
        assert!(text.parse::<Literal>().is_err(), "{text:?}");
    }
    let error = "[1, 2".parse::<Literal>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "not a Python literal: a comma or the closing bracket expected at character 6"
    );
}

#[test]
fn deep_nesting_is_refused_before_the_stack_ends() {
    assert!("[".repeat(1_000_000).parse::<Literal>().is_err());
    let deep = format!("{}{}", "[".repeat(60), "]".repeat(60));
    assert_eq!(read(&deep).to_string(), deep);
}

#[test]
fn values_are_found_in_dictionaries() {
    let stats = read("{'copy_time': 1.5, 'number_of_workers': 2}");
    assert_eq!(stats.get("copy_time").and_then(Literal::as_f64), Some(1.5));
    assert_eq!(stats.get("number_of_workers").and_then(Literal::as_f64), Some(2.0));
    assert_eq!(stats.get("analysis_time"), None);
    assert_eq!(serde_json::to_string(&read("{'a': (1, None)}")).unwrap(), r#"{"a":[1,null]}"#);
}

fn any_literal() -> impl Strategy<Value = Literal> {
    let leaf = prop_oneof![
        Just(Literal::None),
        any::<bool>().prop_map(Literal::Bool),
        any::<i128>().prop_map(Literal::Int),
        (proptest::num::f64::NORMAL | proptest::num::f64::ZERO).prop_map(Literal::Float),
        (-20..20_i32, -99..99_i32).prop_map(|(e, m)| Literal::Float(f64::from(m) * 10_f64.powi(e))),
        "\\PC*".prop_map(Literal::Str),
        "['\"\\\\\n\t\0-\u{ff}]{0,8}".prop_map(Literal::Str),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Literal::Tuple),
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Literal::List),
            proptest::collection::btree_map("[a-z]{1,5}", inner, 0..4)
                .prop_map(|map| map.into_iter().map(|(key, value)| (Literal::Str(key), value)).collect())
                .prop_map(Literal::Dict),
        ]
    })
}

proptest! {
    #[test]
    fn parsing_undoes_writing(literal in any_literal()) {
        prop_assert_eq!(read(&literal.to_string()), literal);
    }

    #[test]
    fn any_text_is_read_or_refused_without_panic(text in "\\PC{0,40}|[]\\[(){}'\"\\\\,:.0-9eLxuU+-]{0,40}") {
        let _ = text.parse::<Literal>();
    }
}

/// Python's own reader and writer are the judge, on machines that have a Python.
#[test]
fn python_reads_and_writes_the_same() {
    let script = "import ast, sys\nfor line in sys.stdin.buffer.read().decode().split('\\n')[:-1]:\n    \
                  sys.stdout.buffer.write((repr(ast.literal_eval(line)) + '\\n').encode())";
    let python =
        Command::new("python3").args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut python) = python else {
        return;
    };
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut written = String::new();
    for _ in 0..2000 {
        let literal = any_literal().new_tree(&mut runner).unwrap().current();
        // Newer Unicode has characters that an older Python does not know and escapes.
        let text: String = literal.to_string().chars().filter(|c| u32::from(*c) < 0x250).collect();
        if let Ok(known) = text.parse::<Literal>() {
            written += &format!("{known}\n");
        }
    }
    for code in (0..0x250).chain(0x2000..0x20a0).chain(0x3000..0x3100).filter_map(char::from_u32) {
        written += &format!("{}\n", Literal::Str(code.to_string()));
    }
    python.stdin.take().unwrap().write_all(written.as_bytes()).unwrap();
    let answer = python.wait_with_output().unwrap();
    let answer = String::from_utf8(answer.stdout).unwrap();
    for (ours, theirs) in written.lines().zip(answer.lines()) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(written.lines().count(), answer.lines().count());
}
