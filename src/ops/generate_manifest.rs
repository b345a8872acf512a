//! `generate-manifest`: the list of a backup's files, by which it can be verified ever after.

use super::{Error, backup_archives};
use crate::catalog::{BackupInfo, Catalog, DirectoryForm, Layout};
use crate::codec::Codecs;
use crate::manifest::{self, Tablespaces, Tree, WalRange};
use crate::sys::{Context, Lock};

/// Makes the manifest of the backup that `text` means, and says so.
///
/// # Errors
/// When the backup has one, when its files are not all there, or are not ones that a manifest can list.
pub fn run(context: &Context, catalog: &mut Catalog, codecs: &Codecs, text: &str) -> Result<(), Error> {
    let id = catalog.resolve(text)?.id.clone();
    let server = catalog.layout().server.clone();
    let Some(_lock) = Lock::acquire_for_work(&catalog.layout().backup_id_lock(&id))? else {
        return Err(Error::refused(format!(
            "Another process is holding the lock for backup {id} of server {server}."
        )));
    };
    catalog.refresh()?;
    let info = catalog.resolve(id.as_str())?;
    if !info.is_available() {
        return Err(Error::refused(format!(
            "Cannot generate a manifest for backup {id} of server {server}: it has status {}, so its files may not be \
             those of a whole cluster",
            info.status
        )));
    }
    make(context, catalog.layout(), codecs, info, catalog.directory_form(&id))?;
    context.events.info(&made(text, &server));
    Ok(())
}

/// What is said when the manifest of a backup has been made.
pub fn made(backup: &str, server: &str) -> String {
    format!("Backup manifest for backup '{backup}' successfully generated for server {server}")
}

/// Makes the manifest of a backup whose files nobody changes.
pub fn make(
    context: &Context,
    layout: &Layout,
    codecs: &Codecs,
    info: &BackupInfo,
    form: DirectoryForm,
) -> Result<(), Error> {
    let tree = tree(context, layout, info, form);
    ensure_directory(context, layout, info, &tree)?;
    let archives = backup_archives::find(&context.files, layout, info, form)?;
    let path = tree.manifest();
    if context.files.exists(&path)? {
        return Err(Error::refused(format!("File {} already exists.", path.display())));
    }
    let range = info.begin_xlog.zip(info.end_xlog).zip(info.timeline);
    let range = range.map(|((start, end), timeline)| WalRange { timeline, start, end });
    // Not in the data directory: what a crash leaves must not be restored.
    let temporary = layout.base_dir(&info.id).join(".backup_manifest.tmp");
    let files = if archives.is_empty() {
        manifest::generate(&tree, range, &temporary, &*context.events)?
    } else {
        let archives = backup_archives::for_manifest(&context.files, codecs, &archives)?;
        manifest::generate_archived(&tree, &archives, range, &temporary, &*context.events)?
    };
    tracing::info!("server '{}', backup {}: the manifest lists {files} files", layout.server, info.id);
    Ok(())
}

/// The data directory of a backup, with the places of its tablespaces.
pub fn tree(context: &Context, layout: &Layout, info: &BackupInfo, form: DirectoryForm) -> Tree {
    let place = |oid: u32| (format!("pg_tblspc/{oid}").into(), layout.tablespace_dir(&info.id, oid, form));
    let tablespaces: Tablespaces = info.tablespaces.iter().map(|tablespace| place(tablespace.oid)).collect();
    Tree::new(&context.files, &context.cancel, layout.data_dir(&info.id, form), tablespaces)
}

/// Fails when the files of the backup are not on this host.
pub fn ensure_directory(
    context: &Context,
    layout: &Layout,
    info: &BackupInfo,
    tree: &Tree,
) -> Result<(), Error> {
    let (server, id, root) = (&layout.server, &info.id, tree.root());
    if context.files.is_dir(root) {
        return Ok(());
    }
    Err(Error::refused(format!(
        "backup {id} of server {server} has no directory '{}': its files are kept elsewhere",
        root.display()
    )))
}
