//! Pages of `ListObjectsV2`.
use super::xml::{self, Malformed};

/// An object in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its key.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// Its objects. A page may be empty although others follow.
    pub objects: Vec<Object>,
    /// What to ask the next page with. None: this is the last one.
    pub next: Option<String>,
}

/// Reads a page. Each object must have a key under `prefix` and a size, and a page that is not the last one a token: else
/// objects would be missing in a list that looks complete.
pub(super) fn parse(document: &[u8], prefix: &str) -> Result<Page, Malformed> {
    let mut page = Page::default();
    let (mut is_list, mut sound) = (false, true);
    let mut truncated = None;
    let (mut key, mut size) = (None, None);
    xml::read(document, |path, text| match path {
        "ListBucketResult" => is_list = true,
        "ListBucketResult/IsTruncated" => truncated = text.trim().parse::<bool>().ok(),
        "ListBucketResult/NextContinuationToken" => page.next = Some(text.to_owned()),
        "ListBucketResult/Contents/Key" => key = Some(text.to_owned()),
        "ListBucketResult/Contents/Size" => size = text.trim().parse().ok(),
        "ListBucketResult/Contents" => match (key.take(), size.take()) {
            (Some(key), Some(size)) if key.starts_with(prefix) => page.objects.push(Object { key, size }),
            _ => sound = false,
        },
        _ => {}
    })?;
    match truncated {
        Some(true) => sound &= page.next.as_ref().is_some_and(|token| !token.is_empty()),
        Some(false) => page.next = None,
        None => sound = false,
    }
    if is_list && sound { Ok(page) } else { Err(Malformed) }
}

#[cfg(test)]
#[path = "list/tests.rs"]
mod tests;
