//! The paths that restic reports as failed. A file of these has its full length, its name, and a hole where its data was to be.
use std::collections::HashSet;
use std::fs::File;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, BufRead as _, BufReader, BufWriter, Seek as _, Write as _};
use std::path::Path;

use rustix::fs::{AtFlags, FileType, renameat, statat, unlinkat};
use rustix::io::Errno;

use super::compare::is_missing;
use super::listing::{Kind, Listing};
use super::tree::Tree;
use crate::engine::messages::{ItemError, Retry, retry};
use crate::engine::outcome::{KEPT_PROBLEMS, reason};
use crate::task::{Problem, Reason};

/// What is added to the name of a file that is not complete.
pub const INCOMPLETE: &str = ".hearth-incomplete";

/// What an error of a path means for its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    /// The comparison decides: the owner and mode may be right all the same.
    Compared,
    /// The data is complete, something else is not.
    Metadata,
    /// The data is not complete, or is not there.
    Data,
}

/// The failures of a restore. Paths are kept in a file: when a disk is full, every path may be here.
#[derive(Debug)]
pub struct Failures {
    file: BufWriter<File>,
    /// Hashes of the paths.
    seen: HashSet<u64>,
    failed: Option<io::Error>,
    /// The first paths.
    pub problems: Vec<Problem>,
    /// The volume is full.
    pub full: bool,
    /// Data could not be read from the repository.
    pub unread: bool,
    /// Paths of which only attributes are not complete.
    pub attributes: u64,
    /// Data could not be read, and nothing says that it is damaged.
    pub unproven: bool,
    /// The server does not answer, or refuses: why.
    pub outage: Option<Reason>,
    backend_error: Option<String>,
}

impl Failures {
    /// No failures, kept in a file without a name.
    pub fn new(temporary: &Path) -> io::Result<Self> {
        Ok(Self {
            file: BufWriter::new(tempfile::tempfile_in(temporary)?),
            seen: HashSet::new(),
            failed: None,
            problems: Vec::new(),
            full: false,
            unread: false,
            attributes: 0,
            unproven: false,
            outage: None,
            backend_error: None,
        })
    }

    /// Takes a line that is no message. When restic gives a pack up, it says so for each of its files, but no longer why.
    pub fn line(&mut self, line: &str) {
        if let Some(Retry::Again { error, .. }) = retry(line) {
            self.backend_error = Some(error.to_owned());
        }
    }

    /// Takes an error of restic.
    pub fn add(&mut self, error: &ItemError, pack: Option<&str>) {
        let message = match &self.backend_error {
            Some(cause) if error.error.message.contains("circuit breaker open") => {
                format!("{}: {cause}", error.error.message)
            }
            _ => error.error.message.clone(),
        };
        let message = message.as_str();
        let effect = effect(message);
        if effect == Effect::Compared {
            return;
        }
        let full = is_full(message);
        self.full |= full;
        let unread = effect == Effect::Data && pack.is_some();
        self.unread |= unread;
        if unread && let Some(reason) = reason(message).filter(|reason| *reason != Reason::DataDamaged) {
            self.unproven = true;
            // A server that sends one pack without its content answers all other requests.
            if !message.contains("unexpected EOF") {
                self.outage.get_or_insert(reason);
            }
        }
        let path = error.item.trim_start_matches('/');
        match (self.note(path, message, pack), effect) {
            (true, Effect::Data) => self.keep(path),
            (true, _) => self.attributes += 1,
            (false, _) => {}
        }
    }

    /// Takes a file whose data is not in the repository, so that restic did not touch it. `aside`: what is there under its name
    /// came from an earlier attempt.
    pub fn missing(&mut self, path: &str, aside: bool) {
        self.unread = true;
        if self.note(path, "its data is not in the repository", None) && aside {
            self.keep(path);
        }
    }

    /// Remembers a path to set aside.
    fn keep(&mut self, path: &str) {
        let written = serde_json::to_writer(&mut self.file, path).map_err(io::Error::from);
        if let Err(failed) = written.and_then(|()| self.file.write_all(b"\n")) {
            self.failed.get_or_insert(failed);
        }
    }

    /// Counts a path, and says whether it is new.
    fn note(&mut self, path: &str, message: &str, pack: Option<&str>) -> bool {
        let new = self.seen.insert(hash(path));
        if new && self.problems.len() < KEPT_PROBLEMS {
            self.problems.push(Problem {
                path: format!("/{path}"),
                message: message.chars().take(500).collect(),
                pack: pack.map(str::to_owned),
            });
        }
        new
    }

    /// Paths that failed.
    pub fn count(&self) -> u64 {
        u64::try_from(self.seen.len()).unwrap_or(u64::MAX)
    }

    /// Whether the path is one of them.
    pub fn knows(&self, path: &str) -> bool {
        self.seen.contains(&hash(path))
    }

    /// Renames the files that are not complete, with all their names, so that none of them looks complete.
    pub fn set_aside(&mut self, tree: &mut Tree, listing: &Listing) -> io::Result<()> {
        if let Some(failed) = self.failed.take() {
            return Err(failed);
        }
        self.file.flush()?;
        let mut file = self.file.get_ref().try_clone()?;
        file.rewind()?;
        let mut linked = HashSet::new();
        for line in BufReader::new(file).lines() {
            let path: String = serde_json::from_str(&line?)?;
            if let Some(inode) = set_aside(tree, &path)? {
                linked.insert(inode);
            }
        }
        if linked.is_empty() {
            return Ok(());
        }
        // restic reports one name of a file only.
        let mut result = Ok(());
        listing.each(&mut |entry| {
            if entry.kind != Kind::File || result.is_err() || self.knows(&entry.path) {
                return;
            }
            let same = tree
                .stat(&entry.path)
                .is_ok_and(|stat| linked.contains(&(stat.st_dev, stat.st_ino)));
            if same {
                self.note(&entry.path, "it is the same file as one that is not complete", None);
                result = set_aside(tree, &entry.path).map(drop);
            }
        })?;
        result
    }
}

/// Renames a file. The result is its inode, if it has more names.
fn set_aside(tree: &mut Tree, path: &str) -> io::Result<Option<(u64, u64)>> {
    let result = tree.at(path, |folder, name| {
        let stat = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Ok(None);
        }
        let mut aside = name.to_owned();
        aside.push(INCOMPLETE);
        match renameat(folder, name, folder, aside) {
            Err(Errno::NAMETOOLONG) => unlinkat(folder, name, AtFlags::empty())?,
            result => result?,
        }
        Ok((stat.st_nlink > 1).then_some((stat.st_dev, stat.st_ino)))
    });
    match result {
        Err(error) if is_missing(&error) => Ok(None),
        result => result,
    }
}

/// Removes files that an earlier attempt set aside: this attempt restores them, or sets them aside again.
pub fn clean(tree: &Tree) -> io::Result<()> {
    tree.walk(&mut |folder, name, stat| {
        let file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        if file && name.as_encoded_bytes().ends_with(INCOMPLETE.as_bytes()) {
            unlinkat(folder, name, AtFlags::empty())?;
        }
        Ok(())
    })
}

/// Whether an error says that the content of a file is not there.
pub fn is_of_data(message: &str) -> bool {
    effect(message) == Effect::Data
}

fn effect(message: &str) -> Effect {
    let starts = |words: &[&str]| words.iter().any(|words| message.starts_with(words));
    if starts(&["lchown ", "chmod "]) {
        Effect::Compared
    } else if starts(&["xattr.", "failed to restore timestamp"]) {
        Effect::Metadata
    } else {
        Effect::Data
    }
}

/// Whether an error says that the volume takes no more.
pub fn is_full(message: &str) -> bool {
    let words = ["no space left on device", "disk quota exceeded", "file too large"];
    words.iter().any(|words| message.contains(words))
}

fn hash(path: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::engine::messages::{ErrorText, Node};

    fn error(item: &str, message: &str) -> ItemError {
        ItemError {
            error: ErrorText {
                message: message.to_owned(),
            },
            during: "restore".to_owned(),
            item: item.to_owned(),
            message: String::new(),
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_with_a_hole_loses_all_its_names() {
        let folder = tempfile::tempdir().unwrap();
        let mut listing = Listing::new("/data", folder.path()).unwrap();
        let volume = folder.path().join("volume");
        fs::create_dir_all(volume.join("sub")).unwrap();
        let long = "x".repeat(250);
        for name in ["a", "good", "sub/owner", &long] {
            fs::write(volume.join(name), name).unwrap();
        }
        fs::hard_link(volume.join("a"), volume.join("sub/hard")).unwrap();
        for name in ["a", "good", "sub", "sub/hard", "sub/owner"] {
            listing.add(&Node {
                kind: if name == "sub" { "dir" } else { "file" }.to_owned(),
                path: format!("/data/{name}"),
                ..Node::default()
            });
        }
        listing.finish().unwrap();
        let mut failures = Failures::new(folder.path()).unwrap();
        let damaged = "decrypting blob <data/a5449266> from 6b9a5a5a failed: ciphertext verification failed";
        failures.add(&error("/a", damaged), Some("6b9a5a5a"));
        failures.add(&error("/a", damaged), Some("6b9a5a5a"));
        failures.add(&error("/never-made", damaged), Some("6b9a5a5a"));
        failures.add(&error(&format!("/{long}"), "write: no space left on device"), None);
        failures.add(
            &error("/sub/owner", "lchown /x/sub/owner: operation not permitted"),
            None,
        );
        failures.add(
            &error("/good", "xattr.LSet /x/good user.a: operation not supported"),
            None,
        );
        let mut tree = Tree::open(&volume).unwrap();
        failures.set_aside(&mut tree, &listing).unwrap();
        assert_eq!(names(&volume), ["a.hearth-incomplete", "good", "sub"]);
        assert_eq!(names(&volume.join("sub")), ["hard.hearth-incomplete", "owner"]);
        let paths: Vec<&str> = failures.problems.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(paths, ["/a", "/never-made", &format!("/{long}"), "/good", "/sub/hard"]);
        assert!(failures.full && failures.unread && failures.knows("sub/hard") && !failures.knows("sub/owner"));
        clean(&tree).unwrap();
        assert_eq!(names(&volume), ["good", "sub"]);
    }

    #[test]
    fn a_pack_that_was_given_up_is_reported_with_the_cause() {
        let folder = tempfile::tempdir().unwrap();
        let mut failures = Failures::new(folder.path()).unwrap();
        failures.line("Load(<data/f24bd37d45>, 0, 0) returned error, retrying after 1s: unexpected EOF");
        let given_up = "ReadFull(<data/f24bd37d45>): circuit breaker open for file <data/f24bd37d45>";
        failures.add(&error("/a", given_up), Some("f24bd37d45"));
        assert!(
            failures.problems[0]
                .message
                .ends_with("<data/f24bd37d45>: unexpected EOF")
        );
        assert!(failures.unproven && failures.outage.is_none());
        failures.line(
            "Load(<data/f24bd37d45>, 0, 0) returned error, retrying after 1s: dial tcp 127.0.0.1:1: connection refused",
        );
        failures.add(&error("/b", given_up), Some("f24bd37d45"));
        assert_eq!(failures.outage, Some(Reason::Unreachable));
    }

    #[test]
    fn a_link_in_the_way_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let volume = folder.path().join("volume");
        fs::create_dir(&volume).unwrap();
        fs::write(folder.path().join("outside"), "x").unwrap();
        std::os::unix::fs::symlink("../outside", volume.join("a")).unwrap();
        std::os::unix::fs::symlink("..", volume.join("up")).unwrap();
        let listing = Listing::new("/data", folder.path()).unwrap();
        let mut failures = Failures::new(folder.path()).unwrap();
        failures.add(&error("/a", "some error"), None);
        failures.add(&error("/up/outside", "some error"), None);
        let mut tree = Tree::open(&volume).unwrap();
        failures.set_aside(&mut tree, &listing).unwrap();
        assert_eq!(names(&volume), ["a", "up"]);
        assert!(folder.path().join("outside").exists());
    }
}
