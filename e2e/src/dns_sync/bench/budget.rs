//! The budgets of the architecture (section 8) and what external-dns needs for the same work, against the figures.
use super::figures::Figures;
use crate::bench::budget::{Line, idle, image, memory as memory_lines, processor, restarts};

/// external-dns on the same work: resident bytes, and seconds and provider calls of one change.
fn external_dns(objects: u32) -> Option<(f64, f64, f64)> {
    match objects {
        1_000 => Some((113e6, 6.0, 10.0)),
        10_000 => Some((163e6, 10.0, 70.0)),
        _ => None,
    }
}

/// Resident memory by objects; none beyond what the budgets speak of.
fn memory(objects: u32) -> Option<f64> {
    match objects {
        0 => Some(15.0),
        1..=1_000 => Some(20.0),
        1_001..=10_000 => Some(45.0),
        _ => None,
    }
}

/// Every figure, with its limit where there is one.
#[expect(clippy::cast_precision_loss, reason = "bytes and counts are far below 2^52")]
pub(crate) fn lines(figures: &Figures) -> Vec<Line> {
    let beside = &figures.beside;
    let line = Line::new;
    let up_to = |most: u32, limit: f64| (figures.common.objects <= most).then_some(limit);
    let mut lines = Vec::from(memory_lines(&figures.common, memory(figures.common.objects)));
    lines.extend([
        line("processor time until synced", figures.common.cpu_seconds, None, "s"),
        line(
            "first sync",
            figures.common.first_sync_seconds,
            up_to(10_000, 30.0),
            "s",
        ),
    ]);
    if figures.common.objects > 0 {
        let most = beside.least_batches + 2;
        lines.push(line(
            &format!("batches of the first sync (least possible {})", beside.least_batches),
            beside.batches as f64,
            Some(most as f64),
            "",
        ));
    }
    if let (Some(p50), Some(p99), Some(calls)) = (
        figures.common.change_p50_seconds,
        figures.common.change_p99_seconds,
        figures.provider_calls_per_change,
    ) {
        lines.push(line(
            &format!("change to provider, p50 of {}", beside.changes),
            p50,
            up_to(10_000, 0.05),
            "s",
        ));
        lines.push(line("change to provider, p99", p99, up_to(10_000, 0.5), "s"));
        lines.push(line(
            "change to provider, slowest",
            beside.slowest_change.unwrap_or_default(),
            None,
            "s",
        ));
        lines.push(line("provider calls per change", calls, Some(1.0), ""));
    }
    lines.extend([
        idle("provider calls", figures.idle_provider_calls_per_minute),
        idle("API writes", figures.idle_api_writes_per_minute),
        processor("idle", beside.idle_millicores, Some(2.0)),
    ]);
    lines.extend(restarts(&figures.common, &beside.takeover, up_to(1_000, 3.0)));
    lines.extend([
        line("restart: writes", figures.restart_writes as f64, Some(0.0), ""),
        image(&figures.common, 20.0),
    ]);
    lines.extend(beside_external_dns(figures));
    lines
}

/// At least four times smaller and ten times faster.
#[expect(clippy::cast_precision_loss, reason = "bytes are far below 2^52")]
fn beside_external_dns(figures: &Figures) -> Vec<Line> {
    let Some((bytes, seconds, calls)) = external_dns(figures.common.objects) else {
        return Vec::new();
    };
    let line = |what: &str, measured: f64, limit: Option<f64>| Line {
        what: what.to_owned(),
        measured,
        limit,
        unit: "",
    };
    let mut lines = vec![line(
        "memory, as a share of external-dns' (at most a quarter)",
        figures.common.rss_bytes as f64 / bytes,
        Some(0.25),
    )];
    if let (Some(p50), Some(ours)) = (figures.common.change_p50_seconds, figures.provider_calls_per_change) {
        let share = "time of a change, as a share of external-dns' (at most a tenth)";
        lines.push(line(share, p50 / seconds, Some(0.1)));
        let share = format!("calls of a change, as a share of external-dns' {calls}");
        lines.push(line(&share, ours / calls, None));
    }
    lines
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::figures::Beside;
    use super::*;
    use crate::bench::figures::Common;
    use crate::bench::restart::Takeover;

    pub(crate) fn good(objects: u32) -> Figures {
        Figures {
            common: Common::good("dns-sync", objects),
            provider_calls_per_change: (objects > 0).then_some(1.0),
            idle_provider_calls_per_minute: 0.0,
            idle_api_writes_per_minute: 0.0,
            restart_writes: 0,
            beside: Beside {
                batches: 4,
                least_batches: 3,
                takeover: Takeover {
                    after_kill: 16.0,
                    after_end: 0.0,
                },
                ..Beside::default()
            },
        }
    }

    fn broken(figures: &Figures) -> Vec<String> {
        let lines = lines(figures);
        crate::bench::budget::broken(&lines)
            .into_iter()
            .map(ToOwned::to_owned)
            .collect()
    }

    #[test]
    fn good_figures_break_no_budget() {
        for objects in [0, 1_000, 10_000] {
            assert_eq!(broken(&good(objects)), Vec::<String>::new(), "{objects}");
        }
    }

    #[test]
    fn each_budget_can_be_broken() {
        let bad = Figures {
            common: Common {
                rss_bytes: 46 << 20,
                first_sync_seconds: 31.0,
                change_p50_seconds: Some(1.1),
                change_p99_seconds: Some(1.2),
                image_bytes: 21 << 20,
                ..good(10_000).common
            },
            provider_calls_per_change: Some(1.01),
            idle_provider_calls_per_minute: 1.0,
            idle_api_writes_per_minute: 1.0,
            restart_writes: 1,
            beside: Beside {
                batches: 6,
                least_batches: 3,
                idle_millicores: 2.1,
                takeover: Takeover {
                    after_kill: 20.1,
                    after_end: 0.0,
                },
                ..Beside::default()
            },
        };
        assert_eq!(broken(&bad).len(), 14, "{:?}", broken(&bad));
        let slow = Figures {
            common: Common {
                restart_ready_seconds: 3.1,
                ..good(1000).common
            },
            beside: Beside {
                takeover: Takeover {
                    after_end: 3.1,
                    after_kill: 0.0,
                },
                ..good(1000).beside
            },
            ..good(1000)
        };
        assert_eq!(broken(&slow).len(), 2);
    }

    #[test]
    fn memory_may_grow_with_the_objects() {
        let sixteen = |objects| Figures {
            common: Common {
                rss_bytes: 16 << 20,
                ..good(objects).common
            },
            ..good(objects)
        };
        assert_eq!(broken(&sixteen(0)), ["resident memory"]);
        assert_eq!(broken(&sixteen(1_000)), Vec::<String>::new());
    }
}
