//! The volume that is restored into: what it has before, how much room it has, and its root folder.
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use rustix::fs::{
    self, AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, fchmod, fchown, fstat, fstatvfs, futimens,
    openat, syncfs, unlinkat,
};
use rustix::io::Errno;

use super::compare::Found;
use super::listing::Listing;
use super::tree::Tree;
use crate::engine::messages::Node;
use crate::engine::outcome::Failure;
use crate::mover::volume::{self, LOST_AND_FOUND, ownership};
use crate::task::{Reason, Restore};

/// A file in the root of a volume while it is being restored. A volume that has it is not complete, and all that is in it
/// came from the snapshot that it names.
pub const MARKER: &str = ".hearth-restore";
/// The longest marker, in bytes.
const LONGEST_MARKER: u64 = 16 * 1024;

/// A target volume.
#[derive(Debug)]
pub struct Target {
    /// Its files.
    pub tree: Tree,
    /// An earlier attempt of the same restore was stopped.
    pub resumed: bool,
    marker: String,
}

impl Target {
    /// Opens the volume, and fails if it has files that are not of this restore and may not be overwritten.
    pub fn open(task: &Restore) -> Result<Self, Failure> {
        let path = Path::new(&task.target);
        let open = |failed: io::Error| failure(&failed, "the volume cannot be opened");
        let tree = Tree::open(path).map_err(open)?;
        let names = tree.names().map_err(open)?;
        let marker = format!("{}:{}\n", task.snapshot, task.path);
        let resumed = read_marker(&tree).is_some_and(|text| text == marker);
        let other = names.iter().find(|name| *name != LOST_AND_FOUND && *name != MARKER);
        if let Some(other) = other.filter(|_| !resumed && !task.overwrite) {
            let text = format!(
                "the volume has files already, {} for one; restore into an empty volume, or set `volumes.existing: Overwrite`",
                other.display()
            );
            return Err(Failure::new(Reason::TargetNotEmpty, &text));
        }
        Ok(Self { tree, resumed, marker })
    }

    /// Marks the volume as not complete.
    pub fn begin(&self) -> Result<(), Failure> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = openat(self.tree.root(), MARKER, flags, Mode::RUSR | Mode::WUSR).map_err(io::Error::from);
        let written = made.and_then(|file| {
            let mut file = std::fs::File::from(file);
            file.write_all(self.marker.as_bytes())?;
            file.sync_all()
        });
        written.map_err(|failed| failure(&failed, "the mover cannot write into the volume"))
    }

    /// Fails if the volume is certainly too small. Files with holes need less than their size, so this is only asked where
    /// there is less room than that; `raw` is the size of their content, each once.
    pub fn room(&self, task: &Restore) -> Result<Room, Failure> {
        let room = fstatvfs(self.tree.root()).map_err(|failed| failure(&failed.into(), "the volume has no size"))?;
        Ok(Room {
            free: room.f_bavail.saturating_mul(room.f_frsize),
            // Files that are replaced make room.
            usable: if task.overwrite || self.resumed {
                room.f_blocks.saturating_mul(room.f_frsize)
            } else {
                room.f_bavail.saturating_mul(room.f_frsize)
            },
        })
    }

    /// Removes setuid and setgid from files that have them in the snapshot.
    pub fn strip_setuid(&mut self, listing: &Listing) -> io::Result<()> {
        let mut result = Ok(());
        listing.each(&mut |entry| {
            if result.is_ok() && entry.mode & 0o6000 != 0 {
                result = self.tree.at(&entry.path, |folder, name| {
                    let stat = fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
                    if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && stat.st_mode & 0o6000 != 0 {
                        fs::chmodat(
                            folder,
                            name,
                            Mode::from_raw_mode(stat.st_mode & 0o1777),
                            AtFlags::empty(),
                        )?;
                    }
                    Ok(())
                });
                if result.as_ref().is_err_and(super::compare::is_missing) {
                    result = Ok(());
                }
            }
        })?;
        result
    }

    /// Writes everything to the disk. Errors of a delayed write are only seen here.
    pub fn sync(&self) -> io::Result<()> {
        Ok(syncfs(self.tree.root())?)
    }

    /// Takes the marker away, gives the root folder the owner, mode and times of the snapshot, and says what differs. restic
    /// restores what is in a folder, not the folder. The root of a snapshot has none.
    pub fn finish(&self, node: Option<&Node>) -> io::Result<Option<String>> {
        let root = self.tree.root();
        if let Some(node) = node {
            // Without the right to change the owner this fails; what differs is found below.
            let _ = fchown(root, Some(Uid::from_raw(node.uid)), Some(Gid::from_raw(node.gid)));
        }
        match unlinkat(root, MARKER, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(failed) => return Err(failed.into()),
        }
        let Some(node) = node else {
            return Ok(None);
        };
        let _ = fchmod(root, Mode::from_raw_mode(node.permissions()));
        if let Some(time) = node.mtime {
            let time = Timespec {
                tv_sec: time.as_second(),
                tv_nsec: time.subsec_nanosecond().into(),
            };
            let _ = futimens(
                root,
                &Timestamps {
                    last_access: time,
                    last_modification: time,
                },
            );
        }
        let found = Found::from(&fstat(root)?);
        let same = (found.uid, found.gid, found.mode) == (node.uid, node.gid, node.permissions());
        let expected = ownership(node.uid, node.gid, node.permissions());
        let has = ownership(found.uid, found.gid, found.mode);
        Ok((!same).then(|| format!("it has {has}, not {expected}")))
    }
}

/// The room of a volume, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// What is free.
    pub free: u64,
    /// What the restore may use.
    pub usable: u64,
}

impl Room {
    /// The failure of a volume that is too small.
    pub fn full(self, needed: u64) -> Failure {
        let text = format!(
            "the volume is full: the snapshot needs {needed} bytes ({}), {} are free ({}); restore into a larger volume",
            volume::human(needed),
            self.free,
            volume::human(self.free)
        );
        Failure::new(Reason::TargetFull, &text)
    }
}

/// What an error of the volume means.
pub fn failure(error: &io::Error, what: &str) -> Failure {
    let errno = Errno::from_io_error(error);
    let reason = match errno {
        Some(Errno::ACCESS | Errno::PERM | Errno::ROFS) => Reason::TargetNotWritable,
        Some(Errno::NOSPC | Errno::DQUOT) => Reason::TargetFull,
        _ => Reason::Internal,
    };
    let advice = match reason {
        Reason::TargetNotWritable => "; set `mover.securityContext` so that the mover runs as a user that can",
        _ => "",
    };
    Failure::new(reason, &format!("{what}: {error}{advice}"))
}

fn read_marker(tree: &Tree) -> Option<String> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = openat(tree.root(), MARKER, flags, Mode::empty()).ok()?;
    let mut text = String::new();
    std::fs::File::from(file)
        .take(LONGEST_MARKER)
        .read_to_string(&mut text)
        .ok()?;
    Some(text)
}
