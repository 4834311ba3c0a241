//! A cache: many buffers under one budget.

#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the cache that uses it comes next")
)]
mod policy;
