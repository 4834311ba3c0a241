//! The median and the quartiles of several rounds.

/// The median and the quartiles.
#[derive(Clone, Copy)]
pub struct Summary {
    pub median: f64,
    pub low: f64,
    pub high: f64,
}

/// Of at least one value.
pub fn summary(values: &[f64]) -> Summary {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |part: f64| {
        let place = part * (sorted.len() - 1) as f64;
        let (below, rest) = (place.floor(), place.fract());
        let next = sorted[(below as usize + 1).min(sorted.len() - 1)];
        sorted[below as usize] * (1.0 - rest) + next * rest
    };
    Summary {
        median: at(0.5),
        low: at(0.25),
        high: at(0.75),
    }
}
