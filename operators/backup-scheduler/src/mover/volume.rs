//! A mounted volume, as the mover sees it.
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// A folder of file systems that belongs to no one: it does not count as content.
pub const LOST_AND_FOUND: &str = "lost+found";

/// The owner, group and mode of a file, as reports show them: `999:999 0700`.
pub fn ownership(uid: u32, gid: u32, mode: u32) -> String {
    format!("{uid}:{gid} {:04o}", mode & 0o7777)
}

/// The owner, group and mode of a folder.
pub fn root(path: &Path) -> io::Result<String> {
    let metadata = fs::symlink_metadata(path)?;
    Ok(ownership(metadata.uid(), metadata.gid(), metadata.mode()))
}

/// Fails if the folder cannot be listed, or its entries not be reached.
pub fn listable(path: &Path) -> io::Result<()> {
    let Some(entry) = fs::read_dir(path)?.next() else {
        return Ok(());
    };
    match fs::symlink_metadata(entry?.path()) {
        // One that was removed meanwhile is none of the folder's faults.
        Err(failed) if failed.kind() != io::ErrorKind::NotFound => Err(failed),
        _ => Ok(()),
    }
}

/// The sizes of all files, as far as they can be listed. Links are not followed.
pub fn bytes(path: &Path) -> u64 {
    let mut total: u64 = 0;
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        for entry in entries.filter_map(Result::ok) {
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => folders.push(entry.path()),
                Ok(metadata) if metadata.is_file() => total = total.saturating_add(metadata.len()),
                _ => {}
            }
        }
    }
    total
}

/// A number of bytes for people: `1.2 GiB`.
pub fn human(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} bytes");
    }
    let mut tenths = u128::from(bytes) * 10 / 1024;
    let mut unit = 0;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_for_people() {
        let cases = [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1024, "1.0 KiB"),
            (1_500_000, "1.4 MiB"),
            (50 << 30, "50.0 GiB"),
            (u64::MAX, "16777215.9 TiB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(human(bytes), text);
        }
    }

    #[test]
    fn the_size_of_a_volume_follows_no_links() {
        let folder = tempfile::tempdir().unwrap();
        let (inside, other) = (folder.path().join("volume"), folder.path().join("other"));
        fs::create_dir_all(inside.join("sub")).unwrap();
        fs::create_dir(&other).unwrap();
        fs::write(inside.join("a"), "123").unwrap();
        fs::write(inside.join("sub/b"), "45").unwrap();
        fs::write(other.join("c"), "6789").unwrap();
        std::os::unix::fs::symlink(&other, inside.join("link")).unwrap();
        assert_eq!(bytes(&inside), 5);
    }

    #[test]
    fn ownership_shows_special_bits() {
        assert_eq!(ownership(999, 998, 0o042_750), "999:998 2750");
        assert_eq!(ownership(0, 0, 0o040_700), "0:0 0700");
    }
}
