//! The licence texts of a program that is built from Go modules. Most licences demand that who passes the program on passes
//! their text on, too.
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// The file beside a built program that has the texts, if its recipe asks for them.
pub const FILE: &str = "LICENSES";

/// For `go list -deps -f`: a line for each linked package that is in no standard library and not ours.
pub(crate) const PACKAGE_LINE: &str =
    "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}\t{{.Dir}}\t{{$.Dir}}{{end}}{{end}}";

/// A licence such as the MPL demands to say where the source is.
const HEAD: &str = "This program is built from the Go modules that are named below, unchanged. Each licence text follows the names of\n\
                    the files that have it. The source of a module is the Go module of that path and version.\n";

/// A folder that may have licence texts, and the name of what it belongs to, with its version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Holder {
    name: String,
    root: PathBuf,
    /// `root` or a folder in it.
    folder: PathBuf,
}

/// All texts: those of the standard library in `go_root`, and those of each package in lines of [`PACKAGE_LINE`], from its own
/// folder up to the one of its module. An error if a module has none.
pub(crate) fn collect(packages: &str, go_root: &Path, go_version: &str) -> Result<String> {
    let mut holders = BTreeSet::from([Holder {
        name: format!("Go {}", go_version.trim_start_matches("go")),
        root: go_root.to_owned(),
        folder: go_root.to_owned(),
    }]);
    for line in packages.lines().filter(|line| !line.is_empty()) {
        holders.extend(folders(line).with_context(|| format!("a package of go list: {line}"))?);
    }
    let mut without: BTreeSet<&str> = holders.iter().map(|holder| holder.name.as_str()).collect();
    // Many modules have the same text: it is written once.
    let mut texts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for holder in &holders {
        for file in licence_files(&holder.folder)? {
            let text = fs::read(&file).with_context(|| format!("failed to read {}", file.display()))?;
            let text = String::from_utf8_lossy(&text).replace("\r\n", "\n").trim().to_owned();
            let place = file.strip_prefix(&holder.root)?.display();
            texts
                .entry(text)
                .or_default()
                .insert(format!("{}: {place}", holder.name));
            without.remove(holder.name.as_str());
        }
    }
    ensure!(
        without.is_empty(),
        "no licence text in the folder of {}: a file LICENSE, COPYING or NOTICE is expected there",
        Vec::from_iter(without).join(", ")
    );
    let mut entries: Vec<(BTreeSet<String>, String)> = texts.into_iter().map(|(text, names)| (names, text)).collect();
    entries.sort();
    let mut all = HEAD.to_owned();
    for (names, text) in entries {
        let names = Vec::from_iter(names).join("\n");
        write!(all, "\n{}\n{names}\n\n{text}\n", "=".repeat(100))?;
    }
    Ok(all)
}

/// The folders of a package's line: the module's, the package's, and those between.
fn folders(line: &str) -> Result<Vec<Holder>> {
    let parts: Vec<&str> = line.split('\t').collect();
    let [name, root, folder] = parts[..] else {
        anyhow::bail!("it needs three columns");
    };
    let (root, folder) = (Path::new(root), Path::new(folder));
    ensure!(folder.starts_with(root), "it is not in the folder of its module");
    let holder = |folder: &Path| Holder {
        name: name.to_owned(),
        root: root.to_owned(),
        folder: folder.to_owned(),
    };
    let inside = folder.ancestors().take_while(|folder| folder.starts_with(root));
    Ok(inside.map(holder).collect())
}

/// Files with a name that is usual for a licence or for what it demands to pass on.
fn licence_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let is_licence = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let known = [
            "license",
            "licence",
            "copying",
            "copyright",
            "notice",
            "patents",
            "unlicense",
        ];
        known.iter().any(|known| name.starts_with(known))
            && path.extension().is_none_or(|extension| extension != "go")
            && path.is_file()
    };
    let entries = fs::read_dir(folder).with_context(|| format!("failed to read {}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>()?;
    files.retain(is_licence);
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two modules with the same licence, one of them with a package that has its own, and Go.
    fn fixture() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("go/LICENSE", "Go's"),
            ("a/LICENSE", "shared\r\n"),
            ("a/license_test.go", "package a"),
            ("b/COPYING.md", "shared\n"),
            ("b/inner/package/NOTICE", "a notice"),
            ("b/other/LICENSE", "of a package that is not linked"),
        ] {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        dir
    }

    fn line(root: &Path, module: &str, package: &str) -> String {
        format!(
            "example.org/{module} v1.0.0\t{}\t{}\n",
            root.join(module).display(),
            root.join(package).display()
        )
    }

    #[test]
    fn each_text_is_there_once_below_all_that_have_it() {
        let dir = fixture();
        let packages = line(dir.path(), "a", "a") + &line(dir.path(), "b", "b/inner/package");
        let all = collect(&packages, &dir.path().join("go"), "go1.26.8").unwrap();
        let entries: Vec<&str> = all.split(&"=".repeat(100)).skip(1).map(str::trim).collect();
        assert_eq!(
            entries,
            [
                "Go 1.26.8: LICENSE\n\nGo's",
                "example.org/a v1.0.0: LICENSE\nexample.org/b v1.0.0: COPYING.md\n\nshared",
                "example.org/b v1.0.0: inner/package/NOTICE\n\na notice",
            ]
        );
    }

    #[test]
    fn a_module_without_a_licence_text_is_an_error_that_names_it() {
        let dir = fixture();
        fs::create_dir(dir.path().join("c")).unwrap();
        let packages = line(dir.path(), "c", "c");
        let error = collect(&packages, &dir.path().join("go"), "go1.26.8").unwrap_err();
        assert!(error.to_string().contains("example.org/c v1.0.0"), "{error}");
    }
}
