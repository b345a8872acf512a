use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::panic::resume_unwind;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::runner::Runner;
use super::{Error, ItemKind};
use crate::sys::Cancel;
use crate::transfer::Endpoint;

/// Between two requests to the disk.
const PAUSE: Duration = Duration::from_millis(500);

/// Has the disks of this host write what `copy` brings while it goes on. The kernel alone would keep gigabytes in
/// memory, and who waits in the end for all to be on disk would wait for all of it.
///
/// A disk that fails is told here and only here: the next request would not hear of it.
pub(super) fn writing_behind<T>(
    runner: &Runner,
    copy: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    if runner.copy.destination != Endpoint::Local {
        return copy();
    }
    let over = Cancel::default();
    thread::scope(|scope| {
        let writing = scope.spawn(|| write_until(&over, runner).inspect_err(|_| runner.stop.cancel()));
        let copied = {
            // Also when the copy panics: the scope waits for the thread.
            let _over = OnDrop(&over);
            copy()
        };
        // A panic over there goes on here.
        writing.join().unwrap_or_else(|panic| resume_unwind(panic))?;
        copied
    })
}

/// Cancels when it goes.
struct OnDrop<'a>(&'a Cancel);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

fn write_until(over: &Cancel, runner: &Runner) -> Result<(), Error> {
    let files = &runner.context.files;
    while over.sleep(PAUSE).is_ok() {
        for place in one_of_each_disk(runner)? {
            files.sync_filesystem(place)?;
        }
    }
    Ok(())
}

/// A destination on each of the file systems that is written to.
fn one_of_each_disk<'a>(runner: &Runner<'a>) -> Result<impl Iterator<Item = &'a Path> + use<'a>, Error> {
    let trees = runner.copy.items.iter().filter(|item| item.kind == ItemKind::Tree);
    let mut places = BTreeMap::new();
    for place in trees.map(|tree| tree.destination.as_path()) {
        places.insert(runner.context.files.metadata(place)?.dev(), place);
    }
    Ok(places.into_values())
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;

    use super::*;
    use crate::sys::events::Silent;
    use crate::sys::fs::{Files, Probe};
    use crate::sys::{Cancel, Context};
    use crate::transfer::smart_copy::{CopyItem, SmartCopy};

    struct NothingStays;

    impl Probe for NothingStays {
        fn before(&self, action: &'static str, _: &Path) -> io::Result<()> {
            if action == "sync" { Err(io::Error::other("the disk is gone")) } else { Ok(()) }
        }
    }

    #[test]
    fn a_disk_that_fails_ends_the_copy_and_is_the_reason() {
        let dir = tempfile::tempdir().unwrap();
        let mut context = Context::new(Arc::new(Silent), Cancel::default());
        context.files = Files::probed(Arc::new(NothingStays));
        let items = vec![CopyItem::tree("pgdata", dir.path(), dir.path())];
        let copy = SmartCopy { items, ..SmartCopy::new(Endpoint::Local, Endpoint::Local) };
        let runner = Runner::new(&copy, &context, Cancel::default());
        let outcome = writing_behind(&runner, || Ok(runner.stop.sleep(Duration::from_secs(60))?));
        assert!(matches!(outcome, Err(Error::Files(error)) if error.action == "sync"));
    }

    #[test]
    fn a_copy_that_panics_is_not_waited_for() {
        let context = Context::new(Arc::new(Silent), Cancel::default());
        let copy = SmartCopy::new(Endpoint::Local, Endpoint::Local);
        let runner = Runner::new(&copy, &context, Cancel::default());
        let run = || writing_behind(&runner, || -> Result<(), Error> { panic!("in the copy") });
        assert!(catch_unwind(AssertUnwindSafe(run)).is_err());
    }
}
