//! `cargo xtask charts`: every check of the charts that needs no cluster.
//!
//! No step needs more than the pinned tools: schemas of Kubernetes' own resources come from the same Go module that the local
//! cluster is built from, those of our CRDs from `crds/`.
pub(crate) mod crds;
mod dashboards;
mod hints;
mod metadata;
mod queries;
mod schemas;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use hearth_cluster::{go_tools, packages, workspace};
use serde_json::Value;

use crate::operators::OPERATORS;
use queries::{dashboard_queries, known_metrics, metrics_of, operators_of, unknown_metrics};
use schemas::{kinds_of, kubernetes_schemas};

/// The oldest and the newest Kubernetes that the charts are rendered for.
const KUBERNETES: [&str; 2] = ["1.32.0", "1.36.0"];
/// Resources of other projects, whose schemas are not available.
const FOREIGN_KINDS: &str = "ServiceMonitor,PodMonitor,PrometheusRule,GrafanaDashboard";
/// The path of a schema, as kubeconform's template.
const SCHEMA_FILE: &str = "{{.Group}}/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Rewrite what is generated: the schemas in crds/, the charts' copies of crds/ and their icon, Chart.lock and values.schema.json
    #[arg(long)]
    update: bool,
}

pub(crate) fn run(Args { update }: Args) -> Result<()> {
    if update { all(true) } else { check() }
}

/// Every check of every chart.
pub(crate) fn check() -> Result<()> {
    all(false)
}

fn all(update: bool) -> Result<()> {
    let suite = Suite::new(update)?;
    let charts = workspace::root().join("charts");
    if update {
        crds::write()?;
    }
    crds::check()?;
    suite.overview()?;
    for operator in OPERATORS {
        let chart = Chart {
            suite: &suite,
            name: operator.name,
            folder: &charts.join(operator.name),
            work: suite.work.path().join(operator.name),
        };
        fs::create_dir_all(&chart.work)?;
        chart.step("dependencies", Chart::dependencies)?;
        chart.step("values' schema", Chart::schema)?;
        chart.step("Chart.yaml", Chart::metadata)?;
        chart.step("README, runbooks, metrics", Chart::documents)?;
        chart.step("lint", Chart::lint)?;
        chart.step("render and validate", Chart::validate)?;
        chart.step("unit tests", Chart::unit_tests)?;
        chart.step("alerts", Chart::alerts)?;
        chart.step("package", Chart::package)?;
    }
    Ok(())
}

/// The tools, and a place for what they write.
struct Suite {
    helm: PathBuf,
    unittest: PathBuf,
    kubeconform: PathBuf,
    promtool: PathBuf,
    /// Helm's caches and settings, so that the user's own have no influence.
    home: PathBuf,
    work: tempfile::TempDir,
    update: bool,
}

impl Suite {
    fn new(update: bool) -> Result<Self> {
        let work = tempfile::tempdir()?;
        Ok(Self {
            helm: go_tools::ensure("helm")?,
            unittest: go_tools::ensure("helm-unittest")?,
            kubeconform: go_tools::ensure("kubeconform")?,
            promtool: packages::prometheus("promtool")?,
            home: work.path().join("helm"),
            work,
            update,
        })
    }

    /// A command of Helm's on a chart, or on its package.
    fn helm(&self, command: &[&str], chart: &Path) -> Command {
        let mut helm = Command::new(&self.helm);
        for variable in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
            helm.env(variable, self.home.join(variable));
        }
        helm.args(command).arg(chart);
        helm
    }

    fn template(&self, chart: &Path, values: &Path, kubernetes: &str) -> Result<String> {
        let command = [
            "template",
            "release",
            "--namespace",
            "hearth",
            "--kube-version",
            kubernetes,
            "--values",
        ];
        let mut helm = self.helm(&command, values);
        output(helm.arg(chart))
    }
}

struct Chart<'a> {
    suite: &'a Suite,
    name: &'a str,
    folder: &'a Path,
    work: PathBuf,
}

impl Chart<'_> {
    fn step(&self, what: &str, step: fn(&Self) -> Result<()>) -> Result<()> {
        let begin = Instant::now();
        step(self).with_context(|| format!("chart {}: {what}", self.name))?;
        println!("  {}: {what} ({:.1} s)", self.name, begin.elapsed().as_secs_f32());
        Ok(())
    }

    fn file(&self, path: &str) -> Result<String> {
        read(&self.folder.join(path))
    }

    fn values(&self) -> Result<Vec<PathBuf>> {
        listed(&self.folder.join("ci"))
    }

    /// Packs the library anew: Helm would silently use an old package of it.
    fn dependencies(&self) -> Result<()> {
        let command = if self.suite.update { "update" } else { "build" };
        output(&mut self.suite.helm(&["dependency", command], self.folder)).map(drop)
    }

    /// `values.schema.json` is what all operators share and what this one has of its own. It is checked in, since Helm and
    /// editors read it.
    fn schema(&self) -> Result<()> {
        let mut schema: Value =
            serde_json::from_str(&read(&self.folder.join("../common/operator-values.schema.json"))?)?;
        let own: Value = serde_json::from_str(&self.file("values.own.schema.json")?)?;
        for (key, value) in own.as_object().into_iter().flatten() {
            match (schema.get_mut(key).and_then(Value::as_object_mut), value) {
                (Some(shared), Value::Object(more)) => shared.extend(more.clone()),
                _ => schema[key] = value.clone(),
            }
        }
        schema["additionalProperties"] = false.into();
        let path = self.folder.join("values.schema.json");
        if self.suite.update {
            fs::write(&path, serde_json::to_string_pretty(&schema)? + "\n")?;
        }
        let current: Option<Value> = fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok());
        ensure!(
            current.as_ref() == Some(&schema),
            "values.schema.json is stale; run `cargo xtask charts --update`"
        );
        hints::check(&schema, &yaml(&self.file("values.yaml")?)?)
    }

    fn lint(&self) -> Result<()> {
        for values in self.values()? {
            for kubernetes in KUBERNETES {
                let command = ["lint", "--strict", "--quiet", "--kube-version", kubernetes, "--values"];
                output(self.suite.helm(&command, &values).arg(self.folder))?;
            }
        }
        Ok(())
    }

    /// Renders with every file of values, for each Kubernetes, and validates the result and the examples with schemas
    /// that accept no unknown field.
    fn validate(&self) -> Result<()> {
        let mut manifests = listed(&self.folder.join("examples"))?;
        manifests.push(self.artifact_hub_examples()?);
        for values in self.values()? {
            for kubernetes in KUBERNETES {
                let path = self.work.join(format!("{kubernetes}-{}", file_name(&values)));
                fs::write(&path, self.suite.template(self.folder, &values, kubernetes)?)?;
                manifests.push(path);
            }
        }
        let schemas = self.work.join("schemas");
        let kinds = manifests.iter().map(|path| read(path)).collect::<Result<Vec<_>>>()?;
        kubernetes_schemas(&kinds.iter().flat_map(|text| kinds_of(text)).collect(), &schemas)?;
        let mut kubeconform = Command::new(&self.suite.kubeconform);
        kubeconform.args(["-strict", "-summary", "-skip", FOREIGN_KINDS, "-schema-location"]);
        kubeconform.arg(schemas.join(SCHEMA_FILE));
        kubeconform
            .arg("-schema-location")
            .arg(crds::schemas().join(SCHEMA_FILE));
        output(kubeconform.args(&manifests)).map(drop)
    }

    fn unit_tests(&self) -> Result<()> {
        // The pattern is relative to the chart.
        let command = ["--strict", "--file", "tests/unit/*_test.yaml"];
        output(Command::new(&self.suite.unittest).args(command).arg(self.folder)).map(drop)
    }

    fn alerts(&self) -> Result<()> {
        let promtool = || Command::new(&self.suite.promtool);
        output(
            promtool()
                .args(["check", "rules", "--lint-fatal"])
                .arg(self.folder.join("files/alerts.yaml")),
        )?;
        output(
            promtool()
                .args(["test", "rules"])
                .args(listed(&self.folder.join("tests/alerts"))?),
        )
        .map(drop)
    }

    /// The package renders the same as the folder, and contains nothing that is only for development.
    fn package(&self) -> Result<()> {
        let target = self.work.join("package");
        output(self.suite.helm(&["package", "--destination"], &target).arg(self.folder))?;
        let [package] = &listed(&target)?[..] else {
            bail!("helm package made more or less than one file")
        };
        for values in self.values()? {
            let [ours, theirs] = [self.folder, package].map(|chart| self.suite.template(chart, &values, KUBERNETES[1]));
            ensure!(
                ours? == theirs?,
                "the package renders otherwise than the folder with {}",
                values.display()
            );
        }
        let content = output(Command::new("tar").arg("-tzf").arg(package))?;
        let ours = ["tests/", "ci/", "examples/", ".own.schema.json"];
        let extra: Vec<&str> = content
            .lines()
            .filter(|path| ours.iter().any(|part| path.contains(part)))
            .collect();
        ensure!(
            extra.is_empty(),
            "the package contains what is only for development: {}",
            extra.join(", ")
        );
        self.without_crds(package)
    }

    /// A package that has lost its CRDs, as one from a tool that leaves out symbolic links, is refused.
    fn without_crds(&self, package: &Path) -> Result<()> {
        let unpacked = self.work.join("unpacked");
        fs::create_dir_all(&unpacked)?;
        output(Command::new("tar").arg("-xzf").arg(package).arg("-C").arg(&unpacked))?;
        let chart = unpacked.join(self.name);
        fs::remove_dir_all(chart.join("files/crds"))?;
        let values = self.folder.join("ci/minimal-values.yaml");
        let rendered = self.suite.template(&chart, &values, KUBERNETES[1]);
        let refused = rendered.is_err_and(|error| format!("{error:#}").contains("lost its CRDs"));
        ensure!(refused, "a package without CRDs renders");
        Ok(())
    }

    /// Every value is in the README, every alert has its tests, its texts and its runbook, every metric in a query of an alert
    /// or the dashboard is in docs/observability.md, and no query selects another operator.
    fn documents(&self) -> Result<()> {
        let mut wrong = Vec::new();
        let readme = self.file("README.md")?;
        for value in self
            .file("values.yaml")?
            .lines()
            .filter(|line| line.starts_with(|c: char| c.is_ascii_alphabetic()))
        {
            let key = value.split(':').next().unwrap_or_default();
            if ![".", "`"].iter().any(|end| readme.contains(&format!("`{key}{end}"))) {
                wrong.push(format!("README.md does not mention the value {key}"));
            }
        }

        let docs = workspace::root().join("docs");
        let observability = read(&docs.join("observability.md"))?;
        let known = known_metrics(&observability);
        let mut queries = dashboard_queries(&serde_json::from_str(&self.file("files/dashboard.json")?)?);
        self.suite.understood(&queries)?;

        let mut runbooks: BTreeSet<String> = listed(&docs.join("runbooks").join(self.name))?
            .iter()
            .map(|path| file_name(path))
            .collect();
        let tests = listed(&self.folder.join("tests/alerts"))?
            .iter()
            .map(|path| read(path))
            .collect::<Result<String>>()?;
        let alerts = yaml(&self.file("files/alerts.yaml")?)?;
        for rule in members(&alerts["groups"]).flat_map(|group| members(&group["rules"])) {
            let alert = rule["alert"].as_str().context("a rule without `alert`")?;
            queries.push(rule["expr"].as_str().unwrap_or_default().to_owned());
            let page = format!("{alert}.md");
            if !runbooks.remove(&page) {
                wrong.push(format!("docs/runbooks/{}/{page} is missing", self.name));
            }
            let url = rule["annotations"]["runbook_url"].as_str().unwrap_or_default();
            if url != format!("docs/runbooks/{}/{page}", self.name) {
                wrong.push(format!("{alert}: runbook_url does not lead to its page"));
            }
            for (part, key) in [
                ("labels", "severity"),
                ("annotations", "summary"),
                ("annotations", "description"),
            ] {
                if !rule[part][key].is_string() {
                    wrong.push(format!("{alert} has no {key}"));
                }
            }
            if !tests.contains(&format!("alertname: {alert}\n")) {
                wrong.push(format!("{alert} has no test in tests/alerts"));
            }
        }
        wrong.extend(
            runbooks
                .iter()
                .map(|page| format!("docs/runbooks/{}/{page} belongs to no alert", self.name)),
        );
        // A query that was copied from another chart would show that operator.
        let selected: BTreeSet<&str> = queries.iter().flat_map(|query| operators_of(query)).collect();
        wrong.extend(
            selected
                .iter()
                .filter(|name| **name != self.name)
                .map(|name| format!("a query selects operator=\"{name}\"; it must select {}", self.name)),
        );
        let read_by_queries: BTreeSet<String> = queries.iter().flat_map(|query| metrics_of(query)).collect();
        ensure!(!read_by_queries.is_empty(), "found no metric in any query");
        wrong.extend(unknown_metrics(&read_by_queries, &known));
        ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        Ok(())
    }
}

fn members(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn yaml(text: &str) -> Result<Value> {
    serde_saphyr::from_str(text).context("not the YAML that was expected")
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or(OsStr::new(""))
        .to_string_lossy()
        .into_owned()
}

/// The files of a folder, in order; none when there is no such folder.
fn listed(folder: &Path) -> Result<Vec<PathBuf>> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(Vec::new());
    };
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// The output of a command. When it fails, the error contains its output and its errors.
fn output(command: &mut Command) -> Result<String> {
    let name = file_name(Path::new(command.get_program()));
    let done = command.output().with_context(|| format!("failed to run {name}"))?;
    let text = String::from_utf8_lossy(&done.stdout);
    if !done.status.success() {
        bail!(
            "{name} failed ({}):\n{text}{}",
            done.status,
            String::from_utf8_lossy(&done.stderr)
        );
    }
    Ok(text.into_owned())
}
