//! Durations as Go writes them, and days: `1h30m`, `200ms`, `3d`. The one form for CRD fields, annotations and arguments.

use std::time::Duration;

/// For the schema of a CRD's field: what people write, without the rare forms (`ns`, `us`, blanks, a sign, a bare `0`).
pub const PATTERN: &str = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$";

/// Reads a sequence of decimal numbers, each with an optional fraction and a unit of `ns`, `us` (`µs`), `ms`, `s`, `m`, `h`
/// or `d` (24 hours); blanks may stand between them. `0` needs no unit. Fractions of a nanosecond are cut. Fails for any other
/// text, what is negative, and what is longer than 292 years; the message can follow the name of a field.
/// See <https://pkg.go.dev/time#ParseDuration>.
pub fn parse(text: &str) -> Result<Duration, String> {
    read(text).ok_or_else(|| format!("`{text}` is not a duration such as 90s, 18h30m or 3d"))
}

fn read(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(tail) => digits(tail),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let (unit, after) = unit(after)?;
        let whole: u64 = format!("0{whole}").parse().ok()?;
        let mut nanos = u128::from(whole) * unit;
        let mut scale = unit;
        for digit in fraction.bytes() {
            scale /= 10;
            nanos += u128::from(digit - b'0') * scale;
        }
        total = total.checked_add(nanos)?;
        rest = after.trim_start_matches(' ');
    }
    // Go's `time.Duration` counts nanoseconds in an `i64`; longer ones are refused there and so here.
    let nanos = i64::try_from(total).ok()?;
    Some(Duration::from_nanos(nanos.unsigned_abs()))
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// The unit's nanoseconds. `ms` stands before `m`, which begins like it.
fn unit(text: &str) -> Option<(u128, &str)> {
    const UNITS: [(&str, u128); 9] = [
        ("ns", 1),
        ("us", 1_000),
        ("\u{b5}s", 1_000),
        ("\u{3bc}s", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
        ("d", 86_400_000_000_000),
    ];
    UNITS
        .iter()
        .find_map(|(name, nanos)| text.strip_prefix(name).map(|rest| (*nanos, rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_go_and_days() {
        let cases: [(&str, Option<Duration>); 30] = [
            ("0", Some(Duration::ZERO)),
            ("0s", Some(Duration::ZERO)),
            ("1s", Some(Duration::from_secs(1))),
            ("1.5s", Some(Duration::from_millis(1_500))),
            (".5s", Some(Duration::from_millis(500))),
            ("1.s", Some(Duration::from_secs(1))),
            ("200ms", Some(Duration::from_millis(200))),
            ("1h30m", Some(Duration::from_mins(90))),
            ("1h15m30.918273645s", Some(Duration::new(4_530, 918_273_645))),
            ("3us", Some(Duration::from_micros(3))),
            ("3\u{b5}s", Some(Duration::from_micros(3))),
            ("7ns", Some(Duration::from_nanos(7))),
            ("+5s", Some(Duration::from_secs(5))),
            ("0.0000000001s", Some(Duration::ZERO)),
            ("", None),
            ("5", None),
            (".s", None),
            ("-1s", None),
            ("3d", Some(Duration::from_hours(72))),
            ("1d12h", Some(Duration::from_hours(36))),
            ("1.5d", Some(Duration::from_hours(36))),
            ("18h 30m", Some(Duration::from_mins(1_110))),
            ("90s", Some(Duration::from_secs(90))),
            ("d", None),
            ("3x", None),
            ("-3s", None),
            ("99999999999999999999d", None),
            ("1 s", None),
            ("99999999999h", None),
            ("99999999999999999999s", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text).ok(), expected, "{text:?}");
        }
    }
}
