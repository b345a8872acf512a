use chrono::{NaiveDateTime, Offset, TimeDelta, TimeZone};

use super::Timestamp;

/// The moments at which clocks in `zone` show `wall`, ascending: nearly always one; two when the clocks are set back
/// over it, none when they are put forward over it.
///
/// Asks only which offset is in force at a moment, and not what chrono knows of the reverse: for the very hour of a
/// change that was the later moment for the first, and a moment for one that is skipped.
pub(super) fn moments_of(wall: NaiveDateTime, zone: &impl TimeZone) -> Vec<Timestamp> {
    let offset_at = |utc: NaiveDateTime| zone.offset_from_utc_datetime(&utc).fix();
    // A day is more than any offset: what is in force a day before and after is what `wall` can be meant in.
    let nearby = [wall.checked_sub_signed(TimeDelta::days(1)), wall.checked_add_signed(TimeDelta::days(1))];
    let mut moments: Vec<Timestamp> = nearby
        .into_iter()
        .flatten()
        .filter_map(|utc| offset_at(utc).from_local_datetime(&wall).single())
        .filter(|moment| offset_at(moment.naive_utc()) == *moment.offset())
        .collect();
    moments.sort_unstable();
    moments.dedup();
    moments
}
