//! The base backups of a server: their records and their places on disk.
