use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use super::RemoteArgs;
use crate::cli::globals::CLIENT_VERSION;
use crate::codec::{Format, Level};
use crate::ops::wal_client::{Error, Remote, Shipment, ship};
use crate::sys::Context;
use crate::wal::Digest;

/// The name that the program is called under.
pub const NAME: &str = "barman-wal-archive";

/// What the long help ends with.
const MORE: &str = "\
Examples:
  In postgresql.conf (%p is PostgreSQL's):
    archive_command = 'barman-wal-archive backup main %p'
  See whether it would work:
    barman-wal-archive --test backup main x

Exit status:
  0  the file is safe on the other side's disk
  2  the command line is wrong, the file cannot be read, or ssh cannot be run
  3  ssh did not get in
  125  the command there ended with a code above 125, which PostgreSQL would not count as a failure
  143  it was told to stop

Any other code is the one of `barman put-wal` there.";

/// What PostgreSQL's archiver counts as a failure at most; above, it ends itself and is started again.
const MOST: u8 = 125;

/// Send a WAL file to a Barman on another host
///
/// Sends the file with its checksum over ssh to `barman put-wal`, and succeeds when it is safe on disk there. Made to be
/// PostgreSQL's `archive_command`. The other side may be this program or the Python Barman.
///
/// ssh has to get in as the user that PostgreSQL runs as, without a question: it is never asked.
#[derive(Debug, clap::Parser)]
#[command(
    name = NAME,
    version = CLIENT_VERSION,
    after_long_help = MORE,
    infer_long_args = true,
    args_override_self = true,
    disable_version_flag = true
)]
pub struct Args {
    #[command(flatten)]
    remote: RemoteArgs,

    /// WAL file to send, `%p` in `archive_command`
    wal_path: PathBuf,

    /// Print the version
    #[arg(short = 'V', long, action = clap::ArgAction::Version)]
    version: Option<bool>,

    /// Only ask the other side whether it would take WAL
    #[arg(short, long)]
    test: bool,

    /// Make sure of the content by MD5 instead of SHA-256
    #[arg(long)]
    md5: bool,

    /// Compress the file with gzip before it is sent
    #[arg(short = 'z', long, overrides_with_all = ["bzip2", "xz", "snappy", "zstd", "lz4"])]
    gzip: bool,

    /// Compress the file with bzip2 before it is sent
    #[arg(short = 'j', long, overrides_with_all = ["gzip", "xz", "snappy", "zstd", "lz4"])]
    bzip2: bool,

    /// Compress the file with xz before it is sent
    #[arg(long, overrides_with_all = ["gzip", "bzip2", "snappy", "zstd", "lz4"])]
    xz: bool,

    /// Compress the file with snappy before it is sent
    #[arg(long, overrides_with_all = ["gzip", "bzip2", "xz", "zstd", "lz4"])]
    snappy: bool,

    /// Compress the file with zstd before it is sent
    #[arg(long, overrides_with_all = ["gzip", "bzip2", "xz", "snappy", "lz4"])]
    zstd: bool,

    /// Compress the file with lz4 before it is sent
    #[arg(long, overrides_with_all = ["gzip", "bzip2", "xz", "snappy", "zstd"])]
    lz4: bool,

    /// How hard: `low`, `medium`, `high`, or a number of the format's own
    #[arg(long, allow_hyphen_values = true, default_value = "medium", value_name = "LEVEL")]
    compression_level: Level,
}

impl Args {
    fn shipment(&self) -> Shipment {
        let formats = [
            (self.gzip, Format::Gzip),
            (self.bzip2, Format::Bzip2),
            (self.xz, Format::Xz),
            (self.snappy, Format::Snappy),
            (self.zstd, Format::Zstd),
            (self.lz4, Format::Lz4),
        ];
        let format = formats.into_iter().find_map(|(is_wanted, format)| is_wanted.then_some(format));
        Shipment {
            path: self.wal_path.clone(),
            digest: if self.md5 { Digest::Md5 } else { Digest::Sha256 },
            compression: format.map(|format| (format, self.compression_level)),
        }
    }
}

pub fn main(words: &[OsString]) -> ExitCode {
    let args = match super::parse::<Args>(words) {
        Ok(args) => args,
        Err(code) => return code,
    };
    let Ok(context) = super::context() else { return 2.into() };
    let remote = args.remote.remote();
    let done = if args.test { test(&context, &remote) } else { send(&context, &remote, &args) };
    done.unwrap_or_else(|error| {
        super::say_error(&*context.events, &error);
        exit_code(&error).into()
    })
}

fn test(context: &Context, remote: &Remote) -> Result<ExitCode, Error> {
    let finished = remote.run(context, &remote.put_wal(true))?;
    super::pass_on(&[&finished.stdout[..], &finished.stderr, b"\n"].concat(), b"");
    Ok(remote_code(finished.code).into())
}

fn send(context: &Context, remote: &Remote, args: &Args) -> Result<ExitCode, Error> {
    let finished = ship(context, remote, &args.shipment())?;
    super::pass_on(&finished.stdout, &finished.stderr);
    Ok(ExitCode::SUCCESS)
}

fn exit_code(error: &Error) -> u8 {
    match error {
        Error::NotConnected { .. } => 3,
        Error::Remote { code, .. } => remote_code(*code),
        Error::Cancelled(_) => 128 + 15,
        _ => 2,
    }
}

fn remote_code(code: i32) -> u8 {
    u8::try_from(code).unwrap_or(MOST).min(MOST)
}
