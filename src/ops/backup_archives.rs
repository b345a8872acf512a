//! The tar archives of a backup, opened.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;

use super::{Error, Server, encryption};
use crate::catalog::{BackupArchive, BackupInfo, DirectoryForm, Layout, Part};
use crate::codec::{Codecs, Custom, Member, MemberKind, Origin, for_each_member};
use crate::manifest::{self, Archived, Tree};
use crate::sys::fs::{self, PathContext};
use crate::sys::{Context, Files};
use crate::types::with_causes;

/// More is not read of a small file.
const SMALL_BYTES: u64 = 1 << 20;

/// The archives of the backup `info`: that of the data directory, then those of its tablespaces. None when it is not
/// stored in archives.
///
/// # Errors
/// When they are not one for the data directory and one for each tablespace of the record.
pub fn find(
    files: &Files,
    layout: &Layout,
    info: &BackupInfo,
    form: DirectoryForm,
) -> Result<Vec<BackupArchive>, Error> {
    let dir = layout.data_dir(&info.id, form);
    let found = BackupArchive::find_all(files, &dir)?;
    if found.is_empty() {
        return Ok(found);
    }
    let refusal = |why: String| {
        Error::refused(format!("backup {} of server {} in '{}' {why}", info.id, layout.server, dir.display()))
    };
    if let Some(pair) = found.windows(2).find(|pair| pair[0].part == pair[1].part) {
        return Err(refusal(format!(
            "has two archives of the same files, '{}' and '{}', and it cannot be told which of them is right; move one \
             of them away",
            pair[0].name().display(),
            pair[1].name().display()
        )));
    }
    let has = |part| found.iter().any(|archive| archive.part == part);
    if let Some(missing) = info.tablespaces.iter().find(|known| !has(Part::Tablespace(known.oid))) {
        return Err(refusal(format!(
            "has no archive of tablespace '{}' ('{}.tar'): it is not whole; take another backup",
            missing.name, missing.oid
        )));
    }
    let is_known = |archive: &&BackupArchive| match archive.part {
        Part::Data => true,
        Part::Tablespace(oid) => info.tablespaces.iter().any(|known| known.oid == oid),
    };
    match found.iter().find(|archive| !is_known(archive)) {
        Some(stranger) => Err(refusal(format!(
            "has an archive '{}' of a tablespace that its record does not list, so it cannot be told where its files \
             belong",
            stranger.name().display()
        ))),
        None => Ok(found),
    }
}

/// What the archives of a server's backups are read with.
pub fn codecs(server: &Server<'_>) -> Codecs {
    Codecs::new(&server.context, Custom::default()).with_gpg(&server.context, encryption::gpg(server.config))
}

/// The tar stream that an archive holds, whatever it is packed in, to be read by the thread that asks.
pub fn open(files: &Files, codecs: &Codecs, archive: &BackupArchive) -> Result<Box<dyn Read + Send>, Error> {
    let file = files.open(&archive.path)?;
    Ok(codecs.decode(file, Origin::Incoming).map_err(io::Error::other).at("read", &archive.path)?)
}

/// Fails when one of the archives does not open, above all for want of the key: better before anything is written.
pub fn ensure_open(files: &Files, codecs: &Codecs, archives: &[BackupArchive]) -> Result<(), Error> {
    archives.iter().try_for_each(|archive| {
        if !archive.is_encrypted {
            return open(files, codecs, archive).map(drop);
        }
        let message = codecs.decrypt(files.open(&archive.path)?).map_err(io::Error::other);
        // Whether gpg can decrypt shows with its first byte. Of what is compressed inside, one byte may be many.
        let opened = message.and_then(|mut message| message.read_exact(&mut [0]));
        Ok(opened.at("read", &archive.path)?)
    })
}

/// Gives `visit` each member of an archive.
pub fn for_each(
    files: &Files,
    codecs: &Codecs,
    archive: &BackupArchive,
    visit: impl FnMut(Member<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let damaged = |source| fs::Error { action: "read", path: archive.path.clone(), source }.into();
    for_each_member(open(files, codecs, archive)?, damaged, visit)
}

/// The content of the small file `name` in an archive; `None` when there is none. The whole archive is read.
pub fn find_file(
    server: &Server<'_>,
    archive: &BackupArchive,
    name: &Path,
) -> Result<Option<Vec<u8>>, Error> {
    let (context, mut found) = (&server.context, None);
    for_each(&context.files, &codecs(server), archive, |member| {
        context.cancel.check()?;
        if member.kind == MemberKind::File && member.name == name {
            let mut content = Vec::new();
            member.content.take(SMALL_BYTES).read_to_end(&mut content).at("read", &archive.path)?;
            found = Some(content);
        }
        Ok(())
    })?;
    Ok(found)
}

/// The archives as a manifest is compared with them, or made of them.
///
/// # Errors
/// When one of them cannot be opened.
pub fn for_manifest<'a>(
    files: &'a Files,
    codecs: &'a Codecs,
    archives: &'a [BackupArchive],
) -> Result<Vec<Archived<'a>>, Error> {
    // What stands in the way of all of them is better said than called a fault of each.
    ensure_open(files, codecs, archives)?;
    let of = |archive: &'a BackupArchive| Archived {
        path: archive.path.clone(),
        place: archive.part.place(),
        open: Box::new(move || open(files, codecs, archive).map_err(io::Error::other)),
    };
    Ok(archives.iter().map(of).collect())
}

/// How large the files in archives are, as far as it can be told without reading these: by the manifest beside them, or
/// else by their own size, which is less than that when they are compressed.
pub fn sizes(context: &Context, archives: &[BackupArchive]) -> Result<BTreeMap<Part, u64>, Error> {
    let mut sizes = BTreeMap::new();
    for archive in archives {
        sizes.insert(archive.part, context.files.metadata(&archive.path)?.len());
    }
    let Some(dir) = archives.first().map(|data| fs::parent(&data.path)) else { return Ok(sizes) };
    let tree = Tree::new(&context.files, &context.cancel, dir.to_owned(), Vec::new());
    if !context.files.exists(&tree.manifest())? {
        return Ok(sizes);
    }
    let mut listed: BTreeMap<Part, u64> = BTreeMap::new();
    let read = manifest::list(&tree, &mut |name, bytes| {
        let part = sizes.keys().rev().find(|part| name.starts_with(part.place()));
        *listed.entry(part.copied().unwrap_or(Part::Data)).or_default() += bytes;
    });
    match read {
        Ok(()) => sizes.iter_mut().for_each(|(part, bytes)| {
            *bytes = (*bytes).max(listed.get(part).copied().unwrap_or(0));
        }),
        Err(manifest::Error::Cancelled(cancelled)) => return Err(cancelled.into()),
        // What is wrong with it is for a verification to tell.
        Err(error) => tracing::warn!("the size of the backup is not known: {}", with_causes(&error)),
    }
    Ok(sizes)
}
