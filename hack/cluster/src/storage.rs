//! Where this program keeps its files, and how it writes, locks and names them.
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// `${XDG_CACHE_HOME:-~/.cache}/hearth`.
pub(crate) fn cache() -> Result<PathBuf> {
    user_dir("XDG_CACHE_HOME", ".cache")
}

/// Hearth's directory in one of the user's base directories. An error if neither the variable nor HOME is set.
pub(crate) fn user_dir(variable: &str, fallback: &str) -> Result<PathBuf> {
    let base = match std::env::var_os(variable).filter(|value| !value.is_empty()) {
        Some(base) => PathBuf::from(base),
        None => PathBuf::from(std::env::var_os("HOME").context("HOME is not set")?).join(fallback),
    };
    Ok(base.join("hearth"))
}

/// Waits until no other process holds the lock of this path, then holds it until the file is dropped.
pub(crate) fn lock(path: &Path) -> Result<File> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let file = File::create(path.with_extension("lock"))?;
    if file.try_lock().is_err() {
        eprintln!(
            "waiting for another process that holds {}",
            path.with_extension("lock").display()
        );
        file.lock()?;
    }
    Ok(file)
}

/// Removes a directory with all that is in it; one that does not exist is no error.
pub(crate) fn remove_dir(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("failed to remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Writes a file atomically: a reader sees the old content or the new one, also when the writer is killed.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> Result<()> {
    let partial = path.with_extension("partial");
    fs::write(&partial, content)?;
    fs::rename(&partial, path).with_context(|| format!("failed to write {}", path.display()))
}

/// Twelve hexadecimal digits over several parts; moving a byte from one part to the next gives another hash.
pub(crate) fn short_hash(parts: impl IntoIterator<Item = impl AsRef<[u8]>>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.as_ref().len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    digest
        .iter()
        .take(6)
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_borders_between_hashed_parts_count() {
        assert_ne!(short_hash(["ab", "c"]), short_hash(["a", "bc"]));
        assert_eq!(short_hash(["ab", "c"]).len(), 12);
    }
}
