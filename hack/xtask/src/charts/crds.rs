//! What is made of the CRDs in `crds/`: JSON schemas for editors, and copies in the charts. These are no symbolic links, since Flux
//! leaves those out of what it takes from Git; the chart would install no CRD.
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use hearth_cluster::workspace;

use super::schemas::crd_schemas;
use super::{file_name, listed, read, yaml};
use crate::operators::{OPERATORS, Operator};

/// Makes the schemas and the charts' files those of `crds/`. An operator that has no chart yet is left out.
pub(crate) fn write() -> Result<()> {
    if schemas().exists() {
        fs::remove_dir_all(schemas()).context("failed to remove the old schemas")?;
    }
    for (file, text) in editor_schemas()? {
        fs::create_dir_all(file.parent().context("a schema without a folder")?)?;
        fs::write(&file, text).with_context(|| format!("failed to write {}", file.display()))?;
    }
    for operator in OPERATORS {
        let folder = folder(operator);
        if !chart(operator).exists() {
            continue;
        }
        fs::create_dir_all(&folder)?;
        for old in listed(&folder)? {
            fs::remove_file(&old).with_context(|| format!("failed to remove {}", old.display()))?;
        }
        for file in of(operator)? {
            let target = folder.join(file_name(&file));
            fs::copy(&file, &target).with_context(|| format!("failed to write {}", target.display()))?;
        }
    }
    Ok(())
}

/// Every CRD of `crds/` has its schema and is in one chart, unchanged; nothing in a chart is a symbolic link.
pub(super) fn check() -> Result<()> {
    let mut wrong = Vec::new();
    let mut missing: BTreeSet<String> = files()?.iter().map(|file| file_name(file)).collect();
    for (file, text) in editor_schemas()? {
        if fs::read_to_string(&file).ok().as_ref() != Some(&text) {
            wrong.push(format!("{} is not that of its CRD", file.display()));
        }
    }
    for operator in OPERATORS {
        let copies = listed(&folder(operator))?;
        let names: BTreeSet<String> = copies.iter().map(|file| file_name(file)).collect();
        let expected: BTreeSet<String> = of(operator)?.iter().map(|file| file_name(file)).collect();
        if names != expected || expected.is_empty() {
            wrong.push(format!("{} has the CRDs {names:?}, not {expected:?}", operator.name));
        }
        for copy in copies {
            let name = file_name(&copy);
            if fs::read(&copy).ok() != fs::read(crds().join(&name)).ok() {
                wrong.push(format!("{} differs from crds/{name}", copy.display()));
            }
            missing.remove(&name);
        }
    }
    wrong.extend(missing.iter().map(|name| format!("crds/{name} is in no chart")));
    links(&workspace::root().join("charts"), &mut wrong)?;
    ensure!(
        wrong.is_empty(),
        "{}\nrun `cargo xtask charts --update`; a CRD belongs to the operator with its group in hack/xtask/src/operators.rs",
        wrong.join("\n")
    );
    Ok(())
}

/// The symbolic links below a folder.
fn links(folder: &Path, found: &mut Vec<String>) -> Result<()> {
    for path in listed(folder)? {
        if path.is_symlink() {
            found.push(format!("{} is a symbolic link", path.display()));
        } else if path.is_dir() {
            links(&path, found)?;
        }
    }
    Ok(())
}

/// The files of `crds/` that an operator's chart installs.
fn of(operator: &Operator) -> Result<Vec<PathBuf>> {
    let mut files = files()?;
    files.retain(|file| belongs(&file_name(file), operator.crd_group));
    Ok(files)
}

/// Whether a file of `crds/`, which is named `PLURAL.GROUP.yaml`, has a CRD of this group.
fn belongs(file: &str, group: &str) -> bool {
    let name = file.strip_suffix(".yaml").and_then(|name| name.split_once('.'));
    name.is_some_and(|(_, of)| of == group)
}

/// The schema of each CRD with its file, as editors and kubeconform read it.
fn editor_schemas() -> Result<BTreeMap<PathBuf, String>> {
    let mut texts = BTreeMap::new();
    for file in files()? {
        let crd = yaml(&read(&file)?)?;
        for (path, schema) in crd_schemas(&crd)? {
            texts.insert(
                schemas().join(path),
                format!("{}\n", serde_json::to_string_pretty(&schema)?),
            );
        }
    }
    Ok(texts)
}

/// The files of all CRDs.
fn files() -> Result<Vec<PathBuf>> {
    let mut files = listed(&crds())?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    Ok(files)
}

fn crds() -> PathBuf {
    workspace::root().join("crds")
}

/// The folder of the schemas.
pub(super) fn schemas() -> PathBuf {
    crds().join("schemas")
}

fn chart(operator: &Operator) -> PathBuf {
    workspace::root().join("charts").join(operator.name)
}

fn folder(operator: &Operator) -> PathBuf {
    chart(operator).join("files/crds")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crd_belongs_to_the_operator_of_its_group() {
        assert!(belongs("dnszones.dns.hearth.home.arpa.yaml", "dns.hearth.home.arpa"));
        assert!(!belongs("dnszones.dns.hearth.home.arpa.yaml", "hearth.home.arpa"));
        assert!(!belongs("dnszones.dns.hearth.home.arpa.json", "dns.hearth.home.arpa"));
    }

    #[test]
    fn the_charts_have_the_crds_of_this_commit() {
        check().unwrap();
    }

    #[test]
    fn a_symbolic_link_is_found_at_any_depth() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a/b");
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("file"), "x").unwrap();
        let mut found = Vec::new();
        links(folder.path(), &mut found).unwrap();
        assert!(found.is_empty());
        std::os::unix::fs::symlink("file", deep.join("link")).unwrap();
        links(folder.path(), &mut found).unwrap();
        assert_eq!(found.len(), 1);
    }
}
