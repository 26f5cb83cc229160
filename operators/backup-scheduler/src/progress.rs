//! The progress that movers post. It is kept in memory only: a post that is lost, or an operator that has restarted, is no error.
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::crd::backup_run::Progress;
use crate::engine::messages;

pub mod server;

/// Bytes of the key of tokens.
const KEY: usize = 32;
/// More volumes than this are not kept: more are not at work at the same time.
const MOST: usize = 1_000;

/// What a mover posts.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Post {
    /// The UID of the run.
    pub run: String,
    /// The claim.
    pub claim: String,
    /// Which attempt it is.
    pub attempt: i64,
    /// Bytes that are read or written, and in all.
    pub bytes: u64,
    /// Bytes in all, as far as they are known.
    pub total_bytes: u64,
    /// Files that are read or written.
    pub files: u64,
    /// Files in all, as far as they are known.
    pub total_files: u64,
    /// Seconds since the start.
    pub seconds: u64,
    /// Seconds that are left; 0 if that is not known.
    pub seconds_left: u64,
}

impl Post {
    /// Of a mover of this run, claim and attempt.
    pub fn new(run: &str, claim: &str, attempt: i64, progress: &messages::Progress) -> Self {
        Self {
            run: run.to_owned(),
            claim: claim.to_owned(),
            attempt,
            bytes: progress.bytes_done,
            total_bytes: progress.total_bytes,
            files: progress.files_done,
            total_files: progress.total_files,
            seconds: progress.seconds_elapsed,
            seconds_left: progress.seconds_remaining,
        }
    }

    /// As the status has it.
    fn shown(&self, now: Timestamp) -> Progress {
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        Progress {
            bytes: number(self.bytes),
            total_bytes: number(self.total_bytes),
            files: number(self.files),
            total_files: number(self.total_files),
            bytes_per_second: self.bytes.checked_div(self.seconds).map(number),
            seconds_left: (self.seconds_left > 0).then(|| number(self.seconds_left)),
            time: now.to_string(),
        }
    }
}

/// The progress of all movers, and the tokens by which a mover may post its own, and nothing else.
pub struct Posts {
    key: Zeroizing<[u8; KEY]>,
    /// By run and claim.
    known: Mutex<BTreeMap<(String, String), Progress>>,
}

impl Posts {
    /// With a new random key. An error is of the system's source of random bytes.
    pub fn new() -> io::Result<Self> {
        let mut key = Zeroizing::new([0; KEY]);
        File::open("/dev/urandom")?.read_exact(&mut *key)?;
        Ok(Self {
            key,
            known: Mutex::default(),
        })
    }

    fn mac(&self, run: &str, claim: &str, attempt: i64) -> Hmac<Sha256> {
        let mac = Hmac::<Sha256>::new_from_slice(&*self.key);
        let mut mac = mac.unwrap_or_else(|_| unreachable!("a key of any length is one"));
        mac.update(format!("{run}/{claim}/{attempt}").as_bytes());
        mac
    }

    /// The token of one mover, in hex.
    pub fn token(&self, run: &str, claim: &str, attempt: i64) -> String {
        let tag = self.mac(run, claim, attempt).finalize().into_bytes();
        tag.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
    }

    /// Keeps a post. False if the token is not that of this mover, which it is not after a restart of the operator.
    pub fn accept(&self, token: &str, post: &Post, now: Timestamp) -> bool {
        let digits = token.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
        let bytes: Option<Vec<u8>> = digits.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect();
        let Some(bytes) = bytes else { return false };
        // In constant time.
        let is_right = self
            .mac(&post.run, &post.claim, post.attempt)
            .verify_slice(&bytes)
            .is_ok();
        if is_right {
            let mut known = self.known.lock();
            let key = (post.run.clone(), post.claim.clone());
            if known.len() < MOST || known.contains_key(&key) {
                known.insert(key, post.shown(now));
            }
        }
        is_right
    }

    /// What is known of a run, by claim.
    pub fn of(&self, run: &str) -> BTreeMap<String, Progress> {
        let known = self.known.lock();
        let own = known.iter().filter(|((of, _), _)| of == run);
        own.map(|((_, claim), progress)| (claim.clone(), progress.clone()))
            .collect()
    }

    /// Forgets what is not at work any more.
    pub fn keep(&self, run: &str, at_work: impl Fn(&str) -> bool) {
        self.known.lock().retain(|(of, claim), _| of != run || at_work(claim));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn post(run: &str, claim: &str, attempt: i64) -> Post {
        let progress = messages::Progress {
            total_bytes: 1_000,
            bytes_done: 400,
            total_files: 10,
            files_done: 4,
            seconds_elapsed: 8,
            seconds_remaining: 12,
        };
        Post::new(run, claim, attempt, &progress)
    }

    #[test]
    fn a_mover_can_post_its_own_progress_and_no_other() {
        let posts = Posts::new().unwrap();
        let token = posts.token("u", "data", 1);
        assert!(posts.accept(&token, &post("u", "data", 1), NOW));
        for other in [post("v", "data", 1), post("u", "other", 1), post("u", "data", 2)] {
            assert!(!posts.accept(&token, &other, NOW), "{other:?}");
        }
        for wrong in ["", "zz", "0", "é", &token[2..]] {
            assert!(!posts.accept(wrong, &post("u", "data", 1), NOW), "{wrong}");
        }
        let known = posts.of("u");
        let progress = &known["data"];
        assert_eq!((progress.bytes, progress.total_bytes, progress.files), (400, 1_000, 4));
        assert_eq!((progress.bytes_per_second, progress.seconds_left), (Some(50), Some(12)));
        assert_eq!(known.len() + posts.of("v").len(), 1);
        assert!(!Posts::new().unwrap().accept(&token, &post("u", "data", 1), NOW));
    }

    #[test]
    fn a_rate_and_a_time_that_are_not_known_are_not_shown() {
        let posts = Posts::new().unwrap();
        let mut post = post("u", "data", 1);
        (post.seconds, post.seconds_left) = (0, 0);
        posts.accept(&posts.token("u", "data", 1), &post, NOW);
        let known = posts.of("u");
        assert_eq!(
            (known["data"].bytes_per_second, known["data"].seconds_left),
            (None, None)
        );
    }

    #[test]
    fn what_is_not_at_work_is_forgotten_and_the_memory_has_a_limit() {
        let posts = Posts::new().unwrap();
        for number in 0..MOST + 10 {
            let claim = number.to_string();
            assert!(posts.accept(&posts.token("u", &claim, 1), &post("u", &claim, 1), NOW));
        }
        assert_eq!(posts.of("u").len(), MOST);
        posts.keep("v", |_| false);
        posts.keep("u", |claim| claim == "7");
        assert_eq!(posts.of("u").into_keys().collect::<Vec<_>>(), ["7"]);
    }
}
