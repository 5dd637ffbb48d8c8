//! `ROWS n PRECEDING` online: the last rows of each key are kept as they are, and aggregates computed of them as they are where
//! windows are computed from events.
//!
//! A row is kept with all columns by which that would tell rows of one rank apart, so that they have one order here and there.

use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array};
use datafusion::arrow::datatypes::Schema;
use datafusion::error::Result;

use super::super::layout::Layout;
use super::super::packed::{may_pack, unpack};
use super::super::place::{Placed, Slots};
use super::super::rows::Gathered;
use super::super::state::State;
use super::super::stretches::give_rows;
use super::super::tiles::Asked;
use super::super::{Frame, WindowCall};
use super::{Form, Input, States};

/// What is kept of the last rows.
#[derive(Clone, Debug)]
pub(super) struct KeptRows {
    cell: usize,
    /// What the kept columns are, in their order.
    kept: Arc<Layout>,
    /// What is computed: over the kept columns, as many of them.
    layout: Arc<Layout>,
}

impl KeptRows {
    /// None where no call is over rows; or what cannot be kept. `cell` gives the cell of an input with that many rows.
    pub(super) fn new(
        calls: &[WindowCall<usize>],
        rows: &Schema,
        cell: impl FnOnce(Input, u32) -> usize,
    ) -> Result<Option<Self>, String> {
        let most = calls.iter().filter_map(|call| if let Frame::Rows(n) = call.frame { Some(n) } else { None }).max();
        let Some(most) = most else { return Ok(None) };
        // Those that are computed in the same way from events, over `ROWS` or not.
        let mut asked = Asked::default();
        let others: Vec<_> = calls.iter().enumerate().filter(|(n, call)| !asked.take(*n, call, rows)).collect();
        let layout = |calls: &[(usize, &WindowCall<usize>)], rows: &Schema| {
            Layout::new(calls, rows).map(Arc::new).map_err(|error| error.strip_backtrace())
        };
        let kept = layout(&others, rows)?;
        if let Some(other) = kept.types.iter().find(|t| !may_pack(t)) {
            let other = asof_model::schema::sql_type(other);
            return Err(format!("its windows over ROWS are beside values of {other}, which are not kept yet"));
        }
        let over_rows: Vec<_> = others.into_iter().filter(|(_, call)| matches!(call.frame, Frame::Rows(_))).collect();
        let layout = layout(&over_rows, rows)?;
        let input = Input { columns: kept.inputs.clone(), form: Form::Packed, valid: Vec::new(), filter: None };
        Ok(Some(KeptRows { cell: cell(input, most), kept, layout }))
    }

    /// The results of all calls over rows, with their places among all calls. The group of a row is that of its window of all events.
    pub(super) fn results(
        &self,
        view: &str,
        states: &dyn States,
        groups: impl Iterator<Item = usize>,
    ) -> Result<Vec<(usize, ArrayRef)>> {
        let rows: Vec<_> = groups.map(|group| states.last_rows(self.cell, group)).collect();
        let slots = Apart(vec![0; rows.len()]);
        let mut computed = self.layout.states(rows.len())?;
        give_rows(&self.layout, &mut computed, self.gather(&rows)?)?;
        computed.iter_mut().flatten().for_each(|state: &mut State| state.settle(&slots));
        self.layout.results(view, &mut computed, &slots)
    }

    /// The last rows of all keys, each at the only slot of its key.
    fn gather(&self, rows: &[Vec<(i64, i64, &[u8])>]) -> Result<Gathered> {
        let all = || rows.iter().flatten();
        let columns = unpack(&self.kept.types, all().map(|(_, _, bytes)| Some(*bytes)))?;
        let wanted = self.layout.inputs.iter().filter_map(|column| self.kept.inputs.iter().position(|k| k == column));
        let mut placed = Vec::new();
        for (key, rows) in rows.iter().enumerate() {
            for n in 0..rows.len() {
                let place = Placed { row: placed.len() as u32, base: key as u32, slots: 1, first: 0, end: 1 };
                placed.push((place, rows.len() - 1 - n));
            }
        }
        let times: Int64Array = all().map(|(time, _, _)| Some(*time)).collect();
        let seq = all().map(|(_, seq, _)| Some(*seq)).collect();
        let inputs = wanted.map(|column| Arc::clone(&columns[column])).collect();
        Ok(Gathered { inputs, known: times.clone(), times, seq, placed })
    }
}

/// Slots of keys that have one each.
struct Apart(Vec<i64>);

impl Slots for Apart {
    fn keys(&self) -> u32 {
        self.0.len() as u32
    }

    fn of(&self, key: u32) -> Range<usize> {
        key as usize..key as usize + 1
    }

    fn moments(&self) -> &[i64] {
        &self.0
    }
}
