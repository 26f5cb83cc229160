//! What calls to servers that a user names have in common: which certificates are trusted, and which addresses are not called.
mod address;
mod tls;

pub use address::{is_private, refusal};
pub use tls::tls;
