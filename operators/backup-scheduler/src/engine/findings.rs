//! What a check of restic found. Pure.
use std::collections::{BTreeMap, BTreeSet};

use super::messages::{Message, is_hex};
use super::outcome::reason;
use crate::task::Reason;

/// So many packs, blobs and folders are kept; the others are only counted.
const KEPT: usize = 2000;
/// The digits of an id.
const ID: usize = 64;

/// What is wrong with a pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pack {
    /// It is not there.
    Missing,
    /// Its size is not the one in the index.
    Truncated,
    /// Its content is not what was written. The blobs that cannot be read, as far as they are known.
    Damaged(Vec<String>),
}

/// What the lines of a check say. The memory does not grow with their number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Packs by their full ids.
    pub packs: BTreeMap<String, Pack>,
    /// The short ids of folders that cannot be read.
    pub trees: BTreeSet<String>,
    /// Whether snapshots need data that is not in the index.
    pub incomplete: bool,
    /// The first damage that is of no pack and no folder: of the index, or of a snapshot.
    pub other: Option<String>,
    /// The first error that says nothing of the data: it could not be read.
    pub unread: Option<String>,
    /// The packs that could not be read.
    unread_packs: BTreeSet<String>,
    /// The folder that the next lines are about.
    tree: String,
    blobs: usize,
}

impl Findings {
    /// Takes a line.
    pub fn read(&mut self, line: &str, message: Option<&Message>) {
        match message {
            Some(Message::Error(error)) if !error.message.is_empty() => self.error(&error.message),
            Some(Message::Summary(summary)) => {
                for pack in summary.broken_packs.iter().flatten() {
                    if !self.unread_packs.contains(pack) && is_hex(pack) {
                        self.pack(pack, Pack::Damaged(Vec::new()));
                    }
                }
            }
            // One that is too long to be read as JSON.
            None => {
                if let Some(text) = line.strip_prefix(r#"{"message_type":"error","message":""#) {
                    self.error(text);
                }
            }
            _ => {}
        }
    }

    fn error(&mut self, text: &str) {
        // Each ends with a line break.
        let text = text.trim_end();
        if let Some((pack, what)) = pack_error(text) {
            self.pack_error(pack, what, text);
        } else if let Some(text) = text.strip_prefix("  ") {
            self.tree_error(text);
        } else if let Some(tree) = text.strip_prefix("error for tree ") {
            tree.trim_end_matches(':').clone_into(&mut self.tree);
        } else if is_advice(text) {
            // It comes after what it is about.
        } else if text.starts_with("check successful on second attempt") {
            // What is in the repository is right.
        } else if text.starts_with("download error: ") {
            // What is missing or too short was found in the list of packs.
            if reason(text) != Some(Reason::DataDamaged) {
                self.not_read(text);
            }
        } else if is_outage(text) {
            self.not_read(text);
        } else {
            self.other.get_or_insert_with(|| text.trim().to_owned());
        }
    }

    fn pack_error(&mut self, id: &str, what: &str, text: &str) {
        if what.starts_with(" contains 1 errors: [partial download error: ") {
            self.unread_packs.insert(id.to_owned());
            self.not_read(text);
        } else if what == ": does not exist" {
            self.pack(id, Pack::Missing);
        } else if what.starts_with(": unexpected file size") {
            self.pack(id, Pack::Truncated);
        } else {
            let mut found = Vec::new();
            for (_, rest) in what
                .match_indices("blob ")
                .map(|(at, word)| what.split_at(at + word.len()))
            {
                if self.blobs < KEPT && rest.get(ID..=ID) == Some(":") && is_hex(&rest[..ID]) {
                    found.push(rest[..ID].to_owned());
                    self.blobs += 1;
                }
            }
            self.pack(id, Pack::Damaged(found));
        }
    }

    /// The first finding counts, apart from one that knows more.
    fn pack(&mut self, id: &str, what: Pack) {
        match self.packs.get_mut(id) {
            Some(Pack::Damaged(blobs)) if blobs.is_empty() => {
                if let Pack::Damaged(found) = what {
                    *blobs = found;
                }
            }
            Some(_) => {}
            None => {
                if self.packs.len() < KEPT {
                    self.packs.insert(id.to_owned(), what);
                }
            }
        }
    }

    fn tree_error(&mut self, text: &str) {
        // `tree 01…: file "a" blob 02… not found in index`, and of a folder `id 01… not found in repository`.
        if text.ends_with("not found in index") || text.ends_with("not found in repository") {
            self.incomplete = true;
        } else if is_outage(text) {
            self.not_read(text);
        } else if self.trees.len() < KEPT && self.tree.len() == 8 && is_hex(&self.tree) {
            self.trees.insert(self.tree.clone());
        } else {
            self.other.get_or_insert_with(|| text.trim().to_owned());
        }
    }

    fn not_read(&mut self, text: &str) {
        self.unread.get_or_insert_with(|| text.trim().to_owned());
    }

    /// Whether anything was found.
    pub fn any(&self) -> bool {
        self.damage() || self.incomplete || self.unread.is_some()
    }

    /// Whether something is damaged. Data that is not in the index is not among it.
    pub fn damage(&self) -> bool {
        !self.packs.is_empty() || !self.trees.is_empty() || self.other.is_some()
    }

    /// What a second look found, too. A check takes no lock: what is removed or written meanwhile looks like damage once.
    #[must_use]
    pub fn confirmed(&self, mut second: Self) -> Self {
        second.packs.retain(|id, _| self.packs.contains_key(id));
        second.trees.retain(|id| self.trees.contains(id));
        second.incomplete &= self.incomplete;
        second.other = second.other.filter(|_| self.other.is_some());
        second
    }
}

/// The id of the pack that an error begins with, and the rest: `pack 01…: does not exist`.
fn pack_error(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix("pack ")?;
    let id = rest.get(..ID)?;
    is_hex(id).then(|| (id, &rest[ID..]))
}

/// Whether a text is advice of restic at the end.
fn is_advice(text: &str) -> bool {
    let starts = ["\n", "\\n", "restic repair packs ", "Damaged pack files can be "];
    starts.iter().any(|start| text.starts_with(start))
}

/// Whether an error says that the server did not answer, or refused.
fn is_outage(text: &str) -> bool {
    text.contains("context canceled")
        || reason(text).is_some_and(|reason| reason != Reason::DataDamaged && reason != Reason::SnapshotMissing)
}

#[cfg(test)]
mod tests;
