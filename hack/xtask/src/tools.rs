//! Pinned tools: what no package offers is built from Go modules under `hack/tools/`, what Debian has comes from Debian,
//! what Python has from a virtual environment.
//!
//! Built tools live in the user's cache, outside the tree, under a name that says what they were built from. `go.sum`
//! verifies every source. A build that was interrupted leaves nothing that a later call would take for a tool.
mod packages;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use sha2::{Digest, Sha256};

pub(crate) use self::packages::{debian, prometheus, python_venv};

/// How often a long build says that it is still alive.
const SIGN_OF_LIFE: Duration = Duration::from_mins(1);

/// `hack/tools/<name>/build.json`: what `go.mod` cannot say. Every field may be absent.
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
    /// Further names for the binary, for those that look at what they are called.
    links: Vec<String>,
}

/// What is built and as what, read from `go.mod` and the recipe.
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
        // A program of our own that needs nothing has no version but its hash.
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
        if !self.recipe.tags.is_empty() {
            arguments.push(format!("-tags={}", self.recipe.tags.join(",")));
        }
        arguments.extend(["-o".to_owned(), output.display().to_string(), self.package.clone()]);
        arguments
    }
}

/// The path of a tool, built first when this user has not got this version of it.
pub(crate) fn ensure(name: &str) -> Result<PathBuf> {
    let source = workspace().join("hack/tools").join(name);
    ensure!(
        source.join("go.mod").is_file(),
        "there is no tool {name}: hack/tools/{name}/go.mod is missing"
    );
    let go = go_version()?;
    let home = cache()?.join("tools").join(format!("{name}-{}", key(&source, &go)?));
    let binary = home.join(name);
    if binary.is_file() {
        return Ok(binary);
    }
    let _held = lock(&home)?;
    if !binary.is_file() {
        build(name, &source, &home)?;
    }
    Ok(binary)
}

fn build(name: &str, source: &Path, home: &Path) -> Result<()> {
    let recipe = match fs::read(source.join("build.json")) {
        Ok(text) => serde_json::from_slice(&text).with_context(|| format!("hack/tools/{name}/build.json"))?,
        Err(_) => Recipe::default(),
    };
    let plan = Plan::new(&fs::read_to_string(source.join("go.mod"))?, recipe)?;
    let partial = home.with_extension("partial");
    remove_dir(&partial)?;
    fs::create_dir_all(&partial)?;

    let takes = plan.recipe.takes.as_deref().unwrap_or("a minute or two");
    let label = format!("{name} {}", plan.version.trim_start_matches('v'));
    eprintln!("building {label} ({takes} on two cores, once)");
    let mut go = Command::new("go");
    go.args(plan.arguments(&partial.join(name))).current_dir(source);
    // Static, so that it runs in any mount namespace and needs no C compiler.
    go.env("CGO_ENABLED", "0").env_remove("GOFLAGS").env("GOWORK", "off");
    watch(&mut go, &label, &partial.join("build.log"))?;

    for link in &plan.recipe.links {
        std::os::unix::fs::symlink(name, partial.join(link))?;
    }
    fs::rename(&partial, home).with_context(|| format!("failed to move {name} to {}", home.display()))
}

/// Runs a long command with its output in a file, which is shown only when it fails.
fn watch(command: &mut Command, label: &str, log: &Path) -> Result<()> {
    let output = File::create(log)?;
    let begin = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()
        .with_context(|| format!("failed to run {}", command.get_program().display()))?;
    let mut next = SIGN_OF_LIFE;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if begin.elapsed() > next {
            eprintln!("  still at {label}, {} min so far", next.as_secs() / 60);
            next += SIGN_OF_LIFE;
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    if !status.success() {
        let text = fs::read_to_string(log).unwrap_or_default();
        let tail: Vec<&str> = text.lines().rev().take(40).collect();
        bail!(
            "{label} failed ({status}):\n{}",
            tail.into_iter().rev().collect::<Vec<_>>().join("\n")
        );
    }
    eprintln!("  {label} is ready after {} s", begin.elapsed().as_secs());
    Ok(())
}

/// `${XDG_CACHE_HOME:-~/.cache}/hearth`.
pub(crate) fn cache() -> Result<PathBuf> {
    user_dir("XDG_CACHE_HOME", ".cache")
}

/// A directory of ours in one of the user's base directories.
pub(crate) fn user_dir(variable: &str, fallback: &str) -> Result<PathBuf> {
    let base = match std::env::var_os(variable).filter(|value| !value.is_empty()) {
        Some(base) => PathBuf::from(base),
        None => PathBuf::from(std::env::var_os("HOME").context("HOME is not set")?).join(fallback),
    };
    Ok(base.join("hearth"))
}

/// cargo, as somebody calls it by hand. What cargo tells this program of its own package must not reach a build: build
/// scripts that look at it (ring's) would run anew at each change between the two, and half of the tree with them.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    cargo
}

/// The root of this workspace.
pub(crate) fn workspace() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here)
}

/// Waits until no other process builds the same, then keeps others waiting as long as the file lives.
pub(crate) fn lock(path: &Path) -> Result<File> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let file = File::create(path.with_extension("lock"))?;
    if file.try_lock().is_err() {
        eprintln!(
            "waiting for another process that holds {}",
            path.with_extension("lock").display()
        );
        file.lock()?;
    }
    Ok(file)
}

fn remove_dir(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
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
    Ok(short_hash(parts))
}

/// Twelve hexadecimal digits over parts whose borders count.
pub(crate) fn short_hash(parts: impl IntoIterator<Item = impl AsRef<[u8]>>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.as_ref().len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    digest
        .iter()
        .take(6)
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
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
            tags: vec!["minimal".into()],
            ..Recipe::default()
        };
        let arguments = Plan::new(HELM, recipe).unwrap().arguments(Path::new("/out/helm"));
        assert!(arguments.contains(&"-s -w -X a.b=v4.3.1".to_owned()), "{arguments:?}");
        assert!(arguments.contains(&"-tags=minimal".to_owned()), "{arguments:?}");
        assert_eq!(arguments.last().unwrap(), "helm.sh/helm/v4/cmd/helm");
    }

    #[test]
    fn the_borders_between_hashed_parts_count() {
        assert_ne!(short_hash(["ab", "c"]), short_hash(["a", "bc"]));
        assert_eq!(short_hash(["ab", "c"]).len(), 12);
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
