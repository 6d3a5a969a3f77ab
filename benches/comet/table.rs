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

    /// Everybody's figures, and how ours compares with each of the others'.
    pub(crate) fn print(&self) {
        let mut others = Vec::new();
        for (name, _) in self.rows.iter().flat_map(|row| &row.results) {
            if *name != OURS && !others.contains(name) {
                others.push(*name);
            }
        }
        print!("{:<50}{OURS:>10}", "");
        for other in &others {
            print!("{other:>10}{:>8}{:>7}", "ratio", "ahead");
        }
        println!();
        for row in &self.rows {
            let ours = row.of(OURS);
            print!("{:<50}{:>10}", row.label, shown(ours));
            for other in &others {
                let theirs = row.of(other);
                let ratio = ours.zip(theirs).map(|(ours, theirs)| ours / theirs);
                let ahead = ratio.map(|ratio| (ratio > 1.0) == row.more_is_better);
                let ahead = ahead.map_or("-", |ahead| if ahead { "yes" } else { "no" });
                let ratio = ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
                print!("{:>10}{ratio:>8}{ahead:>7}", shown(theirs));
            }
            println!();
        }
    }
}

impl Row {
    /// The middle of what this one did.
    fn of(&self, name: &str) -> Option<f64> {
        self.results.iter().find(|it| it.0 == name).map(|it| median(&it.1))
    }
}

fn shown(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), show)
}

fn show(value: f64) -> String {
    if value < 100.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}
