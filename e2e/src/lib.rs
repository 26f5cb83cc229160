//! What the end-to-end tests, the demo and the benchmarks share: surroundings (a cluster, Helm, a host that pods
//! reach), the operator as a user installs it, objects as a user writes them, and a strict Route 53.
pub mod bed;
pub mod events;
pub mod gate;
pub mod home;
pub mod install;
pub mod local;
pub mod objects;
pub mod process;
pub mod route53;
pub mod server;
pub mod surroundings;
pub mod table;
pub mod wait;
