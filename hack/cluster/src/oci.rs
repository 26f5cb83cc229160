//! Container images without Docker and without a registry: static programs, written as an OCI archive by this program.
//!
//! The same inputs give the same archive to the byte: no time of day, no user's name.
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::arch::Arch;
use crate::{go_tools, storage};

/// The user "nonroot", with the number that other distroless images use.
const USER: &str = "65532:65532";
/// Certificate authorities, in this machine and in each image.
const AUTHORITIES: &str = "etc/ssl/certs/ca-certificates.crt";

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// A file of an image.
#[derive(Debug, Clone)]
pub struct File {
    /// Its path, without a leading slash.
    pub path: String,
    /// Its permissions, as in `0o755`.
    pub mode: u32,
    /// All its bytes.
    pub content: Vec<u8>,
}

/// A file of a tool of `hack/tools/` that an image has beside its program.
#[derive(Debug)]
pub struct ToolFile {
    /// The name of the tool.
    pub tool: &'static str,
    /// The file in the tool's folder: the tool's name for the program, [`FILE`](crate::licenses::FILE) for the licences.
    pub file: &'static str,
    /// Its path in the image, without a leading slash.
    pub path: &'static str,
    /// Its permissions, as in `0o755`.
    pub mode: u32,
    /// Arguments with which it ends at once and successfully, to see that it starts; none: it is no program.
    pub check: &'static [&'static str],
}

impl ToolFile {
    /// Where it is on this machine, for this architecture; the tool is built first if it is not in the cache.
    pub fn source(&self, arch: Arch) -> Result<PathBuf> {
        Ok(go_tools::ensure_folder(self.tool, arch)?.join(self.file))
    }

    /// The file as an image has it, from its [`source`](Self::source).
    pub fn read(&self, source: &Path) -> Result<File> {
        Ok(File {
            path: self.path.to_owned(),
            mode: self.mode,
            content: fs::read(source).with_context(|| format!("failed to read {}", source.display()))?,
        })
    }
}

/// An image for one architecture. Its entry point is `/<program>`.
#[derive(Debug)]
pub struct Image {
    program: String,
    arch: Arch,
    files: Vec<File>,
}

impl Image {
    /// An image of a static program, with the certificate authorities of this machine and the user "nonroot".
    pub fn new(program: &str, arch: Arch, binary: Vec<u8>) -> Result<Self> {
        let authorities = fs::read(Path::new("/").join(AUTHORITIES)).context("install the package ca-certificates")?;
        Ok(Self::with_authorities(program, arch, binary, authorities))
    }

    fn with_authorities(program: &str, arch: Arch, binary: Vec<u8>, authorities: Vec<u8>) -> Self {
        let file = |path: &str, mode: u32, content: Vec<u8>| File {
            path: path.to_owned(),
            mode,
            content,
        };
        let users = b"root:x:0:0::/:\nnonroot:x:65532:65532::/:\n".to_vec();
        Self {
            program: program.to_owned(),
            arch,
            files: vec![
                file("etc/passwd", 0o644, users),
                file(AUTHORITIES, 0o644, authorities),
                file(program, 0o755, binary),
            ],
        }
    }

    /// Adds a file.
    pub fn add(&mut self, file: File) {
        self.files.push(file);
    }

    fn layer(&self) -> Result<Vec<u8>> {
        // Of two files with one path, the last would win, silently.
        let mut paths = BTreeSet::new();
        for file in &self.files {
            ensure!(
                paths.insert(&file.path),
                "the image would have two files /{}",
                file.path
            );
        }
        let mut tar = tar::Builder::new(Vec::new());
        for directory in directories(&self.files) {
            append(&mut tar, &directory, 0o755, &[])?;
        }
        for file in &self.files {
            append(&mut tar, &file.path, file.mode, &file.content)?;
        }
        Ok(tar.into_inner()?)
    }
}

/// Every directory above the files, parents before children, each with a slash at its end.
fn directories(files: &[File]) -> BTreeSet<String> {
    let parents = files
        .iter()
        .flat_map(|file| file.path.match_indices('/').map(|(at, _)| file.path[..=at].to_owned()));
    parents.collect()
}

/// The name under which a cluster has an image of this workspace.
pub fn name(program: &str) -> String {
    format!("localhost/hearth/{program}:dev")
}

/// Writes an OCI archive named [`name`], with one image for each architecture. Several get an image index.
pub fn write(images: &[Image], archive: &Path) -> Result<()> {
    let bytes = layout(images)?;
    if let Some(parent) = archive.parent() {
        fs::create_dir_all(parent)?;
    }
    storage::write_whole(archive, &bytes)
}

/// The files of an OCI image layout.
fn layout(images: &[Image]) -> Result<Vec<u8>> {
    let mut blobs = Vec::new();
    let mut manifests = images
        .iter()
        .map(|image| manifest(image, &mut blobs))
        .collect::<Result<Vec<_>>>()?;
    ensure!(!manifests.is_empty(), "an archive needs at least one image");
    let mut entry = if manifests.len() == 1 {
        manifests.remove(0)
    } else {
        for (descriptor, image) in manifests.iter_mut().zip(images) {
            descriptor["platform"] = json!({"os": "linux", "architecture": image.arch.oci_name()});
        }
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
        add_blob(&mut blobs, INDEX, serde_json::to_vec(&index)?)
    };
    let name = images.first().map(|image| name(&image.program)).unwrap_or_default();
    entry["annotations"] = json!({"io.containerd.image.name": name, "org.opencontainers.image.ref.name": "dev"});
    let index = serde_json::to_vec(&json!({"schemaVersion": 2, "manifests": [entry]}))?;

    let mut tar = tar::Builder::new(Vec::new());
    append(&mut tar, "oci-layout", 0o644, br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    append(&mut tar, "index.json", 0o644, &index)?;
    for (digest, blob) in &blobs {
        append(&mut tar, &format!("blobs/{}", digest.replace(':', "/")), 0o644, blob)?;
    }
    Ok(tar.into_inner()?)
}

/// Adds an image's layer, configuration and manifest to the blobs; returns the descriptor of the manifest.
fn manifest(image: &Image, blobs: &mut Vec<(String, Vec<u8>)>) -> Result<Value> {
    let layer = add_blob(blobs, LAYER, image.layer()?);
    let config = serde_json::to_vec(&json!({
        "architecture": image.arch.oci_name(),
        "os": "linux",
        "config": {
            "User": USER,
            "Entrypoint": [format!("/{}", image.program)],
            "Env": ["PATH=/", format!("SSL_CERT_FILE=/{AUTHORITIES}")],
            "WorkingDir": "/",
        },
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
        "history": [{"created_by": "cargo xtask image"}],
    }))?;
    let config = add_blob(blobs, CONFIG, config);
    let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]});
    Ok(add_blob(blobs, MANIFEST, serde_json::to_vec(&manifest)?))
}

/// Adds a blob under its digest; returns its descriptor.
fn add_blob(blobs: &mut Vec<(String, Vec<u8>)>, media_type: &str, blob: Vec<u8>) -> Value {
    let digest = Sha256::digest(&blob)
        .iter()
        .fold("sha256:".to_owned(), |text, byte| text + &format!("{byte:02x}"));
    let descriptor = json!({"mediaType": media_type, "digest": digest, "size": blob.len()});
    blobs.push((digest, blob));
    descriptor
}

/// A name that ends in `/` is a directory.
fn append(tar: &mut tar::Builder<Vec<u8>>, name: &str, mode: u32, content: &[u8]) -> Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(if name.ends_with('/') {
        tar::EntryType::Directory
    } else {
        tar::EntryType::Regular
    });
    header.set_mode(mode);
    header.set_size(content.len() as u64);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    tar.append_data(&mut header, name, content).map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Read;

    use super::*;

    fn image(arch: Arch) -> Image {
        Image::with_authorities("dns-sync", arch, b"binary".to_vec(), b"authorities".to_vec())
    }

    fn unpack(archive: &[u8]) -> BTreeMap<String, (u32, Vec<u8>)> {
        let mut archive = tar::Archive::new(archive);
        let read = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            let mode = entry.header().mode().unwrap();
            (entry.path().unwrap().display().to_string(), (mode, content))
        };
        archive.entries().unwrap().map(read).collect()
    }

    /// The blob of a descriptor, whose size must be right.
    fn blob(files: &BTreeMap<String, (u32, Vec<u8>)>, descriptor: &Value) -> Vec<u8> {
        let digest = descriptor["digest"].as_str().unwrap();
        let (_, content) = &files[&digest.replace("sha256:", "blobs/sha256/")];
        assert_eq!(descriptor["size"], content.len());
        content.clone()
    }

    fn parsed(bytes: &[u8]) -> Value {
        serde_json::from_slice(bytes).unwrap()
    }

    #[test]
    fn every_digest_in_the_archive_leads_to_its_blob() {
        let mut image = image(Arch::Amd64);
        image.add(File {
            path: "usr/bin/restic".into(),
            mode: 0o755,
            content: b"tool".to_vec(),
        });
        let files = unpack(&layout(&[image]).unwrap());
        let index = parsed(&files["index.json"].1);
        let manifest = parsed(&blob(&files, &index["manifests"][0]));
        let config = parsed(&blob(&files, &manifest["config"]));
        assert_eq!(config["config"]["User"], "65532:65532");
        assert_eq!(config["config"]["Entrypoint"], json!(["/dns-sync"]));
        let inside = unpack(&blob(&files, &manifest["layers"][0]));
        assert_eq!(inside["dns-sync"], (0o755, b"binary".to_vec()));
        assert_eq!(
            inside["etc/ssl/certs/ca-certificates.crt"],
            (0o644, b"authorities".to_vec())
        );
        assert_eq!(inside["usr/bin/restic"], (0o755, b"tool".to_vec()));
        for directory in ["etc/", "etc/ssl/certs/", "usr/", "usr/bin/"] {
            assert_eq!(inside[directory].0, 0o755, "{directory}");
        }
    }

    #[test]
    fn two_architectures_are_one_index_under_one_name() {
        let files = unpack(&layout(&[image(Arch::Amd64), image(Arch::Arm64)]).unwrap());
        let top = parsed(&files["index.json"].1);
        assert_eq!(top["manifests"].as_array().unwrap().len(), 1);
        assert_eq!(
            top["manifests"][0]["annotations"]["io.containerd.image.name"],
            name("dns-sync")
        );
        let index = parsed(&blob(&files, &top["manifests"][0]));
        let architectures: Vec<Value> = (0..2)
            .map(|at| {
                let manifest = parsed(&blob(&files, &index["manifests"][at]));
                let config = parsed(&blob(&files, &manifest["config"]));
                assert_eq!(
                    config["architecture"],
                    index["manifests"][at]["platform"]["architecture"]
                );
                config["architecture"].clone()
            })
            .collect();
        assert_eq!(architectures, ["amd64", "arm64"]);
    }

    /// What a row of the table of operators says, and a folder that such a tool could have.
    const TOOL: [ToolFile; 2] = [
        ToolFile {
            tool: "restic",
            file: "restic",
            path: "usr/local/bin/restic",
            mode: 0o755,
            check: &["version"],
        },
        ToolFile {
            tool: "restic",
            file: "LICENSES",
            path: "licenses/restic.txt",
            mode: 0o644,
            check: &[],
        },
    ];

    fn with_tool(arch: Arch) -> Image {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("restic"), format!("program for {}", arch.oci_name())).unwrap();
        fs::write(folder.path().join("LICENSES"), "texts").unwrap();
        fs::write(folder.path().join("build.log"), "not for the image").unwrap();
        let mut image = image(arch);
        for file in &TOOL {
            image.add(file.read(&folder.path().join(file.file)).unwrap());
        }
        image
    }

    #[test]
    fn each_architecture_has_the_files_of_its_tools_and_nothing_else_of_their_folder() {
        for arch in [Arch::Amd64, Arch::Arm64] {
            let inside = unpack(&with_tool(arch).layer().unwrap());
            let program = format!("program for {}", arch.oci_name()).into_bytes();
            assert_eq!(inside["usr/local/bin/restic"], (0o755, program));
            assert_eq!(inside["licenses/restic.txt"], (0o644, b"texts".to_vec()));
            assert_eq!(inside["licenses/"].0, 0o755);
            assert!(!inside.keys().any(|path| path.contains("build.log")));
        }
    }

    #[test]
    fn a_tool_that_would_replace_a_file_of_the_image_is_refused() {
        let mut image = with_tool(Arch::Amd64);
        image.add(File {
            path: "dns-sync".into(),
            mode: 0o755,
            content: Vec::new(),
        });
        let error = image.layer().unwrap_err();
        assert!(error.to_string().contains("/dns-sync"), "{error}");
    }

    #[test]
    fn the_same_inputs_give_the_same_bytes() {
        let once = || layout(&[image(Arch::Amd64)]).unwrap();
        assert_eq!(once(), once());
    }
}
