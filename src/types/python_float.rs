use std::fmt;

/// A number that `Display` writes as Python does: the shortest digits that read back as the same number, with an
/// exponent from 1e16 up and below 1e-4.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PythonFloat(pub f64);

impl fmt::Display for PythonFloat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.0;
        if number.is_nan() {
            return f.write_str("None");
        }
        if number.is_infinite() {
            return f.write_str(if number > 0.0 { "1e999" } else { "-1e999" });
        }
        let shortest = format!("{number:e}");
        let decimals =
            shortest.split('e').next().and_then(|digits| digits.split_once('.')).map_or(0, |d| d.1.len());
        // Where two shortest forms are equally near, Python takes the one with the even last digit, and so does
        // rounding to that many digits.
        let rounded = format!("{number:.decimals$e}");
        let scientific = if rounded.parse() == Ok(number) { rounded } else { shortest };
        let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
        match exponent.parse::<i32>().unwrap_or(0) {
            exponent @ -4..16 => {
                let decimals = (decimals as i32 - exponent).max(1) as usize;
                write!(f, "{number:.decimals$}")
            }
            exponent => {
                let sign = if exponent < 0 { '-' } else { '+' };
                write!(f, "{digits}e{sign}{:02}", exponent.unsigned_abs())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_shortest_forms_the_one_with_the_even_last_digit_is_written() {
        for (number, text) in [
            (1_795_644_065.0 + 61.0 / 256.0, "1795644065.2382812"),
            (1_767_225_660.0, "1767225660.0"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1e16, "1e+16"),
            (f64::INFINITY, "1e999"),
        ] {
            assert_eq!(PythonFloat(number).to_string(), text);
        }
    }
}
