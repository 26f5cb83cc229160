//! The secret-sync operator.
fn main() {}
