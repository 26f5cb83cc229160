//! JSON schemas: of Kubernetes' own resources, from its specification, for kubeconform; of ours, from their CRDs, for kubeconform
//! and for editors.
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

/// Schemas of one of our CRDs with their paths, one for each version.
pub(super) fn crd_schemas(crd: &Value) -> Result<Vec<(PathBuf, Value)>> {
    let part = |value: &Value| value.as_str().map(str::to_owned).context("the CRD lacks a name");
    let (group, kind) = (part(&crd["spec"]["group"])?, part(&crd["spec"]["names"]["kind"])?);
    let mut schemas = Vec::new();
    for version in members(&crd["spec"]["versions"]) {
        let api_version = format!("{group}/{}", part(&version["name"])?);
        let mut schema = version["schema"]["openAPIV3Schema"].clone();
        close(&mut schema);
        strip(&mut schema);
        // Every object has these; a CRD does not list them.
        schema["properties"]["apiVersion"] = json!({"type": "string", "enum": [api_version]});
        schema["properties"]["kind"] = json!({"type": "string", "enum": [kind]});
        schema["properties"]["metadata"] = json!({"type": "object"});
        schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
        schemas.push((schema_path(&api_version, &kind), schema));
    }
    Ok(schemas)
}

/// Removes what only the API server understands.
fn strip(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.retain(|name, _| !name.starts_with("x-kubernetes-"));
            fields.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

fn write_schema(target: &Path, api_version: &str, kind: &str, schema: &Value) -> Result<()> {
    let file = target.join(schema_path(api_version, kind));
    fs::create_dir_all(file.parent().context("a schema without a folder")?)?;
    Ok(fs::write(file, serde_json::to_string(schema)?)?)
}

/// Where kubeconform and the public catalogs look for a schema: the core group's folder has the name of its version.
fn schema_path(api_version: &str, kind: &str) -> PathBuf {
    let (folder, version) = api_version.split_once('/').unwrap_or((api_version, api_version));
    Path::new(folder).join(format!("{}_{version}.json", kind.to_lowercase()))
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

    #[test]
    fn a_schema_for_editors_knows_its_kind_and_nothing_of_the_api_server() {
        let root = json!({"type": "object", "properties": {
            "spec": {"type": "object", "properties": {}, "x-kubernetes-validations": [{"rule": "true"}]}}});
        let crd = json!({"spec": {
            "group": "x.example.org",
            "names": {"kind": "Thing"},
            "versions": [{"name": "v1", "schema": {"openAPIV3Schema": root}}]}});
        let schemas = crd_schemas(&crd).unwrap();
        let [(path, schema)] = &schemas[..] else {
            panic!("{schemas:?}")
        };
        assert_eq!(path, Path::new("x.example.org/thing_v1.json"));
        assert_eq!(schema["properties"]["apiVersion"]["enum"], json!(["x.example.org/v1"]));
        assert_eq!(schema["properties"]["kind"]["enum"], json!(["Thing"]));
        assert_eq!(schema["properties"]["spec"]["additionalProperties"], false);
        assert!(!schema.to_string().contains("x-kubernetes"), "{schema}");
    }
}
