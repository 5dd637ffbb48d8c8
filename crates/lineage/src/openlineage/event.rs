//! One event, read from its JSON.
//!
//! What an event is about is told by its structure, since producers write all kinds of things into `schemaURL`: with a
//! `run` it is about a run, with a `job` alone about a job, with a `dataset` about a dataset. What says who and when must be
//! there. Of the rest only what is understood is looked at: facets are kept as they came, and a part of one that is not of
//! its form says nothing.

use asof_model::{Error, ErrorKind, Micros, Result};
use serde_json::{Map, Value};

use super::naming::Name;

/// Facets by their names, as they came.
pub type Facets = Map<String, Value>;

/// Something that somebody saw, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When it happened; finer than a microsecond is floored, and without a zone it is UTC.
    pub time: Micros,
    /// What it is about.
    pub about: About,
}

/// What an event is about.
#[derive(Clone, Debug, PartialEq)]
pub enum About {
    /// A run went from one state to another.
    Run {
        /// The run's identifier, as it came.
        run: String,
        /// The state it went to.
        state: State,
        /// The job that started it.
        parent: Option<Name>,
        /// The job it is a run of, with what it reads and writes.
        job: Job,
    },
    /// What a job is, without a run.
    Job(Job),
    /// What a dataset is.
    Dataset(Dataset),
}

/// A job, as an event tells of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Its name.
    pub name: Name,
    /// What is known of it.
    pub facets: Facets,
    /// What it reads.
    pub inputs: Vec<Dataset>,
    /// What it writes.
    pub outputs: Vec<Dataset>,
}

/// A dataset, as an event tells of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// Its name, in its one form.
    pub name: Name,
    /// What is known of it.
    pub facets: Facets,
}

/// What became of a run. In the order in which things of one moment happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// It began.
    Start,
    /// It goes on.
    Running,
    /// Something else happened to it.
    Other,
    /// It was given up.
    Abort,
    /// It failed.
    Fail,
    /// It is done.
    Complete,
}

impl State {
    const ALL: [State; 6] = [State::Start, State::Running, State::Other, State::Abort, State::Fail, State::Complete];

    /// As the standard writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Start => "START",
            State::Running => "RUNNING",
            State::Other => "OTHER",
            State::Abort => "ABORT",
            State::Fail => "FAIL",
            State::Complete => "COMPLETE",
        }
    }
}

impl Event {
    /// The event that a JSON value is.
    ///
    /// # Errors
    /// `invalid_event`, with the member that is missing or not of its form.
    pub fn read(value: &Value) -> Result<Event> {
        let event = value.as_object().ok_or_else(|| invalid("it is not an object".into()))?;
        let time = text(event, "eventTime", "eventTime")?;
        let time = time.parse().map_err(|e: Error| invalid(format!("`eventTime`: {}", e.message())))?;
        let about = if let Some(run) = present(event, "run") {
            let run = object(run, "run")?;
            About::Run {
                run: text(run, "runId", "run.runId")?.to_owned(),
                state: state(event)?,
                parent: parent(run),
                job: job(event)?,
            }
        } else if present(event, "job").is_some() {
            About::Job(job(event)?)
        } else if let Some(one) = present(event, "dataset") {
            About::Dataset(dataset(one, "dataset")?)
        } else {
            return Err(invalid("it has neither a `run` nor a `job` nor a `dataset`".into()));
        };
        Ok(Event { time, about })
    }
}

fn invalid(why: String) -> Error {
    Error::new(ErrorKind::Invalid, "invalid_event", format!("this is not an OpenLineage event: {why}"))
        .remedy("send events as https://openlineage.io/spec describes them")
}

/// A member that is there and is not null.
fn present<'a>(object: &'a Facets, name: &str) -> Option<&'a Value> {
    object.get(name).filter(|value| !value.is_null())
}

fn object<'a>(value: &'a Value, path: &str) -> Result<&'a Facets> {
    value.as_object().ok_or_else(|| invalid(format!("`{path}` is not an object")))
}

fn text<'a>(of: &'a Facets, name: &str, path: &str) -> Result<&'a str> {
    match present(of, name).map(Value::as_str) {
        None => Err(invalid(format!("`{path}` is missing"))),
        Some(Some(text)) if !text.trim().is_empty() => Ok(text),
        Some(_) => Err(invalid(format!("`{path}` is not a text"))),
    }
}

fn facets(of: &Facets) -> Facets {
    present(of, "facets").and_then(Value::as_object).cloned().unwrap_or_default()
}

/// Without a type it is one of those that say nothing about the end.
fn state(event: &Facets) -> Result<State> {
    let Some(written) = present(event, "eventType") else { return Ok(State::Other) };
    let written = written.as_str().ok_or_else(|| invalid("`eventType` is not a text".into()))?;
    let known = State::ALL.into_iter().find(|state| state.as_str().eq_ignore_ascii_case(written));
    known.ok_or_else(|| {
        let all = State::ALL.map(State::as_str).join(", ");
        let shown: String = written.chars().take(40).collect();
        invalid(format!("`eventType` is `{shown}`, and not one of {all}"))
    })
}

fn job(event: &Facets) -> Result<Job> {
    let Some(job) = present(event, "job") else { return Err(invalid("`job` is missing".into())) };
    let job = object(job, "job")?;
    Ok(Job {
        name: Name {
            namespace: text(job, "namespace", "job.namespace")?.to_owned(),
            name: text(job, "name", "job.name")?.to_owned(),
        },
        facets: facets(job),
        inputs: datasets(event, "inputs")?,
        outputs: datasets(event, "outputs")?,
    })
}

fn datasets(event: &Facets, member: &str) -> Result<Vec<Dataset>> {
    let Some(all) = present(event, member) else { return Ok(Vec::new()) };
    let all = all.as_array().ok_or_else(|| invalid(format!("`{member}` is not an array")))?;
    all.iter().enumerate().map(|(i, one)| dataset(one, &format!("{member}[{i}]"))).collect()
}

fn dataset(value: &Value, path: &str) -> Result<Dataset> {
    let dataset = object(value, path)?;
    let namespace = text(dataset, "namespace", &format!("{path}.namespace"))?;
    let name = text(dataset, "name", &format!("{path}.name"))?;
    Ok(Dataset { name: Name::of_dataset(namespace, name), facets: facets(dataset) })
}

/// The job that the parent facet of a run names.
fn parent(run: &Facets) -> Option<Name> {
    let facets = present(run, "facets")?;
    // Older producers wrote `parentRun`.
    let facet = facets.get("parent").or_else(|| facets.get("parentRun"))?;
    let job = facet.get("job")?;
    let part = |name: &str| job.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    Some(Name { namespace: part("namespace")?, name: part("name")? })
}

/// Whether a facet says that what it said before holds no more.
pub(crate) fn is_deleted(facet: &Value) -> bool {
    facet.get("_deleted").and_then(Value::as_bool) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Event> {
        Event::read(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn events_are_told_apart_by_structure() {
        let job = r#""job": {"namespace": "n", "name": "j"}"#;
        let wrong = r#""schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/DatasetEvent""#;
        let run = read(&format!(r#"{{"eventTime": "2026-01-01T00:00:00Z", "run": {{"runId": "r"}}, {job}, {wrong}}}"#));
        assert!(matches!(run.unwrap().about, About::Run { state: State::Other, .. }));
        let alone = read(&format!(r#"{{"eventTime": "2026-01-01T00:00:00Z", "run": null, {job}, {wrong}}}"#));
        assert!(matches!(alone.unwrap().about, About::Job(_)));
        let dataset = r#"{"eventTime": "2026-01-01", "dataset": {"namespace": "s3a://b", "name": "x/"}}"#;
        let About::Dataset(dataset) = read(dataset).unwrap().about else { panic!("a dataset") };
        assert_eq!(dataset.name.to_string(), "s3://b/x");
    }

    #[test]
    fn moments_come_in_many_ways() {
        let check = |text: &str, micros: i64| {
            let json = format!(r#"{{"eventTime": "{text}", "dataset": {{"namespace": "n", "name": "d"}}}}"#);
            assert_eq!(read(&json).unwrap().time, Micros(micros), "{text}");
        };
        check("1970-01-01T00:00:01Z", 1_000_000);
        check("1970-01-01T01:00:00.000001+01:00", 1);
        check("1970-01-01T00:00:01", 1_000_000);
        check("1970-01-01T00:00:00.123456789Z", 123_456);
        check("1970-01-01T00:00:00.123456789", 123_456);
    }

    #[test]
    fn what_is_not_an_event_says_why() {
        let check = |json: &str, says: &str| {
            let error = read(json).unwrap_err();
            assert_eq!(error.code(), "invalid_event");
            assert!(error.message().ends_with(says), "{json}: {error}");
        };
        let at = r#""eventTime": "2026-01-01T00:00:00Z""#;
        check("[]", "it is not an object");
        check("{}", "`eventTime` is missing");
        check(r#"{"eventTime": 5}"#, "`eventTime` is not a text");
        check(r#"{"eventTime": "soon"}"#, "`eventTime`: `soon` is not a time");
        check(&format!("{{{at}}}"), "neither a `run` nor a `job` nor a `dataset`");
        check(&format!(r#"{{{at}, "run": {{}}}}"#), "`run.runId` is missing");
        check(&format!(r#"{{{at}, "run": {{"runId": "r"}}}}"#), "`job` is missing");
        check(&format!(r#"{{{at}, "job": {{"namespace": "n", "name": " "}}}}"#), "`job.name` is not a text");
        let job = r#""job": {"namespace": "n", "name": "j"}"#;
        check(&format!(r#"{{{at}, {job}, "inputs": {{}}}}"#), "`inputs` is not an array");
        let inputs = r#""inputs": [{"namespace": "n", "name": "d"}, {"namespace": "n"}]"#;
        check(&format!(r#"{{{at}, {job}, {inputs}}}"#), "`inputs[1].name` is missing");
        let done = r#""run": {"runId": "r"}, "eventType": "DONE""#;
        check(&format!(r#"{{{at}, {job}, {done}}}"#), "not one of START, RUNNING, OTHER, ABORT, FAIL, COMPLETE");
    }
}
