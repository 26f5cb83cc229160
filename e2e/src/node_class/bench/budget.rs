//! The budgets of node-class against the figures.
use super::figures::Figures;
use crate::bench::budget::{Line, idle, image, memory as memory_lines, processor, restarts, size};

/// Resident memory by nodes; none beyond what the budgets speak of.
fn memory(nodes: u32) -> Option<f64> {
    match nodes {
        0..=20 => Some(12.0),
        21..=1_000 => Some(25.0),
        _ => None,
    }
}

/// Every figure, with its limit where there is one.
pub(crate) fn lines(figures: &Figures) -> Vec<Line> {
    let beside = &figures.beside;
    let line = Line::new;
    let limit = (figures.common.objects <= 1_000).then_some(30.0);
    let mut lines = Vec::from(memory_lines(&figures.common, memory(figures.common.objects)));
    lines.extend([
        size("most resident memory so far", beside.peak_bytes, None),
        line(
            "processor time of the first pass",
            figures.common.cpu_seconds,
            None,
            "s",
        ),
        line("first pass", figures.common.first_sync_seconds, None, "s"),
        line(
            &format!("writes of the first pass, {} nodes", beside.nodes),
            beside.first_writes,
            None,
            "",
        ),
    ]);
    if let (Some(p50), Some(p99)) = (figures.common.change_p50_seconds, figures.common.change_p99_seconds) {
        lines.push(line(
            &format!("host declared otherwise to labels, p50 of {}", beside.changes),
            p50,
            None,
            "s",
        ));
        lines.push(line("host declared otherwise to labels, p99", p99, None, "s"));
    }
    if let Some(down) = figures.down_seconds {
        lines.push(line("last sign of life to down", down, None, "s"));
    }
    lines.extend([
        processor("idle", figures.idle_millicores, limit),
        processor("mean of a day", beside.day_millicores, limit),
        line(
            "processor time of a checkpoint",
            beside.checkpoint_cpu_seconds * 1000.0,
            None,
            "ms",
        ),
        idle("API writes", figures.idle_api_writes_per_minute),
        line(
            "API writes per node and day",
            figures.writes_per_node_and_day,
            // 48 checkpoints, and a little for what is under way when it is counted, or tried again.
            Some(49.0),
            "",
        ),
    ]);
    lines.extend(restarts(&figures.common, &beside.takeover, None));
    lines.extend([
        line("restart: writes to nodes", figures.restart_writes, Some(0.0), ""),
        line("restart: other writes", beside.restart_other_writes, None, ""),
        image(&figures.common, 10.0),
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
        Figures {
            common: Common::good("node-class", objects),
            down_seconds: (objects > 0).then_some(55.0),
            idle_millicores: 2.0,
            idle_api_writes_per_minute: 0.0,
            writes_per_node_and_day: 48.0,
            restart_writes: 0.0,
            beside: Beside {
                takeover: Takeover {
                    after_kill: 16.0,
                    after_end: 0.0,
                },
                day_millicores: 3.0,
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
        for objects in [0, 20, 1_000] {
            assert_eq!(broken(&good(objects)), Vec::<String>::new(), "{objects}");
        }
    }

    #[test]
    fn each_budget_can_be_broken() {
        let bad = Figures {
            common: Common {
                rss_bytes: 26 << 20,
                image_bytes: 11 << 20,
                ..good(1_000).common
            },
            idle_millicores: 31.0,
            idle_api_writes_per_minute: 1.0,
            writes_per_node_and_day: 49.1,
            restart_writes: 1.0,
            beside: Beside {
                takeover: Takeover {
                    after_kill: 20.1,
                    after_end: 0.0,
                },
                day_millicores: 30.1,
                ..Beside::default()
            },
            ..good(1_000)
        };
        assert_eq!(broken(&bad).len(), 8, "{:?}", broken(&bad));
    }

    #[test]
    fn memory_may_grow_with_the_nodes() {
        let thirteen = |objects| Figures {
            common: Common {
                rss_bytes: 13 << 20,
                ..good(objects).common
            },
            ..good(objects)
        };
        assert_eq!(broken(&thirteen(20)), ["resident memory"]);
        assert_eq!(broken(&thirteen(1_000)), Vec::<String>::new());
    }
}
