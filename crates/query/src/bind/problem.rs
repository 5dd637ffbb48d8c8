//! What can be wrong with definitions once their names have a meaning.

use asof_model::{Error, ErrorKind, Kind};

use crate::fault::At;

/// A mistake in what a definition says.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    // Names.
    #[error("there is no {} `{written}`", either(.wanted))]
    UnknownName { written: String, wanted: Vec<Kind>, near: Option<String>, known: Vec<String> },
    #[error("there is no version `{0}`")]
    UnknownVersion(String),
    #[error("`{written}` is {} {kind}, not {} {}", article(*.kind), article(.wanted[0]), either(.wanted))]
    WrongKind { written: String, kind: Kind, wanted: Vec<Kind> },
    #[error("`{0}` means another version from day to day, and a definition must mean the same for ever")]
    Moving(String),
    #[error("`{written}` belongs to the project `{project}`")]
    OtherProject { written: String, project: String },
    #[error("`{name}` is {} {kind} already, so it cannot be {} {new}", article(*.kind), article(*.new))]
    NameTaken { name: String, kind: Kind, new: Kind },
    #[error("`{name}` is defined twice: here and at {first}")]
    DefinedTwice { name: String, first: String },
    #[error("views read one another in a circle: {0}")]
    Cycle(String),
    #[error("more than {0} definitions read one another in a row")]
    ChainTooLong(usize),
    // Datasets and entities.
    #[error("dataset `{dataset}` has no column `{column}`")]
    NotAColumn { dataset: String, column: String, near: Option<String>, known: Vec<String> },
    #[error("`{column}` is {found}, but {purpose} must be {wanted}")]
    ColumnType { column: String, found: String, purpose: &'static str, wanted: &'static str },
    #[error("the check `{check}` is {found}, not a condition")]
    CheckType { check: String, found: String },
    #[error("a check looks at one row: {0} cannot be used in it")]
    CheckReach(&'static str),
    #[error("dataset `{dataset}` holds data, and {what}")]
    HasData { dataset: String, what: String },
    #[error("dataset `{0}` declares no columns, and nothing has been ingested that would say what they are")]
    NoColumnsYet(String),
    // Views.
    #[error("the SELECT gives no column `{column}`, {purpose}")]
    MissingOutput { column: String, purpose: String, near: Option<String> },
    #[error("`{column}` is {found}, but the key of {entity} is {wanted}")]
    KeyType { column: String, found: String, entity: String, wanted: String },
    #[error("`{dataset}` says when its rows became known, so the view must say so too")]
    KnownAtUnsaid { dataset: String },
    #[error("the SELECT gives no feature, only the key and times")]
    NoFeatures,
    // Services.
    #[error("the SELECT of a feature service cannot have {0}")]
    NotInService(&'static str),
    #[error("a feature service reads feature views: write `view` or `view(column, …) AS alias`")]
    NotAView,
    #[error("the SELECT of a feature service reads no view")]
    NoView,
    #[error("`{view}` has the key ({key}), so it takes {} in parentheses, not {given}", count(.wanted))]
    KeyCount { view: String, key: String, wanted: usize, given: usize },
    #[error("the alias `{0}` is used twice")]
    AliasTwice(String),
    #[error("`request` is what the request's parameters are called, so it cannot be an alias")]
    AliasRequest,
    #[error("both `{first}` and `{second}` give a column `{column}`")]
    OutputTwice { column: String, first: String, second: String },
    // Training sets.
    #[error("the spine has no column `{column}`, {purpose}")]
    SpineLacks { column: String, purpose: String, near: Option<String>, is_key: bool },
    #[error("`{column}` of the spine is {found}, but {purpose} must be {wanted}")]
    SpineType { column: String, found: String, purpose: String, wanted: String },
    #[error("both the spine and the feature service `{service}` give a column `{column}`")]
    SpineClash { service: String, column: String },
}

impl At for Problem {}

/// `dataset or feature view`
fn either(kinds: &[Kind]) -> String {
    kinds.iter().map(|kind| kind.words()).collect::<Vec<_>>().join(" or ")
}

fn article(kind: Kind) -> &'static str {
    if kind == Kind::Entity { "an" } else { "a" }
}

fn count(n: &usize) -> String {
    if *n == 1 { "1 column".to_owned() } else { format!("{n} columns") }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Error {
        use Problem::*;
        let message = problem.to_string();
        let error = |kind, code| Error::new(kind, code, message.clone());
        let invalid = |code| error(ErrorKind::Invalid, code);
        match problem {
            UnknownName { near, known, wanted, .. } => error(ErrorKind::NotFound, "unknown_name")
                .remedy(suggestion(near, known, &format!("create the {} first", either(&wanted)))),
            UnknownVersion(written) => {
                let name = written.split('@').next().unwrap_or_default();
                error(ErrorKind::NotFound, "unknown_version").remedy(format!("`asof log {name}` lists its versions"))
            }
            WrongKind { .. } => invalid("wrong_kind"),
            Moving(_) => invalid("moving_reference")
                .remedy("write the name alone for the version of this apply, or pin one: name@3, \"name@sha256:…\""),
            OtherProject { .. } => error(ErrorKind::Unsupported, "other_project")
                .remedy("a definition reads names of its own project"),
            NameTaken { .. } => error(ErrorKind::Conflict, "name_taken").remedy("choose another name"),
            DefinedTwice { .. } => invalid("defined_twice").remedy("remove or rename one of them"),
            Cycle(_) => invalid("cycle").remedy("let one of them read the dataset instead"),
            ChainTooLong(_) => invalid("chain_too_long").remedy("let some of them read a dataset directly"),
            NotAColumn { near, known, .. } => {
                error(ErrorKind::NotFound, "unknown_column").remedy(suggestion(near, known, "declare it"))
            }
            ColumnType { .. } => invalid("column_type"),
            CheckType { .. } => invalid("bad_check").remedy("compare it with something: CHECK name (column > 0)"),
            CheckReach(_) => invalid("not_allowed"),
            HasData { .. } => error(ErrorKind::Conflict, "dataset_has_data")
                .remedy("declare a dataset of another name and ingest the files into it"),
            NoColumnsYet(dataset) => error(ErrorKind::Precondition, "no_columns_yet").remedy(format!(
                "declare them (CREATE DATASET {dataset} (column TYPE, …)), or apply the dataset alone (asof apply FILE), \
                 ingest, then apply the rest"
            )),
            MissingOutput { column, near, .. } => invalid("missing_column")
                .remedy(near.map_or(format!("add `… AS {column}`"), |near| format!("did you mean `{near}`?"))),
            KeyType { wanted, .. } => invalid("key_type").remedy(format!("CAST it to {wanted}, or change the entity")),
            KnownAtUnsaid { .. } => invalid("known_at_unsaid").remedy(
                "add KNOWN AT column (usually the latest of its inputs'), or KNOWN AT NONE if that is to be ignored",
            ),
            NoFeatures => invalid("no_features").remedy("add the columns that describe the entity"),
            NotInService(_) => {
                invalid("not_in_service").remedy("shape the rows in a feature view; a service picks and computes columns")
            }
            NotAView => invalid("not_in_service"),
            NoView => invalid("not_in_service").remedy("say what it reads: FROM view, …"),
            KeyCount { .. } => invalid("key_count"),
            AliasTwice(_) => invalid("alias_twice").remedy("give one of them another alias with AS"),
            AliasRequest => invalid("alias_reserved"),
            OutputTwice { column, second, .. } => invalid("duplicate_column")
                .remedy(format!("rename one of them: {second}.{column} AS {second}_{column}")),
            SpineLacks { near: Some(near), .. } => invalid("spine_column").remedy(format!("did you mean `{near}`?")),
            SpineLacks { is_key: true, .. } => invalid("spine_column")
                .remedy("add it to the SELECT, or let the service take it from another: view(column) AS alias"),
            SpineLacks { .. } => invalid("spine_column").remedy("add it to the SELECT"),
            SpineType { wanted, .. } => invalid("column_type").remedy(format!("CAST it to {wanted}")),
            SpineClash { column, .. } => invalid("duplicate_column")
                .remedy(format!("rename one of them, for example in the spine: {column} AS spine_{column}")),
        }
    }
}

/// The near miss, else what there is, else what to do.
fn suggestion(near: Option<String>, known: Vec<String>, otherwise: &str) -> String {
    match near {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() || known.len() > 12 => otherwise.to_owned(),
        None => format!("there are: {}", known.join(", ")),
    }
}
