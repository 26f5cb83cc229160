//! End-to-end tests, demos and benchmarks of the operators, on a real cluster.
//!
//! [`operators`] is the table of operators: each has one row, and one folder with its environment, cases, story (the demo, which
//! is also a case) and benchmark. The programs `e2e`, `demo` and `bench` only read that table.
mod api_proxy;
mod backup_scheduler;
pub mod bench;
mod case;
mod columns;
pub mod demo;
mod demo_install;
mod dns_sync;
mod environment;
mod events;
pub mod fake_key_vault;
pub mod fake_route53;
mod http_gate;
mod install;
mod local_operator;
mod namespaces;
mod node_class;
mod objects;
mod openssl;
pub mod operator;
pub mod operators;
mod pod_process;
pub mod runner;
pub mod s3;
mod screen;
mod secret_sync;
mod server;
mod server_home;
pub mod vault_server;
pub mod versitygw;
mod wait;
