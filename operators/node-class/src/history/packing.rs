//! Tables as text: big-endian numbers in base64. What does not decode to a table that can be is refused.
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::ledger::{Row, Rows};
use super::week::{Bucket, HOURS, Week};

/// The number of the first row as 32 bits, then up, known, planned and downs of each as 16 bits; none for no rows.
pub(super) fn pack_rows(rows: &Rows) -> Option<String> {
    if rows.rows.is_empty() {
        return None;
    }
    let mut bytes = u32::try_from(rows.first).unwrap_or_default().to_be_bytes().to_vec();
    for row in &rows.rows {
        for number in [row.up, row.known, row.planned, row.downs] {
            bytes.extend(number.to_be_bytes());
        }
    }
    Some(STANDARD.encode(bytes))
}

/// Reads rows, of which there are at most `count` with at most `most` known.
pub(super) fn unpack_rows(text: Option<&str>, count: usize, most: u16) -> Result<Rows, String> {
    let Some(text) = text else { return Ok(Rows::default()) };
    let bytes = STANDARD.decode(text).map_err(|error| error.to_string())?;
    let (first, rest) = bytes.split_first_chunk::<4>().ok_or("too short")?;
    let (rows, left) = rest.as_chunks::<8>();
    if rows.is_empty() || rows.len() > count || !left.is_empty() {
        return Err(format!("{} bytes are no table", bytes.len()));
    }
    let rows: Vec<Row> = rows
        .iter()
        .map(|[a, b, c, d, e, f, g, h]| Row {
            up: u16::from_be_bytes([*a, *b]),
            known: u16::from_be_bytes([*c, *d]),
            planned: u16::from_be_bytes([*e, *f]),
            downs: u16::from_be_bytes([*g, *h]),
        })
        .collect();
    if rows.iter().any(|row| !row.is_sound(most)) {
        return Err("more up than known, or more known than there is".to_owned());
    }
    Ok(Rows {
        first: i64::from(u32::from_be_bytes(*first)),
        rows,
    })
}

/// Up and known minutes of each hour of the week as 16 bits; none while nothing is known.
pub(super) fn pack_week(week: &Week) -> Option<String> {
    if week.buckets.iter().all(|bucket| bucket.known == 0) {
        return None;
    }
    let mut bytes = Vec::with_capacity(HOURS * 4);
    for bucket in &week.buckets {
        bytes.extend(bucket.up.to_be_bytes());
        bytes.extend(bucket.known.to_be_bytes());
    }
    Some(STANDARD.encode(bytes))
}

/// Reads the hours of the week.
pub(super) fn unpack_week(text: Option<&str>) -> Result<Week, String> {
    let Some(text) = text else { return Ok(Week::default()) };
    let bytes = STANDARD.decode(text).map_err(|error| error.to_string())?;
    let (buckets, left) = bytes.as_chunks::<4>();
    if buckets.len() != HOURS || !left.is_empty() {
        return Err(format!("{} bytes are no week", bytes.len()));
    }
    let buckets: Vec<Bucket> = buckets
        .iter()
        .map(|[a, b, c, d]| Bucket {
            up: u16::from_be_bytes([*a, *b]),
            known: u16::from_be_bytes([*c, *d]),
        })
        .collect();
    if buckets.iter().any(|bucket| bucket.up > bucket.known) {
        return Err("more up than known".to_owned());
    }
    Ok(Week { buckets })
}
