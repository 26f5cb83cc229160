//! Which cluster the repositories under a prefix belong to: an object beside them says it.
//!
//! Two clusters that write and prune the same repositories delete each other's backups, so the first one that comes creates the
//! mark, and others stay away. A repository without a mark is somebody's, too.
use serde::{Deserialize, Serialize};

use super::client::{Client, Created};
use super::endpoint::object_key;
use super::errors::{Failure, Reason};
use super::{preflight, random_id};

/// The object beside the repositories.
pub const NAME: &str = "hearth-owner.json";
/// How many pages are read in search of an object that is not ours. Probe objects of preflights fill no page.
const PAGES: usize = 4;

/// The content of the mark.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Mark {
    /// The owner: `clusterName`.
    pub cluster_name: String,
    /// Tells clusters of the same name apart, as far as the one that created the mark still knows it.
    pub id: String,
}

impl Mark {
    /// A mark with a new id.
    pub fn new(cluster: &str) -> Self {
        Self {
            cluster_name: cluster.to_owned(),
            id: random_id(),
        }
    }

    /// Reads a mark. Both parts are shown to users, so they have only the letters of names.
    fn parse(content: &[u8]) -> Option<Self> {
        let mark: Self = serde_json::from_slice(content).ok()?;
        let is_name = |text: &str| {
            let letters = text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
            letters && (1..=253).contains(&text.len())
        };
        (is_name(&mark.cluster_name) && is_name(&mark.id)).then_some(mark)
    }

    /// As it is written. None: the cluster's name is one that would not be read again.
    fn encode(&self) -> Option<String> {
        let text = serde_json::to_string(self).ok()?;
        Self::parse(text.as_bytes()).map(|_| text)
    }
}

/// What is at the place of the mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A mark.
    Mark(Mark),
    /// An object that is no mark.
    Unreadable,
    /// Nothing.
    Nothing {
        /// The first other object under the prefix, which is somebody's repository. Probe objects of preflights do not count.
        other: Option<String>,
    },
}

/// Whose the repositories are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// They are ours.
    Ours(Mark),
    /// They are ours from now on.
    Created {
        /// The mark that was created.
        mark: Mark,
        /// The server created it only if there was none. If not, it was read back, but another cluster at the same moment could
        /// have done the same.
        exclusive: bool,
    },
    /// They belong to another cluster.
    Foreign {
        /// Its name.
        cluster: String,
    },
    /// The mark has our name but not the id that we know: another cluster has our name, or somebody replaced the mark.
    Replaced(Mark),
    /// There is something else at the place of the mark.
    Unreadable,
    /// There is no mark.
    Absent {
        /// The first other object under the prefix: then there is somebody's repository.
        other: Option<String>,
    },
}

/// Whether a mark may be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Create {
    /// Never.
    Never,
    /// If there is no other object under the prefix.
    WhenEmpty,
    /// Also beside other objects: somebody has said that the repositories there are to be taken over.
    TakeOver,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// `clusterName`.
    pub cluster: &'a str,
    /// The id that the mark had when the repositories became ours. None: they were not, or a new cluster of the same name does not
    /// know it. As long as it is known, no new mark is created: what is gone has to be looked at first.
    pub known_id: Option<&'a str>,
    /// Whether a mark may be created.
    pub create: Create,
    /// [`preflight::Capabilities::conditional_writes`].
    pub conditional_writes: bool,
}

impl Claim<'_> {
    /// Whose the repositories are, by what was found.
    pub fn judge(&self, found: Found) -> Ownership {
        match found {
            Found::Nothing { other } => Ownership::Absent { other },
            Found::Unreadable => Ownership::Unreadable,
            Found::Mark(mark) if mark.cluster_name != self.cluster => Ownership::Foreign {
                cluster: mark.cluster_name,
            },
            Found::Mark(mark) if self.known_id.is_some_and(|id| id != mark.id) => Ownership::Replaced(mark),
            Found::Mark(mark) => Ownership::Ours(mark),
        }
    }

    /// Whether a mark is to be created now.
    pub fn may_create(&self, ownership: &Ownership) -> bool {
        let Ownership::Absent { other } = ownership else {
            return false;
        };
        match self.create {
            _ if self.known_id.is_some() => false,
            Create::Never => false,
            Create::WhenEmpty => other.is_none(),
            Create::TakeOver => true,
        }
    }
}

/// Looks, and creates a mark if there is none and it may. If it is ours already, this is one request. If the answer to the write
/// is lost, the next call finds the mark and it is ours.
pub async fn ensure(client: &Client, prefix: &str, claim: &Claim<'_>) -> Result<Ownership, Failure> {
    let ownership = claim.judge(find(client, prefix).await?);
    if !claim.may_create(&ownership) {
        return Ok(ownership);
    }
    let mark = Mark::new(claim.cluster);
    let content = mark.encode().ok_or_else(|| {
        let message = "clusterName: it must have 1 to 253 letters, digits, dots, hyphens and underscores";
        Failure::new(Reason::BadAnswer, message)
    })?;
    let exclusive = create(client, &object_key(prefix, NAME), content, claim.conditional_writes).await?;
    // Read again in every case: the winner of a race may be another one, and a success alone proves nothing.
    match claim.judge(find(client, prefix).await?) {
        Ownership::Ours(found) if found == mark => Ok(Ownership::Created { mark, exclusive }),
        other => Ok(other),
    }
}

/// Writes the mark. Returns whether the server has made sure that there was none.
async fn create(client: &Client, key: &str, content: String, conditional_writes: bool) -> Result<bool, Failure> {
    if conditional_writes {
        match client.put_if_absent(key, content.clone()).await {
            Ok(Created::Yes | Created::Exists) => return Ok(true),
            Err(failure) if failure.reason == Reason::NotImplemented => {}
            Err(failure) => return Err(failure),
        }
    }
    client.put(key, content).await?;
    Ok(false)
}

/// What is at the place of the mark. Reads nothing else if there is something.
pub async fn find(client: &Client, prefix: &str) -> Result<Found, Failure> {
    if let Some(content) = client.get(&object_key(prefix, NAME)).await? {
        return Ok(Mark::parse(&content).map_or(Found::Unreadable, Found::Mark));
    }
    let other = first_other(client, &object_key(prefix, "")).await?;
    Ok(Found::Nothing { other })
}

/// The first object in a folder that is not of this module or of a preflight.
async fn first_other(client: &Client, folder: &str) -> Result<Option<String>, Failure> {
    let mut token: Option<String> = None;
    for _ in 0..PAGES {
        let page = client.list_page(folder, token.as_deref()).await?;
        let other = page.objects.into_iter().find(|object| {
            let name = object.key.strip_prefix(folder).unwrap_or(&object.key);
            let probe = name
                .strip_prefix(preflight::FOLDER)
                .is_some_and(|rest| rest.starts_with('/'));
            // Some tools create an empty object for the folder itself. The mark may have been created in between.
            !name.is_empty() && name != NAME && !probe
        });
        if let Some(other) = other {
            return Ok(Some(other.key));
        }
        token = page.next;
        if token.is_none() {
            return Ok(None);
        }
    }
    // Nothing is proven to be empty.
    let at = client.host_and_port();
    Err(Failure::new(
        Reason::BadAnswer,
        format!(
            "{at} has thousands of objects under {folder}{}/; delete them",
            preflight::FOLDER
        ),
    ))
}

#[cfg(test)]
#[path = "mark/tests.rs"]
mod tests;
