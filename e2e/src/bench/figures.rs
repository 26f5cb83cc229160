//! Statistics.
use std::time::Duration;

/// The value below which `percent` of 100 lie, by the nearest-rank method; `None` of nothing.
pub(crate) fn percentile(values: &[Duration], percent: usize) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).map(Duration::as_secs_f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let values: Vec<Duration> = (1..=300).rev().map(Duration::from_millis).collect();
        let is = |percent, expected: f64| {
            assert!(
                (percentile(&values, percent).unwrap() - expected).abs() < 1e-9,
                "{percent}"
            );
        };
        is(50, 0.150);
        is(99, 0.297);
        is(100, 0.300);
        assert_eq!(percentile(&[], 50), None);
        assert_eq!(percentile(&[Duration::from_secs(2)], 99), Some(2.0));
    }
}
