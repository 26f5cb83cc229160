//! `Chart.yaml`: what lists of charts such as Artifact Hub show of a chart.
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Chart, listed, members, output, read, yaml};

/// The categories of Artifact Hub; the last one says that none of them fits.
/// See <https://artifacthub.io/docs/topics/annotations/helm/>.
const CATEGORIES: [&str; 9] = [
    "ai-machine-learning",
    "database",
    "integration-delivery",
    "monitoring-logging",
    "networking",
    "security",
    "storage",
    "streaming-messaging",
    "skip-prediction",
];

impl Chart<'_> {
    /// The icon is the one of charts/common, the CRDs are those that the chart installs, and nothing that is shown is missing.
    pub(super) fn metadata(&self) -> Result<()> {
        self.icon()?;
        let chart = yaml(&self.file("Chart.yaml")?)?;
        let mut wrong = Vec::new();
        if members(&chart["maintainers"]).count() == 0 {
            wrong.push("there are no maintainers".to_owned());
        }
        let annotations = &chart["annotations"];
        if annotations["artifacthub.io/license"] != "Apache-2.0" {
            wrong.push("artifacthub.io/license is not Apache-2.0".to_owned());
        }
        if !CATEGORIES
            .iter()
            .any(|name| annotations["artifacthub.io/category"] == *name)
        {
            wrong.push(format!("artifacthub.io/category is none of {}", CATEGORIES.join(", ")));
        }
        let links = list(&chart, "artifacthub.io/links")?;
        if links.is_empty()
            || !links
                .iter()
                .all(|link| link["name"].is_string() && link["url"].is_string())
        {
            wrong.push("artifacthub.io/links is no list of links with name and url".to_owned());
        }
        let mut installed = BTreeSet::new();
        for file in listed(&self.folder.join("files/crds"))? {
            let crd = yaml(&read(&file)?)?;
            let name = text(&crd["metadata"]["name"]);
            let kind = text(&crd["spec"]["names"]["kind"]);
            let versions = members(&crd["spec"]["versions"]).map(|version| text(&version["name"]));
            installed.extend(versions.map(|version| (kind.clone(), version, name.clone())));
        }
        let told = list(&chart, "artifacthub.io/crds")?;
        let told: BTreeSet<_> = told
            .iter()
            .map(|crd| (text(&crd["kind"]), text(&crd["version"]), text(&crd["name"])))
            .collect();
        if told != installed {
            wrong.push(format!("artifacthub.io/crds has {told:?}, not {installed:?}"));
        }
        ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        Ok(())
    }

    /// A data URI, since there is no host to serve a file.
    fn icon(&self) -> Result<()> {
        let file = self.folder.join("../common/icon.svg");
        let data = output(Command::new("base64").arg("--wrap=0").arg(file))?;
        let icon = format!("icon: data:image/svg+xml;base64,{}", data.trim());
        let path = self.folder.join("Chart.yaml");
        let chart = read(&path)?;
        let current = chart
            .lines()
            .find(|line| line.starts_with("icon: "))
            .context("there is no icon")?;
        if self.suite.update {
            fs::write(&path, chart.replace(current, &icon))?;
        } else {
            ensure!(
                current == icon,
                "the icon is not charts/common/icon.svg; run `cargo xtask charts --update`"
            );
        }
        Ok(())
    }

    /// Writes the examples of Artifact Hub to a file, so that they are validated like the others.
    pub(super) fn artifact_hub_examples(&self) -> Result<PathBuf> {
        let examples = list(&yaml(&self.file("Chart.yaml")?)?, "artifacthub.io/crdsExamples")?;
        ensure!(!examples.is_empty(), "Chart.yaml: artifacthub.io/crdsExamples is empty");
        let documents: Vec<String> = examples.iter().map(|example| format!("---\n{example}\n")).collect();
        let path = self.work.join("artifacthub.yaml");
        fs::write(&path, documents.concat())?;
        Ok(path)
    }
}

/// An annotation whose value is a list in YAML.
fn list(chart: &Value, annotation: &str) -> Result<Vec<Value>> {
    let value = chart["annotations"][annotation].as_str();
    let value = value.with_context(|| format!("there is no annotation {annotation}"))?;
    let list = yaml(value).with_context(|| annotation.to_owned())?;
    Ok(members(&list).cloned().collect())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_annotation_is_a_list_in_yaml() {
        let chart = json!({"annotations": {"a": "- kind: Zone\n- kind: Record\n", "b": "no list"}});
        let kinds: Vec<String> = list(&chart, "a")
            .unwrap()
            .iter()
            .map(|item| text(&item["kind"]))
            .collect();
        assert_eq!(kinds, ["Zone", "Record"]);
        assert!(list(&chart, "b").unwrap().is_empty());
        assert!(list(&chart, "c").is_err());
    }
}
