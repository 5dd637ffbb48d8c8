//! Which rows of a view an answer about one key comes from: the row that is picked, and those that its windows hold.

use std::cmp::Ordering;

use asof_model::definition::KnownAt;
use asof_model::schema::timestamp;
use asof_model::{Definition, Kind, KnownMoment, Micros, Pinned, Registered, Result};
use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast, lit, when};

use super::view::ViewRows;
use super::{Planner, not_a, planning_error};
use crate::windows::{Argument, Frame, Measure, WindowCall};

/// The rows of one key that count at a moment, and what is made of them.
#[derive(Debug)]
pub struct Contributing {
    /// The rows: event time, known-at, order of acceptance, then for each of `takers` whether it takes the row, its frame
    /// aside. Known-at and order of acceptance are null where the view's rows have none.
    pub plan: LogicalPlan,
    /// The dataset whose order of acceptance the rows have; none where rows are made of several.
    pub dataset: Option<Pinned>,
    takers: Vec<Taker>,
    at: Micros,
}

#[derive(Debug)]
struct Taker {
    features: Vec<String>,
    /// The window; none for the row that is picked.
    window: Option<(String, Frame)>,
}

/// The rows that some features of a view come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contribution {
    /// The features.
    pub features: Vec<String>,
    /// Of an as-of window, what is computed over it: `avg(arr_delay) over 7 days`; none for the row that is picked.
    pub window: Option<String>,
    /// The rows, in the order of event time, known-at and acceptance.
    pub rows: Vec<Contributor>,
}

/// One row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Contributor {
    /// When it happened.
    pub event_time: Micros,
    /// When it became known, where its view says so.
    pub known: Option<Micros>,
    /// Its number in the order of acceptance.
    pub seq: Option<i64>,
}

impl Planner<'_> {
    /// The rows of a view that an answer about a key at a moment can come from: those of the key that had happened and
    /// were known by then. A key that has a null has none.
    ///
    /// # Errors
    /// Those of [`Planner::view`].
    pub fn contributing(
        &self,
        registered: &Registered,
        key: &[ScalarValue],
        at: Micros,
        known_at: KnownMoment,
    ) -> Result<Contributing> {
        let Definition::FeatureView(view) = &registered.definition else {
            return Err(not_a(registered, Kind::FeatureView, registered.definition.kind()));
        };
        let entity = self.input_of_kind(registered, Kind::Entity)?;
        let ViewRows { plan, hidden, windows } = self.view(registered, known_at)?;
        let moment = |at: Micros| lit(ScalarValue::TimestampMicrosecond(Some(at.0), Some("UTC".into())));
        let time = |name: &str| cast(column(name), timestamp());
        let known = match &view.known_at {
            KnownAt::Column(known) => Some(known.as_str()),
            KnownAt::Silent | KnownAt::Never => None,
        };
        let known_by = match known_at {
            KnownMoment::EventTime => Some(at),
            KnownMoment::At(by) => Some(by),
            KnownMoment::Now => None,
        };
        let keys = entity.columns.0.iter().zip(key);
        let keys =
            keys.map(|(wanted, value)| column(&wanted.name).eq(cast(lit(value.clone()), wanted.data_type.clone())));
        let mut counts = keys.fold(time(&view.timestamp).lt_eq(moment(at)), Expr::and);
        if let (Some(known), Some(by)) = (known, known_by) {
            counts = counts.and(column(known).is_null().or(time(known).lt_eq(moment(by))));
        }
        if let (Some(superseded), Some(by)) = (&hidden.superseded, known_by) {
            counts = counts.and(column(&superseded.name).is_null().or(time(&superseded.name).gt(moment(by))));
        }
        let computed = &windows.computed;
        let made_of = |call: &WindowCall| {
            let reads =
                computed.iter().filter(|c| c.expression.column_refs().iter().any(|read| read.name == call.name));
            reads.map(|computed| computed.name.clone()).collect::<Vec<_>>()
        };
        let of_row = |name: &&str| computed.iter().find(|c| c.name == *name).is_none_or(|computed| computed.reads_row);
        let features = crate::features(view, registered, entity);
        let picked: Vec<String> = features.names().filter(of_row).map(str::to_owned).collect();
        let mut takers = Vec::with_capacity(windows.calls.len() + 1);
        let mut columns = vec![
            time(&view.timestamp).alias("event_time"),
            known.map_or_else(|| cast(lit(ScalarValue::Null), timestamp()), time).alias("known"),
            hidden.seq.as_ref().map_or_else(|| lit(ScalarValue::Int64(None)), |seq| column(&seq.name)).alias("seq"),
        ];
        if !picked.is_empty() {
            columns.push(lit(true).alias("picked"));
            takers.push(Taker { features: picked, window: None });
        }
        for (place, call) in windows.calls.iter().enumerate() {
            columns.push(takes(call)?.alias(format!("window {place}")));
            let window = format!("{} over {}", written(call), spoken(call.frame));
            takers.push(Taker { features: made_of(call), window: Some((window, call.frame)) });
        }
        let mut datasets = Vec::new();
        self.datasets(registered, &mut datasets)?;
        let dataset = match (&hidden.seq, datasets.as_slice()) {
            (Some(_), [dataset]) => Some(dataset.pinned.clone()),
            _ => None,
        };
        let plan = LogicalPlanBuilder::from(plan)
            .filter(counts)
            .and_then(|plan| plan.project(columns))
            .and_then(LogicalPlanBuilder::build);
        Ok(Contributing { plan: plan.map_err(planning_error)?, dataset, takers, at })
    }
}

impl Contributing {
    /// What the rows contribute to, given all that the plan gave, in any order.
    ///
    /// # Errors
    /// Rows that are not those of the plan.
    pub fn contributions(&self, batches: &[RecordBatch]) -> Result<Vec<Contribution>> {
        let mut rows = Vec::new();
        for batch in batches {
            let times = batch.column(0).as_primitive::<TimestampMicrosecondType>();
            let known = batch.column(1).as_primitive::<TimestampMicrosecondType>();
            let seqs = batch.column(2).as_primitive::<Int64Type>();
            for row in 0..batch.num_rows() {
                let contributor = Contributor {
                    event_time: Micros(times.value(row)),
                    known: known.is_valid(row).then(|| Micros(known.value(row))),
                    seq: seqs.is_valid(row).then(|| seqs.value(row)),
                };
                let taken = (0..self.takers.len()).map(|taker| {
                    let takes = batch.column(3 + taker).as_boolean();
                    takes.is_valid(row) && takes.value(row)
                });
                rows.push((contributor, taken.collect::<Vec<_>>()));
            }
        }
        rows.sort_by_key(|(row, _)| *row);
        let contributions = self.takers.iter().enumerate().map(|(place, taker)| Contribution {
            features: taker.features.clone(),
            window: taker.window.as_ref().map(|(written, _)| written.clone()),
            rows: self.held(taker, place, &rows),
        });
        Ok(contributions.collect())
    }

    fn held(&self, taker: &Taker, place: usize, rows: &[(Contributor, Vec<bool>)]) -> Vec<Contributor> {
        let all = |from: usize| {
            let taken = rows[from..].iter().filter(|(_, takes)| takes[place]);
            taken.map(|(row, _)| *row).collect()
        };
        match taker.window {
            None => rows.last().map(|(row, _)| *row).into_iter().collect(),
            Some((_, Frame::All)) => all(0),
            // The last n rows are those of the key; which of them an aggregate takes is another matter.
            Some((_, Frame::Rows(n))) => all(rows.len().saturating_sub(n as usize)),
            Some((_, frame @ Frame::Range { .. })) => match frame.start(self.at.0) {
                Some(start) => all(rows.partition_point(|(row, _)| row.event_time.0.cmp(&start) != Ordering::Greater)),
                None => all(0),
            },
        }
    }
}

/// Whether an aggregate takes a row: its filter is true, and what it is computed of is there where nulls do not count.
fn takes(call: &WindowCall) -> Result<Expr> {
    let nulls_count = match &call.measure {
        Measure::End { ignore_nulls, .. } | Measure::Engine { ignore_nulls, .. } => !ignore_nulls,
        _ => false,
    };
    let arguments = call.arguments.iter().filter_map(|argument| match argument {
        Argument::Column(read) if !nulls_count => Some(column(&read.name).is_not_null()),
        _ => None,
    });
    let filter = call.filter.iter().map(|filter| column(&filter.name));
    let all = arguments.chain(filter).reduce(Expr::and).unwrap_or_else(|| lit(true));
    // A filter that is null is not true.
    when(all, lit(true)).otherwise(lit(false)).map_err(planning_error)
}

fn written(call: &WindowCall) -> &str {
    let of_rows = call.arguments.iter().all(|argument| matches!(argument, Argument::Constant(_)));
    if call.measure == Measure::Count && of_rows { "count(*)" } else { &call.written }
}

fn spoken(frame: Frame) -> String {
    match frame {
        Frame::All => "all".to_owned(),
        Frame::Rows(n) => format!("the last {n} rows"),
        Frame::Range { width, .. } => crate::syntax::show_interval(width),
    }
}

fn column(name: &str) -> Expr {
    Expr::Column(Column::new_unqualified(name))
}
