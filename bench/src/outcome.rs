//! The outcome of each row, and whether its targets are met.

use crate::contender::Kind;
use crate::results::Results;
use crate::rows::{Better, Row, Target};
use crate::stats::{Summary, summary};

impl Results {
    /// The rows that have a result.
    pub fn outcomes(&self) -> Vec<Outcome> {
        let all = self.rows.iter().map(|row| Outcome::of(self, row));
        all.filter(|o| !o.all.is_empty()).collect()
    }
}

/// The outcome of one row.
pub struct Outcome {
    pub row: &'static Row,
    /// By contender, in the order of the list.
    pub all: Vec<(&'static str, Kind, Summary)>,
    pub ours: Option<Summary>,
    pub best: Option<(&'static str, Summary)>,
    pub floor: Option<(&'static str, Summary)>,
}

impl Outcome {
    /// Of a run's row.
    fn of(results: &Results, row: &'static Row) -> Outcome {
        let all: Vec<_> = results
            .contenders
            .iter()
            .filter_map(|c| {
                let values = results.values.get(&(row.id, c.name))?;
                Some((c.name, c.kind, summary(values)))
            })
            .collect();
        let best = |kind: Kind| {
            let of_kind = all.iter().filter(|(_, k, _)| *k == kind);
            let by = |a: &f64, b: &f64| match row.better {
                Better::More => a.total_cmp(b),
                Better::Less => b.total_cmp(a),
            };
            of_kind
                .max_by(|a, b| by(&a.2.median, &b.2.median))
                .map(|(n, _, s)| (*n, *s))
        };
        let (ours, best, floor) = (
            best(Kind::Ours).map(|(_, s)| s),
            best(Kind::Rival),
            best(Kind::Floor),
        );
        Outcome {
            row,
            all,
            ours,
            best,
            floor,
        }
    }

    /// Our figure divided by that of the best rival.
    pub fn over_best(&self) -> Option<f64> {
        Some(self.ours?.median / self.best?.1.median)
    }

    /// Our figure divided by that of the better floor.
    pub fn over_floor(&self) -> Option<f64> {
        Some(self.ours?.median / self.floor?.1.median)
    }

    /// The targets in words, each with whether it is met (None: nothing to compare with).
    pub fn verdicts(&self) -> Vec<(String, Option<bool>)> {
        let more = self.row.better == Better::More;
        let sign = if more { "≥" } else { "≤" };
        let judge = |have: Option<f64>, want: f64| {
            have.map(|have| if more { have >= want } else { have <= want })
        };
        let unit = self.row.unit;
        let verdict = |target: &Target| match *target {
            Target::Best(want) => (
                format!("{sign} {want} × best"),
                judge(self.over_best(), want),
            ),
            Target::Floor(want) => (
                format!("{sign} {want} × floor"),
                judge(self.over_floor(), want),
            ),
            Target::Value(want) => (
                format!("{sign} {want} {unit}"),
                judge(self.ours.map(|s| s.median), want),
            ),
        };
        self.row.targets.iter().map(verdict).collect()
    }
}
