//! Reads that are shared: whoever needs the same object within a short time gets the same answer, and while a read is under way
//! everybody waits for it.
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::provider::{Failure, Object, ObjectKey};

/// So long an answer is used again. After that it is dropped from memory.
pub const WINDOW: Duration = Duration::from_secs(30);

type Answer = Result<Arc<Object>, Failure>;

/// One read.
#[derive(Default)]
struct Read {
    /// When the call began; None: it waits for its turn.
    began: Mutex<Option<Instant>>,
    answer: OnceCell<Answer>,
}

/// The reads of one source.
#[derive(Default)]
pub struct Reads(Mutex<HashMap<ObjectKey, Arc<Read>>>);

impl Reads {
    /// The object: an answer that is at most [`WINDOW`] old and whose call began after `not_before`, or else that of `call`.
    /// `call` gets a function that it calls when it has its turn.
    pub async fn get<F>(&self, key: &ObjectKey, not_before: Option<Instant>, call: impl FnOnce(Began) -> F) -> Answer
    where
        F: Future<Output = Answer>,
    {
        let read = {
            let mut reads = self.0.lock();
            let read = reads.entry(key.clone()).or_default();
            if !read.is_usable(not_before) {
                *read = Arc::default();
            }
            Arc::clone(read)
        };
        // If whoever makes the call is dropped, another one who waits makes it.
        let answer = read.answer.get_or_init(|| call(Began(Arc::clone(&read)))).await;
        answer.clone()
    }

    /// Drops the answers that may not be used any more.
    pub fn expire(&self) {
        self.0.lock().retain(|_, read| read.is_usable(None));
    }

    /// Drops all answers: they came with other settings.
    pub fn clear(&self) {
        self.0.lock().clear();
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }
}

/// Marks the moment at which a call begins.
pub struct Began(Arc<Read>);

impl Began {
    /// The call begins now.
    pub fn now(&self) {
        *self.0.began.lock() = Some(Instant::now());
    }
}

impl Read {
    fn is_usable(&self, not_before: Option<Instant>) -> bool {
        let Some(began) = *self.began.lock() else {
            // It waits for its turn, or has never got it.
            return self.answer.get().is_none();
        };
        let young = match self.answer.get() {
            // While it is under way its age does not matter.
            None => true,
            // The circuit says when to try again.
            Some(Err(failure)) if failure.is_of_source() => false,
            Some(_) => began.elapsed() < WINDOW,
        };
        young && not_before.is_none_or(|time| began >= time)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::provider::{Content, Form};

    fn key(name: &str) -> ObjectKey {
        ObjectKey {
            name: name.to_owned(),
            version: None,
            form: Form::Value,
        }
    }

    fn object(version: usize) -> Arc<Object> {
        Arc::new(Object {
            version: version.to_string(),
            content: Content::Fields(std::collections::BTreeMap::new()),
        })
    }

    async fn version(reads: &Reads, calls: &AtomicUsize, not_before: Option<Instant>) -> String {
        let key = key("a");
        let answer = reads.get(&key, not_before, |began| async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            began.now();
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok(object(calls.fetch_add(1, Ordering::SeqCst) + 1))
        });
        answer
            .await
            .unwrap_or_else(|failure| panic!("{failure}"))
            .version
            .clone()
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_ask_at_the_same_time_share_one_call() {
        let (reads, calls) = (Reads::default(), AtomicUsize::new(0));
        let all = (0..1000).map(|_| version(&reads, &calls, None));
        let versions = futures::future::join_all(all).await;
        assert!(versions.iter().all(|version| version == "1"));
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_used_for_thirty_seconds_and_then_dropped() {
        let (reads, calls) = (Reads::default(), AtomicUsize::new(0));
        version(&reads, &calls, None).await;
        tokio::time::advance(Duration::from_secs(28)).await;
        reads.expire();
        assert_eq!(version(&reads, &calls, None).await, "1");
        tokio::time::advance(Duration::from_secs(2)).await;
        reads.expire();
        assert!(reads.is_empty());
        assert_eq!(version(&reads, &calls, None).await, "2");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_is_not_answered_with_what_was_read_before_it() {
        let (reads, calls) = (Reads::default(), AtomicUsize::new(0));
        assert_eq!(version(&reads, &calls, Some(Instant::now())).await, "1");
        tokio::time::advance(Duration::from_secs(1)).await;
        let asked = Some(Instant::now());
        let both = futures::future::join(version(&reads, &calls, asked), version(&reads, &calls, asked));
        assert_eq!(
            both.await,
            ("2".to_owned(), "2".to_owned()),
            "both were asked before the call began"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn another_makes_the_call_when_the_first_is_dropped() {
        let (reads, calls) = (Reads::default(), AtomicUsize::new(0));
        let first = tokio::time::timeout(Duration::from_millis(500), version(&reads, &calls, None));
        let second = version(&reads, &calls, None);
        let (first, second) = futures::future::join(first, second).await;
        assert!(first.is_err());
        assert_eq!(second, "1");
    }
}
