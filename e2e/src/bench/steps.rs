//! The steps of a measurement: reports on standard error what has been done and when, and chooses what is changed.
use std::time::Instant;

pub(crate) struct Steps {
    objects: u32,
    begin: Instant,
}

impl Steps {
    pub(crate) fn begin(objects: u32) -> Self {
        Self {
            objects,
            begin: Instant::now(),
        }
    }

    pub(crate) fn done(&self, what: &str) {
        eprintln!(
            "[{:>6.1} s] {} objects: {what}",
            self.begin.elapsed().as_secs_f64(),
            self.objects
        );
    }
}

/// Which of so many objects a step changes: another one each time, spread over all. The stride is a prime.
pub(crate) fn spread(step: u32, objects: u32) -> u32 {
    u32::try_from(u64::from(step) * 7919 % u64::from(objects.max(1))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn no_object_is_changed_twice() {
        let all: std::collections::BTreeSet<u32> = (0..100).map(|step| spread(step, 1_000)).collect();
        assert_eq!(all.len(), 100);
        assert!(all.iter().all(|object| *object < 1_000));
        assert_eq!(spread(5, 0), 0);
    }
}
