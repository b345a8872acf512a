//! The primary of a standby that is backed up: WAL files are closed there.

use super::{Error, Server};
use crate::pg::{self, Client, Conninfo};

/// Connects to the primary (`primary_conninfo`) when the server at `conninfo` is a standby; `None` when the server
/// closes its WAL files itself, or nobody knows who does.
pub fn connect(server: &Server<'_>, is_standby: bool) -> Result<Option<Client>, Error> {
    let Some(text) = server.config.primary_conninfo() else { return Ok(None) };
    warn_when_ignored(server, is_standby);
    if !is_standby {
        return Ok(None);
    }
    let conninfo: Conninfo = text.parse().map_err(pg::Error::from)?;
    Ok(Some(Client::connect(&conninfo, &server.context.cancel)?))
}

/// Says that `primary_conninfo` does nothing for a server that is no standby.
pub fn warn_when_ignored(server: &Server<'_>, is_standby: bool) {
    if !is_standby && server.config.primary_conninfo().is_some() {
        server.warning(
            "'primary_conninfo' is set but 'conninfo' does not point to a standby server. Ignoring \
             'primary_conninfo'.",
        );
    }
}
