//! Which kinds the API server has, asked for when they are needed.
use std::collections::HashMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResourceList;

use super::calls::{Calls, Refusal};
use super::group_of;
use crate::export::Kind;

/// The kinds of groups and versions that were asked for.
#[derive(Debug, Default)]
pub(super) struct Served {
    known: HashMap<String, Vec<Kind>>,
}

impl Served {
    /// A kind, in exactly this version; none if it is not served. Another version may mean other fields, so none is chosen instead.
    pub(super) async fn find(
        &mut self,
        calls: &Calls<'_>,
        api_version: &str,
        kind: &str,
    ) -> Result<Option<Kind>, Refusal> {
        if !self.known.contains_key(api_version) {
            let root = if group_of(api_version).is_empty() {
                "api"
            } else {
                "apis"
            };
            let answer = calls.get(&format!("/{root}/{api_version}")).await?;
            let list: Option<APIResourceList> = answer.and_then(|answer| serde_json::from_value(answer).ok());
            let kinds = list.map_or_else(Vec::new, |list| kinds(api_version, list));
            self.known.insert(api_version.to_owned(), kinds);
        }
        let mut known = self.known.get(api_version).into_iter().flatten();
        Ok(known.find(|known| known.kind == kind).cloned())
    }

    /// Kinds may have come: what was not there is asked for again.
    pub(super) fn refresh(&mut self) {
        self.known.clear();
    }
}

fn kinds(api_version: &str, list: APIResourceList) -> Vec<Kind> {
    let version = api_version.rsplit('/').next().unwrap_or_default();
    // `pods/log` is a part of a kind.
    let whole = list
        .resources
        .into_iter()
        .filter(|resource| !resource.name.contains('/'));
    let creatable = whole.filter(|resource| resource.verbs.iter().any(|verb| verb == "create"));
    let kind = creatable.map(|resource| Kind {
        group: group_of(api_version).to_owned(),
        version: version.to_owned(),
        plural: resource.name,
        kind: resource.kind,
        namespaced: resource.namespaced,
    });
    kind.collect()
}
