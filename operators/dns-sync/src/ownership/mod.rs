//! Who owns a record: the TXT records that external-dns writes beside its records, read and written the same way.
pub mod txt;
