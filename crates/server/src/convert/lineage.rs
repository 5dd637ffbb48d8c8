//! Questions over runs and over the graph, and their answers.

use asof_engine::{
    About, ColumnChange, Direction, ExplainRequest, Explanation, FoundIn, IngestedFile, LineageRequest, LogRequest,
    Origin, Rendering,
};
use asof_model::run::Verb;
use asof_model::trained::PREFIX;
use asof_model::{Error, ErrorKind, Micros, ModelReference, Result, name};
use asof_proto::lineage::v1 as wire;
use asof_proto::run::v1::File;

use super::column::from_batch;
use super::object::{optional_reference, reference, unknown_number};
use super::run::from_run;
use super::serving::{Details, from_reply, to_get};

pub(crate) fn to_log(request: &wire::LogRequest) -> Result<LogRequest> {
    let verb = if request.verb.is_empty() { None } else { Some(verb(&request.verb)?) };
    let limit = (request.limit > 0).then_some(request.limit as usize);
    Ok(LogRequest { about: optional_reference(&request.reference)?, verb, limit })
}

fn verb(written: &str) -> Result<Verb> {
    Verb::ALL.into_iter().find(|verb| verb.as_str() == written).ok_or_else(|| {
        let verbs = Verb::ALL.map(Verb::as_str);
        let remedy = match name::nearest(written, verbs) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("runs are of: {}", verbs.join(", ")),
        };
        Error::new(ErrorKind::Invalid, "unknown_verb", format!("no run is of the verb `{written}`")).remedy(remedy)
    })
}

pub(crate) fn to_lineage(request: &wire::LineageRequest) -> Result<LineageRequest> {
    let direction = wire::Direction::try_from(request.direction);
    let direction = match direction.map_err(|_| unknown_number("direction", request.direction))? {
        wire::Direction::Both => Direction::Both,
        wire::Direction::Upstream => Direction::Upstream,
        wire::Direction::Downstream => Direction::Downstream,
    };
    let rendering = wire::Rendering::try_from(request.rendering);
    let rendering = match rendering.map_err(|_| unknown_number("rendering", request.rendering))? {
        wire::Rendering::Tree => Rendering::Tree,
        wire::Rendering::Json => Rendering::Json,
        wire::Rendering::Mermaid => Rendering::Mermaid,
        wire::Rendering::Dot => Rendering::Dot,
        wire::Rendering::Openlineage => Rendering::Openlineage,
    };
    let depth = (request.depth > 0).then_some(request.depth);
    let impact = match wire::Change::try_from(request.change).map_err(|_| unknown_number("change", request.change))? {
        wire::Change::None => None,
        wire::Change::Drop => Some(ColumnChange::Drop),
        wire::Change::Retype => Some(ColumnChange::Retype),
    };
    let toward = (!request.toward.is_empty()).then(|| about_column(&request.toward, &request.toward_column));
    let (toward, toward_column) = toward.transpose()?.unzip();
    let (about, column) = about_column(&request.reference, &request.column)?;
    let (at, toward_column) = (request.at.map(Micros), toward_column.flatten());
    Ok(LineageRequest { about, column, direction, depth, at, toward, toward_column, impact, rendering })
}

/// `REF.COLUMN`, or a thing and its column apart. No reference has a point in it.
fn about_column(text: &str, column: &str) -> Result<(About, Option<String>)> {
    if !column.is_empty() {
        return Ok((about(text)?, Some(column.to_owned())));
    }
    match text.split_once('.') {
        Some((of, column)) if !column.is_empty() && reference(text).is_err() && reference(of).is_ok() => {
            Ok((About::Ours(reference(of)?), Some(column.to_owned())))
        }
        _ => Ok((about(text)?, None)),
    }
}

/// What is no reference and has a colon or a slash is a name that others gave.
fn about(text: &str) -> Result<About> {
    // A job of others may be called so, too; it has a second colon, which no model has.
    if text.starts_with(PREFIX)
        && let Ok(model) = text.parse()
    {
        return Ok(About::Model(model));
    }
    match reference(text) {
        Ok(reference) => Ok(About::Ours(reference)),
        Err(_) if text.parse::<ModelReference>().is_ok() => Ok(About::Model(text.parse()?)),
        Err(_) if text.contains([':', '/']) => Ok(About::Outside(text.to_owned())),
        Err(error) => Err(error),
    }
}

/// By then a model is the service that it was trained on.
///
/// # Errors
/// `invalid_reference`; `invalid_request` where both a model and a training set are named; those of the request's columns.
pub(crate) fn to_explain(request: wire::ExplainRequest) -> Result<ExplainRequest> {
    let wire::ExplainRequest { service, columns, at, training_set, row, model, .. } = request;
    match (training_set.is_empty(), model.is_empty()) {
        (true, _) => Ok(ExplainRequest::Served(to_get(&service, columns, at)?)),
        (false, true) => Ok(ExplainRequest::Cell { set: reference(&training_set)?, row }),
        (false, false) => {
            let message = "a training set and a model are named";
            Err(Error::new(ErrorKind::Invalid, "invalid_request", message).remedy("name the one or the other"))
        }
    }
}

/// # Errors
/// `unsupported_type` for a feature that cannot be sent.
pub(crate) fn from_explanation(explanation: &Explanation) -> Result<wire::ExplainResponse> {
    let reply = from_reply(&explanation.reply, Details { event_times: true, receipts: true, ..Details::default() })?;
    let (source, same) = match explanation.source {
        FoundIn::Online => (wire::Source::Online, false),
        FoundIn::Snapshots => (wire::Source::Snapshots, false),
        FoundIn::TrainingSet { same, .. } => (wire::Source::TrainingSet, same),
    };
    Ok(wire::ExplainResponse {
        reply: Some(reply),
        origins: explanation.origins.iter().map(from_origin).collect(),
        request: from_batch(&explanation.request)?,
        source: source.into(),
        same,
    })
}

fn from_origin(origin: &Origin) -> wire::Origin {
    let snapshots = origin.snapshots.iter().map(|s| wire::SnapshotOrigin {
        dataset: s.dataset.to_string(),
        number: s.number.0,
        files: s.files.iter().map(from_file).collect(),
    });
    let contributed = origin.contributed.iter().map(|one| wire::Contributed {
        features: one.features.clone(),
        window: one.window.clone().unwrap_or_default(),
        rows: one.rows,
        first: one.first.map(|time| time.0),
        last: one.last.map(|time| time.0),
        snapshots: (one.snapshots.iter())
            .map(|from| wire::FromSnapshot {
                dataset: from.dataset.to_string(),
                number: from.number.0,
                rows: from.rows,
            })
            .collect(),
    });
    wire::Origin {
        query: origin.query.clone(),
        run: origin.run.as_ref().map(from_run),
        snapshots: snapshots.collect(),
        contributed: contributed.collect(),
        untold: origin.untold.clone().unwrap_or_default(),
    }
}

fn from_file(file: &IngestedFile) -> File {
    File { url: file.url.clone(), digest: file.digest.to_string(), bytes: file.bytes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_and_empty_mean_all() {
        let request = to_log(&wire::LogRequest::default()).unwrap();
        assert!(request.about.is_none() && request.verb.is_none() && request.limit.is_none());
        let error = to_log(&wire::LogRequest { verb: "trian".into(), ..Default::default() }).unwrap_err();
        assert_eq!((error.code(), error.remedy_text()), ("unknown_verb", Some("did you mean `train`?")));
    }

    #[test]
    fn a_name_of_others_is_told_from_a_reference() {
        let outside = |text: &str| About::Outside(text.to_owned());
        for text in ["s3://lake/raw/tx", "/srv/a.csv", "job:airflow:dag.task", "airflow-demo/dag.task"] {
            assert_eq!(about(text), Ok(outside(text)));
        }
        assert!(matches!(about("flights@3"), Ok(About::Ours(_))));
        assert!(matches!(about("project/flights"), Ok(About::Ours(_))));
        for text in ["model:fraud@7", "p/fraud@2026-11-01-a", "fraud@v1.2+gpu"] {
            assert_eq!(about(text), Ok(About::Model(text.parse().unwrap())), "{text}");
        }
        assert_eq!(about("Flights").unwrap_err().code(), "invalid_reference");
    }

    #[test]
    fn a_column_stands_behind_a_reference_or_apart() {
        let ours = |text: &str| About::Ours(reference(text).unwrap());
        for (text, column, expected) in [
            ("flights.arr_delay", "", (ours("flights"), Some("arr_delay"))),
            ("p/flights@3.arr_delay", "", (ours("p/flights@3"), Some("arr_delay"))),
            ("departure_delay.request.distance", "", (ours("departure_delay"), Some("request.distance"))),
            ("flights", "arr.delay", (ours("flights"), Some("arr.delay"))),
            ("flights", "", (ours("flights"), None)),
            ("s3://lake/raw.tx", "", (About::Outside("s3://lake/raw.tx".to_owned()), None)),
            ("s3://lake/raw.tx", "amount", (About::Outside("s3://lake/raw.tx".to_owned()), Some("amount"))),
        ] {
            let (about, found) = about_column(text, column).unwrap();
            assert_eq!((about, found.as_deref()), expected, "{text} {column}");
        }
    }

    #[test]
    fn a_direction_from_the_future_is_refused() {
        let request = wire::LineageRequest { reference: "a".into(), direction: 9, ..Default::default() };
        assert_eq!(to_lineage(&request).unwrap_err().code(), "invalid_request");
    }
}
