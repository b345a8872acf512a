use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use super::selection::{self, Reaction};
use super::ssh_caller;
use crate::cli::app::App;
use crate::codec::Format;
use crate::ops::get_wal::{self, Answer, Request};
use crate::ops::{self, Server, restore_command};
use crate::sys::Files;
use crate::types::WalName;
use crate::wal::Form;

/// What the long help ends with.
const MORE: &str = "\
Examples:
  For a PostgreSQL on this host: restore_command = 'barman get-wal --partial main %f > %p'
  Save one file:
    barman get-wal --output-directory /tmp main 000000010000000000000042
  See how far the WAL goes from here:
    barman get-wal --peek 1000 main 000000010000000000000042

Exit status:
  0  all of the file has been sent
  1  there is no such file
  2  the command line is wrong; or as 254, for a standby
  3  that is no name of a WAL file, or the output file cannot be made
  143  it was told to stop
  254  it could not be found out: the archive cannot be read, the file is damaged, no such server, no configuration

PostgreSQL ends a recovery when restore_command gives 1 to 125, and stops to be looked after above; that is why. A
standby asks again instead: in the data directory of one the code is 2.";

/// The word for no valid name and no place for the output.
const REFUSED: u8 = 3;

/// Hand out a WAL file
///
/// Writes the file to standard output, as PostgreSQL wrote it: decompressed, whatever it is stored as. It is found by
/// its name, in the archive or where it waits to be archived; neither the list of the archive nor any backup is read.
/// An answer is complete, or the exit code says that it is not: the file is decompressed to its end and measured.
///
/// Meant for `restore_command` on this host. From another one, `barman-wal-restore` runs it over ssh.
#[derive(Debug, clap::Args)]
#[command(after_long_help = MORE)]
pub struct Args {
    /// Server whose WAL to hand out
    server_name: String,

    /// Name of the WAL file
    wal_name: String,

    /// Write to a file in this directory instead, which appears when it is complete
    #[arg(short, long, value_name = "DIR")]
    output_directory: Option<PathBuf>,

    /// Where a segment is missing, take what PostgreSQL has written of it so far (`.partial`)
    #[arg(short = 'P', long)]
    partial: bool,

    /// Compress the output with gzip
    #[arg(short = 'z', long, short_alias = 'x', overrides_with = "bzip2")]
    gzip: bool,

    /// Compress the output with bzip2
    #[arg(short = 'j', long, overrides_with = "gzip")]
    bzip2: bool,

    /// Send the file as it is stored, compressed or not
    #[arg(long)]
    keep_compression: bool,

    /// Only list the names of the segments from this one on that are there without a gap, at most so many
    #[arg(short, long, value_name = "SIZE")]
    peek: Option<NonZeroUsize>,

    /// Only tell whether this server could be asked
    #[arg(short, long)]
    test: bool,
}

/// The exit code when no answer could be found.
pub fn unknown(is_cancelled: bool) -> ExitCode {
    restore_command::unknown(&Files::default(), is_cancelled).into()
}

pub fn run(app: &App, args: &Args) -> ExitCode {
    let answered = answer(app, args);
    answered.unwrap_or_else(|error| {
        ssh_caller::say_error(app, &error);
        unknown(app.context.cancel.is_cancelled())
    })
}

fn answer(app: &App, args: &Args) -> Result<ExitCode, ops::Error> {
    let Some(config) = selection::server(app, &args.server_name, Reaction::SOUND) else {
        return Ok(unknown(false));
    };
    let server = app.server(config);
    if args.test {
        server.info(format!("Ready to retrieve WAL files from the server {}", server.name()));
        return Ok(ExitCode::SUCCESS);
    }
    let form = match wanted_form(args) {
        Ok(form) => form,
        Err(option) => {
            server.error(format!("argument `{option}` not allowed with argument `keep-compression`"));
            return Ok(ExitCode::FAILURE);
        }
    };
    let Ok(name) = args.wal_name.parse::<WalName>() else {
        let refusal = format!("'{}' is not a valid wal file name{}", args.wal_name, ssh_caller::suffix());
        server.error(refusal);
        return Ok(REFUSED.into());
    };
    match args.peek {
        Some(limit) => peek(app, &server, name, limit).map(|()| ExitCode::SUCCESS),
        None => send(app, &server, args, Request { name, partial: args.partial, form }),
    }
}

fn wanted_form(args: &Args) -> Result<Form, &'static str> {
    match (args.gzip, args.bzip2, args.keep_compression) {
        (true, _, true) => Err("gzip"),
        (_, true, true) => Err("bzip2"),
        (true, _, false) => Ok(Form::Compressed(Format::Gzip)),
        (_, true, false) => Ok(Form::Compressed(Format::Bzip2)),
        (false, false, true) => Ok(Form::AsStored),
        (false, false, false) => Ok(Form::Plain),
    }
}

/// Lists segments; of a label or a history there is no next one.
fn peek(app: &App, server: &Server<'_>, name: WalName, limit: NonZeroUsize) -> Result<(), ops::Error> {
    let Some(first) = name.segment() else { return Ok(()) };
    for segment in get_wal::peek(server, first, limit.get())? {
        app.terminal.answer_path(segment.to_string().as_ref());
    }
    Ok(())
}

fn send(app: &App, server: &Server<'_>, args: &Args, request: Request) -> Result<ExitCode, ops::Error> {
    let answer = match &args.output_directory {
        Some(directory) => get_wal::save(server, request, directory)?,
        None => get_wal::send(server, request, &mut app.terminal.raw_output())?,
    };
    let suffix = ssh_caller::suffix();
    Ok(match answer {
        Answer::Sent => ExitCode::SUCCESS,
        Answer::NotThere => {
            let (name, server_name) = (request.name, server.name());
            server.error(format!("WAL file '{name}' not found in server '{server_name}'{suffix}"));
            restore_command::NOT_THERE.into()
        }
        Answer::NoPlace { path, source } => {
            server.error(format!("Unable to open '{}' file: {}{suffix}", path.display(), source.source));
            REFUSED.into()
        }
    })
}
