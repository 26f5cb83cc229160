//! Backups that are complete and still do not count: much smaller than those before, or resting on data that is damaged.
use crate::crd::backup_run::{Item, State};

/// So many backups before are looked at.
const LOOKED_AT: usize = 5;
/// With fewer, nothing is said of the size.
const ENOUGH: usize = 3;

/// Judges a volume that was just backed up completely. `former` are the sizes in bytes of complete backups before, the newest
/// first; `damaged`: data in the repository is known to be damaged, and not repaired.
pub fn judge(item: &mut Item, former: &[i64], damaged: bool) {
    if item.state != State::Completed {
        return;
    }
    if damaged {
        item.state = State::Partial;
        item.reason = Some("DataDamaged".to_owned());
        item.message = Some(
            "a check found damaged data in the repository, which this backup may rest on; see the condition Healthy of the \
             BackupRepository"
                .to_owned(),
        );
        return;
    }
    let Some(median) = median(former) else { return };
    let bytes = item.bytes.unwrap_or(0);
    if bytes < median / 2 {
        item.state = State::Suspicious;
        item.reason = Some("MuchSmaller".to_owned());
        item.message = Some(format!(
            "it has {bytes} bytes, less than half of the {median} that backups of this volume had last; if that is right, do \
             nothing: the fourth of this size counts again"
        ));
    }
}

/// The middle of the newest.
fn median(former: &[i64]) -> Option<i64> {
    let mut sizes: Vec<i64> = former.iter().take(LOOKED_AT).copied().collect();
    sizes.sort_unstable();
    (sizes.len() >= ENOUGH).then(|| sizes[sizes.len() / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(bytes: i64, former: &[i64], damaged: bool) -> (State, Option<String>) {
        let mut item = Item {
            state: State::Completed,
            bytes: Some(bytes),
            ..Item::default()
        };
        judge(&mut item, former, damaged);
        (item.state, item.reason)
    }

    #[test]
    fn a_backup_of_less_than_half_the_median_is_suspicious() {
        assert_eq!(
            judged(49, &[100, 10, 101, 99, 100, 1, 1, 1], false).0,
            State::Suspicious
        );
        assert_eq!(judged(50, &[100, 10, 101, 99, 100], false).0, State::Completed);
        // Too little is known.
        assert_eq!(judged(1, &[100, 100], false).0, State::Completed);
    }

    #[test]
    fn the_fourth_of_a_new_size_counts_again() {
        let mut former = vec![100, 100, 100, 100, 100];
        let mut states = Vec::new();
        for _ in 0..4 {
            states.push(judged(10, &former, false).0);
            former.insert(0, 10);
        }
        let suspicious = State::Suspicious;
        assert_eq!(states, [suspicious, suspicious, suspicious, State::Completed]);
    }

    #[test]
    fn a_backup_into_a_damaged_repository_does_not_count() {
        assert_eq!(judged(100, &[], true), (State::Partial, Some("DataDamaged".to_owned())));
    }

    #[test]
    fn what_is_not_complete_stays_as_it_is() {
        let mut item = Item {
            state: State::Failed,
            ..Item::default()
        };
        judge(&mut item, &[100, 100, 100], true);
        assert_eq!(item.state, State::Failed);
    }
}
