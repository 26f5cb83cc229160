//! JSON schemas for kubeconform: those of Kubernetes' own resources from its specification, ours from their CRDs.
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use hearth_cluster::workspace;
use serde_json::{Map, Value, json};

use super::{members, output};

/// The `apiVersion` and `kind` of each object in a file.
pub(super) fn kinds_of(manifests: &str) -> BTreeSet<(String, String)> {
    let field = |document: &str, name: &str| {
        document
            .lines()
            .find_map(|line| Some(line.strip_prefix(name)?.trim().trim_matches('"').to_owned()))
    };
    let documents = manifests.split("\n---");
    documents
        .filter_map(|document| Some((field(document, "apiVersion:")?, field(document, "kind:")?)))
        .collect()
}

/// Schemas of those resources that are Kubernetes' own.
pub(super) fn kubernetes_schemas(kinds: &BTreeSet<(String, String)>, target: &Path) -> Result<()> {
    let module = workspace::root().join("hack/tools/kubernetes");
    let go = |args: &[&str]| {
        output(
            Command::new("go")
                .args(args)
                .arg("k8s.io/kubernetes")
                .current_dir(&module),
        )
    };
    go(&["mod", "download"])?;
    let specs = PathBuf::from(go(&["list", "-m", "-f", "{{.Dir}}"])?.trim()).join("api/openapi-spec/v3");
    for (api_version, kind) in kinds {
        let (prefix, group) = api_version
            .split_once('/')
            .map_or(("api", ""), |(group, _)| ("apis", group));
        let Ok(text) = fs::read(specs.join(format!("{prefix}__{}_openapi.json", api_version.replace('/', "__"))))
        else {
            continue; // of another project
        };
        let mut spec: Value = serde_json::from_slice(&text)?;
        let mut components = spec["components"].take();
        let version = api_version.rsplit('/').next().unwrap_or_default();
        let identity = json!({"group": group, "version": version, "kind": kind});
        let schemas = components["schemas"]
            .as_object()
            .context("a specification without schemas")?;
        let is_it =
            |schema: &Value| members(&schema["x-kubernetes-group-version-kind"]).any(|other| *other == identity);
        let (name, _) = schemas
            .iter()
            .find(|(_, s)| is_it(s))
            .with_context(|| format!("{api_version} has no {kind}"))?;
        let reference = format!("#/components/schemas/{name}");
        close(&mut components);
        write_schema(
            target,
            api_version,
            kind,
            &json!({"$ref": reference, "components": components}),
        )?;
    }
    Ok(())
}

/// Schemas of one of our CRDs, one for each version.
pub(super) fn crd_schemas(crd: &Value, target: &Path) -> Result<()> {
    let part = |value: &Value| value.as_str().map(str::to_owned).context("the CRD lacks a name");
    let (group, kind) = (part(&crd["spec"]["group"])?, part(&crd["spec"]["names"]["kind"])?);
    for version in members(&crd["spec"]["versions"]) {
        let mut schema = version["schema"]["openAPIV3Schema"].clone();
        close(&mut schema);
        // Every object has these; a CRD does not list them.
        for field in ["apiVersion", "kind", "metadata"] {
            schema["properties"][field] = json!({});
        }
        write_schema(target, &format!("{group}/{}", part(&version["name"])?), &kind, &schema)?;
    }
    Ok(())
}

/// Writes a schema to the path where kubeconform reads it: the core group's folder has the name of its version.
fn write_schema(target: &Path, api_version: &str, kind: &str, schema: &Value) -> Result<()> {
    let (folder, version) = api_version.split_once('/').unwrap_or((api_version, api_version));
    fs::create_dir_all(target.join(folder))?;
    let file = target
        .join(folder)
        .join(format!("{}_{version}.json", kind.to_lowercase()));
    Ok(fs::write(file, serde_json::to_string(schema)?)?)
}

/// Makes a schema of Kubernetes a JSON schema that accepts no unknown field: the API server drops those silently.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            let open = fields.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
            if is_schema_with_properties(fields) && !open {
                fields.entry("additionalProperties").or_insert(false.into());
            }
            if fields.get("nullable") == Some(&Value::Bool(true)) && fields.get("type").is_some_and(Value::is_string) {
                let own = fields["type"].take();
                fields["type"] = json!([own, "null"]);
            }
            fields.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

/// A schema, and not an object's field that is called `properties`.
fn is_schema_with_properties(fields: &Map<String, Value>) -> bool {
    fields.get("properties").is_some_and(Value::is_object) && fields.get("type").is_none_or(Value::is_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_schema_keeps_open_what_preserves_unknown_fields() {
        let mut schema = json!({"type": "object", "properties": {
            "a": {"type": "object", "properties": {}, "x-kubernetes-preserve-unknown-fields": true},
            "b": {"type": "string", "nullable": true}}});
        close(&mut schema);
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["properties"]["a"].get("additionalProperties"), None);
        assert_eq!(schema["properties"]["b"]["type"], json!(["string", "null"]));
    }
}
