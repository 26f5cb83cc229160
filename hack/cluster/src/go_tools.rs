//! Pinned tools, built from the Go modules under `hack/tools/`.
//!
//! Built tools are in the user's cache, outside the tree, under a name that depends on what they were built from. `go.sum`
//! verifies every source. An interrupted build leaves nothing that a later call would take for a tool.
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::arch::Arch;
use crate::command::run_logged;
use crate::{licenses, storage, workspace};

/// `hack/tools/<name>/build.json`: what `go.mod` cannot express. Every field is optional.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Recipe {
    /// The module whose version is the tool's; without it, the one that holds the `tool` of `go.mod`.
    module: Option<String>,
    /// Linker flags; `{version}` stands for the version with its `v`.
    ldflags: String,
    tags: Vec<String>,
    /// How long it takes on two cores, as it is shown.
    takes: Option<String>,
    /// Further names for the binary: some programs behave as the name says under which they are started.
    links: Vec<String>,
    /// Whether the licence texts of all that is linked are collected beside it: for programs that images carry.
    licenses: bool,
}

/// Package and version to build, read from `go.mod` and the recipe.
#[derive(Debug, PartialEq)]
struct Plan {
    package: String,
    version: String,
    recipe: Recipe,
}

impl Plan {
    fn new(go_mod: &str, recipe: Recipe) -> Result<Self> {
        let package = directive(go_mod, "tool").unwrap_or_else(|| ".".to_owned());
        let holder = recipe.module.clone().unwrap_or_else(|| package.clone());
        // A program of our own without requirements has no version but its hash.
        let version = version_of(go_mod, &holder).or_else(|| (holder == ".").then(|| "of our own".to_owned()));
        let version = version.with_context(|| format!("go.mod requires no module of {holder}"))?;
        Ok(Self {
            package,
            version,
            recipe,
        })
    }

    fn arguments(&self, output: &Path) -> Vec<String> {
        let ldflags = format!("-s -w {}", self.recipe.ldflags.replace("{version}", &self.version));
        let mut arguments: Vec<String> = [
            "build",
            "-mod=readonly",
            "-trimpath",
            "-buildvcs=false",
            "-ldflags",
            ldflags.trim(),
        ]
        .map(Into::into)
        .into();
        arguments.extend(self.tags());
        arguments.extend(["-o".to_owned(), output.display().to_string(), self.package.clone()]);
        arguments
    }

    fn tags(&self) -> Option<String> {
        (!self.recipe.tags.is_empty()).then(|| format!("-tags={}", self.recipe.tags.join(",")))
    }
}

/// The path of a tool for this machine, built first unless the cache has this version of it.
pub fn ensure(name: &str) -> Result<PathBuf> {
    Ok(ensure_folder(name, Arch::host()?)?.join(name))
}

/// The folder of a tool for an architecture, with the program of the tool's name; see [`ensure`].
pub fn ensure_folder(name: &str, arch: Arch) -> Result<PathBuf> {
    let source = workspace::root().join("hack/tools").join(name);
    ensure!(
        source.join("go.mod").is_file(),
        "there is no tool {name}: hack/tools/{name}/go.mod is missing"
    );
    let go = go_version()?;
    let suffix = if arch.is_host() {
        String::new()
    } else {
        format!("-{}", arch.oci_name())
    };
    let home = storage::cache()?
        .join("tools")
        .join(format!("{name}-{}{suffix}", key(&source, &go)?));
    let binary = home.join(name);
    if binary.is_file() {
        return Ok(home);
    }
    let _held = storage::lock(&home)?;
    if !binary.is_file() {
        build(name, arch, &source, &home)?;
    }
    Ok(home)
}

fn build(name: &str, arch: Arch, source: &Path, home: &Path) -> Result<()> {
    let recipe = match fs::read(source.join("build.json")) {
        Ok(text) => serde_json::from_slice(&text).with_context(|| format!("hack/tools/{name}/build.json"))?,
        Err(_) => Recipe::default(),
    };
    let plan = Plan::new(&fs::read_to_string(source.join("go.mod"))?, recipe)?;
    let partial = home.with_extension("partial");
    storage::remove_dir(&partial)?;
    fs::create_dir_all(&partial)?;

    let takes = plan.recipe.takes.as_deref().unwrap_or("a minute or two");
    let label = format!("{name} {}", plan.version.trim_start_matches('v'));
    eprintln!("building {label} ({takes} on two cores, once)");
    let mut go = go_for(arch, source);
    go.args(plan.arguments(&partial.join(name)));
    run_logged(&mut go, &label, &partial.join("build.log"))?;

    if plan.recipe.licenses {
        let texts = licence_texts(&plan, arch, source).with_context(|| format!("the licences of {name}"))?;
        fs::write(partial.join(licenses::FILE), texts)?;
    }
    for link in &plan.recipe.links {
        std::os::unix::fs::symlink(name, partial.join(link))?;
    }
    fs::rename(&partial, home).with_context(|| format!("failed to move {name} to {}", home.display()))
}

fn go_for(arch: Arch, source: &Path) -> Command {
    let mut go = Command::new("go");
    // Static, so that it runs in any mount namespace and needs no C compiler.
    go.env("CGO_ENABLED", "0").env("GOARCH", arch.oci_name());
    go.env_remove("GOFLAGS").env("GOWORK", "off");
    go.current_dir(source);
    go
}

/// The licence texts of what [`Plan::arguments`] links. The sources are there: it has been built.
fn licence_texts(plan: &Plan, arch: Arch, source: &Path) -> Result<String> {
    let mut list = go_for(arch, source);
    list.args(["list", "-mod=readonly", "-deps", "-f", licenses::PACKAGE_LINE]);
    list.args(plan.tags()).arg(&plan.package);
    let mut env = go_for(arch, source);
    let env = output(env.args(["env", "GOROOT", "GOVERSION"]))?;
    let (root, version) = env.trim().split_once('\n').context("go env prints one line only")?;
    licenses::collect(&output(&mut list)?, Path::new(root), version)
}

fn output(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} failed: {}", complaint.trim());
    Ok(String::from_utf8(output.stdout)?)
}

fn go_version() -> Result<Vec<u8>> {
    let output = Command::new("go").args(["env", "GOVERSION"]).output();
    let output =
        output.context("Go is missing: install 1.26 or newer from https://go.dev/dl/ and put it on the PATH")?;
    Ok(output.stdout)
}

/// Changes with everything that changes the binary.
fn key(source: &Path, go_version: &[u8]) -> Result<String> {
    let mut files: Vec<PathBuf> = fs::read_dir(source)?
        .map(|entry| entry.map(|e| e.path()))
        .collect::<Result<_, _>>()?;
    files.retain(|path| {
        let extension = path.extension().unwrap_or_default();
        ["go", "mod", "sum", "json"].iter().any(|known| extension == *known)
    });
    files.sort();
    let mut parts = vec![go_version.to_vec()];
    for path in files {
        parts.push(path.file_name().unwrap_or_default().as_encoded_bytes().to_vec());
        parts.push(fs::read(&path)?);
    }
    Ok(storage::short_hash(parts))
}

/// The value of a one-line directive of `go.mod`.
fn directive(go_mod: &str, name: &str) -> Option<String> {
    go_mod.lines().find_map(|line| {
        line.strip_prefix(name)?
            .strip_prefix(' ')
            .map(|value| value.trim().to_owned())
    })
}

/// The version of the required module that holds a package: the longest that is a prefix of its path.
fn version_of(go_mod: &str, package: &str) -> Option<String> {
    let required = go_mod.lines().filter_map(|line| {
        let mut words = line.trim().trim_start_matches("require ").split_whitespace();
        let (module, version) = (words.next()?, words.next()?);
        let holds = package
            .strip_prefix(module)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        (holds && version.starts_with('v')).then_some((module, version))
    });
    required
        .max_by_key(|(module, _)| module.len())
        .map(|(_, version)| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELM: &str = "module hearth/tools/helm\n\ngo 1.26.0\n\ntool helm.sh/helm/v4/cmd/helm\n\nrequire (\n\
                        \thelm.sh/helm v1.0.0 // indirect\n\thelm.sh/helm/v4 v4.3.1 // indirect\n)\n";

    #[test]
    fn a_tool_directive_gives_package_and_version() {
        let plan = Plan::new(HELM, Recipe::default()).unwrap();
        assert_eq!(
            (plan.package.as_str(), plan.version.as_str()),
            ("helm.sh/helm/v4/cmd/helm", "v4.3.1")
        );
    }

    #[test]
    fn a_main_package_of_ours_names_the_module_whose_version_it_has() {
        let go_mod = "module hearth/tools/coredns\n\nrequire github.com/coredns/coredns v1.14.7\n";
        let recipe = Recipe {
            module: Some("github.com/coredns/coredns".into()),
            ..Recipe::default()
        };
        let plan = Plan::new(go_mod, recipe).unwrap();
        assert_eq!((plan.package.as_str(), plan.version.as_str()), (".", "v1.14.7"));
    }

    #[test]
    fn a_tool_without_a_known_version_is_refused() {
        let recipe = Recipe {
            module: Some("example.com/x".into()),
            ..Recipe::default()
        };
        assert!(Plan::new("module hearth/tools/x\n", recipe).is_err());
    }

    #[test]
    fn the_version_reaches_the_linker() {
        let recipe = Recipe {
            ldflags: "-X a.b={version}".into(),
            tags: vec!["minimal".into(), "static".into()],
            ..Recipe::default()
        };
        let arguments = Plan::new(HELM, recipe).unwrap().arguments(Path::new("/out/helm"));
        assert!(arguments.contains(&"-s -w -X a.b=v4.3.1".to_owned()), "{arguments:?}");
        assert!(arguments.contains(&"-tags=minimal,static".to_owned()), "{arguments:?}");
        assert_eq!(arguments.last().unwrap(), "helm.sh/helm/v4/cmd/helm");
    }

    #[test]
    fn a_key_changes_with_the_sources_and_with_go() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("go.mod"), HELM).unwrap();
        let first = key(dir.path(), b"go1.26.8").unwrap();
        assert_ne!(first, key(dir.path(), b"go1.27.0").unwrap());
        fs::write(dir.path().join("notes.txt"), "not a source").unwrap();
        assert_eq!(first, key(dir.path(), b"go1.26.8").unwrap());
        fs::write(dir.path().join("main.go"), "package main").unwrap();
        assert_ne!(first, key(dir.path(), b"go1.26.8").unwrap());
    }
}
