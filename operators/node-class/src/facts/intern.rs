//! Texts that many nodes have in common: keys of labels, and most of their values. Each is kept once.
use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use litemap::LiteMap;
use parking_lot::Mutex;

/// A text that may be shared. Clones are cheap.
pub type Text = Arc<str>;

/// Labels or annotations, sorted by key: a fifth of what a `BTreeMap<String, String>` takes.
pub type Texts = LiteMap<Text, Text>;

#[derive(Default)]
struct Pool {
    known: HashSet<Text>,
    /// Unused texts are dropped when there are so many.
    tidy_at: usize,
}

/// Fewer are not worth dropping.
const LEAST: usize = 1024;

impl Pool {
    fn get(&mut self, text: &str) -> Text {
        if let Some(known) = self.known.get(text) {
            return Arc::clone(known);
        }
        if self.known.len() >= self.tidy_at.max(LEAST) {
            self.known.retain(|text| Arc::strong_count(text) > 1);
            self.tidy_at = self.known.len() * 2;
        }
        let text = Text::from(text);
        self.known.insert(Arc::clone(&text));
        text
    }
}

static POOL: LazyLock<Mutex<Pool>> = LazyLock::new(Mutex::default);

/// The same text, shared with all who ask for it.
pub fn intern(text: &str) -> Text {
    POOL.lock().get(text)
}

pub fn texts<'a>(of: impl IntoIterator<Item = (&'a String, &'a String)>) -> Texts {
    let texts: Vec<(Text, Text)> = of
        .into_iter()
        .map(|(key, value)| (intern(key), intern(value)))
        .collect();
    let mut exact = Texts::with_capacity(texts.len());
    exact.extend(texts);
    exact
}

#[cfg(test)]
mod tests;
