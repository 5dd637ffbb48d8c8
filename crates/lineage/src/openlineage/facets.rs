//! The facets that we tell of our own, as the standard has them.

use asof_model::definition::Check;
use asof_model::schema::sql_type;
use asof_model::{Column, Definition, Digest, Error, ErrorKind, Kind, Pinned, Registered, Result};
use serde_json::{Value, json};

use super::event::Facets;
use super::naming::Name;

/// Who says so, as a URI.
pub(super) const PRODUCER: &str = concat!("urn:asof:", env!("CARGO_PKG_VERSION"));

/// The note of a run that names the run which started it: `namespace/job/run`.
pub const PARENT_RUN: &str = "parent_run";

/// Adds a facet with who says so and by which standard, whose name ends in the facet's type.
pub(super) fn put(facets: &mut Facets, name: &str, standard: &str, mut facet: Value) {
    let kind = standard.rsplit('/').next().unwrap_or(standard);
    facet["_producer"] = PRODUCER.into();
    facet["_schemaURL"] = format!("https://openlineage.io/spec/facets/{standard}.json#/$defs/{kind}").into();
    facets.insert(name.to_owned(), facet);
}

pub(super) fn job_type(facets: &mut Facets, verb: &str) {
    let kind = json!({"processingType": "BATCH", "integration": "ASOF", "jobType": verb.to_ascii_uppercase()});
    put(facets, "jobType", "2-0-4/JobTypeJobFacet", kind);
}

/// The query of a definition that has one.
pub(super) fn sql(facets: &mut Facets, definition: &Definition) {
    let query = match definition {
        Definition::FeatureView(view) => &view.query,
        Definition::FeatureService(service) => &service.query,
        Definition::TrainingSet(set) => &set.query,
        Definition::Dataset(_) | Definition::Entity(_) => return,
    };
    put(facets, "sql", "1-1-0/SQLJobFacet", json!({"query": query, "dialect": "datafusion"}));
}

/// What is known of a dataset: where it is, and of one of ours its columns, what it is and whose.
pub(super) fn described(facets: &mut Facets, name: &Name, known: Option<&Registered>) {
    let uri = if name.namespace.contains("://") { name.namespace.clone() } else { format!("{}://", name.namespace) };
    put(facets, "dataSource", "1-0-1/DatasourceDatasetFacet", json!({"name": name.namespace, "uri": uri}));
    let Some(known) = known else { return };
    if !known.columns.0.is_empty() {
        let field = |c: &Column| json!({"name": c.name, "type": sql_type(&c.data_type)});
        let fields: Vec<_> = known.columns.0.iter().map(field).collect();
        put(facets, "schema", "1-2-0/SchemaDatasetFacet", json!({"fields": fields}));
    }
    let (kind, what) = match known.pinned.kind {
        Kind::FeatureView | Kind::FeatureService => ("VIEW", known.pinned.kind.as_str()),
        Kind::Dataset | Kind::TrainingSet | Kind::Entity => ("TABLE", known.pinned.kind.as_str()),
    };
    let kind = json!({"datasetType": kind, "subType": what.to_ascii_uppercase()});
    put(facets, "datasetType", "1-0-1/DatasetTypeDatasetFacet", kind);
    documented(facets, &known.definition, false);
}

/// What a definition says of itself for people.
pub(super) fn documented(facets: &mut Facets, definition: &Definition, job: bool) {
    let said = |name: &str| definition.annotations().get(name);
    if let Some(text) = said("description") {
        let standard = if job { "1-1-0/DocumentationJobFacet" } else { "1-1-0/DocumentationDatasetFacet" };
        put(facets, "documentation", standard, json!({"description": text}));
    }
    if let Some(owner) = said("owner") {
        let standard = if job { "1-0-1/OwnershipJobFacet" } else { "1-0-1/OwnershipDatasetFacet" };
        put(facets, "ownership", standard, json!({"owners": [{"name": owner, "type": "OWNER"}]}));
    }
}

/// The checks of a dataset, which all rows fulfil that were let in.
pub(super) fn assertions(facets: &mut Facets, checks: &[Check]) {
    if checks.is_empty() {
        return;
    }
    let all: Vec<_> = (checks.iter())
        .map(|check| {
            json!({"assertion": "custom_sql", "success": true, "severity": "error", "name": check.name.as_str(),
                "expected": check.condition})
        })
        .collect();
    let standard = "1-1-0/DataQualityAssertionsDatasetFacet";
    put(facets, "dataQualityAssertions", standard, json!({"assertions": all}));
}

/// What a training set holds, to the bit: a facet of our own. Registers of models take no more than 36 characters of it.
pub(super) fn content_of(facets: &mut Facets, content: &Digest) {
    let facet = json!({"_producer": PRODUCER, "_schemaURL": "urn:asof:facets:content:1", "digest": content.to_string(),
        "short": &content.hex()[..32]});
    facets.insert("asof_content".to_owned(), facet);
}

/// The facet of our own that names the version of a definition.
pub(crate) const DEFINITION: &str = "asof_definition";

/// The version of the definition that something is made by, or is declared as.
pub(super) fn definition(facets: &mut Facets, pinned: &Pinned) {
    let facet = json!({"_producer": PRODUCER, "_schemaURL": "urn:asof:facets:definition:1", "reference": pinned.to_string(),
        "version": pinned.version.to_string(), "digest": pinned.digest.to_string()});
    facets.insert(DEFINITION.to_owned(), facet);
}

/// How many rows were read.
pub(super) fn metrics(facets: &mut Facets, rows: u64) {
    let standard = "1-0-3/DataQualityMetricsInputDatasetFacet";
    put(facets, "dataQualityMetrics", standard, json!({"rowCount": rows, "columnMetrics": {}}));
}

/// The facet of the run that started one, from how it is noted.
pub(super) fn parent(text: &str) -> Option<Value> {
    let (namespace, job, run) = apart(text)?;
    Some(json!({"run": {"runId": run}, "job": {"namespace": namespace, "name": job}}))
}

/// Checks how a caller names the run that started its own: `namespace/job/run`, the last a UUID.
///
/// # Errors
/// `invalid_parent_run`.
pub fn parent_run(text: &str) -> Result<&str> {
    let uuid = |run: &str| {
        let groups: Vec<_> = run.split('-').map(str::len).collect();
        groups == [8, 4, 4, 4, 12] && run.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
    };
    match apart(text) {
        Some((_, _, run)) if uuid(run) && text.len() <= 2048 && !text.chars().any(char::is_control) => Ok(text),
        _ => {
            let shown: String = text.chars().filter(|c| !c.is_control()).take(80).collect();
            let message = format!("`{shown}` names no run that started this one");
            Err(Error::new(ErrorKind::Invalid, "invalid_parent_run", message)
                .remedy("write namespace/job/run, the run as a UUID, as orchestrators set OPENLINEAGE_PARENT_ID"))
        }
    }
}

/// A namespace may have slashes, the others have none.
fn apart(text: &str) -> Option<(&str, &str, &str)> {
    let (rest, run) = text.rsplit_once('/')?;
    let (namespace, job) = rest.rsplit_once('/')?;
    (!namespace.is_empty() && !job.is_empty() && !run.is_empty()).then_some((namespace, job, run))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_is_a_namespace_a_job_and_a_run() {
        let run = "019cde00-0000-7000-8000-000000000001";
        let facet = |text: &str| parent(text).map(|facet| facet["job"].to_string());
        assert_eq!(
            facet(&format!("airflow/dag.task/{run}")),
            Some(r#"{"name":"dag.task","namespace":"airflow"}"#.into())
        );
        assert_eq!(
            facet(&format!("https://h/x/dag/{run}")),
            Some(r#"{"name":"dag","namespace":"https://h/x"}"#.into())
        );
        assert!(parent_run(&format!("airflow/dag.task/{run}")).is_ok());
        for bad in ["", "airflow", "a/b", "a/b/c", "a/b/019cde00-0000-7000-8000-00000000000g", &format!("/b/{run}")] {
            assert_eq!(parent_run(bad).unwrap_err().code(), "invalid_parent_run", "{bad}");
        }
    }
}
