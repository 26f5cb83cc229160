//! A real Kubernetes cluster on a bare Linux machine, and what it is built from: pinned tools and image archives.
//!
//! The cluster is made of namespaces, so the machine's own network, mounts and settings stay as they are. Its nodes can be
//! switched off and on, its control plane can be stopped and stalled, and etcd's data can be removed: what the tests of node
//! loss, outages and rebuilds need. docs/local-cluster.md is its manual.
pub mod arch;
pub mod cli;
pub mod go_tools;
pub mod licenses;
pub mod oci;
pub mod packages;
pub mod workspace;

mod binaries;
mod certificates;
mod cgroups;
mod command;
mod control;
mod lifecycle;
mod local;
mod network;
mod node;
mod plan;
mod process;
mod ready;
mod slots;
mod state;
mod storage;

pub use lifecycle::ensure_tools;
pub use local::{down, home_beside, host_address, is_up, kubeconfig_path, load_image, shape, up};
pub use state::{Grace, UpOptions};
