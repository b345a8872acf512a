//! Copying trees of files over rsync and SSH.
