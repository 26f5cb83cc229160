//! What a bucket can do and what the key may do, found out by doing it.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::client::{Client, Created};
use super::endpoint::object_key;
use super::errors::{Failure, Reason, skew_text};
use super::{MAX_SKEW_SECONDS, random_id};

/// Probe objects are `<prefix>/hearth-preflight/<owner>/…`.
pub const FOLDER: &str = "hearth-preflight";
/// As many requests as a preflight makes at most.
pub const MAX_REQUESTS: usize = 8;

/// What a bucket can do, with this key.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Capabilities {
    /// An object is created only if there is none. Without it, two clusters that begin at the same moment can both believe that
    /// the repository is theirs.
    pub conditional_writes: bool,
    /// The key may delete. Without it nothing is forgotten or pruned with this key.
    pub delete: bool,
    /// A part of an object can be read.
    pub range: bool,
    /// By how many seconds this machine's clock is ahead of the server's. Absent, if the server sends no date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skew_seconds: Option<i64>,
}

/// Lists, writes, reads back, reads a part, creates twice and deletes, with two objects of fixed names, so that what a crash or a
/// key without the right to delete leaves behind is used again and does not grow. `owner` is the name of the cluster: two clusters
/// may do it at once. No right to delete is a capability; whatever else fails is a failure.
pub async fn run(client: &Client, prefix: &str, owner: &str) -> Result<Capabilities, Failure> {
    let folder = object_key(prefix, &format!("{FOLDER}/{owner}/"));
    let (plain, conditional) = (format!("{folder}plain"), format!("{folder}conditional"));
    let page = client.list_page(&folder, None).await?;
    let skew_seconds = client.skew_seconds();
    if skew_seconds.is_some_and(|seconds| seconds.abs() > MAX_SKEW_SECONDS) {
        let message = skew_text(&client.host_and_port(), skew_seconds);
        return Err(Failure::new(Reason::ClockSkew, message));
    }
    let left_over = page.objects.iter().any(|object| object.key == conditional);
    let range = write_and_read(client, &plain).await?;
    let conditional_writes = create_twice(client, &conditional, left_over).await?;
    let delete = delete(client, &plain).await? && delete(client, &conditional).await?;
    Ok(Capabilities {
        conditional_writes,
        delete,
        range,
        skew_seconds,
    })
}

/// Whether a part of what was written can be read. Fails if what is read is not what was written.
async fn write_and_read(client: &Client, key: &str) -> Result<bool, Failure> {
    let written = random_id();
    client.put(key, written.clone()).await?;
    if client.get(key).await?.as_deref() != Some(written.as_bytes()) {
        return Err(other_content(client));
    }
    match client.get_range(key, 8, 16).await {
        Ok(Some(part)) if part == written.as_bytes()[8..24] => Ok(true),
        Ok(_) => Err(other_content(client)),
        Err(failure) if failure.reason == Reason::NotImplemented => Ok(false),
        Err(failure) => Err(failure),
    }
}

fn other_content(client: &Client) -> Failure {
    let at = client.host_and_port();
    Failure::new(
        Reason::BadAnswer,
        format!("{at} returns something else than was written a moment ago; is there a cache in front of it?"),
    )
}

/// Whether an object can be created only if there is none. Servers that cannot do it ignore the condition or refuse it.
async fn create_twice(client: &Client, key: &str, left_over: bool) -> Result<bool, Failure> {
    for expected in [if left_over { Created::Exists } else { Created::Yes }, Created::Exists] {
        match client.put_if_absent(key, "").await {
            Ok(created) if created == expected => {}
            Ok(_) => return Ok(false),
            // A plain write succeeded just before: it is the condition that is refused.
            Err(failure) if matches!(failure.reason, Reason::NotImplemented | Reason::BadAnswer) => return Ok(false),
            Err(failure) => return Err(failure),
        }
    }
    Ok(true)
}

async fn delete(client: &Client, key: &str) -> Result<bool, Failure> {
    match client.delete(key).await {
        Ok(()) => Ok(true),
        Err(failure) if matches!(failure.reason, Reason::AccessDenied | Reason::NotImplemented) => Ok(false),
        Err(failure) => Err(failure),
    }
}

#[cfg(test)]
#[path = "preflight/tests.rs"]
mod tests;
