//! Where a repository is, a bucket or a folder, seen without restic.
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::volume;
use crate::engine::command::Settings;
use crate::engine::outcome::Failure;
use crate::s3::{self, Client, object_key};
use crate::task::{self, Reason};

/// The longest list of objects, in pages of 500: a repository of 400 TB.
const MOST_PAGES: usize = 100_000;
/// More names in a folder are a failure.
const MOST_NAMES: usize = 100_000;
/// A snapshot that is not there: no content has this id.
const NO_SNAPSHOT: &str = "snapshots/0000000000000000000000000000000000000000000000000000000000000000";

/// The place of a repository.
#[derive(Debug)]
pub enum Storage {
    /// Below a prefix of a bucket.
    Bucket(Box<Client>, String),
    /// A folder.
    Folder(PathBuf),
}

impl Storage {
    /// The storage of a repository. It makes no call.
    pub fn new(settings: &Settings) -> Result<Self, Failure> {
        let location = &settings.repository.location;
        let Some(url) = location.strip_prefix("s3:") else {
            return Ok(Self::Folder(location.strip_prefix("local:").unwrap_or(location).into()));
        };
        let wrong = |what: &str| Failure::new(Reason::Internal, &format!("the location {location}: {what}"));
        let (endpoint, bucket, prefix) = parts(url).ok_or_else(|| wrong("it has no bucket"))?;
        let keys = settings
            .credentials
            .as_ref()
            .ok_or_else(|| wrong("there is no key for it"))?;
        let ca = settings
            .own_ca
            .then(|| fs::read(settings.folder.join(task::CA)))
            .transpose();
        let client = Client::new(&s3::Settings {
            endpoint: endpoint.to_owned(),
            bucket: bucket.to_owned(),
            region: settings.repository.region.clone(),
            path_style: settings.repository.path_style.then_some(true),
            ca: ca.map_err(|failed| wrong(&format!("the certificates cannot be read: {failed}")))?,
            credentials: s3::Credentials::new(
                &keys.access_key_id,
                &keys.secret_access_key,
                keys.session_token.as_deref(),
            ),
        });
        let client = client.map_err(|message| wrong(&message))?;
        Ok(Self::Bucket(Box::new(client), prefix.to_owned()))
    }

    /// The bytes in it.
    pub async fn bytes(&self) -> Result<u64, Failure> {
        let (client, prefix) = match self {
            Self::Bucket(client, prefix) => (client, object_key(prefix, "")),
            Self::Folder(folder) => return Ok(volume::bytes(folder)),
        };
        let (mut bytes, mut token) = (0_u64, None);
        for _ in 0..MOST_PAGES {
            let page = client.list_page(&prefix, token.as_deref()).await.map_err(failure)?;
            let sizes = page.objects.iter().map(|object| object.size);
            bytes = sizes.fold(bytes, u64::saturating_add);
            if page.next.is_none() {
                return Ok(bytes);
            }
            token = page.next;
        }
        Err(Failure::new(Reason::Internal, "the list of objects does not end"))
    }

    /// Writes an object or a file of this name, with folders as they are needed.
    pub async fn write(&self, name: &str, text: Vec<u8>) -> Result<(), Failure> {
        match self {
            Self::Bucket(client, prefix) => client.put(&object_key(prefix, name), text).await.map_err(failure),
            Self::Folder(folder) => {
                let file = folder.join(name);
                let made = file.parent().map_or(Ok(()), fs::create_dir_all);
                made.and_then(|()| fs::write(&file, text))
                    .map_err(|failed| unusable(&file, &failed))
            }
        }
    }

    /// The object or file of this name, if there is one; at most 1 MiB.
    pub async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        match self {
            Self::Bucket(client, prefix) => {
                let found = client.get(&object_key(prefix, name)).await.map_err(failure)?;
                Ok(found.map(|text| text.to_vec()))
            }
            Self::Folder(folder) => match fs::read(folder.join(name)) {
                Ok(text) => Ok(Some(text)),
                Err(failed) if failed.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(failed) => Err(unusable(&folder.join(name), &failed)),
            },
        }
    }

    /// The names below a folder, without it.
    pub async fn names(&self, folder: &str) -> Result<Vec<String>, Failure> {
        match self {
            Self::Bucket(client, prefix) => {
                let folder = object_key(prefix, &format!("{folder}/"));
                let found = client.list(&folder, MOST_NAMES).await.map_err(failure)?;
                Ok(found
                    .iter()
                    .map(|object| object.key[folder.len()..].to_owned())
                    .collect())
            }
            Self::Folder(place) => {
                let entries = match fs::read_dir(place.join(folder)) {
                    Ok(entries) => entries,
                    Err(failed) if failed.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                    Err(failed) => return Err(unusable(&place.join(folder), &failed)),
                };
                let names = entries
                    .filter_map(Result::ok)
                    .map(|entry| entry.file_name().to_string_lossy().into_owned());
                Ok(names.collect())
            }
        }
    }

    /// Fails if snapshots may not be deleted. It deletes one that is not there. Without this, a call of restic that needs the
    /// repository for itself would leave a lock that nobody can remove, and that holds up every backup from then on.
    pub async fn may_delete(&self) -> Result<(), Failure> {
        match self {
            Self::Bucket(client, prefix) => {
                let deleted = client.delete(&object_key(prefix, NO_SNAPSHOT)).await;
                deleted.map_err(failure)
            }
            Self::Folder(_) => Ok(()),
        }
    }
}

fn unusable(file: &Path, failed: &io::Error) -> Failure {
    let text = format!("{} cannot be used: {failed}", file.display());
    Failure::new(Reason::AccessDenied, &text)
}

/// Endpoint, bucket and prefix of `https://host:1/bucket/prefix`.
fn parts(url: &str) -> Option<(&str, &str, &str)> {
    let host = url.find("://")? + 3;
    let bucket = host + url.get(host..)?.find('/')?;
    let (endpoint, path) = (&url[..bucket], url[bucket + 1..].trim_end_matches('/'));
    let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
    (!bucket.is_empty()).then_some((endpoint, bucket, prefix))
}

/// A failed call, as movers report it.
pub fn failure(failed: s3::Failure) -> Failure {
    let reason = match failed.reason {
        s3::Reason::AccessDenied => Reason::AccessDenied,
        s3::Reason::QuotaExceeded => Reason::QuotaExceeded,
        s3::Reason::ClockSkew => Reason::ClockSkew,
        s3::Reason::BucketMissing => Reason::BucketMissing,
        s3::Reason::UnknownIssuer => Reason::UnknownIssuer,
        s3::Reason::Unreachable | s3::Reason::Conflict => Reason::Unreachable,
        s3::Reason::WrongRegion | s3::Reason::NotImplemented | s3::Reason::BadAnswer => Reason::Internal,
    };
    Failure {
        message: failed.message,
        ..Failure::new(reason, "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_has_an_endpoint_a_bucket_and_perhaps_a_prefix() {
        let cases = [
            (
                "https://s3.example.com/home/a/b",
                Some(("https://s3.example.com", "home", "a/b")),
            ),
            (
                "http://127.0.0.1:7070/home/",
                Some(("http://127.0.0.1:7070", "home", "")),
            ),
            ("https://s3.example.com/", None),
            ("https://s3.example.com", None),
            ("s3.example.com/home", None),
            ("", None),
        ];
        for (url, expected) in cases {
            assert_eq!(parts(url), expected, "{url}");
        }
    }
}
