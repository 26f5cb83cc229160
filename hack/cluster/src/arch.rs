//! Processor architectures of images, with their names in Rust, Go, Debian and QEMU.
use anyhow::{Context, Result};

/// An architecture that images are built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Arch {
    /// `x86_64`.
    Amd64,
    /// `aarch64`.
    Arm64,
}

impl Arch {
    /// The architecture of this machine. An error if images cannot be built for it.
    pub fn host() -> Result<Self> {
        [Self::Amd64, Self::Arm64]
            .into_iter()
            .find(|arch| arch.kernel_name() == std::env::consts::ARCH)
            .with_context(|| {
                format!(
                    "images are built for amd64 and arm64, not for {}",
                    std::env::consts::ARCH
                )
            })
    }

    /// Whether programs of this architecture run on this machine without an emulator.
    pub fn is_host(self) -> bool {
        self.kernel_name() == std::env::consts::ARCH
    }

    /// The name in OCI images and in Go (`GOARCH`).
    pub fn oci_name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// The name in Linux, in Rust's targets and in QEMU's programs.
    fn kernel_name(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }

    /// Rust's target for static programs.
    pub fn target(self) -> String {
        format!("{}-unknown-linux-musl", self.kernel_name())
    }

    /// Debian's C compiler for another architecture.
    pub fn cross_compiler(self) -> String {
        format!("{}-linux-gnu-gcc", self.kernel_name())
    }

    /// Debian's packages with [`cross_compiler`](Self::cross_compiler) and the headers that it needs.
    pub fn cross_packages(self) -> [String; 2] {
        [
            format!("gcc-{}-linux-gnu", self.kernel_name().replace('_', "-")),
            format!("libc6-dev-{}-cross", self.oci_name()),
        ]
    }

    /// QEMU's program that runs a single program of this architecture; Debian's package is `qemu-user`.
    pub fn emulator(self) -> String {
        format!("qemu-{}", self.kernel_name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_an_architecture_are_those_of_each_tool() {
        assert_eq!(Arch::Arm64.target(), "aarch64-unknown-linux-musl");
        assert_eq!(Arch::Amd64.cross_compiler(), "x86_64-linux-gnu-gcc");
        assert_eq!(
            Arch::Amd64.cross_packages(),
            ["gcc-x86-64-linux-gnu", "libc6-dev-amd64-cross"]
        );
        assert!(Arch::host().unwrap().is_host());
    }
}
