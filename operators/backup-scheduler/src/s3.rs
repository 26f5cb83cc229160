//! A small S3 client: as much as the operator needs beside restic, which has its own.
//!
//! It makes one connection for each call, follows no redirect, sends no checksums but `x-amz-content-sha256`, and reads answers
//! up to 1 MiB. It sends nothing again: a [`Failure`] tells whether that may help.
mod client;
mod connect;
mod endpoint;
mod errors;
mod list;
pub mod mark;
pub mod preflight;
mod sign;
mod transport;
mod xml;

#[cfg(test)]
mod test_server;

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

pub use self::client::{Client, Created};
pub use self::endpoint::{Credentials, Settings, check_prefix, object_key};
pub use self::errors::{Failure, Reason};
pub use self::list::{Object, Page};
pub use self::transport::Options;

/// A clock that differs by more seconds than this from the server's is a fault: servers refuse signatures after 15 minutes, and
/// times of snapshots are wrong before.
pub const MAX_SKEW_SECONDS: i64 = 300;

/// 32 hex digits that no other call returns. The system seeds them.
pub fn random_id() -> String {
    let half = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", half(), half())
}
