//! What a snapshot has below one folder, kept in a file: a list in memory would grow with the volume while restic needs the
//! memory.
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Seek as _, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::engine::messages::Node;
use crate::mover::volume::LOST_AND_FOUND;

/// An entry.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The path below the folder, without a slash before it. A byte that is no UTF-8 is U+FFFD.
    #[serde(rename = "p")]
    pub path: String,
    /// What it is.
    #[serde(rename = "k")]
    pub kind: Kind,
    /// The owner.
    #[serde(rename = "u")]
    pub uid: u32,
    /// The group.
    #[serde(rename = "g")]
    pub gid: u32,
    /// The permissions, with setuid, setgid and sticky.
    #[serde(rename = "m")]
    pub mode: u32,
    /// The size of a file.
    #[serde(rename = "s")]
    pub size: u64,
}

/// The types of entries.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A block or character device.
    Device,
    /// A named pipe.
    Pipe,
    /// A socket. restic neither stores nor restores one: it is of no use without its process.
    Socket,
    /// Anything else.
    Other,
}

impl Kind {
    /// The word for messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Folder => "folder",
            Self::Link => "link",
            Self::Device => "device",
            Self::Pipe => "named pipe",
            Self::Socket => "socket",
            Self::Other => "entry of an unknown type",
        }
    }

    fn of(node: &Node) -> Self {
        match node.kind.as_str() {
            "file" => Self::File,
            "dir" => Self::Folder,
            "symlink" => Self::Link,
            "dev" | "chardev" => Self::Device,
            "fifo" => Self::Pipe,
            "socket" => Self::Socket,
            _ => Self::Other,
        }
    }
}

/// The entries below a folder of a snapshot, and the folder.
#[derive(Debug)]
pub struct Listing {
    folder: String,
    file: BufWriter<File>,
    inodes: HashSet<u64>,
    failed: Option<io::Error>,
    /// The folder itself.
    pub root: Option<Node>,
    /// Entries below the folder.
    pub entries: u64,
    /// Files below the folder.
    pub files: u64,
    /// Bytes of the files; a file with several names counts once.
    pub bytes: u64,
    /// The paths of devices, as [`Entry::path`].
    pub devices: Vec<String>,
    /// Whether files with setuid or setgid were met.
    pub setuid: bool,
}

impl Listing {
    /// An empty list of a folder of a snapshot, kept in a file without a name.
    pub fn new(folder: &str, temporary: &Path) -> io::Result<Self> {
        Ok(Self {
            folder: folder.trim_end_matches('/').to_owned(),
            file: BufWriter::new(tempfile::tempfile_in(temporary)?),
            inodes: HashSet::new(),
            failed: None,
            root: None,
            entries: 0,
            files: 0,
            bytes: 0,
            devices: Vec::new(),
            setuid: false,
        })
    }

    /// The part of a path in the snapshot that is below the folder.
    pub fn below<'a>(&self, path: &'a str) -> Option<&'a str> {
        path.strip_prefix(&self.folder)?.strip_prefix('/')
    }

    /// Adds an entry of the snapshot. Entries outside the folder are left out, and what a check of the file system has found.
    pub fn add(&mut self, node: &Node) {
        if node.path == self.folder {
            self.root = Some(node.clone());
            return;
        }
        let Some(path) = self.below(&node.path) else {
            return;
        };
        let path = path.to_owned();
        if path == LOST_AND_FOUND || path.starts_with("lost+found/") {
            return;
        }
        let kind = Kind::of(node);
        let entry = Entry {
            path: path.clone(),
            kind,
            uid: node.uid,
            gid: node.gid,
            mode: node.permissions(),
            size: node.size,
        };
        self.entries += 1;
        match kind {
            Kind::File => {
                self.files += 1;
                self.setuid |= entry.mode & 0o6000 != 0;
                // Inode 0 is of file systems that have none.
                if node.inode == 0 || self.inodes.insert(node.inode) {
                    self.bytes += node.size;
                }
            }
            Kind::Device => self.devices.push(path),
            _ => {}
        }
        let written = serde_json::to_writer(&mut self.file, &entry).map_err(io::Error::from);
        if let Err(failed) = written.and_then(|()| self.file.write_all(b"\n")) {
            self.failed.get_or_insert(failed);
        }
    }

    /// Ends the list, and frees what only its making needed.
    pub fn finish(&mut self) -> io::Result<()> {
        self.inodes = HashSet::new();
        match self.failed.take() {
            Some(failed) => Err(failed),
            None => self.file.flush(),
        }
    }

    /// Every entry, in the order of the snapshot: a folder comes before what is in it.
    pub fn each(&self, entry: &mut dyn FnMut(Entry)) -> io::Result<()> {
        let mut file = self.file.get_ref().try_clone()?;
        file.rewind()?;
        for line in BufReader::new(file).lines() {
            entry(serde_json::from_str(&line?)?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(kind: &str, path: &str, size: u64, inode: u64) -> Node {
        Node {
            kind: kind.to_owned(),
            path: path.to_owned(),
            uid: 999,
            gid: 998,
            size,
            mode: 0o644,
            inode,
            ..Node::default()
        }
    }

    #[test]
    fn entries_come_back_as_they_were_and_links_count_once() {
        let mut listing = Listing::new("/data/web", &std::env::temp_dir()).unwrap();
        for node in [
            node("dir", "/data", 0, 1),
            node("dir", "/data/web", 0, 2),
            node("dir", "/data/website", 0, 3),
            node("dir", "/data/web/lost+found", 0, 7),
            node("file", "/data/web/lost+found/x", 9, 8),
            node("file", "/data/web/a\n\u{fffd}", 7, 4),
            node("file", "/data/web/b", 7, 4),
            node("chardev", "/data/web/null", 0, 5),
            node("dir", "/data/web/sub", 0, 6),
        ] {
            listing.add(&node);
        }
        listing.finish().unwrap();
        assert_eq!(listing.root.as_ref().unwrap().inode, 2);
        assert_eq!((listing.entries, listing.files, listing.bytes), (4, 2, 7));
        assert_eq!(listing.devices, ["null"]);
        for _ in 0..2 {
            let mut found = Vec::new();
            listing.each(&mut |entry| found.push((entry.path, entry.kind))).unwrap();
            let found: Vec<_> = found.iter().map(|(path, kind)| (path.as_str(), *kind)).collect();
            assert_eq!(
                found,
                [
                    ("a\n\u{fffd}", Kind::File),
                    ("b", Kind::File),
                    ("null", Kind::Device),
                    ("sub", Kind::Folder)
                ]
            );
        }
    }
}
