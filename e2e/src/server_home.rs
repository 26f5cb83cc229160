//! A folder for a server program of a test. As root the program runs as `nobody`; it never gets our environment.
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use tempfile::TempDir;
use tokio::process::Command;

/// `nobody` on every Linux.
const NOBODY: u32 = 65534;

/// A folder of a server, with the program, which it may read where our cache is closed to others.
#[derive(Debug)]
pub(crate) struct ServerHome {
    folder: TempDir,
    program: PathBuf,
}

impl ServerHome {
    /// A new one for the program that an environment variable names. `is` says what that variable must name.
    pub(crate) fn new(variable: &str, is: &str) -> Result<Self> {
        let program = std::env::var_os(variable)
            .map(PathBuf::from)
            .with_context(|| format!("{variable} is not set: it names {is}"))?;
        let folder = tempfile::Builder::new().prefix("hearth-server-").tempdir()?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        let own = folder.path().join(program.file_name().unwrap_or_default());
        if fs::hard_link(&program, &own).is_err() {
            fs::copy(&program, &own).with_context(|| format!("cannot copy {}", program.display()))?;
        }
        let home = Self { folder, program: own };
        home.data("data")?;
        Ok(home)
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// A new folder that belongs to the server.
    pub(crate) fn data(&self, name: &str) -> Result<PathBuf> {
        let folder = self.path().join(name);
        fs::create_dir(&folder)?;
        give(&folder)?;
        Ok(folder)
    }

    /// Lets the server, and nobody else but root, read a file.
    pub(crate) fn make_private(&self, name: &str) -> Result<()> {
        let file = self.path().join(name);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
        give(&file)
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .env_clear()
            .env("HOME", self.path().join("data"))
            .current_dir(self.path().join("data"));
        if is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }
}

fn give(path: &Path) -> Result<()> {
    if is_root() {
        chown(path, Some(NOBODY), Some(NOBODY))?;
    }
    Ok(())
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
