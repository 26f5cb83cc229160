//! The files of a volume: written as an application would leave them, and compared after a restore.
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::Path;

use anyhow::{Context, Result};
use sha2::{Digest as _, Sha256};

/// Writes files of several owners and modes, a link and a folder that only its owner may read. The volume's root too.
pub(super) fn write(root: &Path) -> Result<()> {
    let folder = root.join("db");
    fs::create_dir_all(&folder)?;
    fs::write(root.join("hello.txt"), "hello\n")?;
    fs::write(folder.join("data.bin"), pattern(3_000_000))?;
    fs::write(folder.join("empty"), "")?;
    fs::write(folder.join("näme with spaces"), "x")?;
    symlink("data.bin", folder.join("link"))?;
    for (path, mode) in [
        (&folder, 0o750),
        (&folder.join("data.bin"), 0o640),
        (&root.join("hello.txt"), 0o604),
    ] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    }
    for (path, uid, gid) in [
        (root, 999, 998),
        (&folder, 999, 998),
        (&folder.join("data.bin"), 999, 1234),
    ] {
        chown(path, Some(uid), Some(gid))?;
    }
    chown(root.join("hello.txt"), Some(999), Some(998))?;
    fs::set_permissions(root, fs::Permissions::from_mode(0o2770))?;
    Ok(())
}

/// Bytes that do not compress to nothing and are the same each time.
fn pattern(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Everything that a restore must bring back, by path: kind, owner, group, mode, and the content's hash or the link's target.
pub(super) fn read(root: &Path) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    visit(root, root, &mut found)?;
    Ok(found)
}

fn visit(root: &Path, path: &Path, found: &mut BTreeMap<String, String>) -> Result<()> {
    let meta = fs::symlink_metadata(path).with_context(|| format!("no {}", path.display()))?;
    let name = path.strip_prefix(root)?.display().to_string();
    let content = if meta.is_symlink() {
        fs::read_link(path)?.display().to_string()
    } else if meta.is_file() {
        Sha256::digest(fs::read(path)?)
            .iter()
            .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
    } else {
        String::new()
    };
    let text = format!("{}:{} {:o} {content}", meta.uid(), meta.gid(), meta.mode());
    found.insert(name, text);
    if meta.is_dir() {
        for entry in fs::read_dir(path)? {
            visit(root, &entry?.path(), found)?;
        }
    }
    Ok(())
}
