//! Text in columns, for people.

use crate::failure::{Result, visible};
use crate::out::{Out, Paint};

/// The widest cell that is shown whole.
const WIDEST: usize = 80;

/// Rows of text below a header. Held in memory to align it.
pub(crate) struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table.
    pub(crate) fn new<T: Into<String>>(header: impl IntoIterator<Item = T>) -> Self {
        Table { header: header.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Prints it; on a terminal long cells are cut.
    pub(crate) fn print(&self, out: &mut Out) -> Result<()> {
        let shown = |cell: &String| {
            let cell = visible(cell).replace(['\n', '\t'], " ");
            if out.is_terminal() { cut(&cell) } else { cell }
        };
        let header: Vec<_> = self.header.iter().map(shown).collect();
        let rows: Vec<Vec<_>> = self.rows.iter().map(|row| row.iter().map(shown).collect()).collect();
        let mut widths: Vec<_> = header.iter().map(|h| h.chars().count()).collect();
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        out.painted(Paint::Bold, line(&header, &widths))?;
        for row in &rows {
            out.line(line(row, &widths))?;
        }
        Ok(())
    }
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let padded: Vec<_> = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
    padded.join("  ").trim_end().to_owned()
}

fn cut(cell: &str) -> String {
    if cell.chars().count() <= WIDEST {
        return cell.to_owned();
    }
    cell.chars().take(WIDEST - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let cells = |cells: &[&str]| cells.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>();
        assert_eq!(line(&cells(&["a", "b", ""]), &[3, 1, 2]), "a    b");
        assert_eq!(cut(&"ä".repeat(81)).chars().count(), 80);
    }
}
