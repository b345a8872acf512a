use super::{Lsn, Timestamp};

/// Somebody to whom the server streams its WAL (view `pg_stat_replication`); what the user may not see, or the client
/// has not said, is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamingClient {
    /// The process of the server that serves it.
    pub pid: i32,
    /// The user it came in as.
    pub user_name: Option<String>,
    /// What it calls itself.
    pub application_name: Option<String>,
    /// Its address; `None` also for one that came in through the unix socket.
    pub address: Option<String>,
    /// The name of its host, with `log_hostname`.
    pub host_name: Option<String>,
    /// Its port.
    pub port: Option<i32>,
    /// Since when it is connected.
    pub started: Option<Timestamp>,
    /// What a standby with `hot_standby_feedback` keeps from being vacuumed.
    pub xmin: Option<String>,
    /// `streaming`, `catchup`, `backup`, …
    pub state: Option<String>,
    /// How far WAL was sent.
    pub sent: Option<Lsn>,
    /// How far the client has written it.
    pub written: Option<Lsn>,
    /// How far that is safely on its disk.
    pub flushed: Option<Lsn>,
    /// How far a standby has replayed it.
    pub replayed: Option<Lsn>,
    /// Its place among the synchronous ones; 0 for one that is not.
    pub sync_priority: Option<i32>,
    /// `async`, `potential`, `sync` or `quorum`.
    pub sync_state: Option<String>,
    /// The slot it uses.
    pub slot: Option<String>,
}

/// The word with a capital at its beginning.
pub fn capitalized(word: &str) -> String {
    let (first, rest) = word.split_at(word.chars().next().map_or(0, char::len_utf8));
    first.to_uppercase() + rest
}

/// How far a client has got with what the server has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyncStage {
    /// The stage, from 1.
    pub stage: u32,
    /// The last stage that such a client can reach.
    pub last: u32,
    /// What it is called.
    pub name: &'static str,
}

impl StreamingClient {
    /// Whether it replays what it gets, as a standby does; others keep it only.
    pub fn is_standby(&self) -> bool {
        self.replayed.is_some()
    }

    /// What it is: `Async standby`, `Sync WAL streamer`.
    pub fn title(&self) -> String {
        let kind = if self.is_standby() { "standby" } else { "WAL streamer" };
        let state = self.sync_state.as_deref().unwrap_or("unknown");
        format!("{} {kind}", capitalized(state))
    }

    /// The first letter of its `sync_state`, as a capital.
    pub fn sync_letter(&self) -> String {
        let letter = self.sync_state.as_deref().and_then(|state| state.chars().next());
        letter.map_or_else(|| "?".into(), |letter| letter.to_uppercase().to_string())
    }

    /// How far it is, by the names of PostgreSQL's columns.
    pub fn positions(&self) -> [(&'static str, Option<Lsn>); 4] {
        [("sent", self.sent), ("write", self.written), ("flush", self.flushed), ("replay", self.replayed)]
    }

    /// The stage at which it has all WAL up to `current`, where the server is.
    pub fn sync_stage(&self, current: Option<Lsn>) -> SyncStage {
        let has_all = |position: Option<Lsn>| position.is_some() && position >= current;
        let last = if self.is_standby() { 5 } else { 3 };
        let (stage, name) = match () {
            () if self.is_standby() && has_all(self.replayed) => (5, "Hot standby (max)"),
            () if self.is_standby() && has_all(self.flushed) => (4, "2-safe"),
            () if has_all(self.written) => (3, "Remote write"),
            () if has_all(self.sent) => (2, "WAL Sent (min)"),
            () => (1, "1-safe"),
        };
        SyncStage { stage, last, name }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stage_is_the_best_one_reached() {
        let current = Some(Lsn::new(100));
        let stage = |positions: [Option<u64>; 4]| {
            let [sent, written, flushed, replayed] = positions.map(|position| position.map(Lsn::new));
            let client = StreamingClient { sent, written, flushed, replayed, ..StreamingClient::default() };
            let SyncStage { stage, last, name } = client.sync_stage(current);
            format!("{stage}/{last} {name}")
        };
        let all = Some(100);
        // What was sent since `current` was asked for counts as well.
        assert_eq!(stage([all, all, all, Some(101)]), "5/5 Hot standby (max)");
        assert_eq!(stage([all, all, all, Some(99)]), "4/5 2-safe");
        assert_eq!(stage([all, all, Some(99), Some(99)]), "3/5 Remote write");
        assert_eq!(stage([all, all, all, None]), "3/3 Remote write");
        assert_eq!(stage([all, Some(99), None, None]), "2/3 WAL Sent (min)");
        assert_eq!(stage([None; 4]), "1/3 1-safe");
    }
}
