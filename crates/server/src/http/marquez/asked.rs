//! What a path and its query ask.

use asof_engine::{Counted, Filter, GraphQuestion, Named, Page, Sort};
use asof_model::{Error, ErrorKind, Micros, Result};

use super::parts::members;

/// How many a list gives, if nothing is said, and at most.
const USUAL: usize = 100;
const MOST: usize = 1_000;

/// How far a graph reaches, if nothing is said.
const DEPTH: u32 = 20;

/// A question, which part of its answer, and of when.
pub(super) struct Query {
    pub(super) asked: GraphQuestion,
    pub(super) page: Page,
    pub(super) at: Option<Micros>,
}

/// The question that a path is; none where it is none.
///
/// # Errors
/// `invalid_question`.
pub(super) fn of(parts: &[&str], query: &str) -> Result<Option<Query>> {
    let given = Given(members(query)?);
    let named = |namespace: &str, name: &str| Named { namespace: namespace.to_owned(), name: name.to_owned() };
    let asked = match *parts {
        ["namespaces"] => GraphQuestion::Namespaces,
        ["namespaces", namespace] => GraphQuestion::Namespace(namespace.to_owned()),
        ["namespaces", namespace, "datasets"] => GraphQuestion::Datasets(Some(namespace.to_owned())),
        ["namespaces", namespace, "datasets", dataset] => GraphQuestion::Dataset(named(namespace, dataset)),
        ["namespaces", namespace, "datasets", dataset, "versions"] => {
            GraphQuestion::Versions(named(namespace, dataset))
        }
        ["namespaces", namespace, "datasets", dataset, "versions", version] => {
            GraphQuestion::Version(named(namespace, dataset), version.to_owned())
        }
        ["jobs"] => GraphQuestion::Jobs(None, given.states()),
        ["namespaces", namespace, "jobs"] => GraphQuestion::Jobs(Some(namespace.to_owned()), given.states()),
        ["namespaces", namespace, "jobs", job] => GraphQuestion::Job(named(namespace, job)),
        ["namespaces", namespace, "jobs", job, "runs"] => GraphQuestion::Runs(named(namespace, job)),
        ["namespaces", namespace, "jobs", job, "versions"] => GraphQuestion::JobVersions(named(namespace, job)),
        ["namespaces", namespace, "jobs", job, "versions", version] => {
            GraphQuestion::JobVersion(named(namespace, job), version.to_owned())
        }
        ["jobs", "runs", run] => GraphQuestion::Run(run.to_owned()),
        ["jobs", "runs", run, "facets"] => {
            GraphQuestion::RunFacets(run.to_owned(), given.one("type", "run", &["run", "job"])?)
        }
        ["lineage"] => GraphQuestion::Lineage(given.node()?, given.number("depth", DEPTH)?),
        ["column-lineage"] => {
            let downstream = given.one("withDownstream", "false", &["true", "false"])? == "true";
            GraphQuestion::Columns(given.node()?, given.number("depth", DEPTH)?, downstream)
        }
        ["search"] => {
            let filter = match given.one("filter", "all", &["all", "dataset", "job"])?.as_str() {
                "dataset" => Filter::Datasets,
                "job" => Filter::Jobs,
                _ => Filter::All,
            };
            let sort = match given.one("sort", "name", &["name", "update_at", "updated_at"])?.as_str() {
                "name" => Sort::Name,
                _ => Sort::Updated,
            };
            GraphQuestion::Search(given.text("q").unwrap_or_default().to_owned(), filter, sort)
        }
        // The client asks at the first for all and at the second for those of a namespace, the page at the third.
        ["events"] | ["events", "lineage"] => given.events(None)?,
        ["events", namespace] => given.events(Some(namespace.to_owned()))?,
        ["tags"] => GraphQuestion::Tags,
        ["stats", counted] => {
            let counted = match counted {
                "lineage-events" => Counted::Events,
                "jobs" => Counted::Jobs,
                "datasets" => Counted::Datasets,
                "sources" => Counted::Sources,
                _ => return Ok(None),
            };
            GraphQuestion::Counts(counted, given.one("period", "day", &["day", "week"])? == "week")
        }
        ["sources"] => GraphQuestion::Sources,
        ["sources", source] => GraphQuestion::Source(source.to_owned()),
        _ => return Ok(None),
    };
    let limit = given.number("limit", USUAL)?;
    if limit > MOST {
        return Err(invalid(
            "limit",
            &limit.to_string(),
            &format!("a number up to {MOST}; ask for further parts with offset"),
        ));
    }
    let page = Page { offset: given.number("offset", 0)?, limit };
    Ok(Some(Query { asked, page, at: given.moment("asOf")? }))
}

/// What was said.
struct Given(Vec<(String, String)>);

impl Given {
    /// What was said of this first; to say nothing is not to say it.
    fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    fn number<N: std::str::FromStr>(&self, name: &str, usual: N) -> Result<N> {
        let Some(text) = self.text(name) else { return Ok(usual) };
        text.parse().map_err(|_| invalid(name, text, "a number from 0"))
    }

    fn moment(&self, name: &str) -> Result<Option<Micros>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        // A plus that nobody escaped is a space by now.
        let moment = text.parse::<Micros>().or_else(|_| text.replace(' ', "+").parse());
        moment.map(Some).map_err(|_| invalid(name, text, "a moment such as 2026-03-01T00:00:00Z"))
    }

    /// One of these words, in whatever case.
    fn one(&self, name: &str, usual: &str, words: &[&str]) -> Result<String> {
        let text = self.text(name).unwrap_or(usual);
        let word = words.iter().find(|word| word.eq_ignore_ascii_case(text));
        word.map(|word| (*word).to_owned()).ok_or_else(|| invalid(name, text, &format!("one of {}", words.join(", "))))
    }

    fn node(&self) -> Result<String> {
        let node = self.text("nodeId").map(str::to_owned);
        node.ok_or_else(|| {
            invalid("nodeId", "", "dataset:NAMESPACE:NAME, job:NAMESPACE:NAME or datasetField:NAMESPACE:NAME:FIELD")
        })
    }

    fn states(&self) -> Vec<String> {
        let said = self.0.iter().filter(|(name, _)| name == "lastRunStates");
        said.flat_map(|(_, states)| states.split(',')).filter(|state| !state.is_empty()).map(str::to_owned).collect()
    }

    fn events(&self, namespace: Option<String>) -> Result<GraphQuestion> {
        let newest_first = self.one("sortDirection", "desc", &["asc", "desc"])? == "desc";
        Ok(GraphQuestion::Events(namespace, self.moment("after")?, self.moment("before")?, newest_first))
    }
}

fn invalid(name: &str, value: &str, wanted: &str) -> Error {
    let shown: String = value.chars().filter(|c| !c.is_control()).take(80).collect();
    Error::new(ErrorKind::Invalid, "invalid_question", format!("`{name}={shown}` in the query is not {wanted}"))
        .remedy(format!("write {name} as {wanted}"))
}
