//! The values of a piece of work, and their units.

use std::time::Duration;

pub const MIB: u64 = 1 << 20;
pub const KIB: usize = 1 << 10;

/// The values, by name of the metric.
pub type Values = Vec<(&'static str, f64)>;

pub fn rate(size: u64, time: Duration) -> f64 {
    size as f64 / MIB as f64 / time.as_secs_f64()
}

pub fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
