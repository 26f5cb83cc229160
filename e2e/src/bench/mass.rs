//! Making many objects on an API server that sheds some requests when it is loaded.
use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use anyhow::Result;
use kube::Api;
use kube::api::{ListParams, PostParams};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Requests under way at once.
pub(crate) const PARALLEL: usize = 48;
/// Times that a request is tried.
const TRIES: u32 = 6;

/// Creates an object, for a field manager of this name.
pub(crate) async fn create<K>(api: &Api<K>, object: &Value, manager: &str) -> Result<()>
where
    K: Clone + DeserializeOwned + Serialize + Debug,
{
    let body: K = serde_json::from_value(object.clone())?;
    let parameters = PostParams {
        field_manager: Some(manager.to_owned()),
        ..PostParams::default()
    };
    again(|| async {
        match api.create(&parameters, &body).await {
            Ok(_) => Ok(()),
            // An earlier try whose answer was lost.
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            Err(error) => Err(error.into()),
        }
    })
    .await
}

/// The names of what is there.
pub(crate) async fn names<K>(api: &Api<K>, which: &ListParams) -> Result<Vec<String>>
where
    K: Clone + DeserializeOwned + Debug,
{
    let all = api.list_metadata(which).await?;
    Ok(all.into_iter().filter_map(|one| one.metadata.name).collect())
}

/// Tries a few times.
pub(crate) async fn again<F, Fut>(mut work: F) -> Result<()>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<()>>,
{
    for attempt in 1..TRIES {
        if work().await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(200 << attempt)).await;
    }
    work().await
}
