//! Laying a model over a server, or taking it off.

use super::{Error, Server, processes};
use crate::config::{Config, Model};

/// What a server is to run with.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// Its own settings and those of this model over them.
    Model(&'a str),
    /// Its own settings alone.
    Reset,
}

/// Makes the model the server's active one, and tells what that changes; it counts from the next command on.
pub fn run(server: &Server<'_>, config: &Config, target: Target<'_>) -> Result<(), Error> {
    let name = server.name();
    let file = server.config.active_model_file();
    match target {
        Target::Model(wanted) => {
            let unknown = || Error::refused(format!("Unknown model '{wanted}'"));
            let model = config.models.get(wanted).ok_or_else(unknown)?;
            ensure_same_cluster(server, model)?;
            if server.config.active_model() == Some(wanted) {
                server.info(format!("Model '{wanted}' is already active for server '{name}', skipping..."));
                return Ok(());
            }
            server.info(format!("Applying model '{wanted}' to server '{name}'"));
            for change in server.config.changes_by(model) {
                server.info(format!(
                    "Changing value of option '{}' for server '{name}' from '{}' to '{}' through the model '{wanted}'",
                    change.option, change.old, change.new
                ));
            }
            server.context.files.create_dir_all(&server.config.backup_directory())?;
            server.context.files.replace_durably(&file, wanted.as_bytes())?;
        }
        Target::Reset => {
            server.info(format!("Resetting the active model for the server {name}"));
            if server.context.files.exists(&file)? {
                server.context.files.remove_durably(&file)?;
            }
        }
    }
    processes::stop_receiving(server)
}

fn ensure_same_cluster(server: &Server<'_>, model: &Model) -> Result<(), Error> {
    let (wanted, own) = (model.cluster(), server.config.cluster());
    if wanted == own {
        return Ok(());
    }
    Err(Error::refused(format!(
        "Model '{}' has 'cluster={wanted}', which is not compatible with 'cluster={own}' from server '{}'",
        model.name(),
        server.name()
    )))
}
