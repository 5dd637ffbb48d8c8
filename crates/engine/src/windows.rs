//! As-of windows online: between what the language says of them and what the store keeps.

use std::sync::Arc;

use asof_exact::{Integers, Registers, Sketches, Sums};
use asof_model::{Columns, Definition, Micros, Name, Pinned, Registered, Result};
use asof_online::{Cell, CellColumn, CellKind, Cells, Layout, Span, Tiles, Windows, Within};
use asof_query::{States, Tables, TileKind, Tiled, Tiling};
use datafusion::catalog::TableProvider;
use datafusion::datasource::empty::EmptyTable;

use crate::Engine;

/// The columns of a view with windows in the store. None where its hops do not divide one another.
pub(crate) fn layout(key: &Columns, tiled: &Tiled) -> Option<Layout> {
    let tiling = &tiled.tiling;
    let cells = tiling.cells().iter().map(|cell| Cell {
        input: cell.input.clone(),
        kind: match cell.kind {
            TileKind::Count => CellKind::Count,
            TileKind::Sum => CellKind::Sum,
            TileKind::Squares => CellKind::Squares,
            TileKind::Integers => CellKind::Integers,
            TileKind::Unsigned => CellKind::Unsigned,
            TileKind::Greatest => CellKind::Greatest,
            TileKind::Least => CellKind::Least,
            TileKind::Decimals => CellKind::Decimals,
            TileKind::Quantiles => CellKind::Quantiles,
            TileKind::Registers => CellKind::Registers,
            TileKind::GreatestValue => CellKind::GreatestValue,
            TileKind::LeastValue => CellKind::LeastValue,
            TileKind::First => CellKind::First,
            TileKind::Last => CellKind::Last,
            TileKind::LastRows(most) => CellKind::LastRows(most),
            TileKind::Different => CellKind::Different,
            TileKind::AllBits => CellKind::AllBits,
            TileKind::AnyBits => CellKind::AnyBits,
            TileKind::OddBits => CellKind::OddBits,
        },
        within: match (cell.sliding, cell.endless) {
            (true, false) => Within::Sliding,
            (false, true) => Within::Endless,
            _ => Within::All,
        },
    });
    let tiles = Tiles::new(tiling.hops(), tiling.endless(), cells.collect())?;
    Some(Layout { key: key.clone(), values: tiled.values.clone(), tiles: Some(tiles) })
}

/// The windows of a view at a moment, as the store is asked for them.
pub(crate) fn windows(tiling: &Tiling, at: Micros) -> Windows {
    let spans = tiling.windows(at.0).into_iter().map(|(hop, start)| Span { hop, start });
    Windows { at, spans: spans.collect() }
}

/// What the store found, as results are computed from it.
pub(crate) struct Found<'a>(pub(crate) &'a Cells);

impl Found<'_> {
    fn column(&self, cell: usize) -> &CellColumn {
        &self.0.columns[cell]
    }
}

impl States for Found<'_> {
    fn count(&self, cell: usize, group: usize) -> u64 {
        match self.column(cell) {
            CellColumn::Counts(counts) => counts[group],
            other => unreachable!("{other:?} was planned as a count"),
        }
    }

    fn sums(&self, cell: usize) -> &Sums {
        match self.column(cell) {
            CellColumn::Sums(sums) => sums,
            other => unreachable!("{other:?} was planned as a sum of floats"),
        }
    }

    fn integers(&self, cell: usize) -> &Integers {
        match self.column(cell) {
            CellColumn::Integers(sums) => sums,
            other => unreachable!("{other:?} was planned as a sum of integers"),
        }
    }

    fn extreme(&self, cell: usize, group: usize) -> Option<i64> {
        match self.column(cell) {
            CellColumn::Extremes(values) | CellColumn::Bits(values) => values[group],
            other => unreachable!("{other:?} was planned as a word"),
        }
    }

    fn sketches(&self, cell: usize) -> &Sketches {
        match self.column(cell) {
            CellColumn::Sketches(sketches) => sketches,
            other => unreachable!("{other:?} was planned as a sketch"),
        }
    }

    fn registers(&self, cell: usize) -> &Registers {
        match self.column(cell) {
            CellColumn::Registers(registers) => registers,
            other => unreachable!("{other:?} was planned as registers"),
        }
    }

    fn value(&self, cell: usize, group: usize) -> Option<&[u8]> {
        match self.column(cell) {
            CellColumn::Values(values) => values.get(group),
            other => unreachable!("{other:?} was planned as a value"),
        }
    }

    fn last_rows(&self, cell: usize, group: usize) -> Vec<(i64, i64, &[u8])> {
        match self.column(cell) {
            CellColumn::LastRows(rows) => rows[group].rows().collect(),
            other => unreachable!("{other:?} was planned as the last rows"),
        }
    }

    fn different(&self, cell: usize, group: usize) -> Option<usize> {
        match self.column(cell) {
            CellColumn::Different(values) => values[group].count(),
            other => unreachable!("{other:?} was planned as different values"),
        }
    }
}

/// Datasets with their columns and without rows: enough to bind what reads them.
pub(crate) struct Bare(Vec<(Name, Arc<dyn TableProvider>)>);

impl Bare {
    /// One dataset.
    pub(crate) fn of(dataset: &Name, columns: arrow::datatypes::SchemaRef) -> Self {
        Bare(vec![(dataset.clone(), Arc::new(EmptyTable::new(columns)))])
    }
}

impl Tables for Bare {
    fn table(&self, dataset: &Pinned) -> Option<Arc<dyn TableProvider>> {
        let found = self.0.iter().find(|(name, _)| *name == dataset.name);
        found.map(|(_, table)| Arc::clone(table))
    }
}

impl Engine {
    /// The columns of all datasets among definitions, those that have any: what binding a view with as-of windows takes. Where
    /// there is no such view, nobody asks for them, and nothing is looked up.
    pub(crate) async fn bare(&self, closure: &[Registered]) -> Result<Bare> {
        let mut windows = closure.iter().map(asof_query::has_windows);
        match windows.try_fold(false, |any, one| one.map(|one| any || one))? {
            true => self.columns(closure).await,
            false => Ok(Bare(Vec::new())),
        }
    }

    /// The columns of all datasets among definitions, those that have any.
    pub(crate) async fn columns(&self, closure: &[Registered]) -> Result<Bare> {
        let mut all = Bare(Vec::new());
        for registered in closure {
            let (Definition::Dataset(dataset), name) = (&registered.definition, &registered.pinned.name) else {
                continue;
            };
            match self.offline().gate(&registered.pinned.project, dataset).await {
                Ok(gate) => all.0.extend(Bare::of(name, crate::push::with_seq(&gate)).0),
                // One without columns has no table, and whoever needs it says so.
                Err(error) if error.code() == "nothing_ingested" => {}
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }
}
