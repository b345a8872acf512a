//! The write-ahead log of a server: how it comes in, how it is kept, how it is found.
