use std::fmt;

/// An amount of bytes, written as people read it: `1023 B`, `1.5 KiB`, `-2.0 KiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ByteSize(pub i64);

impl From<u64> for ByteSize {
    fn from(bytes: u64) -> Self {
        Self(i64::try_from(bytes).unwrap_or(i64::MAX))
    }
}

/// Divides by 1024 while that leaves at least one; rounding is not carried into the next unit, so the last
/// byte before 1 MiB is `1024.0 KiB`.
impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        if self.0.unsigned_abs() < 1024 {
            return f.pad(&format!("{} B", self.0));
        }
        let mut value = self.0 as f64;
        let mut unit = "";
        for name in UNITS {
            if value.abs() < 1024.0 {
                break;
            }
            value /= 1024.0;
            unit = name;
        }
        f.pad(&format!("{value:.1} {unit}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_barman_writes_them() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (1_048_575, "1024.0 KiB"),
            (16_777_216, "16.0 MiB"),
            (1_500_000_000_000, "1.4 TiB"),
            (-2048, "-2.0 KiB"),
            (i64::MAX, "8.0 EiB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(ByteSize(bytes).to_string(), text);
        }
    }
}
