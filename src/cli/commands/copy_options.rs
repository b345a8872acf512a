//! The options of commands that copy a cluster's files.

use std::time::Duration;

use crate::config::ServerConfig;
use crate::ops::CopySettings;

/// Options of the copy; what is not given comes from the configuration.
#[derive(Debug, clap::Args)]
pub struct CopyOptions {
    /// Number of files copied at the same time
    #[arg(short, long, value_name = "NJOBS", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,

    /// Period in seconds over which the starts of copy workers are counted
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    jobs_start_batch_period: Option<u32>,

    /// Number of copy workers that may start in one such period
    #[arg(long, value_name = "NJOBS", value_parser = clap::value_parser!(u32).range(1..))]
    jobs_start_batch_size: Option<u32>,

    /// Limit of the transfer in kilobytes a second, 0 for none
    #[arg(long, value_name = "KBPS")]
    bwlimit: Option<u32>,

    /// How many times a copy that failed is tried again
    #[arg(long, value_name = "N")]
    retry_times: Option<u32>,

    /// Seconds between two tries
    #[arg(long, value_name = "SECONDS")]
    retry_sleep: Option<u64>,

    /// Give up at the first failure, the same as --retry-times 0
    #[arg(long, overrides_with = "retry_times")]
    no_retry: bool,
}

impl CopyOptions {
    /// What was typed over what is configured.
    pub fn settings(&self, config: &ServerConfig) -> CopySettings {
        let mut settings = CopySettings::configured(config);
        if let Some(jobs) = self.jobs {
            settings.jobs = usize::from(jobs);
        }
        if let Some(period) = self.jobs_start_batch_period {
            settings.throttle.batch_period = Duration::from_secs(period.into());
        }
        if let Some(size) = self.jobs_start_batch_size {
            settings.throttle.batch_size = size as usize;
        }
        if let Some(limit) = self.bwlimit {
            settings.bandwidth_limit = limit;
        }
        if let Some(times) = self.retry_times.or(self.no_retry.then_some(0)) {
            settings.retry.times = times;
        }
        if let Some(seconds) = self.retry_sleep {
            settings.retry.sleep = Duration::from_secs(seconds);
        }
        settings
    }
}

/// What was typed, 0 for no limit, or what is configured.
pub fn seconds_or(typed: Option<u64>, configured: Option<Duration>) -> Option<Duration> {
    match typed {
        Some(0) => None,
        Some(seconds) => Some(Duration::from_secs(seconds)),
        None => configured,
    }
}
