//! Pinned tools.
