//! A figure against its limit.

use super::figures::Common;
use super::restart::Takeover;

/// Bytes of a mebibyte.
const MIB: f64 = 1024.0 * 1024.0;

/// One figure in its unit, with its limit.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    pub(crate) what: String,
    pub(crate) measured: f64,
    pub(crate) limit: Option<f64>,
    pub(crate) unit: &'static str,
}

impl Line {
    pub(crate) fn new(what: &str, measured: f64, limit: Option<f64>, unit: &'static str) -> Self {
        Self {
            what: what.to_owned(),
            measured,
            limit,
            unit,
        }
    }

    /// Whether the budget is kept; without a limit always.
    pub(crate) fn is_kept(&self) -> bool {
        self.limit.is_none_or(|limit| self.measured <= limit)
    }

    /// Its cells: figure, measured, budget, result.
    pub(crate) fn cells(&self) -> Vec<String> {
        let limit = self
            .limit
            .map(|limit| format!("≤ {}", number(limit)))
            .unwrap_or_default();
        let result = match (self.limit, self.is_kept()) {
            (None, _) => "",
            (Some(_), true) => "kept",
            (Some(_), false) => "BROKEN",
        };
        vec![
            format!("{} ({})", self.what, self.unit).replace(" ()", ""),
            number(self.measured),
            limit,
            result.to_owned(),
        ]
    }
}

/// A size in bytes.
#[expect(clippy::cast_precision_loss, reason = "bytes are far below 2^52")]
pub(crate) fn size(what: &str, bytes: u64, limit: Option<f64>) -> Line {
    Line::new(what, bytes as f64 / MIB, limit, "MiB")
}

/// The memory of an idle process.
pub(crate) fn memory(common: &Common, limit: Option<f64>) -> [Line; 2] {
    [
        size("resident memory", common.rss_bytes, limit),
        size("of it anonymous", common.anon_bytes, None),
    ]
}

/// A rate while nothing happens: there may be none.
pub(crate) fn idle(what: &str, per_minute: f64) -> Line {
    Line::new(&format!("{what}, idle"), per_minute, Some(0.0), "per minute")
}

/// Processor time as a rate.
pub(crate) fn processor(what: &str, millicores: f64, limit: Option<f64>) -> Line {
    Line::new(
        &format!("processor, {what}"),
        millicores,
        limit,
        "thousandths of a core",
    )
}

/// How soon a new process works. `limit` is that of ready, and of the lease after a clean end.
pub(crate) fn restarts(common: &Common, takeover: &Takeover, limit: Option<f64>) -> [Line; 3] {
    let line =
        |what: &str, seconds: f64, limit: Option<f64>| Line::new(&format!("restart: {what}"), seconds, limit, "s");
    [
        line("process ready", common.restart_ready_seconds, limit),
        line("leading after a clean end", takeover.after_end, limit),
        line("leading after kill -9", takeover.after_kill, Some(20.0)),
    ]
}

/// The size of the image.
pub(crate) fn image(common: &Common, limit: f64) -> Line {
    size("image, uncompressed", common.image_bytes, Some(limit))
}

/// The figures that exceed their budgets.
pub(crate) fn broken(lines: &[Line]) -> Vec<&str> {
    let broken = lines.iter().filter(|line| !line.is_kept());
    broken.map(|line| line.what.as_str()).collect()
}

fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_tell_the_verdict() {
        let line = Line {
            what: "a".to_owned(),
            measured: 2.5,
            limit: Some(2.0),
            unit: "s",
        };
        assert_eq!(line.cells(), ["a (s)", "2.5", "≤ 2", "BROKEN"]);
        assert_eq!(
            Line {
                limit: None,
                unit: "",
                ..line
            }
            .cells(),
            ["a", "2.5", "", ""]
        );
    }
}
