//! A figure against its limit.

/// Bytes of a mebibyte.
pub(crate) const MIB: f64 = 1024.0 * 1024.0;

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
