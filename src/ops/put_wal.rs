//! WAL taken in from a sender: `archive_command = 'barman-wal-archive …'`.

use std::io::Read;

use super::{Error, Server};
use crate::wal::{Arrival, Received, Reception};

/// Takes in the WAL files of the tar archive `input`, all or none of them.
pub fn run(server: &Server<'_>, input: impl Read) -> Result<(), Error> {
    let archive = server.archive();
    let (incoming_dir, errors_dir) =
        (server.config.incoming_wals_directory(), server.config.errors_directory());
    let reception = Reception {
        context: &server.context,
        archive: &archive,
        incoming_dir: &incoming_dir,
        errors_dir: &errors_dir,
    };
    let received = reception.receive(input)?;
    tell(server, &received);
    Ok(())
}

fn tell(server: &Server<'_>, received: &Received) {
    let name = server.name();
    for line in &received.bad_lines {
        server.warning(format!("Bad checksum line '{line}' found in put-wal for server '{name}'"));
    }
    for (wal, arrival) in &received.arrivals {
        match arrival {
            Arrival::Stored => tracing::info!("server '{name}': put-wal has stored {wal}"),
            Arrival::Identical => tracing::info!("server '{name}': put-wal had {wal} already"),
            Arrival::Different { there, came } => server.info(format!(
                "\tError: Duplicate Files Detected with Mismatched Checksums. File {wal} already exists on server \
                 {name} with checksum {there}, but the checksum of the incoming file is {came}. The file has been \
                 moved to the errors directory."
            )),
        }
    }
}
