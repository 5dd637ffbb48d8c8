//! Which keys, and which parameters, are asked about.
//!
//! Half of the rows are rows of the spine of the newest training set of the service, with their parameters; the other half have
//! keys of the views' own rows, view by view in turn, so that each view is asked for keys it has. What one half lacks the
//! other fills. A row made for one view has keys of the others as they come, and the parameters of some spine row.
//!
//! Of all that there is those with the smallest hashes are taken: the same ones in whatever order rows come.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::{cast, interleave};
use arrow::datatypes::{DataType, Schema};
use arrow::row::{RowConverter, SortField};
use asof_model::{Columns, Error, ErrorKind, Kind, Name, Pinned, Result};
use asof_offline::{Manifest, Progress};
use asof_query::{Definitions, Planner, ServedView};
use datafusion::logical_expr::LogicalPlan;
use futures::StreamExt;

use super::CompareRequest;
use super::basis::Basis;
use crate::datasets::Pins;
use crate::{Engine, Scope, told};

impl Engine {
    /// Rows of keys and parameters, in the types that the service declares.
    ///
    /// # Errors
    /// `nothing_to_compare`, and those of reading.
    pub(super) async fn sampled(
        &self,
        scope: &Scope,
        basis: &Basis,
        request: &CompareRequest,
        progress: &Arc<dyn Progress>,
    ) -> Result<RecordBatch> {
        let wanted = Wanted { most: request.samples, seed: request.seed };
        let (declared, service) = (&basis.plan.request, &basis.service.pinned);
        let spine = self.of_a_spine(&scope.environment, service, declared, wanted).await?;
        let mut of_views = Vec::with_capacity(basis.plan.serving.views.len());
        for view in &basis.plan.serving.views {
            of_views.push(self.of_a_view(view, &basis.definitions, basis.pins.as_ref(), wanted, progress).await?);
        }
        let rows = assembled(declared, spine.as_ref(), &of_views, request.samples)?;
        if rows.num_rows() == 0 {
            let name = basis.plan.serving.service.reference();
            let message =
                format!("no view of {name} has a row, and no training set of it was built: there is no key to ask for");
            return Err(Error::new(ErrorKind::Precondition, "nothing_to_compare", message)
                .remedy("ingest something, or ask for more than 0 samples"));
        }
        Ok(rows)
    }

    /// Rows of the newest training set of the service, if one was built.
    pub(crate) async fn of_a_spine(
        &self,
        environment: &Name,
        service: &Pinned,
        declared: &Columns,
        wanted: Wanted,
    ) -> Result<Option<RecordBatch>> {
        let project = &service.project;
        let mut newest: Option<Manifest> = None;
        for set in self.catalog().list(project, environment, Some(Kind::TrainingSet)).await? {
            let name = &set.registered.pinned.name;
            for number in self.offline().training_sets(project, name).await? {
                let manifest = self.offline().manifest(project, name, number).await?;
                let is_newer = newest.as_ref().is_none_or(|newest| manifest.created > newest.created);
                if manifest.service == *service && is_newer {
                    newest = Some(manifest);
                }
            }
        }
        let Some(manifest) = newest else { return Ok(None) };
        let declared = declared.clone();
        let mut kept = Kept::new(&declared.to_arrow(), wanted)?;
        let engine = self.clone();
        let work = async move {
            let mut batches = engine.offline().read_training_set(&manifest).await?;
            while let Some(batch) = batches.next().await {
                let batch = batch.map_err(asof_query::execution_error)?;
                let columns = declared.0.iter().map(|column| {
                    let given = batch.column_by_name(&column.name);
                    let given =
                        given.ok_or_else(|| Error::internal(format!("`{}` is not in the spine", column.name)))?;
                    cast(given, &column.data_type).map_err(Error::internal)
                });
                kept.add(&columns.collect::<Result<Vec<_>>>()?, |_| true)?;
            }
            kept.batch()
        };
        self.workshop().run(work).await.map(Some)
    }

    /// Keys of a view's rows, named as the service asks for them.
    pub(crate) async fn of_a_view(
        &self,
        view: &ServedView,
        definitions: &Definitions,
        pins: &Pins,
        wanted: Wanted,
        progress: &Arc<dyn Progress>,
    ) -> Result<RecordBatch> {
        let timeline = Planner::new(definitions, pins).timeline(&view.view)?;
        let places: Vec<usize> = timeline.identity.iter().take(view.from.len()).copied().collect();
        let read = timeline.plan.schema().as_arrow();
        let named = places.iter().zip(&view.from).map(|(place, name)| read.field(*place).clone().with_name(name));
        let kept = Kept::new(&Schema::new(named.collect::<Vec<_>>()), wanted)?;
        let stage = format!("keys of {}", view.view.pinned.name);
        self.keys(timeline.plan, places, kept, stage, progress).await
    }

    async fn keys(
        &self,
        plan: LogicalPlan,
        places: Vec<usize>,
        mut kept: Kept,
        stage: String,
        progress: &Arc<dyn Progress>,
    ) -> Result<RecordBatch> {
        let (engine, tally) = (self.clone(), told::tally(progress, stage));
        let work = async move {
            let session = tally.counting(engine.workshop().session());
            let (_, mut batches) = engine.execute(session, plan).await?;
            while let Some(batch) = batches.next().await {
                let batch = batch.map_err(asof_query::execution_error)?;
                let columns: Vec<_> = places.iter().map(|place| batch.column(*place).clone()).collect();
                // Null equals nothing, so nobody finds such a row.
                kept.add(&columns, |row| columns.iter().all(|column| column.is_valid(row)))?;
            }
            tally.finish();
            kept.batch()
        };
        self.workshop().run(work).await
    }
}

/// How many rows, and which.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) most: usize,
    pub(crate) seed: u64,
}

/// The rows with the smallest hashes so far.
struct Kept {
    schema: Arc<Schema>,
    converter: RowConverter,
    most: usize,
    seed: u64,
    /// By hash, as Arrow's row format has them.
    rows: BTreeMap<(u64, Box<[u8]>), ()>,
}

impl Kept {
    fn new(schema: &Schema, wanted: Wanted) -> Result<Self> {
        let fields = schema.fields().iter().map(|field| SortField::new(field.data_type().clone()));
        let converter = RowConverter::new(fields.collect()).map_err(Error::internal)?;
        let schema = Arc::new(schema.clone());
        Ok(Kept { schema, converter, most: wanted.most, seed: wanted.seed, rows: BTreeMap::new() })
    }

    fn add(&mut self, columns: &[ArrayRef], counts: impl Fn(usize) -> bool) -> Result<()> {
        let rows = self.converter.convert_columns(columns).map_err(Error::internal)?;
        for (_, row) in rows.iter().enumerate().filter(|(index, _)| counts(*index)) {
            let mut hasher = DefaultHasher::new();
            (self.seed, row.data()).hash(&mut hasher);
            let hash = hasher.finish();
            let full = self.rows.len() >= self.most;
            if full && self.rows.last_key_value().is_none_or(|((greatest, _), ())| *greatest <= hash) {
                continue;
            }
            self.rows.insert((hash, row.data().into()), ());
            if self.rows.len() > self.most {
                self.rows.pop_last();
            }
        }
        Ok(())
    }

    fn batch(self) -> Result<RecordBatch> {
        let parser = self.converter.parser();
        let rows = self.rows.keys().map(|(_, bytes)| parser.parse(bytes));
        let columns = self.converter.convert_rows(rows).map_err(Error::internal)?;
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows.len()));
        RecordBatch::try_new_with_options(self.schema, columns, &options).map_err(Error::internal)
    }
}

/// So many rows, fewer if there are not as many.
pub(crate) fn assembled(
    declared: &Columns,
    spine: Option<&RecordBatch>,
    views: &[RecordBatch],
    count: usize,
) -> Result<RecordBatch> {
    let of_spine = spine.map_or(0, RecordBatch::num_rows);
    let of_views: usize = views.iter().map(RecordBatch::num_rows).sum();
    let from_spine = of_spine.min(count.div_ceil(2).max(count.saturating_sub(of_views)));
    // Which view, and which of its keys: the first key of each, then the second.
    let longest = views.iter().map(RecordBatch::num_rows).max().unwrap_or(0);
    let turns = (0..longest).flat_map(|key| (0..views.len()).map(move |view| (view, key)));
    let turns: Vec<_> = turns.filter(|(view, key)| *key < views[*view].num_rows()).take(count - from_spine).collect();
    let rows = from_spine + turns.len();
    let columns = declared.0.iter().map(|column| {
        let nulls = new_null_array(&column.data_type, 1);
        let given = spine.and_then(|spine| spine.column_by_name(&column.name));
        let keys = views.iter().map(|view| view.column_by_name(&column.name));
        let keys = keys.map(|keys| keys.map(|keys| typed(keys, &column.data_type)).transpose());
        let keys: Vec<Option<ArrayRef>> = keys.collect::<Result<_>>()?;
        let source = |array: Option<&ArrayRef>| array.filter(|a| !a.is_empty()).unwrap_or(&nulls).clone();
        let sources: Vec<ArrayRef> =
            [nulls.clone(), source(given)].into_iter().chain(keys.iter().map(|keys| source(keys.as_ref()))).collect();
        let holder = keys.iter().position(|keys| keys.as_ref().is_some_and(|keys| !keys.is_empty()));
        let taken = (0..from_spine).map(|row| (1, row));
        let made = turns.iter().enumerate().map(|(index, (view, key))| match (&keys[*view], holder) {
            (Some(_), _) => (2 + view, *key),
            (None, Some(holder)) => (2 + holder, index % sources[2 + holder].len()),
            (None, None) => (1, index % sources[1].len()),
        });
        let places: Vec<_> = taken.chain(made).collect();
        let sources: Vec<&dyn Array> = sources.iter().map(AsRef::as_ref).collect();
        interleave(&sources, &places).map_err(Error::internal)
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(nullable(declared)), columns, &options).map_err(Error::internal)
}

fn typed(keys: &ArrayRef, wanted: &DataType) -> Result<ArrayRef> {
    cast(keys, wanted).map_err(Error::internal)
}

fn nullable(declared: &Columns) -> Schema {
    let schema = declared.to_arrow();
    Schema::new(schema.fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, StringArray};
    use asof_model::Column;

    fn batch(name: &str, values: Vec<i64>) -> RecordBatch {
        RecordBatch::try_from_iter([(name, Arc::new(Int64Array::from(values)) as ArrayRef)]).unwrap()
    }

    fn shown(rows: &RecordBatch) -> Vec<String> {
        let show = |row| {
            let text = |c: &ArrayRef| arrow::util::display::array_value_to_string(c, row).unwrap();
            rows.columns().iter().map(text).collect::<Vec<_>>().join(" ")
        };
        (0..rows.num_rows()).map(show).collect()
    }

    #[test]
    fn half_are_of_the_spine_and_each_view_is_asked_for_its_own_keys() {
        let declared = Columns(vec![
            Column::new("a", DataType::Int64),
            Column::new("b", DataType::Int64),
            Column::new("p", DataType::Utf8),
        ]);
        let spine = RecordBatch::try_from_iter([
            ("a", Arc::new(Int64Array::from(vec![1, 2, 3])) as ArrayRef),
            ("b", Arc::new(Int64Array::from(vec![4, 5, 6]))),
            ("p", Arc::new(StringArray::from(vec!["x", "y", "z"]))),
        ]);
        let spine = spine.unwrap();
        let views = [batch("a", vec![7, 8]), batch("b", vec![9])];
        let check = |spine: Option<&RecordBatch>, views: &[RecordBatch], count, expected: &[&str]| {
            assert_eq!(shown(&assembled(&declared, spine, views, count).unwrap()), expected);
        };
        check(Some(&spine), &views, 4, &["1 4 x", "2 5 y", "7 9 x", "8 9 y"]);
        check(Some(&spine), &views, 100, &["1 4 x", "2 5 y", "3 6 z", "7 9 x", "8 9 y", "8 9 z"]);
        check(None, &views, 2, &["7 9 ", "8 9 "]);
        check(None, &[batch("a", vec![]), batch("b", vec![9])], 5, &[" 9 "]);
        check(Some(&spine), &[], 2, &["1 4 x", "2 5 y"]);
        check(None, &[batch("a", vec![])], 5, &[]);
        check(Some(&spine), &views, 0, &[]);
    }

    #[test]
    fn what_is_kept_depends_on_the_seed_and_not_on_the_order() {
        let kept = |seed, values: Vec<i64>| {
            let mut kept = Kept::new(&batch("a", vec![]).schema(), Wanted { most: 10, seed }).unwrap();
            for part in values.chunks(7) {
                kept.add(batch("a", part.to_vec()).columns(), |_| true).unwrap();
            }
            shown(&kept.batch().unwrap())
        };
        let forth: Vec<i64> = (0..1_000).collect();
        let back: Vec<i64> = (0..1_000).rev().chain(0..50).collect();
        assert_eq!(kept(1, forth.clone()).len(), 10);
        assert_eq!(kept(1, forth.clone()), kept(1, back));
        assert_ne!(kept(1, forth.clone()), kept(2, forth));
    }
}
