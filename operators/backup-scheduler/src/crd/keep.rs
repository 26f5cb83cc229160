//! How long snapshots are kept.
use hearth_reconciler::duration;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Which snapshots of a claim are kept, as restic's `forget` reads the same rules: of each of the newest hours, days, weeks, months
/// and years that have one, the newest. A snapshot that any rule keeps is kept. Days begin in the time zone of the schedule.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("[has(self.last) && self.last > 0, has(self.hourly) && self.hourly > 0, has(self.daily) && self.daily > 0, has(self.weekly) && self.weekly > 0, has(self.monthly) && self.monthly > 0, has(self.yearly) && self.yearly > 0, has(self.within)].exists(x, x)", "nothing would be kept: set at least one of last, hourly, daily, weekly, monthly, yearly or within")
)]
pub struct Keep {
    /// So many, whatever their age. Default: 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10000))]
    pub last: Option<i64>,
    /// One of each of so many hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10000))]
    pub hourly: Option<i64>,
    /// One of each of so many days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10000))]
    pub daily: Option<i64>,
    /// One of each of so many weeks, which begin on Monday.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10000))]
    pub weekly: Option<i64>,
    /// One of each of so many months.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10000))]
    pub monthly: Option<i64>,
    /// One of each of so many years.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10000))]
    pub yearly: Option<i64>,
    /// All that are so much older than the newest at most: `48h`, `30d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = duration::PATTERN), length(max = 32))]
    pub within: Option<String>,
}
