use chrono::FixedOffset;

/// Reads how far a clock is from UTC: `+1`, `+01`, `+0100`, `+01:00`, and with seconds, as zones had them before they
/// were agreed on, `+00:09:21`.
pub(super) fn parse_utc_offset(text: &str) -> Option<FixedOffset> {
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let parts: Vec<&str> = match digits.len() {
        1 | 2 => vec![digits],
        4 => vec![digits.get(..2)?, digits.get(2..)?],
        5 | 8 => digits.split(':').collect(),
        _ => return None,
    };
    let [hours, minutes, seconds] = match parts[..] {
        [hours] => [number(hours)?, 0, 0],
        [hours, minutes] => [number(hours)?, sixtieth(minutes)?, 0],
        [hours, minutes, seconds] => [number(hours)?, sixtieth(minutes)?, sixtieth(seconds)?],
        _ => return None,
    };
    FixedOffset::east_opt(sign * (hours * 3600 + minutes * 60 + seconds))
}

fn sixtieth(text: &str) -> Option<i32> {
    number(text).filter(|number| text.len() == 2 && *number < 60)
}

/// Digits only: `parse` alone would take a sign.
fn number(text: &str) -> Option<i32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_read_in_every_usual_form() {
        for (text, seconds) in [
            ("+1", 3600),
            ("-03", -10800),
            ("+0530", 19800),
            ("+10:30", 37800),
            ("-00:00", 0),
            ("+00:09:21", 561),
            ("+23:59", 86340),
        ] {
            assert_eq!(parse_utc_offset(text), FixedOffset::east_opt(seconds), "{text}");
        }
    }

    #[test]
    fn anything_else_is_no_offset() {
        for text in
            ["", "+", "01", "+010", "+24", "+01:60", "+1:00", "+01:0:00", "+01:00:0", "++1", "+é", "+0１"]
        {
            assert_eq!(parse_utc_offset(text), None, "{text}");
        }
    }
}
