use std::str::FromStr;

use crate::types::{Lsn, ParseError, SegmentSize, Timeline, WalSegment};

/// What a `.history` file tells: the timelines that lead to its own, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineHistory {
    /// One for each ancestor; never empty.
    pub ancestors: Vec<Ancestor>,
}

/// Where a timeline was left for the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ancestor {
    /// The timeline that was left.
    pub timeline: Timeline,
    /// The position at which it was left; of a server before PostgreSQL 9.3, the start of the segment with it.
    pub switch_point: Lsn,
    /// Why, in PostgreSQL's words.
    pub reason: String,
}

impl TimelineHistory {
    /// Whether WAL of this history's timeline continues what `timeline` had written up to `lsn`.
    pub fn continues(&self, timeline: Timeline, lsn: Lsn) -> Option<&Ancestor> {
        self.ancestors.iter().find(|ancestor| ancestor.timeline == timeline && ancestor.switch_point >= lsn)
    }
}

impl FromStr for TimelineHistory {
    type Err = ParseError;

    /// Reads lines of timeline, position and reason, separated by tabs; `#` begins a comment.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
        let ancestors: Vec<Ancestor> = lines.map(parse_ancestor).collect::<Result<_, _>>()?;
        if ancestors.is_empty() {
            return Err(ParseError::new("timeline history", text));
        }
        Ok(Self { ancestors })
    }
}

fn parse_ancestor(line: &str) -> Result<Ancestor, ParseError> {
    let mut fields = line.splitn(3, '\t').map(str::trim);
    let mut parse = || {
        let timeline = Timeline::new(fields.next()?.parse().ok()?)?;
        let switch_point = parse_switch_point(fields.next()?)?;
        Some(Ancestor { timeline, switch_point, reason: fields.next()?.to_owned() })
    };
    parse().ok_or_else(|| ParseError::new("line of a timeline history", line))
}

/// Before 9.3 PostgreSQL named the segment in which the timeline was left. Its start is all that is sure to be of both
/// timelines. The size of segments was chosen when the server was compiled then, and is hardly ever another one.
fn parse_switch_point(text: &str) -> Option<Lsn> {
    let of_segment = || text.parse().ok().map(|segment: WalSegment| segment.start(SegmentSize::DEFAULT));
    text.parse().ok().or_else(of_segment)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HISTORY: &str = "1\t0/3000000\tno recovery target specified\n\n# by hand\n\
                           2\t1/5000028\tbefore 2026-01-01 10:00:00+00\n";

    #[test]
    fn ancestors_are_read_in_order() {
        let history: TimelineHistory = HISTORY.parse().unwrap();
        let seen: Vec<_> =
            history.ancestors.iter().map(|a| (a.timeline.number(), a.switch_point.to_string())).collect();
        assert_eq!(seen, [(1, "0/3000000".to_owned()), (2, "1/5000028".to_owned())]);
        assert_eq!(history.ancestors[1].reason, "before 2026-01-01 10:00:00+00");
    }

    #[test]
    fn histories_of_old_servers_name_a_segment() {
        let text = "1\t000000010000000200000005\tno recovery target specified\n";
        let history: TimelineHistory = text.parse().unwrap();
        assert_eq!(history.ancestors[0].switch_point.to_string(), "2/5000000");
        assert_eq!(history.ancestors[0].reason, "no recovery target specified");
    }

    #[test]
    fn a_timeline_left_before_the_position_does_not_continue_it() {
        let history: TimelineHistory = HISTORY.parse().unwrap();
        let lsn = |text: &str| text.parse().unwrap();
        assert!(history.continues(Timeline::FIRST, lsn("0/3000000")).is_some());
        assert!(history.continues(Timeline::FIRST, lsn("0/3000001")).is_none());
        assert!(history.continues(Timeline::new(3).unwrap(), lsn("0/0")).is_none());
    }

    #[test]
    fn what_is_no_history_is_refused() {
        for text in ["", "# only a comment\n", "1\t0/3000000\n", "0\t0/3000000\tx\n", "1 0/3000000 blanks\n"]
        {
            assert!(text.parse::<TimelineHistory>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_panic(text in "[0-9A-F/\t\n# x]{0,60}") {
            let _ = text.parse::<TimelineHistory>();
        }
    }
}
