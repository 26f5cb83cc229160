//! The budgets of secret-sync against the figures.
use super::figures::Figures;
use crate::bench::budget::{Line, idle, image, memory as memory_lines, processor, restarts, size};

/// Up to so many SecretSyncs the budgets speak of.
const MOST: u32 = 1_000;

/// Resident memory by SecretSyncs; none beyond what the budgets speak of.
fn memory(syncs: u32) -> Option<f64> {
    match syncs {
        0 => Some(15.0),
        1..=MOST => Some(20.0),
        _ => None,
    }
}

/// Every figure, with its limit where there is one.
pub(crate) fn lines(figures: &Figures) -> Vec<Line> {
    let (common, beside) = (&figures.common, &figures.beside);
    let line = Line::new;
    let up_to = |limit: f64| (common.objects <= MOST).then_some(limit);
    let mut lines = Vec::from(memory_lines(common, memory(common.objects)));
    lines.extend([
        size("most resident memory so far", beside.peak_bytes, None),
        line("processor time until synced", common.cpu_seconds, None, "s"),
        line(
            "first sync: all Secrets are there",
            common.first_sync_seconds,
            up_to(10.0),
            "s",
        ),
        line(
            "first sync: reads at the provider",
            f64::from(figures.first_reads),
            Some(f64::from(common.objects)),
            "",
        ),
    ]);
    let mut some = |what: &str, measured: Option<f64>, limit: Option<f64>, unit: &'static str| {
        lines.extend(measured.map(|measured| line(what, measured, limit, unit)));
    };
    some(
        "first sync: API writes for each SecretSync",
        figures.writes_per_sync,
        Some(2.0),
        "",
    );
    some(
        "of one object: reads",
        figures.shared_reads.map(f64::from),
        Some(1.0),
        "",
    );
    some("of one object: all Secrets are there", beside.shared_seconds, None, "s");
    let (new, rotation) = (
        format!("new SecretSync to Secret, p50 of {}", beside.changes),
        format!("rotation and request to Secret, p50 of {}", beside.rotations),
    );
    some(&new, common.change_p50_seconds, None, "s");
    some(
        "new SecretSync to Secret, p99",
        common.change_p99_seconds,
        up_to(1.0),
        "s",
    );
    some(&rotation, figures.rotation_p50_seconds, None, "s");
    some(
        "rotation and request to Secret, p99",
        figures.rotation_p99_seconds,
        up_to(1.0),
        "s",
    );
    some(
        "outage: provider calls after the first minute",
        figures.outage_calls_per_minute,
        Some(1.0),
        "per minute",
    );
    some(
        "return: all are fresh, from the first answer",
        figures.return_seconds,
        up_to(30.0),
        "s",
    );
    some(
        "return: all are fresh, with the time until the next probe",
        beside.return_with_probe,
        None,
        "s",
    );
    lines.extend([
        idle("provider calls", figures.idle_provider_calls_per_minute),
        idle("API writes", figures.idle_api_writes_per_minute),
        processor("idle", beside.idle_millicores, Some(2.0)),
    ]);
    lines.extend(restarts(common, &beside.takeover, up_to(3.0)));
    lines.extend([
        line(
            "restart: reads at the provider",
            f64::from(figures.restart_reads),
            Some(0.0),
            "",
        ),
        line("restart: writes", figures.restart_writes, Some(0.0), ""),
        image(common, 20.0),
    ]);
    lines
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::figures::Beside;
    use super::*;
    use crate::bench::figures::Common;
    use crate::bench::restart::Takeover;

    pub(crate) fn good(objects: u32) -> Figures {
        let some = |value| (objects > 0).then_some(value);
        Figures {
            common: Common::good("secret-sync", objects),
            first_reads: objects,
            writes_per_sync: some(2.0),
            rotation_p50_seconds: some(0.1),
            rotation_p99_seconds: some(0.3),
            idle_provider_calls_per_minute: 0.0,
            idle_api_writes_per_minute: 0.0,
            restart_reads: 0,
            restart_writes: 0.0,
            outage_calls_per_minute: some(1.0),
            return_seconds: some(12.0),
            shared_reads: (objects > 0).then_some(1),
            beside: Beside::default(),
        }
    }

    fn broken(figures: &Figures) -> usize {
        crate::bench::budget::broken(&lines(figures)).len()
    }

    #[test]
    fn good_figures_break_no_budget() {
        for objects in [0, 1, 1_000] {
            assert_eq!(broken(&good(objects)), 0, "{objects}");
        }
    }

    #[test]
    fn each_budget_can_be_broken() {
        let bad = Figures {
            common: Common {
                rss_bytes: 21 << 20,
                first_sync_seconds: 10.1,
                change_p99_seconds: Some(1.1),
                restart_ready_seconds: 3.1,
                image_bytes: 21 << 20,
                ..good(1_000).common
            },
            first_reads: 1_001,
            writes_per_sync: Some(2.001),
            rotation_p99_seconds: Some(1.1),
            idle_provider_calls_per_minute: 1.0,
            idle_api_writes_per_minute: 1.0,
            restart_reads: 1,
            restart_writes: 1.0,
            outage_calls_per_minute: Some(1.5),
            return_seconds: Some(30.1),
            shared_reads: Some(2),
            beside: Beside {
                idle_millicores: 2.1,
                takeover: Takeover {
                    after_end: 3.1,
                    after_kill: 20.1,
                },
                ..Beside::default()
            },
            ..good(1_000)
        };
        let lines = lines(&bad);
        let limited = lines.iter().filter(|line| line.limit.is_some()).count();
        assert_eq!((broken(&bad), limited), (18, 18), "{lines:?}");
    }

    #[test]
    fn without_a_sync_less_memory_is_allowed_and_nothing_is_read() {
        let with = |objects, rss_bytes, first_reads| Figures {
            common: Common {
                rss_bytes,
                ..good(objects).common
            },
            first_reads,
            ..good(objects)
        };
        assert_eq!(broken(&with(0, 16 << 20, 1)), 2);
        assert_eq!(broken(&with(1_000, 16 << 20, 1)), 0);
    }
}
