//! The one table that is printed.

use crate::peers::Peer;

/// Who comes first in each row.
pub(crate) const OURS: &str = "lovejoy";

/// Figures, in the order in which they were first measured.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
}

struct Row {
    label: String,
    more_is_better: bool,
    /// Who was measured, and what came of it each time.
    results: Vec<(&'static str, Vec<f64>)>,
}

impl Table {
    /// Of this, less is better.
    pub(crate) fn less(&mut self, peer: &Peer, label: String, value: f64) {
        self.add(peer.name, label, value, false);
    }

    /// Of this, more is better.
    pub(crate) fn more(&mut self, peer: &Peer, label: String, value: f64) {
        self.add(peer.name, label, value, true);
    }

    pub(crate) fn add(
        &mut self,
        name: &'static str,
        label: String,
        value: f64,
        more_is_better: bool,
    ) {
        let index = self.rows.iter().position(|row| row.label == label).unwrap_or_else(|| {
            self.rows.push(Row { label, more_is_better, results: Vec::new() });
            self.rows.len() - 1
        });
        let results = &mut self.rows[index].results;
        match results.iter_mut().find(|(other, _)| *other == name) {
            Some((_, values)) => values.push(value),
            None => results.push((name, vec![value])),
        }
    }

    pub(crate) fn print(&self) {
        let mut names = self.rows.iter().flat_map(|row| row.results.iter().map(|(name, _)| *name));
        let other = names.find(|name| *name != OURS).unwrap_or("-");
        println!("{:<50}{:>10}{:>10}{:>8}{:>7}", "", OURS, other, "ratio", "ahead");
        for row in &self.rows {
            let of = |name| row.results.iter().find(|it| it.0 == name).map(|it| median(&it.1));
            let (ours, theirs) = (of(OURS), of(other));
            let ratio = ours.zip(theirs).map(|(ours, theirs)| ours / theirs);
            let ahead =
                ratio.map_or(
                    "-",
                    |ratio| {
                        if (ratio > 1.0) == row.more_is_better { "yes" } else { "no" }
                    },
                );
            let shown = |value: Option<f64>| value.map_or("-".to_owned(), show);
            let ratio = ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
            let (label, ours, theirs) = (&row.label, shown(ours), shown(theirs));
            println!("{label:<50}{ours:>10}{theirs:>10}{ratio:>8}{ahead:>7}");
        }
    }
}

fn show(value: f64) -> String {
    if value < 100.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}
