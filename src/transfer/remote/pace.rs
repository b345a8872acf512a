use std::io::{self, Write};
use std::time::{Duration, Instant};

use crate::sys::{Cancel, Clock};

/// Keeps to a rate, and tells how much has gone through.
pub(super) struct Paced<'a, W> {
    out: W,
    bytes_per_second: u64,
    begin: Instant,
    sent_bytes: u64,
    clock: &'a dyn Clock,
    stop: &'a Cancel,
}

/// A piece that goes out at once: with a low rate, so much in a burst.
const PIECE_BYTES: usize = 32 << 10;

impl<'a, W> Paced<'a, W> {
    /// `limit` in KiB a second; 0 is none.
    pub fn new(out: W, limit: u32, clock: &'a dyn Clock, stop: &'a Cancel) -> Self {
        let bytes_per_second = u64::from(limit) * 1024;
        Self { out, bytes_per_second, begin: Instant::now(), sent_bytes: 0, clock, stop }
    }

    /// How long what was sent takes at the rate, less the time that it did take.
    fn ahead(&self) -> Duration {
        if self.bytes_per_second == 0 {
            return Duration::ZERO;
        }
        let due = Duration::from_secs_f64(self.sent_bytes as f64 / self.bytes_per_second as f64);
        due.saturating_sub(self.begin.elapsed())
    }
}

impl<W: Write> Write for Paced<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let ahead = self.ahead();
        if !ahead.is_zero() {
            self.clock.sleep(ahead, self.stop).map_err(io::Error::other)?;
        }
        let piece = if self.bytes_per_second == 0 { bytes } else { &bytes[..bytes.len().min(PIECE_BYTES)] };
        let count = self.out.write(piece)?;
        self.sent_bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::SystemClock;

    #[test]
    fn what_goes_through_keeps_to_the_rate() {
        let (begin, mut out, stop) = (Instant::now(), Vec::new(), Cancel::default());
        let mut paced = Paced::new(&mut out, 1024, &SystemClock, &stop);
        paced.write_all(&[7; 200 << 10]).unwrap();
        paced.flush().unwrap();
        assert_eq!(out.len(), 200 << 10);
        // The last piece goes out at once.
        assert!(begin.elapsed() >= Duration::from_millis(160), "{:?}", begin.elapsed());
    }
}
