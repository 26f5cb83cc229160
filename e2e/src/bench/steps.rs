//! Reports on standard error what has been done and when.
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
