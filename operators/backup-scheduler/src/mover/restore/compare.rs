//! Compares what is in the volume with what the snapshot has. restic reports neither a lost owner when it does not run as root,
//! nor a file that a broken disk did not take.
use std::collections::BTreeMap;
use std::io;

use rustix::fs::{FileType, Stat};

use super::listing::{Entry, Kind, Listing};
use super::tree::Tree;
use crate::engine::outcome::KEPT_PROBLEMS;
use crate::mover::volume::ownership;
use crate::task::Problem;

/// What is not compared.
#[derive(Clone, Copy, Debug, Default)]
pub struct Expected {
    /// Devices are restored.
    pub devices: bool,
    /// Files keep setuid and setgid.
    pub setuid: bool,
}

/// The result.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// Entries that were compared.
    pub compared: u64,
    /// Entries that differ.
    pub count: u64,
    /// Files that are there with their size.
    pub files: u64,
    /// The first of them.
    pub problems: Vec<Problem>,
    /// How many differ in what.
    aspects: BTreeMap<&'static str, u64>,
}

/// What an entry of the volume is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it is.
    pub kind: Kind,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The permissions.
    pub mode: u32,
    /// The size.
    pub size: u64,
}

impl From<&Stat> for Found {
    fn from(stat: &Stat) -> Self {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Folder,
            FileType::Symlink => Kind::Link,
            FileType::BlockDevice | FileType::CharacterDevice => Kind::Device,
            FileType::Fifo => Kind::Pipe,
            FileType::Socket => Kind::Socket,
            FileType::Unknown => Kind::Other,
        };
        Self {
            kind,
            uid: stat.st_uid,
            gid: stat.st_gid,
            mode: stat.st_mode & 0o7777,
            size: u64::try_from(stat.st_size).unwrap_or_default(),
        }
    }
}

impl Expected {
    /// Whether the entry is to be there.
    pub fn has(self, entry: &Entry) -> bool {
        match entry.kind {
            Kind::Socket => false,
            Kind::Device => self.devices,
            _ => true,
        }
    }

    /// The permissions that the entry is to have.
    pub fn mode(self, entry: &Entry) -> u32 {
        match entry.kind {
            Kind::File if !self.setuid => entry.mode & !0o6000,
            _ => entry.mode,
        }
    }

    /// In what they differ, and how; the first difference is enough.
    pub fn difference(self, entry: &Entry, found: Option<Found>) -> Option<(&'static str, String)> {
        let Some(found) = found else {
            return Some(("missing", "it is not there".to_owned()));
        };
        if found.kind != entry.kind {
            let text = format!("it is a {}, not a {}", found.kind.name(), entry.kind.name());
            return Some(("of another type", text));
        }
        if entry.kind == Kind::File && found.size != entry.size {
            let text = format!("it has {} bytes, not {}", found.size, entry.size);
            return Some(("of another size", text));
        }
        // A link has no permissions of its own.
        let (expected, has) = match entry.kind {
            Kind::Link => (0, 0),
            _ => (self.mode(entry), found.mode),
        };
        let differs = |aspect| {
            let has = ownership(found.uid, found.gid, has);
            let text = format!("it has {has}, not {}", ownership(entry.uid, entry.gid, expected));
            Some((aspect, text))
        };
        if (found.uid, found.gid) != (entry.uid, entry.gid) {
            return differs("with another owner");
        }
        if expected != has {
            return differs("with another mode");
        }
        None
    }
}

impl Comparison {
    /// Takes an entry, and what is there.
    pub fn take(&mut self, expected: Expected, entry: &Entry, found: Option<Found>) {
        self.compared += 1;
        let difference = expected.difference(entry, found);
        let lost = difference
            .as_ref()
            .is_some_and(|(aspect, _)| matches!(*aspect, "missing" | "of another type" | "of another size"));
        self.files += u64::from(entry.kind == Kind::File && !lost);
        let Some((aspect, message)) = difference else { return };
        self.count += 1;
        *self.aspects.entry(aspect).or_default() += 1;
        if self.problems.len() < KEPT_PROBLEMS {
            self.problems.push(Problem {
                path: format!("/{}", entry.path),
                message,
                pack: None,
            });
        }
    }

    /// How many differ in what: `3 missing, 5 with another owner`.
    pub fn summary(&self) -> String {
        let aspects = self.aspects.iter().map(|(aspect, count)| format!("{count} {aspect}"));
        aspects.collect::<Vec<_>>().join(", ")
    }

    /// Whether some have another owner.
    pub fn lost_owners(&self) -> bool {
        self.aspects.contains_key("with another owner")
    }
}

/// Compares every entry that `skip` does not know already.
pub fn compare(
    listing: &Listing,
    tree: &mut Tree,
    expected: Expected,
    skip: &dyn Fn(&str) -> bool,
) -> io::Result<Comparison> {
    let mut comparison = Comparison::default();
    let mut failed = None;
    listing.each(&mut |entry| {
        if failed.is_some() || !expected.has(&entry) || skip(&entry.path) {
            return;
        }
        match tree.stat(&entry.path) {
            Ok(stat) => comparison.take(expected, &entry, Some(Found::from(&stat))),
            Err(error) if is_missing(&error) => comparison.take(expected, &entry, None),
            Err(error) => failed = Some(error),
        }
    })?;
    failed.map_or(Ok(comparison), Err)
}

/// Whether there is no such path: a folder on the way may be missing, or be a link or a file.
pub fn is_missing(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, NotADirectory, NotFound};
    let link = error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
    link || matches!(error.kind(), NotFound | NotADirectory | InvalidInput)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: Kind, mode: u32) -> Entry {
        Entry {
            path: "a".to_owned(),
            kind,
            uid: 999,
            gid: 999,
            mode,
            size: 7,
        }
    }

    fn found(kind: Kind, mode: u32) -> Found {
        Found {
            kind,
            uid: 999,
            gid: 999,
            mode,
            size: 7,
        }
    }

    #[test]
    fn each_difference_is_named() {
        let file = entry(Kind::File, 0o640);
        let same = found(Kind::File, 0o640);
        let cases = [
            (None, "missing"),
            (Some(found(Kind::Link, 0o777)), "of another type"),
            (Some(Found { size: 6, ..same }), "of another size"),
            (Some(Found { uid: 0, ..same }), "with another owner"),
            (Some(Found { gid: 0, ..same }), "with another owner"),
            (Some(Found { mode: 0o644, ..same }), "with another mode"),
        ];
        let mut comparison = Comparison::default();
        for (found, aspect) in cases {
            assert_eq!(Expected::default().difference(&file, found).unwrap().0, aspect);
            comparison.take(Expected::default(), &file, found);
        }
        comparison.take(Expected::default(), &file, Some(same));
        assert_eq!((comparison.compared, comparison.count), (7, 6));
        assert_eq!(
            comparison.summary(),
            "1 missing, 1 of another size, 1 of another type, 1 with another mode, 2 with another owner"
        );
        assert_eq!(comparison.problems[3].message, "it has 0:999 0640, not 999:999 0640");
    }

    #[test]
    fn only_files_have_sizes_and_links_have_no_modes() {
        let folder = Found {
            size: 4096,
            ..found(Kind::Folder, 0o2750)
        };
        assert_eq!(
            Expected::default().difference(&entry(Kind::Folder, 0o2750), Some(folder)),
            None
        );
        let link = Some(found(Kind::Link, 0o755));
        assert_eq!(Expected::default().difference(&entry(Kind::Link, 0o777), link), None);
    }

    #[test]
    fn setuid_is_expected_only_if_asked_and_never_lost_from_folders() {
        let asked = Expected {
            setuid: true,
            devices: true,
        };
        let program = entry(Kind::File, 0o4755);
        assert_eq!(Expected::default().mode(&program), 0o755);
        assert_eq!(asked.mode(&program), 0o4755);
        assert_eq!(Expected::default().mode(&entry(Kind::Folder, 0o2750)), 0o2750);
        assert!(!Expected::default().has(&entry(Kind::Device, 0o600)) && asked.has(&entry(Kind::Device, 0o600)));
        assert!(!asked.has(&entry(Kind::Socket, 0o600)));
    }
}
