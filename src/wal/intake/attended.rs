//! Taking one file into the archive with somebody attending.

use super::{Intake, Prepared, Source, Step};
use crate::types::WalName;
use crate::wal::attendant::{Attendant, Outcome, PassingFile};
use crate::wal::error::Error;

impl Intake<'_> {
    /// Takes a file into the archive, with `attendant` asked before and told after. Gives its name when it is still
    /// arriving.
    pub(super) fn take_attended(
        &mut self,
        source: &Source,
        attendant: &mut dyn Attendant,
        tell: &mut dyn FnMut(Step<'_>),
    ) -> Result<Option<WalName>, Error> {
        let came = self.archive.describe_open(source.name, &self.open_source(source)?, &source.path)?;
        let asked = attendant.before(&PassingFile { path: &source.path, entry: &came });
        let taken = asked.and_then(|()| self.take(std::slice::from_ref(source), tell));
        let path = self.archive.path_of(source.name);
        let (entry, outcome) = match &taken {
            Err(error) => (&came, Outcome::Failed(error)),
            Ok((prepared, _)) => match prepared.first() {
                Some(Prepared::New(publication) | Prepared::Completion(publication)) => {
                    (&publication.entry, Outcome::Done)
                }
                Some(Prepared::Identical) => (&came, Outcome::Identical),
                Some(Prepared::Different | Prepared::Closed { .. }) => (&came, Outcome::Different),
                None => (&came, Outcome::Arriving),
            },
        };
        attendant.after(&PassingFile { path: &path, entry }, outcome);
        taken.map(|(_, arriving)| arriving)
    }
}
