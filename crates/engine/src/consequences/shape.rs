//! Whether whoever uses a version can use another one in its place, as far as names and types tell.
//!
//! Breaking is what takes something away that was asked for by name, or asks for something that nobody sends: a column or
//! feature removed or of another type, another key, another time, a request parameter added, removed or of another type.
//! What is new besides is not, and neither is where a column stands: everything is asked for by name. Whether values
//! differ is another question, which a look at names and types cannot answer.

use std::fmt;

use asof_model::definition::KnownAt;
use asof_model::schema::sql_type;
use asof_model::{Columns, Definition, Kind, Pinned, Registered, Result};
use asof_query::{Definitions, Planner, Tables, features};
use datafusion::catalog::TableProvider;
use std::sync::Arc;

/// One thing that whoever relies on the former version would miss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Break {
    /// What it is: `feature`, `key`, `request parameter`, `column`, `entity`, `timestamp`, ….
    pub what: &'static str,
    /// Its name, where it has one.
    pub name: String,
    /// What it was, mostly a type; empty where it is new.
    pub before: String,
    /// What it is then; empty where it is gone.
    pub after: String,
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Break { what, name, before, after } = self;
        let called = if name.is_empty() { (*what).to_owned() } else { format!("{what} `{name}`") };
        match (before.is_empty(), after.is_empty()) {
            (false, true) => write!(f, "{called} is removed"),
            (true, false) => write!(f, "{called} is new"),
            _ => write!(f, "{called} {before} → {after}"),
        }
    }
}

/// What stands between two versions of a name. `definitions` has the entities and views that they read; nothing is
/// planned, and no data is looked at.
///
/// # Errors
/// Those of reading a service's text again.
pub(crate) fn breaks(before: &Registered, after: &Registered, definitions: &Definitions) -> Result<Vec<Break>> {
    let mut found = Vec::new();
    if before.pinned.digest == after.pinned.digest {
        return Ok(found);
    }
    match (&before.definition, &after.definition) {
        (Definition::Dataset(old), Definition::Dataset(new)) => {
            // Where columns are not declared, ingests add some and take none away.
            if old.columns.is_some() && new.columns.is_some() {
                less(&mut found, "column", &before.columns, &after.columns);
            }
            other(&mut found, "timestamp", &old.timestamp, &new.timestamp);
            other(&mut found, "key", &old.key.join(", "), &new.key.join(", "));
        }
        (Definition::Entity(_), Definition::Entity(_)) => {
            other(&mut found, "key", &typed(&before.columns), &typed(&after.columns));
        }
        (Definition::FeatureView(old), Definition::FeatureView(new)) => {
            other(&mut found, "entity", &entity_name(before), &entity_name(after));
            let (old_key, new_key) = (entity(before, definitions), entity(after, definitions));
            if let (Some(old_key), Some(new_key)) = (old_key, new_key) {
                other(&mut found, "key", &typed(&old_key.columns), &typed(&new_key.columns));
                less(&mut found, "feature", &features(old, before, old_key), &features(new, after, new_key));
            }
            other(&mut found, "timestamp", &old.timestamp, &new.timestamp);
            // Who reads the view's rows by the name of that column misses it.
            let known = |known: &KnownAt| match known {
                KnownAt::Column(column) => column.clone(),
                KnownAt::Silent | KnownAt::Never => String::new(),
            };
            if !known(&old.known_at).is_empty() {
                other(&mut found, "known-at", &known(&old.known_at), &known(&new.known_at));
            }
        }
        (Definition::FeatureService(old), Definition::FeatureService(new)) => {
            let planner = Planner::new(definitions, &NoTables);
            exactly(&mut found, "key", &planner.service_keys(before)?, &planner.service_keys(after)?);
            exactly(&mut found, "request parameter", &old.request, &new.request);
            less(&mut found, "feature", &before.columns, &after.columns);
        }
        (Definition::TrainingSet(old), Definition::TrainingSet(new)) => {
            less(&mut found, "column", &before.columns, &after.columns);
            other(&mut found, "timestamp", &old.timestamp, &new.timestamp);
        }
        (old, new) => other(&mut found, "kind", old.kind().words(), new.kind().words()),
    }
    Ok(found)
}

/// Those that are gone or of another type.
fn less(found: &mut Vec<Break>, what: &'static str, before: &Columns, after: &Columns) {
    for column in &before.0 {
        let old = sql_type(&column.data_type);
        let new = after.get(&column.name).map(|column| sql_type(&column.data_type));
        if new.as_ref() != Some(&old) {
            let name = column.name.clone();
            found.push(Break { what, name, before: old, after: new.unwrap_or_default() });
        }
    }
}

/// The same, and those that are new.
fn exactly(found: &mut Vec<Break>, what: &'static str, before: &Columns, after: &Columns) {
    less(found, what, before, after);
    for column in after.0.iter().filter(|column| before.get(&column.name).is_none()) {
        let after = sql_type(&column.data_type);
        found.push(Break { what, name: column.name.clone(), before: String::new(), after });
    }
}

/// One thing, which has no name of its own.
fn other(found: &mut Vec<Break>, what: &'static str, before: &str, after: &str) {
    if before != after {
        found.push(Break { what, name: String::new(), before: before.to_owned(), after: after.to_owned() });
    }
}

fn typed(columns: &Columns) -> String {
    columns.0.iter().map(|c| format!("{} {}", c.name, sql_type(&c.data_type))).collect::<Vec<_>>().join(", ")
}

fn entity_of(view: &Registered) -> Option<&Pinned> {
    view.inputs.iter().map(|input| &input.pinned).find(|input| input.kind == Kind::Entity)
}

fn entity_name(view: &Registered) -> String {
    entity_of(view).map(|entity| entity.name.to_string()).unwrap_or_default()
}

fn entity<'a>(view: &Registered, definitions: &'a Definitions) -> Option<&'a Arc<Registered>> {
    definitions.get(entity_of(view)?)
}

/// Nothing is read here.
struct NoTables;

impl Tables for NoTables {
    fn table(&self, _: &Pinned) -> Option<Arc<dyn TableProvider>> {
        None
    }
}
