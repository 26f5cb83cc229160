//! Who makes an object from a source of its own: Flux, Helm or Argo CD. Such an object comes back by itself, and two that write it
//! would undo each other's changes.
use serde_json::Value;

use super::text_at;

/// What Flux's controllers write on objects: `kustomize.toolkit.fluxcd.io/name` and so on, as labels.
const FLUX: [&str; 2] = ["kustomize.toolkit.fluxcd.io/", "helm.toolkit.fluxcd.io/"];
/// What Argo CD writes on objects, depending on its settings. `app.kubernetes.io/instance`, which is its default too, says nothing:
/// charts set it as well.
const ARGO_CD: [&str; 2] = [
    "/metadata/annotations/argocd.argoproj.io~1tracking-id",
    "/metadata/labels/argocd.argoproj.io~1instance",
];

/// A tool that makes objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Manager {
    /// Flux.
    Flux,
    /// Helm.
    Helm,
    /// Argo CD.
    ArgoCd,
}

impl Manager {
    /// As results have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Flux => "Flux",
            Self::Helm => "Helm",
            Self::ArgoCd => "ArgoCD",
        }
    }
}

/// The tool that makes an object. Flux installs charts too, so it comes first.
pub fn manager(object: &Value) -> Option<Manager> {
    let labels = object.pointer("/metadata/labels").and_then(Value::as_object);
    let is_flux = |key: &String| FLUX.iter().any(|prefix| key.starts_with(prefix));
    if labels.is_some_and(|labels| labels.keys().any(is_flux)) {
        return Some(Manager::Flux);
    }
    if ARGO_CD.iter().any(|pointer| !text_at(object, pointer).is_empty()) {
        return Some(Manager::ArgoCd);
    }
    let of_release = text_at(object, "/metadata/labels/app.kubernetes.io~1managed-by") == "Helm"
        && !text_at(object, "/metadata/annotations/meta.helm.sh~1release-name").is_empty();
    // Helm's own record of a release goes with its objects: a record without them makes an upgrade fail.
    let is_record = text_at(object, "/type") == "helm.sh/release.v1"
        || text_at(object, "/metadata/labels/owner") == "helm"
            && text_at(object, "/metadata/name").starts_with("sh.helm.release.");
    (of_release || is_record).then_some(Manager::Helm)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_of_flux_helm_and_argo_cd_are_known_by_their_marks() {
        let helm = json!({"app.kubernetes.io/managed-by": "Helm"});
        let release = json!({"meta.helm.sh/release-name": "web"});
        let table = [
            (
                json!({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}),
                Some(Manager::Flux),
            ),
            (
                json!({"labels": {"helm.toolkit.fluxcd.io/name": "web", "app.kubernetes.io/managed-by": "Helm"}, "annotations": release}),
                Some(Manager::Flux),
            ),
            (json!({"labels": helm, "annotations": release}), Some(Manager::Helm)),
            (json!({"labels": helm}), None),
            (json!({"annotations": release}), None),
            (
                json!({"name": "sh.helm.release.v1.web.v3", "labels": {"owner": "helm"}}),
                Some(Manager::Helm),
            ),
            (
                json!({"annotations": {"argocd.argoproj.io/tracking-id": "apps:apps/Deployment:home/web"}}),
                Some(Manager::ArgoCd),
            ),
            (
                json!({"labels": {"argocd.argoproj.io/instance": "apps"}}),
                Some(Manager::ArgoCd),
            ),
            (json!({"labels": {"app.kubernetes.io/instance": "apps"}}), None),
            (json!({"labels": {"owner": "helm"}}), None),
            (json!({"labels": 7}), None),
        ];
        for (metadata, expected) in table {
            let object = json!({"metadata": metadata});
            assert_eq!(manager(&object), expected, "{object}");
        }
        let record = json!({"type": "helm.sh/release.v1", "metadata": {"name": "a"}});
        assert_eq!(manager(&record), Some(Manager::Helm));
    }
}
