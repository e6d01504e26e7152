//! What is counted, and the metrics that come of it. Where the counters are is somebody else's
//! business: here each has a number within its group.

mod source;
mod zone;

pub use source::{SourceCounter, SourceKind, fetch_families, key_file_families};
pub use zone::{TokenResult, ZoneCounter, zone_families};

/// Reads a counter of a group by its number.
pub type ReadCounter<'a> = &'a dyn Fn(usize) -> u64;

#[cfg(test)]
mod tests;
