//! Plain tables for people.

/// Rows under headings, in columns as wide as they need: the first to the left, numbers to the right.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(|heading| (*heading).to_owned()).collect()] }
    }

    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    pub fn print(&self) {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (number, row) in self.rows.iter().enumerate() {
            let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            });
            println!("  {}", cells.collect::<Vec<_>>().join("  ").trim_end());
            if number == 0 {
                println!(
                    "  {}",
                    widths.iter().map(|width| "-".repeat(*width)).collect::<Vec<_>>().join("  ")
                );
            }
        }
        println!();
    }
}

/// A section's title, and under it how it was measured.
pub fn section(title: &str, how: &str) {
    println!("{title}\n{}", "=".repeat(title.chars().count()));
    for line in how.lines() {
        println!("{}", line.trim());
    }
    println!();
}

/// Nanoseconds as microseconds.
pub fn micros(nanos: f64) -> String {
    match nanos / 1000.0 {
        micros if micros < 10.0 => format!("{micros:.2}"),
        micros if micros < 100.0 => format!("{micros:.1}"),
        micros => format!("{micros:.0}"),
    }
}

/// How a value stands to the most it should be.
pub fn distance(value: f64, most: f64, unit: &str) -> String {
    if value <= most { "met".to_owned() } else { format!("{:+.2} {unit}", value - most) }
}
