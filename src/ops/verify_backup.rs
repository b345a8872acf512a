//! `verify-backup`: are the files of a backup still those that its manifest lists?

use super::{Error, backup_archives, generate_manifest};
use crate::catalog::{BackupInfo, Catalog};
use crate::codec::Codecs;
use crate::manifest::{self, Verdict};
use crate::sys::Context;

/// Reads all files of the backup that `text` means and compares them with its manifest. What is wrong with them is an
/// error event.
pub fn run(context: &Context, catalog: &Catalog, codecs: &Codecs, text: &str) -> Result<(), Error> {
    let (info, layout) = (catalog.resolve(text)?, catalog.layout());
    let server = &layout.server;
    context.events.info(&format!("Verifying backup '{text}' on server {server}"));
    let form = catalog.directory_form(&info.id);
    let tree = generate_manifest::tree(context, layout, info, form);
    generate_manifest::ensure_directory(context, layout, info, &tree)?;
    let archives = backup_archives::find(&context.files, layout, info, form)?;
    if !context.files.exists(&tree.manifest())? {
        return Err(Error::refused(format!(
            "backup {} of server {server} has no manifest '{}'\nHINT: While you still trust its files, make one with \
             'barman generate-manifest {server} {}', and have new backups make their own with 'autogenerate_manifest'.",
            info.id,
            tree.manifest().display(),
            info.id
        )));
    }
    let verdict = if archives.is_empty() {
        manifest::verify(&tree, &*context.events)?
    } else {
        let archives = backup_archives::for_manifest(&context.files, codecs, &archives)?;
        manifest::verify_archived(&tree, &archives, &*context.events)?
    };
    let problems = describe_problems(info, &verdict);
    if !problems.is_empty() {
        let root = tree.root().display();
        context.events.error(&format!("verify backup failure on directory '{root}'"));
        context.events.error(&problems.join("\n"));
        return Ok(());
    }
    warn_of_unlisted_tablespaces(context, server, info, &verdict);
    context.events.info("backup successfully verified");
    Ok(())
}

fn describe_problems(info: &BackupInfo, verdict: &Verdict) -> Vec<String> {
    let mut problems = Vec::new();
    if let (Some(listed), Some(own)) = (verdict.system_id, &info.systemid)
        && listed.to_string() != *own
    {
        problems.push(format!("manifest system identifier is {listed}, but the backup is of {own}"));
    }
    problems.extend(verdict.problems.iter().map(ToString::to_string));
    if verdict.more_problems > 0 {
        problems.push(format!("and {} more", verdict.more_problems));
    }
    problems
}

/// The copies of tablespaces beside a data directory are not part of it, for PostgreSQL's tools neither.
fn warn_of_unlisted_tablespaces(context: &Context, server: &str, info: &BackupInfo, verdict: &Verdict) {
    let is_listed = |oid: u32| verdict.tablespaces.iter().any(|path| path.ends_with(oid.to_string()));
    let unlisted = info.tablespaces.iter().filter(|tablespace| !is_listed(tablespace.oid));
    let names: Vec<String> = unlisted.map(|tablespace| format!("'{}'", tablespace.name)).collect();
    if !names.is_empty() {
        context.events.warning(&format!(
            "The manifest of backup {} of server {server} lists nothing of tablespace {}: of the files there nothing \
             can be said",
            info.id,
            names.join(", ")
        ));
    }
}
