//! Rows as one file of a format that others read.

use std::io::Write;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::csv::WriterBuilder;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::writer::FileWriter;
use asof_model::schema::sql_type;
use asof_model::{Error, ErrorKind, Result};
use datafusion::execution::SendableRecordBatchStream;
use futures::TryStreamExt as _;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::failure::Failure;

/// A format to export to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExportFormat {
    /// Apache Parquet.
    Parquet,
    /// Comma-separated values with a header line. Null and the empty text are both the empty field.
    Csv,
    /// Arrow IPC, as a file.
    Arrow,
}

/// Writes the rows in a format, and says how many they were. Writes as the rows come: after an error, `out` holds a
/// part of them.
///
/// # Errors
/// `unsupported_type` for a nested or binary column in CSV, before anything is written; those of the stream and of
/// `out`.
pub async fn export(mut rows: SendableRecordBatchStream, format: ExportFormat, out: impl Write + Send) -> Result<u64> {
    let mut writer = Writer::new(format, &rows.schema(), out)?;
    let mut count = 0;
    while let Some(batch) = rows.try_next().await.map_err(Failure::from)? {
        writer.write(&batch)?;
        count += batch.num_rows() as u64;
    }
    writer.finish()?;
    Ok(count)
}

enum Writer<W: Write + Send> {
    Parquet(ArrowWriter<W>),
    Csv(Box<arrow::csv::Writer<W>>, SchemaRef),
    Arrow(FileWriter<W>),
}

impl<W: Write + Send> Writer<W> {
    fn new(format: ExportFormat, schema: &SchemaRef, out: W) -> Result<Self> {
        Ok(match format {
            ExportFormat::Parquet => {
                let properties =
                    WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
                let writer = ArrowWriter::try_new(out, schema.clone(), Some(properties));
                Writer::Parquet(writer.map_err(Failure::from)?)
            }
            ExportFormat::Csv => {
                let schema = csv_schema(schema)?;
                let mut writer = WriterBuilder::new().with_header(true).build(out);
                // The header is written even if there is no row.
                writer.write(&RecordBatch::new_empty(schema.clone())).map_err(Failure::from)?;
                Writer::Csv(Box::new(writer), schema)
            }
            ExportFormat::Arrow => Writer::Arrow(FileWriter::try_new(out, schema).map_err(Failure::from)?),
        })
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match self {
            Writer::Parquet(writer) => Ok(writer.write(batch).map_err(Failure::from)?),
            Writer::Csv(writer, schema) => {
                let plain = plain(batch, schema).map_err(Failure::from)?;
                Ok(writer.write(&plain).map_err(Failure::from)?)
            }
            Writer::Arrow(writer) => Ok(writer.write(batch).map_err(Failure::from)?),
        }
    }

    fn finish(self) -> Result<()> {
        match self {
            Writer::Parquet(writer) => {
                let mut out = writer.into_inner().map_err(Failure::from)?;
                out.flush().map_err(Failure::from)?;
            }
            Writer::Csv(writer, _) => writer.into_inner().flush().map_err(Failure::from)?,
            Writer::Arrow(writer) => {
                let mut out = writer.into_inner().map_err(Failure::from)?;
                out.flush().map_err(Failure::from)?;
            }
        }
        Ok(())
    }
}

/// The schema of what is written as CSV: encodings that its writer does not know are laid off.
fn csv_schema(schema: &Schema) -> Result<SchemaRef> {
    let fields = schema.fields().iter().map(|field| {
        let data_type = asof_model::schema::normal(field.data_type());
        match data_type {
            Some(flat) if !flat.is_nested() && flat != DataType::Binary => {
                Ok(Field::new(field.name(), flat, field.is_nullable()))
            }
            _ => {
                let shown = data_type.as_ref().unwrap_or(field.data_type());
                let message = format!("column `{}` is {}, which CSV cannot hold", field.name(), sql_type(shown));
                Err(Error::new(ErrorKind::Invalid, "unsupported_type", message)
                    .remedy("export to .parquet or .arrow, or leave the column out"))
            }
        }
    });
    Ok(Arc::new(Schema::new(fields.collect::<Result<Vec<_>>>()?)))
}

fn plain(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let options = CastOptions { safe: false, ..Default::default() };
    let columns = batch.columns().iter().zip(schema.fields());
    let columns = columns.map(|(array, field)| cast_with_options(array, field.data_type(), &options));
    RecordBatch::try_new(schema.clone(), columns.collect::<Result<_, _>>()?)
}
