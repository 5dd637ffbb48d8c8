//! A view's rows on their way into a publication: those that count by the moment, and when the next one will.

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch, Scalar, TimestampMicrosecondArray};
use arrow::compute::kernels::cmp;
use arrow::compute::{filter_record_batch, not};
use arrow::datatypes::TimestampMicrosecondType;
use asof_model::{Error, Micros, Result};
use asof_online::{EVENT_TIME, KNOWN, Publication, SEQ};
use asof_query::Tiled;

/// Tells rows that count by a moment from those that do not yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counting {
    at: Micros,
    /// When the first row begins to count that does not yet.
    pub(super) due: Option<Micros>,
}

impl Counting {
    pub(super) fn new(at: Micros) -> Self {
        Counting { at, due: None }
    }

    /// What another one found, too.
    pub(super) fn absorb(&mut self, due: Option<Micros>) {
        self.due = self.due.into_iter().chain(due).min();
    }

    /// The rows that count by the moment.
    pub(super) fn counting(&mut self, rows: RecordBatch) -> Result<RecordBatch> {
        let times = moments(&rows, EVENT_TIME)?;
        let known = rows.column_by_name(KNOWN).map(|_| moments(&rows, KNOWN)).transpose()?;
        let from = |row: usize| {
            let known = known.as_ref().filter(|known| known.is_valid(row)).map_or(i64::MIN, |known| known.value(row));
            known.max(times.value(row))
        };
        let due = (0..rows.num_rows()).map(from).filter(|from| *from > self.at.0).min();
        let Some(due) = due else { return Ok(rows) };
        self.absorb(Some(Micros(due)));
        let counts: BooleanArray = (0..rows.num_rows()).map(|row| Some(from(row) <= self.at.0)).collect();
        filter_record_batch(&rows, &counts).map_err(Error::internal)
    }
}

/// Writes rows as they come.
pub(super) struct Writing<'a> {
    pub(super) publication: &'a mut dyn Publication,
    pub(super) tiled: Option<&'a Tiled>,
    pub(super) at: Micros,
    /// None where all rows count by the moment.
    pub(super) counting: Option<Counting>,
    /// Whether they come in the order of their keys, each once.
    pub(super) in_order: bool,
}

impl Writing<'_> {
    /// Rows of a view as a [`Planner`](asof_query::Planner) gives them: the newest, all of them with their stamps, or events.
    pub(super) fn write(&mut self, rows: RecordBatch) -> Result<()> {
        let rows = match self.tiled {
            Some(tiled) => tiled.events(&rows, EVENT_TIME, Some(SEQ))?,
            None => rows,
        };
        let rows = match &mut self.counting {
            Some(counting) => counting.counting(rows)?,
            None => rows,
        };
        match self.tiled {
            Some(tiled) => self.write_events(tiled, &rows),
            None if self.in_order => self.publication.write_in_order(&rows),
            None => self.publication.write(&rows),
        }
    }

    /// Writes events of a view with windows. What lies behind every window is of the newest rows alone.
    fn write_events(&mut self, tiled: &Tiled, events: &RecordBatch) -> Result<()> {
        let tiling = &tiled.tiling;
        if tiling.endless() {
            return self.publication.write(events);
        }
        let since = Micros(self.at.0.saturating_sub(tiling.reach()));
        let since = Scalar::new(TimestampMicrosecondArray::from(vec![since.0]).with_timezone("UTC"));
        let recent = cmp::gt(&moments(events, EVENT_TIME)?, &since).map_err(Error::internal)?;
        let some = |wanted: &BooleanArray| filter_record_batch(events, wanted).map_err(Error::internal);
        let old = some(&not(&recent).map_err(Error::internal)?)?;
        if old.num_rows() > 0 {
            let cells: Vec<&str> = tiling.cells().iter().map(|cell| cell.input.as_str()).collect();
            let schema = old.schema();
            let kept: Vec<usize> =
                (0..old.num_columns()).filter(|n| !cells.contains(&schema.field(*n).name().as_str())).collect();
            self.publication.write(&old.project(&kept).map_err(Error::internal)?)?;
        }
        self.publication.write(&some(&recent)?)
    }
}

fn moments(rows: &RecordBatch, name: &str) -> Result<TimestampMicrosecondArray> {
    let column = rows.column_by_name(name).and_then(|c| c.as_primitive_opt::<TimestampMicrosecondType>());
    column.cloned().ok_or_else(|| Error::internal(format!("rows of a view have no `{name}`")))
}
