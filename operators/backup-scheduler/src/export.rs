//! Writes the API objects of a namespace, or those of no namespace, into a folder: a file of JSON for each, the same bytes as long as
//! nobody changes the object, so that restic stores it once. Nothing is left out silently: a kind that cannot be listed is named.
mod kinds;
mod object;
mod pages;

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use kube::Client;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::kinds::Found;
pub use self::kinds::Kind;
use self::object::{Owner, Read};

/// The file that says what an export has.
pub const HEADER: &str = "export.json";
/// Where objects are that their controller makes again: for reference, a restore leaves them out.
pub const OWNED: &str = "owned";

/// Which objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those of a namespace, and the namespace itself.
    Namespace(String),
    /// Those of no namespace, but for namespaces.
    Cluster,
}

/// What an export has.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// How many objects of each kind, as `deployments.apps`.
    pub objects: BTreeMap<String, u64>,
    /// How many of all are made by their controllers.
    pub owned: u64,
    /// How many were being deleted and are left out.
    pub terminating: u64,
    /// Kinds that could not be listed, and why. The export is not complete then.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failed: BTreeMap<String, String>,
}

/// Exports into a folder, which is empty. Fails if the folder cannot be written; what the API server refuses is in the summary.
pub async fn export(client: &Client, scope: &Scope, exclude: &[String], folder: &Path) -> io::Result<Summary> {
    let mut summary = Summary::default();
    let mut written = Written::default();
    let Found { kinds, failed } = kinds::find(client, scope, exclude).await;
    summary.failed = failed;
    let mut versions = BTreeMap::new();
    for kind in &kinds {
        let mut sink = |object: Value| keep(kind, object, folder, &mut summary, &mut written);
        match pages::list(client, kind, scope, &mut sink).await {
            Ok(version) => {
                versions.insert(kind.name(), version);
            }
            Err(pages::Error::Refused(why)) => {
                summary.failed.insert(kind.name(), why);
            }
            Err(pages::Error::Sink(failed)) => return Err(failed),
        }
    }
    if let Scope::Namespace(name) = scope {
        namespace(client, name, folder, &mut summary).await?;
    }
    summary.owned = set_owned_aside(folder, &written)?;
    let header = json!({"format": 1, "resourceVersions": versions, "summary": summary});
    fs::write(folder.join(HEADER), serde_json::to_vec_pretty(&header)?)?;
    Ok(summary)
}

/// What was written: where, and which controller makes it.
#[derive(Default)]
struct Written {
    uids: HashSet<String>,
    controlled: Vec<(PathBuf, String)>,
}

fn keep(kind: &Kind, object: Value, folder: &Path, summary: &mut Summary, written: &mut Written) -> io::Result<()> {
    let read = match object::read(kind, object) {
        Read::Object(read) => read,
        Read::Terminating => {
            summary.terminating += 1;
            return Ok(());
        }
        Read::LeftOut => return Ok(()),
    };
    // An object that moved between two pages comes twice.
    if !written.uids.insert(read.uid) {
        return Ok(());
    }
    let place = PathBuf::from(kind.name()).join(format!("{}.json", read.name));
    write(&folder.join(&place), &read.json)?;
    if let Owner::Controller(uid) = read.owner {
        written.controlled.push((place, uid));
    }
    *summary.objects.entry(kind.name()).or_default() += 1;
    Ok(())
}

fn write(file: &Path, json: &[u8]) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(file, json)
}

/// The namespace itself, with its labels and annotations.
async fn namespace(client: &Client, name: &str, folder: &Path, summary: &mut Summary) -> io::Result<()> {
    let kind = Kind::namespaces();
    match pages::get(client, &kind, name).await {
        Ok(object) => {
            if let Read::Object(read) = object::read(&kind, object) {
                write(
                    &folder.join(kind.name()).join(format!("{}.json", read.name)),
                    &read.json,
                )?;
                summary.objects.insert(kind.name(), 1);
            }
        }
        Err(why) => {
            summary.failed.insert(kind.name(), why);
        }
    }
    Ok(())
}

/// Moves objects whose controller is in the export too. One whose controller is not there would be lost.
fn set_owned_aside(folder: &Path, written: &Written) -> io::Result<u64> {
    let mut moved = 0;
    for (place, owner) in &written.controlled {
        if !written.uids.contains(owner) {
            continue;
        }
        let aside = folder.join(OWNED).join(place);
        if let Some(parent) = aside.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::rename(folder.join(place), aside)?;
        moved += 1;
    }
    Ok(moved)
}

#[cfg(test)]
mod tests;
