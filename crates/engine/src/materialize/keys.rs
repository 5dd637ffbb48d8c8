//! All keys of a view, each once, in order: with these for a spine the as-of join gives the newest rows in the order in which
//! table files are written.
//!
//! Costs a look-up a row, on all threads, and memory in proportion to the keys; where there is no memory for them, none are
//! given, and whoever asked must find another way.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, Schema};
use arrow::row::{RowConverter, SortField};
use asof_model::{Columns, Error, Result};
use asof_offline::{Ongoing, Progress};
use datafusion::common::HashSet;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlanProperties;
use futures::StreamExt;
use tokio::task::JoinSet;

use super::integers::Integers;
use crate::{Engine, told};

/// Rows that come out at a time.
const BATCH: usize = 8192;

/// Some keys, each once.
enum Keys {
    /// Of one column of integers or dates.
    Integers(Integers),
    /// Of any others, as comparable bytes.
    Rows(Arc<RowConverter>, HashSet<Box<[u8]>>),
}

impl Keys {
    fn new(key: &Columns) -> Result<Self> {
        if let [only] = key.0.as_slice()
            && (only.data_type.is_integer() || only.data_type == DataType::Date32)
        {
            return Ok(Keys::Integers(Integers::new()));
        }
        let fields = key.0.iter().map(|column| SortField::new(column.data_type.clone())).collect();
        Ok(Keys::Rows(Arc::new(RowConverter::new(fields).map_err(Error::internal)?), HashSet::new()))
    }

    /// Adds the keys of a batch, which has their columns alone, none of them null.
    fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        match self {
            Keys::Integers(keys) => keys.add(integers(batch.column(0))?.values()),
            Keys::Rows(converter, keys) => {
                let rows = converter.convert_columns(batch.columns()).map_err(Error::internal)?;
                for row in &rows {
                    if !keys.contains(row.as_ref()) {
                        keys.insert(row.as_ref().into());
                    }
                }
            }
        }
        Ok(())
    }

    fn absorb(&mut self, other: Keys) {
        match (self, other) {
            (Keys::Integers(keys), Keys::Integers(more)) => keys.absorb(more),
            (Keys::Rows(_, keys), Keys::Rows(_, more)) => keys.extend(more),
            _ => unreachable!("both are of the same key columns"),
        }
    }

    /// About how many bytes they take.
    fn size(&self) -> usize {
        match self {
            Keys::Integers(keys) => keys.size(),
            Keys::Rows(_, keys) => keys.capacity() * 80,
        }
    }

    /// In order, as columns of these types.
    fn in_order(self, key: &Columns) -> Result<Vec<RecordBatch>> {
        let schema = Arc::new(Schema::new(key.to_arrow().fields().clone()));
        let batch = |columns: Vec<ArrayRef>| {
            let typed = columns.iter().zip(&key.0).map(|(column, key)| from_integers(column, &key.data_type));
            RecordBatch::try_new(Arc::clone(&schema), typed.collect::<Result<_>>()?).map_err(Error::internal)
        };
        match self {
            Keys::Integers(keys) => {
                let keys = keys.in_order();
                keys.chunks(BATCH).map(|some| batch(vec![Arc::new(Int64Array::from(some.to_vec()))])).collect()
            }
            Keys::Rows(converter, keys) => {
                let mut keys: Vec<Box<[u8]>> = keys.into_iter().collect();
                keys.sort_unstable();
                let parser = converter.parser();
                let columns = |some: &[Box<[u8]>]| converter.convert_rows(some.iter().map(|row| parser.parse(row)));
                keys.chunks(BATCH).map(|some| batch(columns(some).map_err(Error::internal)?)).collect()
            }
        }
    }
}

fn integers(array: &ArrayRef) -> Result<Int64Array> {
    let words = match array.data_type() {
        DataType::Date32 => cast(array, &DataType::Int32).and_then(|days| cast(&days, &DataType::Int64)),
        _ => cast(array, &DataType::Int64),
    };
    Ok(words.map_err(Error::internal)?.as_primitive::<Int64Type>().clone())
}

fn from_integers(array: &ArrayRef, wanted: &DataType) -> Result<ArrayRef> {
    let typed = match (array.data_type(), wanted) {
        (DataType::Int64, DataType::Date32) => cast(array, &DataType::Int32).and_then(|days| cast(&days, wanted)),
        _ => cast(array, wanted),
    };
    typed.map_err(Error::internal)
}

/// One partition of a plan.
struct Part {
    rows: SendableRecordBatchStream,
    keys: Keys,
    memory: MemoryReservation,
    _ongoing: asof_offline::Guard,
}

impl Part {
    /// None where there is no memory for them.
    async fn read(mut self) -> Result<Option<(Keys, MemoryReservation)>> {
        while let Some(batch) = self.rows.next().await {
            self.keys.add(&batch.map_err(asof_query::execution_error)?)?;
            if self.memory.try_resize(self.keys.size()).is_err() {
                return Ok(None);
            }
        }
        Ok(Some((self.keys, self.memory)))
    }
}

impl Engine {
    /// The keys that a plan gives, each once and in order; none where there is no memory for them.
    pub(super) async fn keys_in_order(
        &self,
        plan: LogicalPlan,
        key: &Columns,
        ongoing: &Ongoing,
        progress: &Arc<dyn Progress>,
        stage: String,
    ) -> Result<Option<Vec<RecordBatch>>> {
        let tally = told::tally(progress, stage);
        let (plan, task) = self.planned(tally.counting(self.workshop().session()), plan).await?;
        let mut parts = JoinSet::new();
        for partition in 0..plan.output_partitioning().partition_count() {
            let part = Part {
                rows: plan.execute(partition, Arc::clone(&task)).map_err(asof_query::execution_error)?,
                keys: Keys::new(key)?,
                memory: MemoryConsumer::new("the keys of a view").register(task.memory_pool()),
                _ongoing: ongoing.begin(),
            };
            parts.spawn(part.read());
        }
        let mut all: Option<(Keys, MemoryReservation)> = None;
        while let Some(part) = parts.join_next().await {
            let Some((keys, memory)) = part.map_err(Error::internal)?? else { return Ok(None) };
            match &mut all {
                Some((all, held)) => {
                    all.absorb(keys);
                    if held.try_resize(all.size()).is_err() {
                        return Ok(None);
                    }
                }
                None => all = Some((keys, memory)),
            }
        }
        tally.finish();
        all.map(|(keys, _)| keys.in_order(key)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Date32Array, StringArray};
    use asof_model::Column;

    use super::*;

    fn check(columns: Vec<(&str, ArrayRef)>, expected: Vec<(&str, ArrayRef)>) {
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let key = Columns(
            batch.schema().fields().iter().map(|f| Column::new(f.name().clone(), f.data_type().clone())).collect(),
        );
        let mut parts = [Keys::new(&key).unwrap(), Keys::new(&key).unwrap()];
        (0..batch.num_rows()).for_each(|n| parts[n % 2].add(&batch.slice(n, 1)).unwrap());
        let [mut all, other] = parts;
        all.absorb(other);
        let found = all.in_order(&key).unwrap();
        let expected = RecordBatch::try_from_iter(expected).unwrap();
        let found = arrow::compute::concat_batches(&found[0].schema(), &found).unwrap();
        assert_eq!(found.columns(), expected.columns());
    }

    #[test]
    fn each_key_comes_out_once_in_order() {
        use arrow::datatypes::Int32Type;
        let numbers = |n: &[i32]| Arc::new(arrow::array::PrimitiveArray::<Int32Type>::from(n.to_vec())) as ArrayRef;
        let texts = |t: &[&str]| Arc::new(StringArray::from(t.to_vec())) as ArrayRef;
        let dates = |d: &[i32]| Arc::new(Date32Array::from(d.to_vec())) as ArrayRef;
        check(vec![("k", numbers(&[3, -1, 3, 0, -1]))], vec![("k", numbers(&[-1, 0, 3]))]);
        check(vec![("k", dates(&[9, -9, 9]))], vec![("k", dates(&[-9, 9]))]);
        check(vec![("k", texts(&["b", "", "ab", "b", "\0"]))], vec![("k", texts(&["", "\0", "ab", "b"]))]);
        check(
            vec![("k", texts(&["b", "a", "b", "b"])), ("n", numbers(&[1, 2, -1, 1]))],
            vec![("k", texts(&["a", "b", "b"])), ("n", numbers(&[2, -1, 1]))],
        );
    }
}
