//! Offline work: what was asked for, and what came of it.

use asof_engine::{
    ExportFormat, Extent, IngestReport, KnownMoment, MaterializeReport, MaterializeRequest, Materialized, ReadOptions,
    Rebuilt, TrainRequest, Trained,
};
use asof_model::{Error, ErrorKind, Micros, Result, name};
use asof_offline::Format;
use asof_proto::jobs::v1 as wire;

use super::object::{from_column, from_pinned, from_warnings, reference, unknown_number};
use super::registry::from_manifest;

/// The formats of files as users write them.
const FORMATS: [(&str, Format); 6] = [
    ("parquet", Format::Parquet),
    ("csv", Format::Csv),
    ("json", Format::JsonLines),
    ("jsonl", Format::JsonLines),
    ("ndjson", Format::JsonLines),
    ("arrow", Format::ArrowIpc),
];

/// How to read the files of an ingest.
///
/// # Errors
/// `unknown_format`.
pub(crate) fn to_read_options(header: &wire::IngestHeader) -> Result<ReadOptions> {
    let format = match header.format.to_ascii_lowercase().as_str() {
        "" => None,
        written => Some(format(written)?),
    };
    Ok(ReadOptions { format, null: header.nulls.clone(), set: header.set.clone() })
}

fn format(written: &str) -> Result<Format> {
    let found = FORMATS.iter().find(|(name, _)| *name == written).map(|(_, format)| *format);
    found.ok_or_else(|| {
        let remedy = match name::nearest(written, FORMATS.iter().map(|(name, _)| *name)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "formats are: parquet, csv, json, arrow".to_owned(),
        };
        Error::new(ErrorKind::Invalid, "unknown_format", format!("`{written}` is not a format of files")).remedy(remedy)
    })
}

pub(crate) fn from_ingest(report: IngestReport) -> wire::IngestResult {
    let skipped = report.skipped.into_iter().map(|file| wire::SkippedFile {
        url: file.url,
        digest: file.digest.to_string(),
        since: file.since.map(|number| number.0),
    });
    wire::IngestResult {
        run: report.run.to_string(),
        snapshot: report.snapshot.map(|number| number.0),
        rows: report.rows,
        files: report.files,
        skipped: skipped.collect(),
        lost_precision: report.lost_precision,
        added_columns: report.added_columns.iter().map(from_column).collect(),
    }
}

pub(crate) fn to_train(request: &wire::TrainRequest) -> Result<TrainRequest> {
    let known_at = match request.known_at.as_str() {
        "" => KnownMoment::EventTime,
        "now" => KnownMoment::Now,
        moment => KnownMoment::At(moment.parse()?),
    };
    Ok(TrainRequest { name: reference(&request.name)?, known_at, statuses: request.statuses })
}

pub(crate) fn from_trained(trained: Trained) -> wire::TrainResult {
    wire::TrainResult {
        run: trained.run.to_string(),
        training_set: Some(from_manifest(&trained.manifest)),
        built: trained.built,
        warnings: from_warnings(&trained.warnings),
    }
}

pub(crate) fn to_export_format(format: i32) -> Result<ExportFormat> {
    match wire::Format::try_from(format) {
        Ok(wire::Format::Parquet) => Ok(ExportFormat::Parquet),
        Ok(wire::Format::Csv) => Ok(ExportFormat::Csv),
        Ok(wire::Format::Arrow) => Ok(ExportFormat::Arrow),
        Ok(wire::Format::Unspecified) => {
            Err(Error::new(ErrorKind::Invalid, "invalid_request", "an export names its format"))
        }
        Err(_) => Err(unknown_number("format", format)),
    }
}

pub(crate) fn from_rebuilt(rebuilt: Rebuilt) -> wire::RebuildResult {
    wire::RebuildResult {
        run: rebuilt.run.to_string(),
        equal: rebuilt.equal(),
        recorded: Some(from_manifest(&rebuilt.manifest)),
        content: rebuilt.content.to_string(),
        rows: rebuilt.rows,
    }
}

pub(crate) fn to_materialize(request: &wire::MaterializeRequest) -> Result<MaterializeRequest> {
    let views = request.views.iter().map(|view| reference(view)).collect::<Result<_>>()?;
    Ok(MaterializeRequest { views, at: request.at.map(Micros), full: request.full, recorded: request.recorded })
}

pub(crate) fn from_materialized(report: MaterializeReport) -> wire::MaterializeResult {
    let view = |m: &Materialized| wire::Materialized {
        run: m.run.to_string(),
        view: Some(from_pinned(&m.published.view)),
        generation: m.published.generation,
        rows: m.published.rows,
        at: m.published.at.0,
        read: m.read,
        extent: Some(match &m.extent {
            Extent::Whole(why) => wire::materialized::Extent::Whole(why.clone()),
            Extent::Increment { dataset, from, to } => {
                let (dataset, from, to) = (dataset.to_string(), from.0, to.0);
                wire::materialized::Extent::Increment(wire::Increment { dataset, from, to })
            }
        }),
    };
    wire::MaterializeResult {
        views: report.views.iter().map(view).collect(),
        skipped: report.skipped.iter().map(from_pinned).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_read_as_people_write_them() {
        let check = |written: &str| {
            to_read_options(&wire::IngestHeader { format: written.into(), ..Default::default() }).map(|o| o.format)
        };
        assert_eq!(check(""), Ok(None));
        assert_eq!(check("CSV"), Ok(Some(Format::Csv)));
        assert_eq!(check("json"), Ok(Some(Format::JsonLines)));
        let error = check("parqet").unwrap_err();
        assert_eq!((error.code(), error.remedy_text()), ("unknown_format", Some("did you mean `parquet`?")));
    }

    #[test]
    fn known_at_is_a_word_or_a_moment() {
        let check = |known_at: &str| {
            to_train(&wire::TrainRequest { name: "delays".into(), known_at: known_at.into(), ..Default::default() })
                .map(|r| r.known_at)
        };
        assert!(matches!(check(""), Ok(KnownMoment::EventTime)));
        assert!(matches!(check("now"), Ok(KnownMoment::Now)));
        assert!(matches!(check("1970-01-01T00:00:01Z"), Ok(KnownMoment::At(Micros(1_000_000)))));
        assert_eq!(check("yesterday").unwrap_err().code(), "invalid_time");
    }
}
