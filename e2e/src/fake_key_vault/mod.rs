//! Azure Key Vault and Entra's token endpoint for tests, over TLS.
//!
//! No emulator of Key Vault is to be had from the registries that this project uses, so the fake has the rules itself, each from
//! Microsoft's REST reference (<https://learn.microsoft.com/rest/api/keyvault/>), and Microsoft's own Python clients are run
//! against it (`e2e/tests/fake_key_vault`). One listener serves both sides:
//!
//! - Entra, by paths that start with a tenant (module `entra`): the token endpoint checks every field of the form and answers
//!   errors as Entra does, `AADSTS` numbers included;
//! - vaults, by the request's host (modules `secrets`, `certificates`): challenge, tokens that expire and can be revoked,
//!   API versions, names, versions, attributes, tags, paging, soft delete, certificates as PKCS#12 and PEM.
//!
//! [`Control`] injects faults ([`Fault`]), changes vaults as somebody else would, and has a log of all calls. From another
//! process it is reached through a second listener without TLS (module `admin`).
//!
//! Not there: keys, rights of single applications (a fault stands for a missing right), backup, issuers and pending
//! certificates, throttling by rate.

mod admin;
mod answer;
mod bundles;
mod certificates;
mod control;
mod entra;
mod fault;
mod input;
mod listing;
mod log;
mod route;
mod secrets;
mod server;
mod store;
mod tls;

pub use bundles::make_chain;
pub use control::{Control, FaultId};
pub use entra::Application;
pub use fault::{Fault, Rule};
pub use log::{Call, Kind, Mark};
pub use server::{FakeKeyVault, FakeKeyVaultHandle, Options};
pub use store::{PKCS12, Plain};
