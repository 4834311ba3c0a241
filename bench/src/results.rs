//! The results of a run.

use crate::contender::Contender;
use crate::rows::Row;
use crate::size::Size;
use std::collections::BTreeMap;

/// The row that the driver does by itself.
pub const SIZE: &str = "library-size";

/// Values of all rounds, by row and contender.
pub type Values = BTreeMap<(&'static str, &'static str), Vec<f64>>;

/// The results of a run.
pub struct Results {
    pub rows: Vec<&'static Row>,
    pub contenders: Vec<&'static Contender>,
    pub values: Values,
    /// The contenders left out, and why.
    pub missing: Vec<(String, String)>,
    /// Whether a contender that is installed did something wrong.
    pub failed: bool,
    pub size: Option<Size>,
    pub facts: Vec<(&'static str, String)>,
    /// How to run it again.
    pub command: String,
}

impl Results {
    /// How often each piece of work was done.
    pub fn rounds(&self) -> String {
        let done = self.values.iter().filter(|((row, _), _)| *row != SIZE);
        let counts: Vec<_> = done.map(|(_, values)| values.len()).collect();
        let (least, most) = (counts.iter().min(), counts.iter().max());
        match (least.unwrap_or(&0), most.unwrap_or(&0)) {
            (least, most) if least == most => most.to_string(),
            (least, most) => format!("{least} to {most}"),
        }
    }

    /// The library's size, if it was requested.
    pub fn shown_size(&self) -> Option<&Size> {
        let asked = self.rows.iter().any(|row| row.id == SIZE);
        self.size.as_ref().filter(|_| asked)
    }
}
