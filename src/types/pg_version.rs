use std::fmt;

/// A server version as libpq numbers it: 150018 is 15.18, 90624 is 9.6.24.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PgVersion(u32);

impl PgVersion {
    /// The value of `server_version_num`.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The first release of a major version from 10 on.
    pub const fn major_release(major: u32) -> Self {
        Self(major * 10_000)
    }

    /// The number as in `server_version_num`.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Whether this is `major` (10 or later) or newer.
    pub const fn at_least(self, major: u32) -> bool {
        self.0 >= major * 10_000
    }

    /// The name of the major version, in which data directories are compatible: `17`, `9.6`.
    pub fn major(self) -> String {
        match self.0 / 10_000 {
            old @ ..10 => format!("{old}.{}", self.0 / 100 % 100),
            major => major.to_string(),
        }
    }
}

impl fmt::Display for PgVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 / 10_000 {
            old @ ..10 => write!(f, "{old}.{}.{}", self.0 / 100 % 100, self.0 % 100),
            major => write!(f, "{major}.{}", self.0 % 10_000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_named_as_postgresql_names_them() {
        assert_eq!(PgVersion::new(150_018).to_string(), "15.18");
        assert_eq!(PgVersion::new(90_624).to_string(), "9.6.24");
        assert_eq!(PgVersion::new(90_624).major(), "9.6");
        assert_eq!(PgVersion::new(100_023).major(), "10");
        assert!(PgVersion::new(100_000).at_least(10) && !PgVersion::new(90_624).at_least(10));
    }
}
