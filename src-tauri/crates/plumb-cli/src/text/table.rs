//! Aligned columns that fit the terminal.

use unicode_width::UnicodeWidthStr as _;

use crate::{output::Output, text::escape::printable};

/// Spaces between two columns.
const GAP: usize = 2;
/// A column that has to give way keeps this much.
const COLUMN_MIN: usize = 8;

/// Rows under a heading. The last column gives way first where the terminal is narrow.
#[derive(Debug)]
pub(crate) struct Table {
    heading: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

/// Text with its colours aside, so that widths are those of what is seen.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    plain: String,
    painted: Option<String>,
}

impl Cell {
    /// Our own text with its painted form.
    pub(crate) fn painted(plain: impl Into<String>, painted: String) -> Self {
        Self { plain: plain.into(), painted: Some(painted) }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    /// Text from anywhere, escaped.
    fn from(text: T) -> Self {
        Self { plain: printable(text.as_ref()), painted: None }
    }
}

impl Table {
    pub(crate) fn new(heading: &[&'static str]) -> Self {
        Self { heading: heading.to_vec(), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let row: Vec<Cell> = cells.into_iter().collect();
        debug_assert_eq!(row.len(), self.heading.len(), "a row has a cell for every column");
        self.rows.push(row);
    }

    pub(crate) fn print(&self, out: &Output) {
        let widths = self.widths(out.columns);
        let heading: Vec<Cell> =
            self.heading.iter().map(|name| Cell::painted(*name, out.style.faint(name))).collect();
        out.say(line(&heading, &widths));
        for row in &self.rows {
            out.say(line(row, &widths));
        }
    }

    fn widths(&self, columns: usize) -> Vec<usize> {
        let mut widths: Vec<usize> = self.heading.iter().map(|name| name.width()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.plain.width());
            }
        }
        let mut over = (widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1))
            .saturating_sub(columns);
        for width in widths.iter_mut().rev() {
            let give = over.min(width.saturating_sub(COLUMN_MIN));
            *width -= give;
            over -= give;
        }
        widths
    }
}

fn line(cells: &[Cell], widths: &[usize]) -> String {
    let mut out = String::new();
    for (index, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let own = cell.plain.width();
        if own > *width {
            out.push_str(&cut(&cell.plain, *width));
        } else {
            out.push_str(cell.painted.as_deref().unwrap_or(&cell.plain));
        }
        if index + 1 < cells.len() {
            out.push_str(&" ".repeat(GAP + width.saturating_sub(own)));
        }
    }
    out.truncate(out.trim_end().len());
    out
}

fn cut(text: &str, width: usize) -> String {
    let mut kept = String::new();
    for c in text.chars() {
        let next = format!("{kept}{c}");
        if next.width() + 1 > width {
            break;
        }
        kept = next;
    }
    kept.push('…');
    kept
}

/// The first 12 digits of a digest, or a dash.
pub(crate) fn short(digest: Option<&str>) -> String {
    digest.map_or_else(|| "-".to_owned(), |digest| digest.chars().take(12).collect())
}

/// The text, or a dash.
pub(crate) fn or_dash(text: Option<&str>) -> String {
    text.unwrap_or("-").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_column_gives_way_first() {
        let mut table = Table::new(&["node", "why"]);
        table.row([Cell::from("eu-gw-001"), Cell::from("a long sentence that does not fit")]);
        assert_eq!(table.widths(usize::MAX), [9, 33]);
        assert_eq!(table.widths(30), [9, 19]);
        assert_eq!(line(&table.rows[0], &table.widths(30)), "eu-gw-001  a long sentence th…");
    }
}
