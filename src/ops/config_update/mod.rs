//! Changing the configuration files from outside: what is asked for is checked, put into a queue, and made.
//!
//! The queue is Barman's file. It outlives a crash and a file that cannot be written just now: whatever stands in it is
//! made by the next `config-update` or `cron`, of either program, in its order.

mod queue;
mod request;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use super::Error;
use crate::config::{Global, MainFile, SectionKind, Written, set_option};
use crate::pg;
use crate::sys::{Context, Lock};

use queue::{Change, ChangeSet, Queue};
use request::{Request, parse};

/// Makes the changes that `json` asks for, and those that have been waiting; gives the sections that changed.
pub fn run(context: &Context, global: &Global, json: &str) -> Result<Vec<String>, Error> {
    let requests = parse(json)?;
    let written = written(context, global)?;
    let sets = requests.iter().map(|request| plan(request, &written)).collect::<Result<Vec<_>, _>>()?;
    let Some(_lock) = lock(global)? else {
        return Err(Error::refused(format!(
            "another process is updating barman configuration files: it holds '{}'; try again when it is done",
            lock_file(global).display()
        )));
    };
    let mut queue = Queue::load(context, &global.config_changes_queue)?;
    queue.add(sets)?;
    make(context, global, &mut queue)
}

/// Makes the changes that have been waiting, if there are any; `cron` begins with it.
pub fn run_queue(context: &Context, global: &Global) -> Result<(), Error> {
    if !context.files.exists(&global.config_changes_queue)? {
        return Ok(());
    }
    match lock(global)? {
        Some(_lock) => {
            make(context, global, &mut Queue::load(context, &global.config_changes_queue)?).map(drop)
        }
        None => {
            context.events.warning("another process is updating barman configuration files");
            Ok(())
        }
    }
}

fn lock_file(global: &Global) -> PathBuf {
    global.lock_directory.join(".config-update.lock")
}

fn lock(global: &Global) -> Result<Option<Lock>, Error> {
    Ok(Lock::acquire_for_work(&lock_file(global))?)
}

fn written(context: &Context, global: &Global) -> Result<Written, Error> {
    let main_file = MainFile::load(&global.config_file, &context.files)?;
    Ok(main_file.load_written(&context.files)?)
}

/// Decides which file each option is changed in.
fn plan(request: &Request, written: &Written) -> Result<ChangeSet, Error> {
    request.check(written)?;
    let section = &request.section;
    let mut changes = Vec::new();
    for (key, value) in &request.options {
        let file = written.file_for(section, key).ok_or_else(|| {
            Error::refused(format!("'{key}' in [{section}] can only be changed by hand: its file is in TOML"))
        })?;
        changes.push(Change { key: key.clone(), value: value.clone().into(), config_file: file.to_owned() });
    }
    let is_new_model = request.kind == SectionKind::Model && written.kind_of(section).is_none();
    if is_new_model && let Some(config_file) = written.file_for(section, "model") {
        changes.push(Change { key: "model".into(), value: "on".into(), config_file: config_file.to_owned() });
    }
    Ok(ChangeSet { section: section.clone(), changes_set: changes })
}

/// Makes what is in the queue, set by set. A set that cannot be made stays, and holds up those behind it: they may rely
/// on it. To make a set twice, after a crash between file and queue, changes nothing.
fn make(context: &Context, global: &Global, queue: &mut Queue<'_>) -> Result<Vec<String>, Error> {
    let mut changed = Vec::new();
    while let Some(set) = queue.first() {
        let made =
            set.changes_set.iter().try_for_each(|change| make_change(context, global, &set.section, change));
        made.map_err(|error| {
            Error::refused(format!(
                "Unable to process a set of changes. Exiting.\n{}\nThe change stays in '{}': 'barman cron' tries again, \
                 and makes no other one before.",
                error.with_causes(),
                global.config_changes_queue.display()
            ))
        })?;
        changed.push(set.section.clone());
        queue.remove_first()?;
    }
    Ok(changed)
}

fn make_change(context: &Context, global: &Global, section: &str, change: &Change) -> Result<(), Error> {
    let Change { key, config_file, .. } = change;
    let value = change.text();
    let old = written(context, global)?.text(section, key).unwrap_or("None").to_owned();
    // A link stays a link: the file that it leads to is replaced.
    let file = context.files.real_path(config_file);
    change_file(context, &file, section, key, &value)?;
    let text = format!(
        "Changing value of option '{key}' for section '{section}' from '{old}' to '{value}' through config-update."
    );
    context.events.info(&text);
    Ok(())
}

fn change_file(context: &Context, file: &Path, section: &str, key: &str, value: &str) -> Result<(), Error> {
    let cannot = |why: &dyn std::fmt::Display| Error::refused(format!("'{}': {why}", file.display()));
    let bytes = context.files.read_if_exists(file)?.unwrap_or_default();
    let text = String::from_utf8(bytes).map_err(|error| cannot(&error))?;
    let changed =
        set_option(&text, section, key, value).map_err(|error| cannot(&pg::redact(&error.to_string())))?;
    if changed == text {
        return Ok(());
    }
    Ok(context.files.replace_durably_alike(file, changed.as_bytes())?)
}
