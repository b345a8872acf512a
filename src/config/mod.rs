//! The settings: one table of options, the files they come from, and what they mean for a server.
