//! Reading a view's files twice: first what decides, then the features of the rows that were chosen.
//!
//! Of the rows of a large view few are chosen, and a column costs what is decoded of it. So where a view's rows are
//! rows of Parquet files, only filtered and projected on the way ([`Late::of`] says when), the first pass
//! reads keys, times and whatever filters and windows need, and remembers a row by its file and number. The second pass
//! decodes the features of the chosen rows alone (`pick`): row groups and pages without any are skipped.
//!
//! The first pass also leaves out row groups and pages that lie wholly after the spine's last moment or beyond its keys. It
//! must not leave out those before the first moment less the TTL: a row that is too old is *expired*, not *missing*.
//!
//! Memory does not depend on how wide the features of rows that were not chosen are. `benches/RESULTS.md` has the figures.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::common::runtime::JoinSet;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::{ParquetAccessPlan, ParquetFileReaderFactory};
use datafusion::datasource::physical_plan::{
    FileGroup, FileScanConfig, FileScanConfigBuilder, FileSource, ParquetSource,
};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::{DataFusionError, Result as EngineResult};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::logical_expr::Operator;
use datafusion::parquet::arrow::RowNumber;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, lit};
use datafusion::physical_expr::projection::{ProjectionExpr, update_expr};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{PhysicalExpr, conjunction};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::projection::ProjectionExec;
use futures::StreamExt;

use super::choose::{FILE, ROW, RowRef};
use super::error::Error;
use super::exec::ViewInput;
use super::files::Files;
use super::pick::{Source, leaf, pick};
use super::spine::KeyIndex;
use super::wanted::{Wanted, divide, units};
use crate::reading::{CountedExec, Scan};
use crate::windows::WindowCall;

/// A view whose files can be read twice.
#[derive(Debug)]
pub(super) struct Late {
    scan: FileScanConfig,
    /// The files by number, each once.
    files: Vec<PartitionedFile>,
    /// The input's columns as expressions over the scan's table.
    columns: Vec<ProjectionExpr>,
    /// What its rows must satisfy, over the scan's table too.
    filters: Vec<Arc<dyn PhysicalExpr>>,
    early: Vec<usize>,
    late: Vec<usize>,
    /// Who counts the rows that are read, if somebody does. The first pass is counted.
    counted: Option<Scan>,
}

impl Late {
    /// A view's input as two passes, if it is a scan of Parquet files under filters and projections, and if the view's
    /// rows cannot tie (features that decide ties are needed at once).
    pub(super) fn of(view: &ViewInput) -> EngineResult<Option<Late>> {
        if view.features.is_empty() || !view.ties.is_empty() {
            return Ok(None);
        }
        let mut above = Vec::new();
        let mut counted = None;
        let mut node = &view.input;
        let scan = loop {
            if let Some(source) = node.downcast_ref::<DataSourceExec>() {
                match source.data_source().downcast_ref::<FileScanConfig>() {
                    Some(scan) => break scan,
                    None => return Ok(None),
                }
            }
            counted = counted.or(node.downcast_ref::<CountedExec>().map(|counted| counted.scan().clone()));
            let is_transparent = matches!(
                node.name(),
                "ProjectionExec"
                    | "FilterExec"
                    | "CoalesceBatchesExec"
                    | "CooperativeExec"
                    | "RepartitionExec"
                    | "CountedExec"
            );
            // A limit that the optimizer has put into such a node makes it one that decides which rows there are.
            match node.children().as_slice() {
                [input] if is_transparent && node.fetch().is_none() => {
                    above.push(node);
                    node = input;
                }
                _ => return Ok(None),
            }
        };
        let Some(source) = scan.file_source.downcast_ref::<ParquetSource>() else { return Ok(None) };
        let pushed = source.table_parquet_options().global.pushdown_filters && source.filter().is_some();
        if scan.limit.is_some() || pushed || !source.table_schema().virtual_columns().is_empty() {
            return Ok(None);
        }
        let table = source.table_schema().table_schema();
        let mut columns: Vec<ProjectionExpr> = match source.projection() {
            Some(projection) => projection.as_ref().to_vec(),
            None => (table.fields().iter().enumerate())
                .map(|(i, f)| ProjectionExpr::new(Arc::new(Column::new(f.name(), i)), f.name()))
                .collect(),
        };
        let mut filters = Vec::new();
        for node in above.into_iter().rev() {
            let over_table = |expr: &Arc<dyn PhysicalExpr>| {
                let expr = update_expr(expr, &columns, true)?;
                expr.ok_or_else(|| DataFusionError::from(Error::Defect("an expression over no input".to_owned())))
            };
            if let Some(filter) = node.downcast_ref::<FilterExec>() {
                filters.push(over_table(filter.predicate())?);
                if let Some(projection) = filter.projection() {
                    columns = projection.iter().map(|i| columns[*i].clone()).collect();
                }
            } else if let Some(projection) = node.downcast_ref::<ProjectionExec>() {
                let projected =
                    projection.expr().iter().map(|p| Ok(ProjectionExpr::new(over_table(&p.expr)?, &p.alias)));
                columns = projected.collect::<EngineResult<_>>()?;
            }
        }
        let mut early: Vec<usize> = view.on.iter().map(|on| on.view).collect();
        early.push(view.timestamp);
        early.extend([view.known, view.superseded, view.seq].into_iter().flatten());
        early.extend(view.windows.iter().flat_map(WindowCall::columns));
        early.sort_unstable();
        early.dedup();
        let mut files: Vec<PartitionedFile> = Vec::new();
        for file in scan.file_groups.iter().flat_map(FileGroup::iter) {
            if file.extension::<ParquetAccessPlan>().is_some() {
                return Ok(None);
            }
            if !files.iter().any(|known| known.object_meta.location == file.object_meta.location) {
                files.push(PartitionedFile { range: None, ..file.clone() });
            }
        }
        Ok(Some(Late { scan: scan.clone(), files, columns, filters, early, late: view.features.clone(), counted }))
    }

    /// The view as its first pass reads it: columns are positions in the new input. The last two columns of the input
    /// say where a row is. It is told which moments and keys can matter.
    pub(super) fn narrowed(
        &self,
        view: &ViewInput,
        index: &KeyIndex,
        last: Option<i64>,
        context: &TaskContext,
    ) -> Result<ViewInput, Error> {
        let source = self.source()?;
        let old = source.table_schema();
        let width = old.table_schema().fields().len();
        let file = Arc::new(Field::new(FILE, DataType::UInt32, false));
        let row = Arc::new(Field::new(ROW, DataType::Int64, false).with_extension_type(RowNumber));
        let partitions = old.table_partition_cols().iter().cloned().chain([file.clone()]);
        let table = TableSchema::builder(Arc::clone(old.file_schema()))
            .with_table_partition_cols(partitions.collect::<Vec<_>>())
            .with_virtual_columns(vec![row.clone()])
            .build();
        let mut bounds: Vec<_> = source.filter().into_iter().collect();
        bounds.extend(self.bounds(view, index, last));
        let source = self.reading(ParquetSource::new(table), source, context)?;
        let source = match bounds.is_empty() {
            true => source,
            false => source.with_predicate(conjunction(bounds)),
        };

        let mut outputs: Vec<ProjectionExpr> = self.early.iter().map(|i| self.columns[*i].clone()).collect();
        outputs.push(ProjectionExpr::new(Arc::new(Column::new(FILE, width)), FILE));
        outputs.push(ProjectionExpr::new(Arc::new(Column::new(ROW, width + 1)), ROW));
        let groups = self.scan.file_groups.iter().map(|group| {
            let files = group.iter().map(|file| {
                let number = self.files.iter().position(|f| f.object_meta.location == file.object_meta.location);
                let number = ScalarValue::UInt32(number.map(|number| number as u32));
                let values = file.partition_values.iter().cloned().chain([number]);
                PartitionedFile { partition_values: values.collect(), ..file.clone() }
            });
            FileGroup::new(files.collect())
        });
        let input = self.plan(source, groups.collect(), false, outputs, &self.filters)?;
        let place = |old: usize| self.early.binary_search(&old).unwrap_or_default();
        let on = view.on.iter().map(|on| super::KeyPair { view: place(on.view), ..on.clone() });
        let windows = view.windows.iter().map(|call| call.renamed(|column| Ok::<_, Error>(place(*column))));
        Ok(ViewInput {
            alias: view.alias.clone(),
            on: on.collect(),
            timestamp: place(view.timestamp),
            known: view.known.map(place),
            superseded: view.superseded.map(place),
            seq: view.seq.map(place),
            ttl: view.ttl,
            features: Vec::new(),
            ties: Vec::new(),
            windows: windows.collect::<Result<_, _>>()?,
            // Rows are to be found, whatever else is wanted of them.
            found: true,
            input,
        })
    }

    /// The features of the rows referred to, each row once: for each feature its values, in one array or several. Each
    /// reference becomes the number of its row among them.
    pub(super) async fn fetch(
        &self,
        references: &mut [RowRef],
        partitions: usize,
        context: &Arc<TaskContext>,
        reservation: &MemoryReservation,
    ) -> Result<Vec<Vec<ArrayRef>>, Error> {
        let sources = self.sources(context).await?;
        let mut wanted: Vec<Wanted> = sources.iter().map(|source| Wanted::none(&source.footer)).collect();
        for reference in references.iter().filter(|reference| reference.is_row()) {
            wanted[reference.place()].set(reference.row());
        }
        let mut before = 0;
        for file in &mut wanted {
            before = file.count(before);
        }
        for reference in references.iter_mut().filter(|reference| reference.is_row()) {
            *reference = RowRef::new(0, wanted[reference.place()].number(reference.row()));
        }

        let leaves: Vec<_> = self.late.iter().map(|column| self.leaves(*column, &sources)).collect();
        let (straight, other): (Vec<_>, Vec<_>) = (0..self.late.len()).partition(|feature| leaves[*feature].is_some());
        let mut features = vec![Vec::new(); self.late.len()];
        if !other.is_empty() {
            let groups = divide(&self.files, &wanted, before as usize, partitions);
            let columns: Vec<_> = other.iter().map(|feature| self.late[*feature]).collect();
            for batch in self.select(&columns, groups, before as usize, context, reservation).await? {
                for (feature, array) in other.iter().zip(batch.columns()) {
                    features[*feature].push(array.clone());
                }
            }
        }
        if !straight.is_empty() {
            let units = units(&wanted);
            drop(wanted);
            let leaf = |file: usize, feature: &usize| leaves[*feature].as_ref().map(|leaves| leaves[file]);
            let of_file = |file| straight.iter().filter_map(|feature| leaf(file, feature)).collect();
            let of_files = (0..sources.len()).map(of_file).collect();
            let fields = straight.iter().map(|feature| self.field(self.late[*feature])).collect::<Option<Vec<_>>>();
            let fields = fields.ok_or_else(|| Error::Defect("a column in no file".to_owned()))?;
            let readers = (partitions, self.reader(context)?);
            let picked = pick(sources, of_files, fields, units, readers, reservation).await?;
            for (feature, arrays) in straight.into_iter().zip(picked) {
                features[feature] = arrays;
            }
        }
        Ok(features)
    }

    /// The table's column that one of the input's columns is, if it is just that.
    fn field(&self, column: usize) -> Option<Arc<Field>> {
        let place = self.columns[column].expr.downcast_ref::<Column>()?.index();
        let table = self.scan.file_source.table_schema();
        table.file_schema().fields().get(place).cloned()
    }

    /// Where one of the input's columns lies in each file, if it can be picked from all.
    fn leaves(&self, column: usize, sources: &[Source]) -> Option<Vec<usize>> {
        let field = self.field(column)?;
        sources.iter().map(|source| leaf(&source.footer, &field)).collect()
    }

    /// Columns of the wanted rows, as the engine reads them.
    async fn select(
        &self,
        columns: &[usize],
        groups: Vec<FileGroup>,
        wanted: usize,
        context: &Arc<TaskContext>,
        reservation: &MemoryReservation,
    ) -> Result<Vec<RecordBatch>, Error> {
        let source = self.source()?;
        let fresh = ParquetSource::new(source.table_schema().clone());
        let source = self.reading(fresh, source, context)?;
        let outputs = columns.iter().map(|i| self.columns[*i].clone()).collect();
        // The chosen rows passed the filters once.
        let plan = self.plan(source, groups, true, outputs, &[])?;
        let mut readers = JoinSet::new();
        for partition in 0..plan.properties().output_partitioning().partition_count() {
            let mut stream = plan.execute(partition, Arc::clone(context))?;
            let reserved = reservation.new_empty();
            readers.spawn(async move {
                let mut batches = Vec::new();
                while let Some(batch) = stream.next().await {
                    let batch = batch?;
                    reserved.try_grow(batch.get_array_memory_size())?;
                    batches.push(batch);
                }
                Ok::<_, DataFusionError>((partition, batches))
            });
        }
        let mut parts = Vec::new();
        while let Some(done) = readers.join_next().await {
            parts.push(done.map_err(|e| DataFusionError::ExecutionJoin(Box::new(e)))??);
        }
        parts.sort_unstable_by_key(|(partition, _)| *partition);
        let batches: Vec<_> = parts.into_iter().flat_map(|(_, batches)| batches).collect();
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        if rows != wanted {
            return Err(Error::Defect(format!("{rows} rows came back where {wanted} were chosen")));
        }
        Ok(batches)
    }

    fn source(&self) -> Result<&ParquetSource, Error> {
        let source = self.scan.file_source.downcast_ref::<ParquetSource>();
        source.ok_or_else(|| Error::Defect("not a Parquet source".to_owned()))
    }

    /// A source that reads like the view's own, its files by [`Files`], which remembers their footers for the second pass.
    fn reading(
        &self,
        fresh: ParquetSource,
        like: &ParquetSource,
        context: &TaskContext,
    ) -> Result<ParquetSource, Error> {
        let fresh = fresh.with_table_parquet_options(like.table_parquet_options().clone());
        Ok(fresh.with_parquet_file_reader_factory(self.reader(context)?))
    }

    fn reader(&self, context: &TaskContext) -> Result<Arc<Files>, Error> {
        Ok(Arc::new(Files::new(&self.scan.object_store_url, context)?))
    }

    /// A scan of these files that gives `outputs` of the rows that pass `filters`.
    fn plan(
        &self,
        source: ParquetSource,
        groups: Vec<FileGroup>,
        in_order: bool,
        outputs: Vec<ProjectionExpr>,
        filters: &[Arc<dyn PhysicalExpr>],
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        let mut needed: Vec<usize> = outputs
            .iter()
            .map(|output| &output.expr)
            .chain(filters)
            .flat_map(|expr| collect_columns(expr).into_iter().map(|column| column.index()))
            .collect();
        needed.sort_unstable();
        needed.dedup();
        let config = FileScanConfigBuilder::new(self.scan.object_store_url.clone(), Arc::new(source))
            .with_file_groups(groups)
            .with_projection_indices(Some(needed.clone()))?
            .with_preserve_order(in_order)
            .with_expr_adapter(self.scan.expr_adapter_factory.clone())
            .build();
        let here = |expr: Arc<dyn PhysicalExpr>| {
            let moved = expr.transform(|expr| {
                let column = expr.downcast_ref::<Column>().map(|c| (c.name().to_owned(), c.index()));
                Ok(match column.and_then(|(name, index)| Some((name, needed.binary_search(&index).ok()?))) {
                    Some((name, place)) => Transformed::yes(Arc::new(Column::new(&name, place)) as _),
                    None => Transformed::no(expr),
                })
            });
            moved.map(|moved| moved.data)
        };
        let mut plan: Arc<dyn ExecutionPlan> = DataSourceExec::from_data_source(config);
        if let Some(counted) = self.counted.as_ref().filter(|_| !in_order) {
            plan = counted.around(plan);
        }
        // One above the other, as they were: what the lower one lets through may be all that the upper one can compute.
        for filter in filters {
            plan = Arc::new(FilterExec::try_new(here(Arc::clone(filter))?, plan)?);
        }
        let outputs = outputs.into_iter().map(|output| Ok(ProjectionExpr::new(here(output.expr)?, output.alias)));
        Ok(Arc::new(ProjectionExec::try_new(outputs.collect::<EngineResult<Vec<_>>>()?, plan)?))
    }

    /// What a row must satisfy to matter at all, where statistics of the files can tell.
    fn bounds(&self, view: &ViewInput, index: &KeyIndex, last: Option<i64>) -> Vec<Arc<dyn PhysicalExpr>> {
        let table = self.scan.file_source.table_schema().table_schema();
        let compare = |column: usize, op: Operator, value: ScalarValue| -> Option<Arc<dyn PhysicalExpr>> {
            let expr = &self.columns[column].expr;
            let field = table.field(expr.downcast_ref::<Column>()?.index());
            let value = value.cast_to(field.data_type()).ok()?;
            Some(Arc::new(BinaryExpr::new(Arc::clone(expr), op, lit(value))))
        };
        let mut bounds = Vec::new();
        // A bound in coarser units than microseconds would be rounded.
        let is_exact = |column: usize| {
            let expr = self.columns[column].expr.downcast_ref::<Column>();
            expr.is_some_and(|c| {
                matches!(table.field(c.index()).data_type(), DataType::Timestamp(TimeUnit::Microsecond, _))
            })
        };
        if let Some(last) = last.filter(|_| is_exact(view.timestamp)) {
            let last = ScalarValue::TimestampMicrosecond(Some(last), None);
            bounds.extend(compare(view.timestamp, Operator::LtEq, last));
        }
        if let ([on], Some((least, greatest))) = (view.on.as_slice(), index.keys().bounds())
            && on.compared_as == DataType::Int64
        {
            bounds.extend(compare(on.view, Operator::GtEq, ScalarValue::Int64(Some(least))));
            bounds.extend(compare(on.view, Operator::LtEq, ScalarValue::Int64(Some(greatest))));
        }
        bounds
    }

    /// The files with their footers.
    async fn sources(&self, context: &TaskContext) -> Result<Vec<Source>, Error> {
        let reader = self.reader(context)?;
        let metrics = ExecutionPlanMetricsSet::new();
        let mut sources = Vec::with_capacity(self.files.len());
        for file in &self.files {
            let mut reader = reader.create_reader(0, file.clone(), None, &metrics)?;
            let footer = reader.get_metadata(None).await.map_err(DataFusionError::from)?;
            sources.push(Source { file: file.clone(), footer });
        }
        Ok(sources)
    }
}
