use std::{env, fs, path::Path};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Value, json};

/// Compares a CRD with its committed file and panics if the file is stale or the CRD has [`problems`]. With
/// `HEARTH_UPDATE=1` the file is written instead.
pub fn assert_crd(path: impl AsRef<Path>, crd: &CustomResourceDefinition) {
    let path = path.as_ref();
    let problems = problems(crd);
    assert!(problems.is_empty(), "{}: {problems:#?}", path.display());
    let yaml = yaml(crd);
    if env::var_os("HEARTH_UPDATE").is_some_and(|v| v == "1") {
        if fs::read_to_string(path).ok().as_deref() != Some(&yaml) {
            fs::write(path, &yaml).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        }
        return;
    }
    let file = fs::read_to_string(path).unwrap_or_default();
    let line = yaml.lines().zip(file.lines()).position(|(new, old)| new != old);
    let line = line.unwrap_or_else(|| yaml.lines().count().min(file.lines().count())) + 1;
    assert!(
        file == yaml,
        "{} is stale from line {line} on; run `cargo xtask generate` (or this test with HEARTH_UPDATE=1)",
        path.display()
    );
}

/// [`assert_crd`] for all CRDs of an operator: the files are `<name>.yaml` in this folder.
pub fn assert_crds(folder: impl AsRef<Path>, crds: &[CustomResourceDefinition]) {
    for crd in crds {
        let name = crd.metadata.name.as_deref().unwrap_or_default();
        assert_crd(folder.as_ref().join(format!("{name}.yaml")), crd);
    }
}

/// What must not be in a CRD of ours; empty means fine. [`assert_crd`] checks it.
pub fn problems(crd: &CustomResourceDefinition) -> Vec<String> {
    let (crd, mut found) = (json!(crd), Vec::new());
    for version in crd["spec"]["versions"].as_array().into_iter().flatten() {
        let (name, root) = (&version["name"], &version["schema"]["openAPIV3Schema"]);
        let name = name.as_str().unwrap_or_default();
        look(root, name, false, &mut found);
        let status = &root["properties"]["status"];
        if !status.is_null() && status["properties"]["observedGeneration"].is_null() {
            found.push(format!("{name}.status: no observedGeneration, which the default needs"));
        }
    }
    found
}

fn look(schema: &Value, path: &str, in_list: bool, found: &mut Vec<String>) {
    if in_list && !schema["default"].is_null() {
        // Server-side apply merges list items by key; a defaulted field inside shows as a difference for ever.
        found.push(format!("{path}: default inside a list"));
    }
    let begins = |key: &str, with| schema[key].as_str().is_some_and(|text| text.starts_with(with));
    if begins("format", "uint") {
        found.push(format!("{path}: unsigned format"));
    }
    if begins("description", "Auto-generated") {
        found.push(format!("{path}: no description (#[kube(doc = …)] or a doc comment)"));
    }
    for (name, child) in schema["properties"].as_object().into_iter().flatten() {
        look(child, &format!("{path}.{name}"), in_list, found);
    }
    for (inside, sign, in_list) in [("items", "[]", true), ("additionalProperties", "{}", in_list)] {
        if schema[inside].is_object() {
            look(&schema[inside], &format!("{path}{sign}"), in_list, found);
        }
    }
}

fn yaml(crd: &CustomResourceDefinition) -> String {
    let yaml = serde_saphyr::to_string(crd).unwrap_or_else(|e| panic!("{e}"));
    // What the file says must be what the type says, whatever the YAML writer thinks of quotes and line breaks.
    let read: Value = serde_saphyr::from_str(&yaml).unwrap_or_else(|e| panic!("{e}"));
    let meant = serde_json::to_value(crd).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(read, meant, "the YAML does not read back");
    yaml
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_file_fails_and_names_the_way_out() {
        let crd = CustomResourceDefinition::default();
        let path = env::temp_dir().join(format!("hearth-crd-{}.yaml", std::process::id()));
        fs::write(&path, "apiVersion: apiextensions.k8s.io/v1\nkind: Other\n").unwrap();
        let panic = std::panic::catch_unwind(|| assert_crd(&path, &crd)).unwrap_err();
        assert!(panic.downcast_ref::<String>().unwrap().contains("stale from line 2"));
        fs::write(&path, yaml(&crd)).unwrap();
        assert_crd(&path, &crd);
        fs::remove_file(path).unwrap();
    }
}
