use crate::transfer::listing::unescape;

/// The options that make rsync tell of each file what it does with it, and how far it is in one being sent.
const OPTIONS: [&str; 5] = [
    "--itemize-changes",
    "--itemize-changes",
    "--progress",
    "--no-human-readable",
    // The mark tells these lines from everything else that rsync prints.
    "--out-format=>%i %l %n",
];

/// What a run of rsync has done so far, from what it prints.
///
/// Every file is told of when its turn comes, also one that is not copied because it is there already. Of one
/// that is copied, lines of progress follow.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Itemized {
    /// Files told of.
    pub files: u64,
    /// Size of the files that were or are being copied over.
    pub copied_bytes: u64,
    finished_bytes: u64,
    /// The file whose turn it is: its size, and how much of it is there.
    current: (u64, u64),
}

/// A file that rsync told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Whether it is a regular file, or a directory or something else.
    pub is_file: bool,
    /// Whether its content is copied.
    pub is_copied: bool,
    /// Size in bytes.
    pub size: u64,
    /// Path relative to the directory that is copied.
    pub name: Vec<u8>,
}

impl Itemized {
    /// The options that a run needs for its lines to be understood here.
    pub fn options() -> [&'static str; 5] {
        OPTIONS
    }

    /// Bytes of the files that are in place, and of the one being copied.
    pub fn bytes(&self) -> u64 {
        self.finished_bytes.saturating_add(self.current.1)
    }

    /// Size of all files told of.
    pub fn bytes_told(&self) -> u64 {
        self.finished_bytes.saturating_add(self.current.0)
    }

    /// Takes a line in; gives the file that it tells of, if it does.
    pub fn read_line(&mut self, line: &[u8]) -> Option<Item> {
        let Some(item) = parse_item(line) else {
            if let Some(bytes) = parse_progress(line) {
                self.current.1 = bytes.min(self.current.0);
            }
            return None;
        };
        if item.is_file {
            self.files += 1;
            self.finished_bytes = self.finished_bytes.saturating_add(self.current.0);
            if item.is_copied {
                self.copied_bytes = self.copied_bytes.saturating_add(item.size);
                self.current = (item.size, 0);
            } else {
                self.finished_bytes = self.finished_bytes.saturating_add(item.size);
                self.current = (0, 0);
            }
        }
        Some(item)
    }
}

/// Reads `>` and then `>f+++++++++ 8192 base/1/1259`. Of the letters only the first two matter: what is done
/// (`<` and `>`: sent or received, `c` and `h`: made from a file of an earlier copy, `.`: nothing) and to what.
/// When nothing differs the others are blanks.
fn parse_item(line: &[u8]) -> Option<Item> {
    let [b'>', done, kind, rest @ ..] = line else { return None };
    let size_at = rest.iter().position(u8::is_ascii_digit)?;
    let size_and_name = &rest[size_at..];
    let blank = size_and_name.iter().position(|&byte| byte == b' ')?;
    let size = std::str::from_utf8(&size_and_name[..blank]).ok()?.parse().ok()?;
    Some(Item {
        is_file: *kind == b'f',
        is_copied: matches!(done, b'<' | b'>'),
        size,
        name: unescape(&size_and_name[blank + 1..]),
    })
}

/// Reads `     100000 100%   95.37MB/s    0:00:00`.
fn parse_progress(line: &[u8]) -> Option<u64> {
    let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    let (bytes, percent) = (words.next()?, words.next()?);
    percent.strip_suffix('%')?.parse::<u8>().ok()?;
    bytes.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(lines: &[&str]) -> (Itemized, Vec<Item>) {
        let mut itemized = Itemized::default();
        let items = lines.iter().filter_map(|line| itemized.read_line(line.as_bytes())).collect();
        (itemized, items)
    }

    #[test]
    fn bytes_grow_with_the_file_being_copied_and_count_the_others_at_once() {
        let lines = [
            "receiving file list ... 22 files to consider",
            ">.d..tp..... 4096 ./",
            ">hf          3 PG_VERSION",
            ">>f+++++++++ 1000 base/1/2",
            "            400  40%   95.37MB/s    0:00:00",
        ];
        let (itemized, _) = read(&lines);
        assert_eq!((itemized.bytes(), itemized.files, itemized.copied_bytes), (403, 2, 1000));
        let (itemized, _) = read(&[&lines[..], &[">.f          7 base/1/3"]].concat());
        assert_eq!((itemized.bytes(), itemized.files, itemized.copied_bytes), (1010, 3, 1000));
    }

    #[test]
    fn names_come_back_as_they_are() {
        let (_, items) = read(&[r"><f..t...... 5 new\#012line 7 x", ">cd+++++++++ 4096 base/"]);
        assert_eq!(items[0], Item { is_file: true, is_copied: true, size: 5, name: b"new\nline 7 x".into() });
        assert_eq!((items[1].is_file, &items[1].name[..]), (false, &b"base/"[..]));
    }

    #[test]
    fn lines_of_other_kinds_are_passed_over() {
        let (itemized, items) =
            read(&["skipping non-regular file \"fifo\"", "12", ">", "", ">x", ">*deleting   a"]);
        assert_eq!((itemized, items), (Itemized::default(), Vec::new()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(line in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = Itemized::default().read_line(&line);
            let _ = Itemized::default().read_line(&[b">", &line[..]].concat());
        }
    }
}
