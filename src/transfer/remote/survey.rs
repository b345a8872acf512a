use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// What was found on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// Who we are there.
    pub user: String,
    /// Programs that are needed and not there.
    pub missing_programs: Vec<String>,
    /// What was asked for, in that order.
    pub places: Vec<Place>,
}

/// What a host has at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The path.
    pub path: PathBuf,
    /// It, or the nearest above it that exists.
    pub existing: PathBuf,
    /// The path as it is without symbolic links and `..`; the part that does not exist is added to that which does.
    pub real: PathBuf,
    /// Whether what exists is a directory.
    pub is_directory: bool,
    /// Why we may not make files in it, or look into it.
    pub closed: Option<String>,
    /// The names in the directory at the path that begin with a dot.
    pub hidden: Vec<OsString>,
    /// Whether other names are there, too.
    pub is_occupied: bool,
    /// Whether one of them is of PostgreSQL: `PG_VERSION` in a data directory, `PG_15_202209061` in a tablespace.
    pub holds_postgresql: bool,
    /// The room that is left; `None` when it could not be found out.
    pub room: Option<Room>,
}

/// The room on the file system of a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// What tells the file system from others of the host.
    pub file_system: String,
    /// What can still be written.
    pub free_bytes: u64,
}

/// Reads what the script printed; `None` when it is not that.
pub(super) fn parse(output: &[u8], paths: &[&Path]) -> Option<Survey> {
    let mut fields = output.strip_suffix(b"\0")?.split(|&byte| byte == 0);
    if fields.next()? != b"barman" {
        return None;
    }
    let user = text(fields.next()?);
    let missing_programs = text(fields.next()?).split_whitespace().map(str::to_owned).collect();
    let places = paths.iter().map(|path| parse_place(path, &mut fields)).collect::<Option<_>>()?;
    fields.next().is_none().then_some(Survey { user, missing_programs, places })
}

fn parse_place<'a>(path: &Path, fields: &mut impl Iterator<Item = &'a [u8]>) -> Option<Place> {
    let steps_up: usize = text(fields.next()?).parse().ok()?;
    let is_directory = fields.next()? == b"directory";
    let is_open = fields.next()? == b"open";
    let real = OsStr::from_bytes(fields.next()?);
    let room = parse_df(&text(fields.next()?));
    let (mut hidden, mut is_occupied, mut holds_postgresql) = (Vec::new(), false, false);
    loop {
        match fields.next()? {
            b"" => break,
            name if name.starts_with(b".") => hidden.push(OsStr::from_bytes(name).to_owned()),
            name => {
                is_occupied = true;
                holds_postgresql |= name.starts_with(b"PG_");
            }
        }
    }
    let existing = path.ancestors().nth(steps_up)?;
    let real = if real.is_empty() { existing } else { Path::new(real) };
    Some(Place {
        path: path.into(),
        existing: existing.into(),
        real: real_place(path, existing, real),
        is_directory,
        closed: (!is_open).then(|| "permission denied, or the file system is read-only".to_owned()),
        hidden,
        is_occupied,
        holds_postgresql,
        room,
    })
}

/// What `path` is when the part of it that exists is `real`. Nothing behind that can be a link.
pub fn real_place(path: &Path, existing: &Path, real: &Path) -> PathBuf {
    let mut place = real.to_owned();
    for component in path.strip_prefix(existing).unwrap_or(Path::new("")).components() {
        match component {
            Component::ParentDir => drop(place.pop()),
            other => place.push(other),
        }
    }
    place
}

fn text(field: &[u8]) -> String {
    String::from_utf8_lossy(field).into_owned()
}

/// Reads `device  1K-blocks  used  available  use%  mount point`, where the names at both ends may have blanks.
fn parse_df(line: &str) -> Option<Room> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let is_number = |word: &str| word.parse::<i64>().is_ok();
    let is_share = |word: &str| word == "-" || word.strip_suffix('%').is_some_and(is_number);
    let at = words.windows(4).position(|window| match window {
        [size, used, available, share] => {
            is_number(size) && is_number(used) && is_number(available) && is_share(share)
        }
        _ => false,
    })?;
    let available = words[at + 2].parse::<u64>().unwrap_or(0);
    let file_system = words[at + 4..].join(" ");
    Some(Room { file_system, free_bytes: available.saturating_mul(1024) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_answer_of_the_script_is_read() {
        let output = b"barman\0postgres\0rsync \0\
            0\0directory\0open\0/data/pg\0/dev/sda1 100 40 60 40% /srv\0.ssh\0PG_VERSION\0PG_VERSION\0data\0\0\
            2\0other\0closed\0\0\0\0";
        let paths = [Path::new("/srv/pg"), Path::new("/a/b/c")];
        let survey = parse(output, &paths).unwrap();
        assert_eq!((survey.user.as_str(), &survey.missing_programs[..]), ("postgres", &["rsync".into()][..]));
        let [first, second] = &survey.places[..] else { panic!("{survey:?}") };
        assert_eq!((&first.existing, first.is_directory, first.is_occupied), (&"/srv/pg".into(), true, true));
        assert_eq!(first.hidden, [".ssh"]);
        assert!(first.holds_postgresql && !second.holds_postgresql);
        assert_eq!((&first.real, &second.real), (&"/data/pg".into(), &"/a/b/c".into()));
        assert_eq!(first.room, Some(Room { file_system: "/srv".into(), free_bytes: 60 << 10 }));
        assert_eq!((&second.existing, second.is_directory, &second.room), (&"/a".into(), false, &None));
        assert!(second.closed.is_some());
    }

    #[test]
    fn what_will_be_made_leads_where_its_steps_lead() {
        let place = |path| real_place(Path::new(path), Path::new("/x"), Path::new("/real/x"));
        assert_eq!(place("/x/sub/../dest/./base"), Path::new("/real/x/dest/base"));
        assert_eq!(place("/x"), Path::new("/real/x"));
    }

    #[test]
    fn blanks_in_the_names_that_df_prints_do_no_harm() {
        let room = parse_df("my server:/big share   1000 10 990   1% /mnt/the big one").unwrap();
        assert_eq!((room.file_system.as_str(), room.free_bytes), ("/mnt/the big one", 990 << 10));
        assert_eq!(parse_df("overlay 10 20 -10 100% /").unwrap().free_bytes, 0);
        assert_eq!(parse_df("df: /x: No such file or directory"), None);
    }

    #[test]
    fn what_a_login_prints_before_is_not_taken_for_an_answer() {
        assert_eq!(parse(b"Welcome!\nbarman\0postgres\0\0", &[]), None);
        assert_eq!(parse(b"", &[]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(rest: Vec<u8>) {
            let _ = parse(&rest, &[Path::new("/a")]);
            let _ = parse(&[b"barman\0u\0\0", &rest[..]].concat(), &[Path::new("/a")]);
            let _ = parse_df(&String::from_utf8_lossy(&rest));
        }
    }
}
