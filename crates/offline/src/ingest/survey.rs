//! What a file has: its columns, by name, and what they could become.

use arrow::datatypes::{DataType, Schema};
use asof_model::schema::normal;

use super::infer::Seen;
use super::refusal::Refusal;

/// The columns of a file, in its order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FileColumns {
    /// As messages name it.
    pub(crate) file: String,
    pub(crate) columns: Vec<(String, Candidate)>,
    /// Its rows, where that is known without reading it.
    pub(crate) rows: Option<u64>,
}

/// What a column of a file could become.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Candidate {
    /// Texts, of these kinds (none if the file was not read for them).
    Texts(Seen),
    /// Values of this normal type; none where all are null.
    Values(Option<DataType>),
}

impl FileColumns {
    /// Of a file that says its types.
    pub(crate) fn typed(file: &str, schema: &Schema, rows: Option<u64>) -> Result<Self, Refusal> {
        let columns = schema.fields().iter().map(|field| {
            let kept = match field.data_type() {
                DataType::Null => None,
                other => Some(normal(other).ok_or_else(|| Refusal::UnsupportedType {
                    file: file.to_owned(),
                    column: field.name().clone(),
                    found: other.to_string(),
                })?),
            };
            Ok((field.name().clone(), Candidate::Values(kept)))
        });
        Ok(FileColumns { file: file.to_owned(), columns: columns.collect::<Result<_, _>>()?, rows })
    }

    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|(there, _)| there == name)
    }
}
