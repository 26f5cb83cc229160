//! Initializes a repository in a bucket. restic alone creates a bucket that is missing, leaves a key behind when it is stopped and
//! refuses to go on then, and two at once leave the configuration of one with the key of the other.
//!
//! So one mover at a time does it: it creates an object that must not exist. One that is older than [`STOPPED_AFTER`] is of a
//! mover that was stopped.
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;
use tracing::{info, warn};

use crate::engine::Engine;
use crate::engine::outcome::Failure;
use crate::mover::storage::failure;
use crate::s3::{Client, Created, object_key, random_id};
use crate::task::Reason;

/// The folder of the objects that say who initializes. restic looks at none of it.
const TURNS: &str = "hearth-initialize/";
/// The folder of restic's keys.
const KEYS: &str = "keys/";
/// After this time a mover that initializes was stopped.
const STOPPED_AFTER: Duration = Duration::from_mins(5);
/// How long restic may take. With the time it needs to end, this is less than [`STOPPED_AFTER`].
const LONGEST: Duration = Duration::from_mins(3);
/// A server that ignores conditions shows the last of two objects after this time.
const SETTLE: Duration = Duration::from_secs(3);

/// Who initializes, and since when by the server's clock.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
struct Turn {
    id: String,
    since: Timestamp,
}

/// What is in the place of a repository that is not there. Keys of objects, without the prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Content {
    keys: Vec<String>,
    turns: Vec<String>,
    /// The repository is there now.
    config: bool,
}

/// Initializes the repository, and returns its id.
pub(super) async fn initialize(engine: &Engine, client: &Client, prefix: &str) -> Result<String, Failure> {
    let place = Place { client, prefix };
    let content = place.content().await?;
    if content.config {
        return engine.repository_id().await;
    }
    place.take_turn(&content.turns).await?;
    let made = place.make(engine).await;
    place.end_turns().await;
    made
}

struct Place<'a> {
    client: &'a Client,
    prefix: &'a str,
}

impl Place<'_> {
    fn key(&self, name: &str) -> String {
        object_key(self.prefix, name)
    }

    /// What is there. Fails if the bucket is missing, or has anything else here.
    async fn content(&self) -> Result<Content, Failure> {
        let folder = self.key("");
        let page = self.client.list_page(&folder, None).await.map_err(failure)?;
        let names = page.objects.iter().map(|object| object.key[folder.len()..].to_owned());
        sort(names, page.next.is_some())
    }

    /// The server's time.
    fn now(&self) -> Timestamp {
        let ahead = Duration::from_secs(self.client.skew_seconds().unwrap_or(0).unsigned_abs());
        let now = Timestamp::now();
        let shifted = match self.client.skew_seconds() {
            Some(seconds) if seconds < 0 => now.checked_add(ahead),
            _ => now.checked_sub(ahead),
        };
        shifted.unwrap_or(now)
    }

    /// Takes the turn after the last one, if that one was stopped.
    async fn take_turn(&self, turns: &[String]) -> Result<(), Failure> {
        if let Some(last) = turns.last() {
            let text = self.client.get(&self.key(last)).await.map_err(failure)?;
            // One that cannot be read is of nobody.
            let turn: Option<Turn> = text.and_then(|text| serde_json::from_slice(&text).ok());
            if let Some(turn) = turn.filter(|turn| is_recent(turn.since, self.now())) {
                return Err(busy(turn.since));
            }
        }
        let name = next_turn(turns);
        let turn = Turn {
            id: random_id(),
            since: self.now(),
        };
        let key = self.key(&name);
        let text = serde_json::to_vec(&turn).unwrap_or_default();
        if self.client.put_if_absent(&key, text.clone()).await.map_err(failure)? == Created::Exists {
            return Err(busy(turn.since));
        }
        // A server that ignores conditions writes it again.
        if self.client.put_if_absent(&key, text).await.map_err(failure)? == Created::Exists {
            return Ok(());
        }
        sleep(SETTLE).await;
        let found = self.client.get(&key).await.map_err(failure)?;
        let found: Option<Turn> = found.and_then(|text| serde_json::from_slice(&text).ok());
        if found.as_ref() == Some(&turn) {
            Ok(())
        } else {
            Err(busy(turn.since))
        }
    }

    async fn make(&self, engine: &Engine) -> Result<String, Failure> {
        let content = self.content().await?;
        if !content.config {
            self.remove_keys(&content.keys).await?;
            let made = limited(engine).await;
            // What counts is that the repository opens.
            return match (engine.repository_id().await, made) {
                (Ok(id), _) => Ok(id),
                (Err(_), Err(failure)) | (Err(failure), Ok(())) => Err(failure),
            };
        }
        engine.repository_id().await
    }

    /// Removes keys that an initialization left which was stopped. Without a configuration they open nothing.
    async fn remove_keys(&self, names: &[String]) -> Result<(), Failure> {
        for name in names {
            let key = self.key(name);
            let text = self.client.get(&key).await.map_err(failure)?;
            if let Some(created) = text
                .and_then(|text| created(&text))
                .filter(|at| is_recent(*at, self.now()))
            {
                return Err(busy(created));
            }
            info!("{key} is of an initialization that was stopped");
            self.client.delete(&key).await.map_err(|failed| {
                let failed = failure(failed);
                Failure {
                    message: format!(
                        "an initialization was stopped, and its key {key} cannot be removed: {}; delete this object",
                        failed.message
                    ),
                    ..failed
                }
            })?;
        }
        Ok(())
    }

    /// Removes the objects of all turns. One that stays does no harm.
    async fn end_turns(&self) {
        let folder = self.key(TURNS);
        let found = match self.client.list_page(&folder, None).await {
            Ok(page) => page.objects,
            Err(failed) => return warn!("{folder} stays: {failed}"),
        };
        for object in found {
            if let Err(failed) = self.client.delete(&object.key).await {
                return warn!("{} stays: {failed}", object.key);
            }
        }
    }
}

/// restic's initialization, which is ended after [`LONGEST`].
async fn limited(engine: &Engine) -> Result<(), Failure> {
    let engine = Engine {
        stop: engine.stop.child_token(),
        ..engine.clone()
    };
    let late = async {
        sleep(LONGEST).await;
        engine.stop.cancel();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        made = engine.initialize() => made,
        () = late => Ok(()),
    }
}

/// Sorts the names of objects. `more`: there are others.
fn sort(names: impl Iterator<Item = String>, more: bool) -> Result<Content, Failure> {
    let mut content = Content::default();
    let mut other = more.then(|| "many objects".to_owned());
    for name in names {
        if name.starts_with(KEYS) {
            content.keys.push(name);
        } else if name.starts_with(TURNS) {
            content.turns.push(name);
        } else if name == "config" {
            content.config = true;
        } else if !name.ends_with('/') {
            // Some tools write an empty object for a folder.
            other.get_or_insert(name);
        }
    }
    content.turns.sort();
    match other {
        Some(other) if !content.config => {
            let text = format!("there is no repository, but other objects are there ({other}), so none is initialized");
            Err(Failure::new(Reason::RepositoryMissing, &text))
        }
        _ => Ok(content),
    }
}

/// The name after the last one.
fn next_turn(turns: &[String]) -> String {
    let number = turns
        .last()
        .and_then(|name| name.strip_prefix(TURNS)?.parse::<u32>().ok());
    format!("{TURNS}{:010}", number.unwrap_or(0).saturating_add(1))
}

fn is_recent(since: Timestamp, now: Timestamp) -> bool {
    // A time to come is of a wrong clock: nobody waits for it for ever.
    now.duration_since(since).unsigned_abs() < STOPPED_AFTER
}

/// When a key was created. restic's keys are JSON, and only a part is encrypted.
fn created(key: &[u8]) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Key {
        created: Timestamp,
    }
    serde_json::from_slice::<Key>(key).ok().map(|key| key.created)
}

fn busy(since: Timestamp) -> Failure {
    let text = format!("another mover has been initializing the repository since {since}");
    Failure::new(Reason::Locked, &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(names: &[&str]) -> Result<Content, Failure> {
        sort(names.iter().map(|name| (*name).to_owned()), false)
    }

    #[test]
    fn only_keys_may_be_where_a_repository_is_initialized() {
        assert_eq!(sorted(&[]).unwrap(), Content::default());
        let content = sorted(&["keys/01", "hearth-initialize/0000000001", "data/"]).unwrap();
        assert_eq!((content.keys.len(), content.turns.len(), content.config), (1, 1, false));
        assert!(sorted(&["config", "data/00/01"]).unwrap().config);
        let failure = sorted(&["data/00/01", "keys/01"]).unwrap_err();
        assert_eq!((failure.reason, failure.retry), (Reason::RepositoryMissing, false));
        assert!(failure.message.contains("data/00/01"), "{}", failure.message);
        assert!(sort(std::iter::empty(), true).is_err());
    }

    #[test]
    fn turns_are_in_the_order_of_their_names() {
        let first = next_turn(&[]);
        let second = next_turn(std::slice::from_ref(&first));
        assert_eq!(first, "hearth-initialize/0000000001");
        assert!(first < second && second < next_turn(&["hearth-initialize/0000000009".to_owned()]));
        assert_eq!(next_turn(&["hearth-initialize/x".to_owned()]), first);
    }

    #[test]
    fn a_turn_ends_after_five_minutes_also_with_a_wrong_clock() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        assert!(is_recent(at(1000), at(1299)) && !is_recent(at(1000), at(1300)));
        assert!(is_recent(at(1010), at(1000)) && !is_recent(at(9000), at(1000)));
    }

    #[test]
    fn the_time_of_a_key_is_read() {
        let key =
            br#"{"created":"2026-11-30T15:54:36.1+01:00","username":"root","hostname":"vm","kdf":"scrypt","N":32768}"#;
        assert_eq!(created(key), Some("2026-11-30T14:54:36.1Z".parse().unwrap()));
        assert_eq!(created(b"{}"), None);
    }
}
