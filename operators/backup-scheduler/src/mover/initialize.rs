//! Opens a repository, and initializes it if it is not there.
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Mover;
use super::storage::Storage;
use super::volume::LOST_AND_FOUND;
use crate::engine::outcome::Failure;
use crate::task::{Reason, Report};

mod bucket;

/// Opens the repository, and initializes it if it is not there and may be.
pub async fn initialize(mover: &Mover<'_>, create: bool) -> Report {
    match open(mover, create).await {
        Ok(id) => Report {
            repository_id: Some(id),
            ..Report::completed(None)
        },
        Err(failure) => failure.report(),
    }
}

async fn open(mover: &Mover<'_>, create: bool) -> Result<String, Failure> {
    let engine = &mover.engine;
    match engine.repository_id().await {
        Err(failure) if failure.reason == Reason::RepositoryMissing && create => {}
        result => return result,
    }
    match Storage::new(&engine.settings)? {
        Storage::Bucket(client, prefix) => return bucket::initialize(engine, &client, &prefix).await,
        Storage::Folder(folder) => empty(&folder)?,
    }
    // What counts is that the repository opens afterwards. Two initializations at once could leave the key of one with the
    // configuration of the other, so only one Job at a time may do this.
    let made = engine.initialize().await;
    match (engine.repository_id().await, made) {
        (Ok(id), _) => Ok(id),
        (Err(_), Err(failure)) | (Err(failure), Ok(())) => Err(failure),
    }
}

/// Fails if the repository is a folder that is not empty. One that lost its `config` must not be initialized anew: what is there
/// could never be read again. What an initialization left that was stopped is removed: restic would refuse to go on.
fn empty(path: &Path) -> Result<(), Failure> {
    let failed = |failed: io::Error| {
        let text = format!("{} cannot be initialized: {failed}", path.display());
        Failure::new(Reason::AccessDenied, &text)
    };
    match content(path) {
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(other) => Err(failed(other)),
        Ok(content) if content.iter().all(|file| file.parent() == Some(Path::new("keys"))) => {
            // Without a `config` they open nothing.
            let removed = content.iter().try_for_each(|key| fs::remove_file(path.join(key)));
            removed.map_err(failed)
        }
        Ok(content) => {
            let other = content.iter().find(|file| file.parent() != Some(Path::new("keys")));
            let text = format!(
                "{} has no repository, and is not empty ({} is there), so none is initialized",
                path.display(),
                other.unwrap_or(&PathBuf::new()).display()
            );
            Err(Failure::new(Reason::RepositoryMissing, &text))
        }
    }
}

/// Everything below a folder that is no folder.
fn content(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = PathBuf::from(entry.file_name());
        if name == Path::new(LOST_AND_FOUND) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            found.extend(content(&entry.path())?.into_iter().map(|below| name.join(below)));
        } else {
            found.push(name);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_empty_folder_becomes_a_repository() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        assert_eq!(empty(path), Ok(()));
        assert_eq!(empty(&path.join("new")), Ok(()));
        fs::create_dir(folder.path().join("lost+found")).unwrap();
        assert_eq!(empty(path), Ok(()));
        // What restic has made before it writes `config`.
        for name in ["keys", "data/00", "index", "snapshots", "locks"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        let key = folder.path().join("keys/0123");
        fs::write(&key, "{}").unwrap();
        assert_eq!(empty(path), Ok(()));
        assert!(!key.exists());
        fs::write(&key, "{}").unwrap();
        fs::write(folder.path().join("data/00/0012"), "data").unwrap();
        let failure = empty(path).unwrap_err();
        assert_eq!(failure.reason, Reason::RepositoryMissing);
        assert!(failure.message.contains("data/00/0012"), "{}", failure.message);
        assert!(key.exists());
    }
}
