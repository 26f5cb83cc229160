//! The size of the image that is measured.
use std::fs;

use anyhow::{Context, Result, ensure};

/// The image's archive, as `cargo xtask` sets it.
const ARCHIVE: &str = "HEARTH_IMAGE_ARCHIVE";

/// Bytes of the OCI archive. Its layer lies in it uncompressed, which is made sure of; beside the layer it holds a few kilobytes.
pub(crate) fn bytes() -> Result<u64> {
    let path = std::env::var_os(ARCHIVE)
        .with_context(|| format!("{ARCHIVE} is not set; start this with `cargo xtask bench`"))?;
    let content = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    ensure!(
        !has_compressed_layers(&content),
        "the layers of {} are compressed; its size says nothing",
        path.display()
    );
    Ok(u64::try_from(content.len())?)
}

fn has_compressed_layers(archive: &[u8]) -> bool {
    let holds = |text: &str| archive.windows(text.len()).any(|window| window == text.as_bytes());
    holds("image.layer.v1.tar+gzip\"") || holds("image.layer.v1.tar+zstd\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressed_layers_are_told_by_their_media_type() {
        assert!(!has_compressed_layers(
            br#"{"mediaType":"application/vnd.oci.image.layer.v1.tar"}"#
        ));
        assert!(has_compressed_layers(
            br#"{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip"}"#
        ));
    }
}
