//! Scopes, references, kinds and columns.

use asof_engine::{Scope, Warning};
use asof_model::{Column, Columns, Error, ErrorKind, Kind, Name, Pinned, Reference, Result, name};
use asof_proto::object::v1 as wire;

use crate::config;

/// The scope of a call: what it leaves out is the server's default.
///
/// # Errors
/// `invalid_name`; `unknown_environment` with those that there are.
pub(crate) fn scope(defaults: &config::Project, scope: Option<wire::Scope>) -> Result<Scope> {
    let wire::Scope { project, environment } = scope.unwrap_or_default();
    let project = if project.is_empty() { defaults.name.clone() } else { project.parse()? };
    let known = &defaults.environments;
    let environment = match (environment.is_empty(), known.first()) {
        (true, Some(first)) => first.clone(),
        _ => known.iter().find(|e| e.as_str() == environment).cloned().ok_or_else(|| {
            let message = format!("there is no environment `{environment}`");
            let remedy = match name::nearest(&environment, known.iter().map(Name::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => {
                    let names: Vec<_> = known.iter().map(Name::as_str).collect();
                    format!("there are: {}; more are named in [project] environments", names.join(", "))
                }
            };
            Error::new(ErrorKind::NotFound, "unknown_environment", message).remedy(remedy)
        })?,
    };
    Ok(Scope { project, environment })
}

/// A reference that must be there.
pub(crate) fn reference(text: &str) -> Result<Reference> {
    text.parse()
}

/// A reference that may be left out.
pub(crate) fn optional_reference(text: &str) -> Result<Option<Reference>> {
    if text.is_empty() { Ok(None) } else { text.parse().map(Some) }
}

/// A kind; none where it is unspecified.
pub(crate) fn optional_kind(kind: i32) -> Result<Option<Kind>> {
    let kind = wire::Kind::try_from(kind).map_err(|_| unknown_number("kind", kind))?;
    Ok(match kind {
        wire::Kind::Unspecified => None,
        wire::Kind::Dataset => Some(Kind::Dataset),
        wire::Kind::Entity => Some(Kind::Entity),
        wire::Kind::FeatureView => Some(Kind::FeatureView),
        wire::Kind::FeatureService => Some(Kind::FeatureService),
        wire::Kind::TrainingSet => Some(Kind::TrainingSet),
    })
}

/// A number of an enumeration that this server does not know: it is older than its client.
pub(crate) fn unknown_number(what: &str, number: i32) -> Error {
    let message = format!("{number} is not a {what} that this server knows");
    Error::new(ErrorKind::Invalid, "invalid_request", message).remedy("use a client of the server's version")
}

pub(crate) fn from_kind(kind: Kind) -> wire::Kind {
    match kind {
        Kind::Dataset => wire::Kind::Dataset,
        Kind::Entity => wire::Kind::Entity,
        Kind::FeatureView => wire::Kind::FeatureView,
        Kind::FeatureService => wire::Kind::FeatureService,
        Kind::TrainingSet => wire::Kind::TrainingSet,
    }
}

pub(crate) fn from_pinned(pinned: &Pinned) -> wire::Pinned {
    wire::Pinned {
        kind: from_kind(pinned.kind).into(),
        project: pinned.project.to_string(),
        name: pinned.name.to_string(),
        version: pinned.version.0,
        digest: pinned.digest.to_string(),
    }
}

pub(crate) fn from_warnings(warnings: &[Warning]) -> Vec<wire::Warning> {
    let told = warnings.iter().map(|w| wire::Warning { code: w.code.to_owned(), message: w.message.clone() });
    told.collect()
}

pub(crate) fn from_column(column: &Column) -> wire::Column {
    wire::Column {
        name: column.name.clone(),
        r#type: asof_model::schema::sql_type(&column.data_type),
        nullable: column.nullable,
    }
}

pub(crate) fn from_columns(columns: &Columns) -> Vec<wire::Column> {
    columns.0.iter().map(from_column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_scope_leaves_out_is_the_servers_default() {
        let defaults = config::Project::default();
        let check = |project: &str, environment: &str| {
            let given = wire::Scope { project: project.into(), environment: environment.into() };
            scope(&defaults, Some(given)).map(|s| (s.project.to_string(), s.environment.to_string()))
        };
        let own = |p: &str, e: &str| Ok((p.to_owned(), e.to_owned()));
        assert_eq!(check("", ""), own("default", "dev"));
        assert_eq!(check("flights", "prod"), own("flights", "prod"));
        let error = check("", "prd").unwrap_err();
        assert_eq!((error.code(), error.remedy_text()), ("unknown_environment", Some("did you mean `prod`?")));
        assert_eq!(check("Not A Name", "").unwrap_err().code(), "invalid_name");
        assert!(scope(&defaults, None).is_ok());
    }

    #[test]
    fn kinds_go_there_and_back() {
        for kind in Kind::ALL {
            assert_eq!(optional_kind(from_kind(kind).into()), Ok(Some(kind)));
        }
        assert_eq!(optional_kind(0), Ok(None));
        assert_eq!(optional_kind(99).unwrap_err().code(), "invalid_request");
    }
}
