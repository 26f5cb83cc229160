//! Route 53 for tests: moto with the real service's rules in front of it.
//!
//! moto is not Route 53: its batches are not atomic, CREATE over another value appends, DELETE and `SetIdentifier` are loose
//! and few limits are enforced. The operator swaps record sets by DELETE of the exact old one and CREATE of the new, so a
//! test through moto alone would prove nothing. [`FakeRoute53`] speaks the same REST-XML, and
//!
//! - keeps every zone's record sets itself ([`Zone`]) and answers changes and lists from there, under the rules of
//!   [`rules`], [`input`] and [`values`]; moto's copy of the record sets is neither written nor read, since its cost grows
//!   with the zone and its history. Zones, tags, health checks and STS are moto's;
//! - rejects access keys and zones as configured ([`Access`]), injects faults ([`Fault`]), takes foreign edits and counts calls,
//!   all through [`Control`] or, from another process, through `/_hearth/` (module `admin`).
//!
//! Not enforced: signatures, the quota of sets in a zone, geoproximity, CIDR and traffic policies (refused), that a
//! failover pair has one primary.

mod access;
mod admin;
mod answer;
mod client;
mod control;
mod errors;
mod fault;
pub mod input;
mod log;
mod model;
mod moto;
pub mod name;
mod record;
mod route;
mod rrset;
pub mod rules;
mod server;
mod sts;
mod upstream;
pub mod values;
pub mod xml;
mod zones;

pub use access::{ACCOUNT, Access};
pub use client::client;
pub use control::{Control, FaultId};
pub use errors::{ErrorForm, ErrorResponse};
pub use fault::{Fault, Rule, Throttle};
pub use log::{Call, Edit, Mark, Operation};
pub use model::{Key, Page, Zone};
pub use moto::{Moto, PROGRAM};
pub use record::{Action, Alias, Change, RecordSet, Routing};
pub use server::{FakeRoute53, FakeRoute53Handle};
