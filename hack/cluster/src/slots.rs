//! Which cluster owns which slot, so that two never share addresses or namespaces.
//!
//! A claim is a file in the user's cache that names the cluster's directory. It is valid as long as the settings in that directory
//! have the same slot, so a cluster whose directory was removed by hand blocks no slot.
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::command::line;
use crate::network;
use crate::plan::{AddressPlan, SLOTS};
use crate::state::{Home, Settings};
use crate::storage;

fn directory() -> Result<PathBuf> {
    Ok(storage::cache()?.join("slots"))
}

/// The settings of the cluster, new ones if it has none, in a slot that is its own.
pub(crate) fn claim(home: &Home) -> Result<Settings> {
    let directory = directory()?;
    let _held = storage::lock(&directory)?;
    fs::create_dir_all(&directory)?;
    let settings = match home.load()? {
        Some(settings) => settings,
        None => Settings::new(free(&directory, home)?),
    };
    if let Some(owner) = owner(&directory, settings.slot).filter(|owner| owner != home) {
        bail!(
            "the cluster in {} uses the same addresses as the one in {}; take one of them down",
            owner.0.display(),
            home.0.display()
        );
    }
    fs::write(file(&directory, settings.slot), home.0.as_os_str().as_encoded_bytes())?;
    home.save(&settings)?;
    Ok(settings)
}

/// The slot that a cluster has claimed, also when its directory was removed by hand.
pub(crate) fn claimed(home: &Home) -> Result<Option<u8>> {
    let directory = directory()?;
    let names =
        |slot: &u8| fs::read(file(&directory, *slot)).is_ok_and(|path| path == home.0.as_os_str().as_encoded_bytes());
    Ok((0..SLOTS).find(names))
}

pub(crate) fn release(slot: u8) -> Result<()> {
    let _ = fs::remove_file(file(&directory()?, slot));
    Ok(())
}

fn file(directory: &Path, slot: u8) -> PathBuf {
    directory.join(slot.to_string())
}

/// The cluster whose claim is valid.
fn owner(directory: &Path, slot: u8) -> Option<Home> {
    let home = Home(fs::read_to_string(file(directory, slot)).ok()?.into());
    let settings = home.load().ok()??;
    (settings.slot == slot).then_some(home)
}

/// The first slot that no cluster claims and whose addresses nobody on this host uses.
fn free(directory: &Path, home: &Home) -> Result<u8> {
    let taken = line("ip -o -4 addr show")?;
    let is_free = |&slot: &u8| {
        let plan = AddressPlan { slot };
        owner(directory, slot).is_none_or(|owner| owner == *home)
            && !taken.contains(&format!("inet {}/", plan.host()))
            && network::namespaces(plan).is_empty()
    };
    let free = (0..SLOTS).find(is_free);
    free.with_context(|| format!("{SLOTS} clusters run on this machine already; take one down first"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_valid_while_its_cluster_has_the_same_slot() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home(dir.path().join("cluster"));
        fs::write(file(dir.path(), 1), home.0.as_os_str().as_encoded_bytes()).unwrap();
        assert_eq!(owner(dir.path(), 1), None);
        home.save(&Settings::new(1)).unwrap();
        assert_eq!(owner(dir.path(), 1), Some(home.clone()));
        home.save(&Settings::new(2)).unwrap();
        assert_eq!(owner(dir.path(), 1), None);
    }
}
