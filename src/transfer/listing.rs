//! What `rsync --list-only` prints: a line for each file, with its type and permissions, size, time and name.
//!
//! The line is made by the rsync of this host, whatever the other side runs, in the zone we ask for (UTC) and
//! with escapes for every byte that is not printable ASCII. Times are whole seconds.

/// An entry of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// Size, and time of the last change.
    pub stamp: Stamp,
    /// Path relative to the listed directory, `.` for that directory itself.
    pub name: Vec<u8>,
}

/// The kinds of files that matter to a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link, and what it points to.
    Link(Vec<u8>),
    /// A socket, a pipe or a device, which are not copied.
    Special,
}

/// By what rsync takes two files for the same without reading them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Size in bytes.
    pub size: u64,
    /// Time of the last change, in whole seconds since 1970, rounded down.
    pub modified_secs: i64,
}

/// A line that is not one of a listing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rsync printed '{0}' where a file was to be listed")]
pub struct ParseError(String);

/// Reads one line of a listing.
pub fn parse_line(line: &[u8]) -> Result<Entry, ParseError> {
    parse(line).ok_or_else(|| ParseError(String::from_utf8_lossy(line).into_owned()))
}

fn parse(line: &[u8]) -> Option<Entry> {
    let (permissions, rest) = split_at_blank(line)?;
    let (size, rest) = split_at_blank(rest.trim_ascii_start())?;
    let (date, rest) = split_at_blank(rest)?;
    let (time, name) = split_at_blank(rest)?;
    let size = number(size)?;
    let (kind, name) = match permissions.first()? {
        b'd' => (Kind::Directory, unescape(name)),
        b'-' => (Kind::File, unescape(name)),
        b'l' => {
            let (name, target) = split_link(name, size)?;
            (Kind::Link(target), name)
        }
        b's' | b'p' | b'c' | b'b' => (Kind::Special, unescape(name)),
        _ => return None,
    };
    let modified_secs = seconds_since_1970(date, time)?;
    (!name.is_empty()).then_some(Entry { kind, stamp: Stamp { size, modified_secs }, name })
}

fn split_at_blank(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let blank = text.iter().position(|&byte| byte == b' ')?;
    Some((&text[..blank], &text[blank + 1..]))
}

/// Divides `name -> target`. Either may contain an arrow; the size of a link is the length of its target.
fn split_link(text: &[u8], size: u64) -> Option<(Vec<u8>, Vec<u8>)> {
    const ARROW: &[u8] = b" -> ";
    let arrows = text.windows(ARROW.len()).enumerate().filter(|(_, window)| *window == ARROW);
    let mut divisions = arrows
        .map(|(at, _)| (unescape(&text[..at]), unescape(&text[at + ARROW.len()..])))
        .collect::<Vec<_>>();
    let right = divisions.iter().position(|(_, target)| target.len() as u64 == size);
    (!divisions.is_empty()).then(|| divisions.swap_remove(right.unwrap_or(0)))
}

/// Turns `\#ooo` back into the byte with that octal number.
pub(super) fn unescape(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, behind)) = rest.split_first() {
        match rest {
            [b'\\', b'#', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..] => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = after;
            }
            _ => {
                bytes.push(first);
                rest = behind;
            }
        }
    }
    bytes
}

fn number<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    let text = std::str::from_utf8(digits).ok()?;
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// `2014/06/05` and `18:00:00`, in UTC.
fn seconds_since_1970(date: &[u8], time: &[u8]) -> Option<i64> {
    let [year, month, day] = three_numbers(date, b'/')?;
    let [hour, minute, second] = three_numbers(time, b':')?;
    let date = chrono::NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
    Some(date.and_hms_opt(hour, minute, second)?.and_utc().timestamp())
}

fn three_numbers(text: &[u8], separator: u8) -> Option<[u32; 3]> {
    let mut parts = text.split(|&byte| byte == separator).map(number);
    let numbers = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(numbers)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(line: &str) -> Entry {
        parse_line(line.as_bytes()).unwrap()
    }

    #[test]
    fn lines_of_rsync_are_read() {
        let file = entry("-rw-------           8192 2014/06/05 18:00:00 base/1/1259_fsm");
        let stamp = Stamp { size: 8192, modified_secs: 1_401_991_200 };
        assert_eq!(file, Entry { kind: Kind::File, stamp, name: b"base/1/1259_fsm".into() });
        let directory = entry("drwx------        4096 2026/11/23 11:00:13 .");
        assert_eq!((directory.kind, &directory.name[..]), (Kind::Directory, &b"."[..]));
        assert_eq!(entry("srwxrwxrwx           0 2026/11/23 11:00:13 .s.PGSQL.5432").kind, Kind::Special);
        assert_eq!(entry("-rw-r--r--           0 1969/12/31 23:59:59 old").stamp.modified_secs, -1);
    }

    #[test]
    fn blanks_and_odd_bytes_belong_to_the_name() {
        let cases: [(&str, &[u8]); 4] = [
            (" lead", b" lead"),
            ("trail ", b"trail "),
            (r"new\#012line\#377", b"new\nline\xff"),
            (r"back\#134#012slash\", br"back\#012slash\"),
        ];
        for (printed, name) in cases {
            let line = format!("-rw-r--r--               6 2026/11/23 11:00:13 {printed}");
            assert_eq!(entry(&line).name, name);
        }
    }

    #[test]
    fn an_arrow_in_the_name_of_a_link_is_told_from_the_one_behind_it() {
        let link = entry("lrwxrwxrwx               6 2026/11/23 11:00:13 dir -> link -> base/1");
        assert_eq!((link.kind, &link.name[..]), (Kind::Link(b"base/1".into()), &b"dir -> link"[..]));
        let link = entry("lrwxrwxrwx               6 2026/11/23 11:00:13 a -> b -> c");
        assert_eq!((link.kind, &link.name[..]), (Kind::Link(b"b -> c".into()), &b"a"[..]));
    }

    #[test]
    fn anything_else_is_refused_with_what_was_printed() {
        for line in ["", "hello", "-rw-r--r-- x 2026/11/23 11:00:13 a", "-rw-r--r-- 1 2026/13/23 11:00:13 a"]
        {
            assert!(parse_line(line.as_bytes()).is_err(), "{line}");
        }
        assert_eq!(
            parse_line(b"Welcome to pg!").unwrap_err().to_string(),
            "rsync printed 'Welcome to pg!' where a file was to be listed"
        );
    }

    /// As rsync prints a name in the C locale.
    fn escape(name: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        for (at, &byte) in name.iter().enumerate() {
            let ambiguous = byte == b'\\' && name[at + 1..].starts_with(b"#");
            if (b' '..=b'~').contains(&byte) && !ambiguous {
                text.push(byte);
            } else {
                text.extend(format!(r"\#{byte:03o}").bytes());
            }
        }
        text
    }

    proptest! {
        #[test]
        fn any_name_survives_the_escapes(name in prop::collection::vec(any::<u8>(), 1..40)) {
            prop_assert_eq!(unescape(&escape(&name)), name);
        }

        #[test]
        fn a_listed_entry_reads_as_it_is(
            name in prop::collection::vec(1..=255u8, 1..40),
            size in any::<u64>(),
            at in -2_208_988_800i64..253_402_300_799,
        ) {
            let time = chrono::DateTime::from_timestamp(at, 0).unwrap().format("%Y/%m/%d %H:%M:%S");
            let line = [format!("-rw------- {size:>14} {time} ").as_bytes(), &escape(&name)].concat();
            let stamp = Stamp { size, modified_secs: at };
            prop_assert_eq!(parse_line(&line).unwrap(), Entry { kind: Kind::File, stamp, name });
        }

        #[test]
        fn any_bytes_are_read_or_refused(line in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = parse_line(&line);
        }
    }
}
