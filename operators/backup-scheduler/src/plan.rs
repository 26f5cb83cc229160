//! What is to be done, decided from what was observed. Pure: the clock and the cluster come as values.
pub mod backup;
pub mod claims;
pub mod consent;
pub mod doubt;
pub mod items;
pub mod job;
pub mod job_state;
pub mod limits;
pub mod maintenance;
pub mod pause;
pub mod placement;
pub mod pod;
pub mod restore;
pub mod retention;
pub mod schedule;
pub mod slots;
pub mod yields;
