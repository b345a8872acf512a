use std::time::Duration;

/// Where the time of a copy by rsync went; the items are named by their labels, in the order in which they were copied.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CopyTimes {
    /// From the beginning of the first step to the end of the last.
    pub total: Duration,
    /// How many rsync processes could run at a time.
    pub workers: usize,
    /// For each tree, such as `pgdata`, the time it took to find out what to copy.
    pub analysis_per_item: Vec<(String, Duration)>,
    /// For each item the time from the beginning to the end of its copy.
    pub copy_per_item: Vec<(String, Duration)>,
    /// For each item the sum of the times of its rsync processes.
    pub serialized_copy_per_item: Vec<(String, Duration)>,
    /// Time to find out what to copy.
    pub analysis: Duration,
    /// Time to copy.
    pub copy: Duration,
    /// Sum of the times of all rsync processes.
    pub serialized_copy: Duration,
}
