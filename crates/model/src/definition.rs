//! Definitions: what a user declared, in canonical form, clause by clause.
//!
//! A definition is a list of [`Clause`]s. Those that can change a value count towards the digest
//! (law 1), the others are annotations that may change in place. The digest, the difference that `plan`
//! prints and the tests of law 1 all read the same list, so they cannot disagree.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::{Digest, Hasher};
use crate::name::Name;
use crate::reference::{Kind, Pinned};
use crate::schema::{Column, Columns};
use crate::time::Micros;

/// Remarks that never make a version: `WITH (owner = 'ops')`.
pub type Annotations = BTreeMap<String, String>;

/// A curated table of timestamped facts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dataset {
    /// Its name.
    pub name: Name,
    /// Declared columns; none means that the first ingest fixes them.
    pub columns: Option<Columns>,
    /// The column that says when it happened.
    pub timestamp: String,
    /// The column that says when it was learned.
    pub known_at: Option<String>,
    /// Rows equal on these columns are revisions of one fact; empty means that every row is a fact.
    pub key: Vec<String>,
    /// How files are sorted inside, before the timestamp.
    pub cluster_by: Vec<String>,
    /// Conditions every row must meet to be let in.
    pub checks: Vec<Check>,
    /// `WITH (…)`.
    pub annotations: Annotations,
}

impl Dataset {
    /// The columns by which files are sorted inside, before the timestamp: those declared, else the key's.
    pub fn clustering(&self) -> impl Iterator<Item = &String> {
        if self.cluster_by.is_empty() { self.key.iter() } else { self.cluster_by.iter() }
    }
}

/// A named condition on rows: null or true lets the row in, as in SQL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Its name, for messages.
    pub name: Name,
    /// A boolean SQL expression over the dataset's columns, canonical.
    pub condition: String,
}

/// What a feature describes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entity {
    /// Its name.
    pub name: Name,
    /// Its key columns, in order; at least one.
    pub key: Columns,
    /// `WITH (…)`.
    pub annotations: Annotations,
}

/// What a view says about when its rows became known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KnownAt {
    /// Nothing; an error over a dataset that says `KNOWN AT`.
    #[default]
    Silent,
    /// `KNOWN AT NONE`: known when it happened, whatever the dataset says.
    Never,
    /// `KNOWN AT column` of the view's own output.
    Column(String),
}

/// A query whose rows are feature values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Its name.
    pub name: Name,
    /// The entity whose key columns are among its columns, as written (`plane` or `plane@2`).
    pub entity: String,
    /// The output column that is the event time.
    pub timestamp: String,
    /// When its rows became known.
    pub known_at: KnownAt,
    /// How long a row counts, in microseconds; none means for ever.
    pub ttl: Option<Micros>,
    /// The hop of its as-of windows, in microseconds; none means the default of SEMANTICS.
    pub slide: Option<Micros>,
    /// The SELECT, canonical.
    pub query: String,
    /// `WITH (…)`.
    pub annotations: Annotations,
}

/// The input vector of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Its name.
    pub name: Name,
    /// Parameters that the caller brings with each request.
    pub request: Columns,
    /// The SELECT over views and request parameters, canonical.
    pub query: String,
    /// `WITH (…)`.
    pub annotations: Annotations,
}

/// A feature service joined to a spine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrainingSet {
    /// Its name.
    pub name: Name,
    /// The service, as written.
    pub features: String,
    /// The spine's column that says as of when each row is asked.
    pub timestamp: String,
    /// The spine's SELECT, canonical.
    pub query: String,
    /// `WITH (…)`.
    pub annotations: Annotations,
}

/// One definition of any kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Definition {
    /// A dataset.
    Dataset(Dataset),
    /// An entity.
    Entity(Entity),
    /// A feature view.
    FeatureView(View),
    /// A feature service.
    FeatureService(Service),
    /// A training set.
    TrainingSet(TrainingSet),
}

/// One clause of a definition, as canonical text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    /// The word that introduces it (`TTL`, `AS`, `KEY`, …).
    pub name: &'static str,
    /// Its canonical text; empty where the clause is absent.
    pub text: String,
    /// Whether it can change a value, and so counts towards the digest.
    pub counts: bool,
}

impl Definition {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Definition::Dataset(_) => Kind::Dataset,
            Definition::Entity(_) => Kind::Entity,
            Definition::FeatureView(_) => Kind::FeatureView,
            Definition::FeatureService(_) => Kind::FeatureService,
            Definition::TrainingSet(_) => Kind::TrainingSet,
        }
    }

    /// Its name.
    pub fn name(&self) -> &Name {
        match self {
            Definition::Dataset(d) => &d.name,
            Definition::Entity(d) => &d.name,
            Definition::FeatureView(d) => &d.name,
            Definition::FeatureService(d) => &d.name,
            Definition::TrainingSet(d) => &d.name,
        }
    }

    /// `WITH (…)`.
    pub fn annotations(&self) -> &Annotations {
        match self {
            Definition::Dataset(d) => &d.annotations,
            Definition::Entity(d) => &d.annotations,
            Definition::FeatureView(d) => &d.annotations,
            Definition::FeatureService(d) => &d.annotations,
            Definition::TrainingSet(d) => &d.annotations,
        }
    }

    /// All its clauses, in the order of the grammar. Every kind lists every clause it can have, absent
    /// ones with an empty text, so that two definitions of one kind can be compared line by line.
    pub fn clauses(&self) -> Vec<Clause> {
        let counts = |name, text: String| Clause { name, text, counts: true };
        let remark = |name, text: String| Clause { name, text, counts: false };
        let micros = |m: &Option<Micros>| m.map(|m| m.0.to_string()).unwrap_or_default();
        let mut clauses = match self {
            Definition::Dataset(d) => vec![
                counts("columns", d.columns.as_ref().map(columns_text).unwrap_or_default()),
                counts("TIMESTAMP", d.timestamp.clone()),
                counts("KNOWN AT", d.known_at.clone().unwrap_or_default()),
                counts("KEY", d.key.join(", ")),
                // Neither order inside files nor what is let in changes a value that is there.
                remark("CLUSTER BY", d.cluster_by.join(", ")),
                remark(
                    "CHECK",
                    (d.checks.iter().map(|c| format!("{} ({})", c.name, c.condition))).collect::<Vec<_>>().join(", "),
                ),
            ],
            Definition::Entity(d) => vec![counts("KEY", columns_text(&d.key))],
            Definition::FeatureView(d) => vec![
                counts("ENTITY", d.entity.clone()),
                counts("TIMESTAMP", d.timestamp.clone()),
                counts(
                    "KNOWN AT",
                    match &d.known_at {
                        KnownAt::Silent => String::new(),
                        KnownAt::Never => "NONE".to_owned(),
                        KnownAt::Column(column) => format!("column {column}"),
                    },
                ),
                counts("TTL", micros(&d.ttl)),
                counts("SLIDE", micros(&d.slide)),
                counts("AS", d.query.clone()),
            ],
            Definition::FeatureService(d) => {
                vec![counts("REQUEST", columns_text(&d.request)), counts("AS", d.query.clone())]
            }
            Definition::TrainingSet(d) => vec![
                counts("FEATURES", d.features.clone()),
                counts("TIMESTAMP", d.timestamp.clone()),
                counts("AS", d.query.clone()),
            ],
        };
        let with = self.annotations().iter().map(|(k, v)| format!("{k} = '{v}'"));
        clauses.push(remark("WITH", with.collect::<Vec<_>>().join(", ")));
        clauses
    }

    /// The digest of law 1: kind, the clauses that count, and for each upstream definition the name it is
    /// written by and its digest.
    pub fn digest(&self, inputs: &[Input]) -> Digest {
        let mut hasher = Hasher::new("asof.definition.v1");
        hasher.part(self.kind().as_str().as_bytes());
        for clause in self.clauses().iter().filter(|c| c.counts) {
            hasher.part(clause.name.as_bytes()).part(clause.text.as_bytes());
        }
        let mut inputs: Vec<_> = inputs.iter().collect();
        inputs.sort_by(|a, b| a.written.cmp(&b.written));
        for input in inputs {
            hasher.part(input.written.as_bytes()).part(input.pinned.digest.as_bytes());
        }
        hasher.finish()
    }
}

fn columns_text(columns: &Columns) -> String {
    columns.0.iter().map(Column::to_string).collect::<Vec<_>>().join(", ")
}

/// An upstream definition: as the text names it, and the version that name means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// As written in the definition (`carrier_delays`, `carrier_delays@3`).
    pub written: String,
    /// What it means, for ever.
    pub pinned: Pinned,
}

/// A definition with its place in the catalog: one immutable version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// Kind, project, name, version and digest.
    pub pinned: Pinned,
    /// What was declared.
    pub definition: Definition,
    /// What it reads, pinned. Sorted by the written name.
    pub inputs: Vec<Input>,
    /// The columns it gives: of a dataset those declared (none if the first ingest fixes them), of an
    /// entity its key, of a view all columns of its SELECT, of a service its features, of a training set
    /// the spine's columns and then the features.
    pub columns: Columns,
    /// When it was applied.
    pub created: Micros,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::Version;
    use arrow::datatypes::DataType;

    fn view() -> View {
        View {
            name: "v".parse().unwrap(),
            entity: "plane".into(),
            timestamp: "ts".into(),
            known_at: KnownAt::Silent,
            ttl: None,
            slide: None,
            query: "SELECT a FROM t".into(),
            annotations: Annotations::new(),
        }
    }

    fn dataset() -> Dataset {
        Dataset {
            name: "d".parse().unwrap(),
            columns: None,
            timestamp: "ts".into(),
            known_at: None,
            key: vec![],
            cluster_by: vec![],
            checks: vec![],
            annotations: Annotations::new(),
        }
    }

    fn with(name: &str) -> Annotations {
        [("owner".to_owned(), name.to_owned())].into()
    }

    /// Every clause, changed alone: must it make a new version?
    #[test]
    fn each_clause_counts_or_does_not() {
        let columns = || Columns(vec![Column::new("a", DataType::Int64)]);
        let check = |base: Definition, changed: Definition, must: bool, what: &str| {
            assert_eq!(base.digest(&[]) != changed.digest(&[]), must, "{what}");
        };
        let v = |change: &dyn Fn(&mut View), must, what: &str| {
            let mut changed = view();
            change(&mut changed);
            check(Definition::FeatureView(view()), Definition::FeatureView(changed), must, what);
        };
        v(&|v| v.entity = "carrier".into(), true, "entity");
        v(&|v| v.timestamp = "other".into(), true, "timestamp");
        v(&|v| v.known_at = KnownAt::Never, true, "known at none");
        v(&|v| v.known_at = KnownAt::Column("NONE".into()), true, "known at column");
        v(&|v| v.ttl = Some(Micros(1)), true, "ttl");
        v(&|v| v.slide = Some(Micros(1)), true, "slide");
        v(&|v| v.query = "SELECT b FROM t".into(), true, "query");
        v(&|v| v.annotations = with("ops"), false, "annotations");
        v(&|v| v.name = "w".parse().unwrap(), false, "name");
        let d = |change: &dyn Fn(&mut Dataset), must, what: &str| {
            let mut changed = dataset();
            change(&mut changed);
            check(Definition::Dataset(dataset()), Definition::Dataset(changed), must, what);
        };
        d(&|d| d.columns = Some(columns()), true, "columns");
        d(&|d| d.timestamp = "other".into(), true, "timestamp");
        d(&|d| d.known_at = Some("k".into()), true, "known at");
        d(&|d| d.key = vec!["a".into()], true, "key");
        d(&|d| d.cluster_by = vec!["a".into()], false, "cluster by");
        d(&|d| d.checks = vec![Check { name: "c".parse().unwrap(), condition: "a > 0".into() }], false, "check");
        d(&|d| d.annotations = with("ops"), false, "annotations");
        let e = |key: Columns, owner: &str| {
            Definition::Entity(Entity { name: "e".parse().unwrap(), key, annotations: with(owner) })
        };
        check(e(columns(), "a"), e(Columns(vec![Column::new("a", DataType::Utf8)]), "a"), true, "entity key type");
        check(e(columns(), "a"), e(columns(), "b"), false, "entity annotations");
        let s = |request: Columns, query: &str, owner: &str| {
            Definition::FeatureService(Service {
                name: "s".parse().unwrap(),
                request,
                query: query.into(),
                annotations: with(owner),
            })
        };
        check(s(columns(), "q", "a"), s(Columns::default(), "q", "a"), true, "request");
        check(s(columns(), "q", "a"), s(columns(), "r", "a"), true, "service query");
        check(s(columns(), "q", "a"), s(columns(), "q", "b"), false, "service annotations");
        let t = |features: &str, timestamp: &str, query: &str, owner: &str| {
            Definition::TrainingSet(TrainingSet {
                name: "t".parse().unwrap(),
                features: features.into(),
                timestamp: timestamp.into(),
                query: query.into(),
                annotations: with(owner),
            })
        };
        check(t("s", "ts", "q", "a"), t("s@1", "ts", "q", "a"), true, "features");
        check(t("s", "ts", "q", "a"), t("s", "at", "q", "a"), true, "training timestamp");
        check(t("s", "ts", "q", "a"), t("s", "ts", "r", "a"), true, "spine");
        check(t("s", "ts", "q", "a"), t("s", "ts", "q", "b"), false, "training annotations");
    }

    #[test]
    fn upstream_digests_count_and_their_order_does_not() {
        let input = |written: &str, content: &str| Input {
            written: written.into(),
            pinned: Pinned {
                kind: Kind::Dataset,
                project: "p".parse().unwrap(),
                name: "t".parse().unwrap(),
                version: Version(1),
                digest: Digest::of(content.as_bytes()),
            },
        };
        let definition = Definition::FeatureView(view());
        let (a, b) = (input("a", "1"), input("b", "2"));
        assert_eq!(definition.digest(&[a.clone(), b.clone()]), definition.digest(&[b.clone(), a.clone()]));
        assert_ne!(definition.digest(std::slice::from_ref(&a)), definition.digest(&[input("a", "3")]));
        let renumbered = Input { pinned: Pinned { version: Version(7), ..a.pinned.clone() }, ..a.clone() };
        assert_eq!(definition.digest(&[a]), definition.digest(&[renumbered]));
    }
}
