//! What lets pushed rows into a dataset.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use asof_model::definition::Dataset;
use asof_model::{Columns, Error, ErrorKind, Name, Result};

use crate::ingest::{Checks, FileColumns, Fit, Raw, Shape, shape};
use crate::store::Store;

/// What pushed rows are called in messages.
const SOURCE: &str = "pushed rows";

/// A dataset as it is now, ready to let rows in. Costs a reading of the table's newest state to make, and some
/// microseconds a push to use.
pub struct Gate {
    definition: Dataset,
    /// What the table has; none where there is none yet.
    kept: Option<Columns>,
    /// What it will have.
    columns: Columns,
    checks: Arc<Checks>,
    last_seq: i64,
}

impl Store {
    /// The gate of a dataset.
    ///
    /// # Errors
    /// `nothing_ingested` where nothing says what the columns are; `bad_check`, `schema_mismatch`.
    pub async fn gate(&self, project: &Name, definition: &Dataset) -> Result<Gate> {
        let state = self.table(project, &definition.name).state(None).await?;
        let kept = state.as_ref().map(|state| state.columns()).transpose()?;
        let last_seq = match &state {
            Some(state) => state.last_seq().await?,
            None => 0,
        };
        if kept.is_none() && definition.columns.is_none() {
            let name = &definition.name;
            let message = format!("dataset `{name}` has no columns yet: none are declared, and nothing was ingested");
            return Err(Error::new(ErrorKind::Precondition, "nothing_ingested", message)
                .remedy(format!("declare them in CREATE DATASET {name} (…), or ingest a file first")));
        }
        let columns = all_columns(definition, kept.as_ref())?;
        let checks = Arc::new(Checks::compile(&definition.checks, &columns.to_arrow())?);
        Ok(Gate { definition: definition.clone(), kept, columns, checks, last_seq })
    }
}

/// The table's columns, and those that are declared besides.
fn all_columns(definition: &Dataset, kept: Option<&Columns>) -> Result<Columns> {
    let declared = definition.columns.as_ref().or(kept).cloned().unwrap_or_default();
    let file = FileColumns::typed(SOURCE, &declared.to_arrow(), Some(0))?;
    Ok(shape::decide(definition, kept, &[file], &BTreeMap::new())?.columns)
}

impl Gate {
    /// The columns of the dataset.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// The last number in the table when this was made.
    pub fn last_seq(&self) -> i64 {
        self.last_seq
    }

    /// Rows as the dataset keeps them, in all its columns, and how many had a time that was floored. Columns may come in
    /// any order; those that are left out are null; texts are read as values where the column is no text.
    ///
    /// # Errors
    /// `undeclared_column`, `missing_column`, `schema_mismatch`, and those of values, naming row and column.
    pub fn admit(&self, rows: &RecordBatch) -> Result<(RecordBatch, u64)> {
        let file = FileColumns::typed(SOURCE, &rows.schema(), Some(rows.num_rows() as u64))?;
        let files = std::slice::from_ref(&file);
        let known = |name: &str| self.columns.get(name).is_some();
        if let Some((name, _)) = file.columns.iter().find(|(name, _)| !known(name)) {
            let message = format!("{SOURCE}: dataset `{}` has no column `{name}`", self.definition.name);
            let error = Error::new(ErrorKind::Invalid, "undeclared_column", message);
            return Err(match asof_model::name::nearest(name, self.columns.names()) {
                Some(near) => error.remedy(format!("did you mean `{near}`?")),
                None => error.remedy("a push brings no new columns: declare it, or ingest a file that has it"),
            });
        }
        let decided = shape::decide(&self.definition, self.kept.as_ref(), files, &BTreeMap::new()).map_err(here)?;
        let shape = Shape { columns: self.columns.clone(), added: Vec::new(), not_null: decided.not_null };
        let fit = Fit::new(&self.definition, &shape, &file, true, &BTreeMap::new(), Arc::clone(&self.checks));
        let mut fit = fit.map_err(here)?;
        let columns = file.columns.iter().map(|(name, _)| rows.column_by_name(name).cloned());
        let columns = columns.collect::<Option<Vec<_>>>().ok_or_else(|| Error::internal("a column went away"))?;
        let admitted = fit.apply(Raw { columns, rows: rows.num_rows(), lines: None }).map_err(here)?;
        Ok((admitted, fit.floored))
    }
}

/// A refusal with the way out that there is here, where it is another than with a file.
fn here(refusal: impl Into<Error>) -> Error {
    let error = refusal.into();
    match error.code() {
        "bad_value" => error.remedy("correct it and push again"),
        "missing_column" => error.remedy("give it a value in every row"),
        _ => error,
    }
}
