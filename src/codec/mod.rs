//! Compression as streams, told apart by magic numbers.
