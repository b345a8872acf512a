use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use super::RemoteArgs;
use crate::cli::globals::CLIENT_VERSION;
use crate::ops::restore_command;
use crate::ops::wal_client::{Download, Error, Fetched, Remote, Restore, Spool, WireForm, prefetch, restore};
use crate::sys::{Command, Context, Files};
use crate::types::WalName;

/// The name that the program is called under.
pub const NAME: &str = "barman-wal-restore";

/// What the long help ends with.
const MORE: &str = "\
Examples:
  In the configuration of a server that recovers (%f and %p are PostgreSQL's):
    restore_command = 'barman-wal-restore --partial --parallel 4 backup main %f %p'
  See whether it would work:
    barman-wal-restore --test backup main x x

Exit status:
  0  all of the file is there
  1  the other side does not have it
  2  the command line is wrong; or as 254, for a standby
  3  that is no name of a WAL file, or the destination is a directory
  143  it was told to stop
  254  ssh did not get in, the command there failed, what came is damaged, the destination cannot be written

PostgreSQL ends a recovery when restore_command gives 1 to 125, and stops to be looked after above; so a connection that
is lost must not have the code of a file that is not there. A standby asks again instead: in the data directory of one the
code is 2.";

/// What makes no sense to ask for.
const REFUSED: u8 = 3;

/// Fetch a WAL file from a Barman on another host
///
/// Runs `barman get-wal` there over ssh. The file appears at its destination when all of it has come. Made to be
/// PostgreSQL's `restore_command`. The other side may be this program or the Python Barman.
///
/// With `--parallel`, the files that PostgreSQL will ask for next are fetched while it replays this one. All come through
/// one connection of ssh, which stays for a minute when it is not used; its socket is in `--spool-dir`. With
/// `--keep-compression` fewer bytes are encrypted, and a fast recovery waits less.
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

    /// Name of the WAL file, `%f` in `restore_command`
    wal_name: String,

    /// Where it is to go, `%p` in `restore_command`
    wal_dest: PathBuf,

    /// Print the version
    #[arg(short = 'V', long, action = clap::ArgAction::Version)]
    version: Option<bool>,

    /// Only ask the other side whether it would hand out WAL
    #[arg(short, long)]
    test: bool,

    /// Wait so many seconds after a failure, before PostgreSQL hears of it
    #[arg(short, long, default_value_t = 0, value_name = "SECONDS")]
    sleep: u64,

    /// How many files to fetch ahead, at the same time
    #[arg(short, long, default_value_t = 0, value_name = "FILES")]
    parallel: usize,

    /// Directory for files that were fetched ahead
    #[arg(long, default_value = "/var/tmp/walrestore", value_name = "DIR")]
    spool_dir: PathBuf,

    /// Where a segment is missing, take what PostgreSQL has written of it so far
    #[arg(short = 'P', long)]
    partial: bool,

    /// Have the file compressed with gzip on its way; deprecated, set `compression` there instead
    #[arg(short = 'z', long, conflicts_with_all = ["bzip2", "keep_compression"])]
    gzip: bool,

    /// Have the file compressed with bzip2 on its way; deprecated, set `compression` there instead
    #[arg(short = 'j', long, conflicts_with_all = ["gzip", "keep_compression"])]
    bzip2: bool,

    /// Have the file sent as it is stored, and decompress it here
    #[arg(long)]
    keep_compression: bool,

    /// Only fetch the files behind this one into the spool; how this program calls itself
    #[arg(long, hide = true)]
    prefetch: bool,
}

impl Args {
    fn form(&self) -> WireForm {
        match (self.gzip, self.bzip2, self.keep_compression) {
            (true, ..) => WireForm::Gzip,
            (_, true, _) => WireForm::Bzip2,
            (_, _, true) => WireForm::AsStored,
            _ => WireForm::Plain,
        }
    }
}

pub fn main(words: &[OsString]) -> ExitCode {
    let args = match super::parse::<Args>(words) {
        Ok(args) => args,
        Err(code) => return code,
    };
    let Ok(context) = super::context() else {
        return restore_command::unknown(&Files::default(), false).into();
    };
    let remote = args.remote.remote();
    if args.test {
        return test(&context, &remote);
    }
    for (is_set, option) in [(args.gzip, "gzip"), (args.bzip2, "bzip2")] {
        if is_set && !args.prefetch {
            context.events.warning(&format!(
                "`{option}` option is deprecated and will be removed in future versions. For WAL compression, please \
                 make sure to enable it directly on the Barman server via the `compression` configuration option"
            ));
        }
    }
    let code = fetch(&context, &remote, &args, words);
    if code != 0 && args.sleep > 0 {
        context.events.info(&format!("Sleeping for {} seconds.", args.sleep));
        let _ = context.clock.sleep(Duration::from_secs(args.sleep), &context.cancel);
    }
    code.into()
}

fn test(context: &Context, remote: &Remote) -> ExitCode {
    match remote.run(context, &remote.test_get_wal()) {
        Ok(finished) => {
            super::pass_on(&[&finished.stdout[..], &finished.stderr, b"\n"].concat(), b"");
            u8::try_from(finished.code).unwrap_or(u8::MAX).into()
        }
        Err(error) => {
            super::say_error(&*context.events, &error);
            exit_code(context, &error).into()
        }
    }
}

fn fetch(context: &Context, remote: &Remote, args: &Args, words: &[OsString]) -> u8 {
    let Ok(name) = args.wal_name.parse::<WalName>() else {
        context.events.error(&format!("'{}' is not a valid wal file name", args.wal_name));
        return REFUSED;
    };
    // Files that were fetched ahead are taken also when no more are to be.
    let is_wanted = args.parallel > 0 || context.files.is_dir(&args.spool_dir);
    let spool = is_wanted.then(|| Spool::open(context, &args.spool_dir, remote)).transpose();
    if let (Err(error), true) = (&spool, args.parallel > 0 && !args.prefetch) {
        context.events.warning(&format!("nothing is fetched ahead: {error}: {}", error.source));
    }
    let spool = spool.ok().flatten();
    // Where one file is fetched, more will be.
    let channel = spool.as_ref().filter(|_| args.parallel > 0).and_then(|spool| spool.channel(remote));
    let remote = &Remote { channel, ..remote.clone() };
    let download = Download { context, remote, form: args.form(), partial: args.partial };
    let prefetcher = Command::new(&words[0]).arg("--prefetch").args(&words[1..]);
    let request = Restore { download, spool, ahead: args.parallel, prefetcher };
    if args.prefetch {
        return u8::from(prefetch(&request, name).is_err());
    }
    match restore(&request, name, &args.wal_dest) {
        Ok(Fetched::Delivered) => 0,
        Ok(Fetched::NotThere) => {
            let (server, host) = (&remote.server, &remote.host);
            context.events.error(&format!("WAL file '{name}' not found in server '{server}' on {host}"));
            restore_command::NOT_THERE
        }
        Err(error) => {
            super::say_error(&*context.events, &error);
            exit_code(context, &error)
        }
    }
}

fn exit_code(context: &Context, error: &Error) -> u8 {
    match error {
        Error::Directory { .. } | Error::Remote { code: 3, .. } => REFUSED,
        Error::Cancelled(_) => restore_command::unknown(&context.files, true),
        _ => restore_command::unknown(&context.files, false),
    }
}
