//! Access to the files below a folder without following a link: what is restored may have links to anywhere.
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;

use rustix::fd::{AsFd as _, OwnedFd};
use rustix::fs::{self, AtFlags, Dir, FileType, Mode, OFlags, Stat};

/// What Go writes for a byte that is no UTF-8.
const REPLACEMENT: char = '\u{fffd}';
const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// A folder, and the folder below it that was used last.
#[derive(Debug)]
pub struct Tree {
    root: OwnedFd,
    last: Option<(String, OwnedFd)>,
}

impl Tree {
    /// Opens the folder. Its path may have links before the last component, which are not of the volume.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            root: fs::open(path, FOLDER, Mode::empty())?,
            last: None,
        })
    }

    /// The folder itself.
    pub fn root(&self) -> &OwnedFd {
        &self.root
    }

    /// The names in the folder itself.
    pub fn names(&self) -> io::Result<Vec<OsString>> {
        names(&self.root)
    }

    /// The metadata of a path, which is relative and may be empty.
    pub fn stat(&mut self, path: &str) -> io::Result<Stat> {
        if path.is_empty() {
            return Ok(fs::fstat(&self.root)?);
        }
        self.at(path, |folder, name| {
            Ok(fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?)
        })
    }

    /// Runs an operation with the folder of a path and its last component.
    pub fn at<T>(&mut self, path: &str, operation: impl FnOnce(&OwnedFd, &OsStr) -> io::Result<T>) -> io::Result<T> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        if !matches!(&self.last, Some((known, _)) if known == folder) {
            let opened = self.folder(folder)?;
            self.last = Some((folder.to_owned(), opened));
        }
        let Some((_, opened)) = &self.last else {
            return Err(io::ErrorKind::NotFound.into());
        };
        operation(opened, &name_on_disk(opened, name)?)
    }

    fn folder(&self, path: &str) -> io::Result<OwnedFd> {
        let mut folder = self.root.try_clone()?;
        for component in path.split('/').filter(|component| !component.is_empty()) {
            let name = name_on_disk(&folder, component)?;
            folder = fs::openat(&folder, name.as_os_str(), FOLDER, Mode::empty())?;
        }
        Ok(folder)
    }

    /// Forgets the folder that was used last: after changes of names.
    pub fn changed(&mut self) {
        self.last = None;
    }

    /// Runs an operation for every entry below, folders after what is in them: with the folder, the name and the metadata.
    pub fn walk(&self, operation: &mut dyn FnMut(&OwnedFd, &OsStr, &Stat) -> io::Result<()>) -> io::Result<()> {
        walk(&self.root, operation)
    }
}

fn walk(folder: &OwnedFd, operation: &mut dyn FnMut(&OwnedFd, &OsStr, &Stat) -> io::Result<()>) -> io::Result<()> {
    for name in names(folder)? {
        let stat = fs::statat(folder, name.as_os_str(), AtFlags::SYMLINK_NOFOLLOW)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            walk(&fs::openat(folder, name.as_os_str(), FOLDER, Mode::empty())?, operation)?;
        }
        operation(folder, &name, &stat)?;
    }
    Ok(())
}

fn names(folder: &OwnedFd) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder.as_fd())? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(OsString::from_vec(name));
        }
    }
    Ok(names)
}

/// The name on disk of a name that restic wrote: JSON has no place for bytes that are no UTF-8, so it is looked for.
fn name_on_disk(folder: &OwnedFd, name: &str) -> io::Result<OsString> {
    if name.is_empty() || name == "." || name == ".." {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let exact = OsString::from(name);
    if !name.contains(REPLACEMENT) || fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
        return Ok(exact);
    }
    let found = names(folder)?
        .into_iter()
        .find(|other| as_json(other.as_bytes()) == name);
    Ok(found.unwrap_or(exact))
}

/// A name as Go's JSON has it: one U+FFFD for each byte that belongs to no character.
fn as_json(name: &[u8]) -> String {
    let mut text = String::new();
    for chunk in name.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| REPLACEMENT));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fs as std_fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_is_not_followed_anywhere_in_a_path() {
        let folder = tempfile::tempdir().unwrap();
        let (volume, outside) = (folder.path().join("volume"), folder.path().join("outside"));
        std_fs::create_dir_all(volume.join("a/b")).unwrap();
        std_fs::create_dir(&outside).unwrap();
        std_fs::write(outside.join("secret"), "x").unwrap();
        std_fs::write(volume.join("a/b/file"), "123").unwrap();
        symlink(&outside, volume.join("a/link")).unwrap();
        let mut tree = Tree::open(&volume).unwrap();
        assert_eq!(tree.stat("a/b/file").unwrap().st_size, 3);
        assert!(tree.stat("a/link/secret").is_err());
        let kind = FileType::from_raw_mode(tree.stat("a/link").unwrap().st_mode);
        assert_eq!(kind, FileType::Symlink);
        for path in ["../outside/secret", "a/../../outside/secret", "a/b/."] {
            assert!(tree.stat(path).is_err(), "{path}");
        }
        assert!(Tree::open(&volume.join("a/link")).is_err());
    }

    #[test]
    fn a_name_that_is_no_utf_8_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let name = OsStr::from_bytes(b"caf\xe9\xe9");
        std_fs::create_dir(folder.path().join(name)).unwrap();
        std_fs::write(folder.path().join(name).join("x"), "1").unwrap();
        std_fs::write(folder.path().join("real \u{fffd}"), "12").unwrap();
        let mut tree = Tree::open(folder.path()).unwrap();
        assert_eq!(tree.stat("caf\u{fffd}\u{fffd}/x").unwrap().st_size, 1);
        assert_eq!(tree.stat("real \u{fffd}").unwrap().st_size, 2);
        assert!(tree.stat("caf\u{fffd}").is_err());
    }

    #[test]
    fn a_walk_meets_everything_once_and_stays_inside() {
        let folder = tempfile::tempdir().unwrap();
        std_fs::create_dir_all(folder.path().join("a/b")).unwrap();
        std_fs::write(folder.path().join("a/b/f"), "1").unwrap();
        symlink("/", folder.path().join("a/root")).unwrap();
        let mut found = Vec::new();
        let tree = Tree::open(folder.path()).unwrap();
        tree.walk(&mut |_, name, _| {
            found.push(name.to_owned());
            Ok(())
        })
        .unwrap();
        found.sort();
        assert_eq!(found, ["a", "b", "f", "root"]);
    }
}
