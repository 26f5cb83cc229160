//! For tests: a scripted API server, a fault layer for clients, the CRD snapshot check.
