//! Which columns a dataset has from this ingest on: those it had, those declared, those the files bring.
//!
//! The first ingest fixes the types; later files are read as these types and nothing is inferred anew. Pure: all that
//! is decided here is decided from its arguments.

use std::collections::BTreeMap;

use arrow::datatypes::DataType;
use asof_model::definition::Dataset;
use asof_model::name::nearest;
use asof_model::schema::{sql_type, timestamp};
use asof_model::{Column, Columns};

use super::infer::Seen;
use super::refusal::Refusal;
use super::survey::{Candidate, FileColumns};
use crate::SEQ;

/// The columns from now on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shape {
    /// All visible columns.
    pub(crate) columns: Columns,
    /// Those that the table, which was there, did not have.
    pub(crate) added: Vec<Column>,
    /// Names of columns that may not be null, though the column might say otherwise: declared so after it was made.
    pub(crate) not_null: Vec<String>,
}

/// Whether the types of a text file's values matter: whether it has a column whose type is neither kept nor declared.
pub(crate) fn needs_types(definition: &Dataset, table: Option<&Columns>, file: &FileColumns) -> bool {
    let known = |name: &str| {
        table.is_some_and(|t| t.get(name).is_some())
            || definition.columns.as_ref().is_some_and(|c| c.get(name).is_some())
    };
    definition.columns.is_none() && file.columns.iter().any(|(name, _)| !known(name))
}

/// Decides the columns.
pub(crate) fn decide(
    definition: &Dataset,
    table: Option<&Columns>,
    files: &[FileColumns],
    set: &BTreeMap<String, String>,
) -> Result<Shape, Refusal> {
    files.iter().try_for_each(check_names)?;
    let mut columns = table.cloned().unwrap_or_default();
    let mut added = Vec::new();
    let mut not_null = Vec::new();
    if let Some(declared) = &definition.columns {
        for column in &declared.0 {
            match columns.get(&column.name) {
                Some(kept) if kept.data_type != normal_of(definition, column) => {
                    return Err(Refusal::Schema(format!(
                        "column `{}` is declared {}, and the dataset keeps {}",
                        column.name,
                        sql_type(&column.data_type),
                        sql_type(&kept.data_type)
                    )));
                }
                Some(_) => {}
                None if table.is_some() && !column.nullable => {
                    return Err(Refusal::Schema(format!(
                        "column `{}` is declared NOT NULL, and the dataset has rows without it",
                        column.name
                    )));
                }
                None => added.push(Column { data_type: normal_of(definition, column), ..column.clone() }),
            }
            if !column.nullable {
                not_null.push(column.name.clone());
            }
        }
        columns.0.append(&mut added.clone());
        refuse_undeclared(&columns, files, set)?;
    } else {
        added = new_columns(definition, &columns, files, set)?;
        columns.0.append(&mut added.clone());
    }
    check_together(&columns)?;
    check_roles(definition, &columns, files)?;
    if table.is_none() {
        added.clear();
    }
    Ok(Shape { columns, added, not_null })
}

/// The event and the known-at time are moments, whatever they are declared or look like.
fn normal_of(definition: &Dataset, column: &Column) -> DataType {
    if is_time(definition, &column.name) { timestamp() } else { column.data_type.clone() }
}

fn is_time(definition: &Dataset, name: &str) -> bool {
    name == definition.timestamp || definition.known_at.as_deref() == Some(name)
}

fn check_names(file: &FileColumns) -> Result<(), Refusal> {
    let refuse =
        |column: &str, why| Err(Refusal::ColumnName { file: file.file.clone(), column: column.to_owned(), why });
    for (index, (name, _)) in file.columns.iter().enumerate() {
        if name.is_empty() {
            return refuse(name, "has no name");
        }
        if name.to_ascii_lowercase().starts_with(SEQ) {
            return refuse(name, "begins with `_seq`, which is Asof's own");
        }
        let before = &file.columns[..index];
        if before.iter().any(|(other, _)| other == name) {
            return refuse(name, "comes twice");
        }
        if before.iter().any(|(other, _)| other.to_lowercase() == name.to_lowercase()) {
            return refuse(name, "differs from another only in upper and lower case");
        }
    }
    Ok(())
}

/// Names from different places (table, declaration, files, constants) must go together, too.
fn check_together(columns: &Columns) -> Result<(), Refusal> {
    let mut met = BTreeMap::new();
    for name in columns.names() {
        if name.to_ascii_lowercase().starts_with(SEQ) {
            return Err(Refusal::Schema(format!("column `{name}` begins with `_seq`, which is Asof's own")));
        }
        if let Some(other) = met.insert(name.to_lowercase(), name) {
            return Err(Refusal::Schema(format!(
                "columns `{other}` and `{name}` differ only in upper and lower case, and other readers could not tell them apart"
            )));
        }
    }
    Ok(())
}

fn refuse_undeclared(columns: &Columns, files: &[FileColumns], set: &BTreeMap<String, String>) -> Result<(), Refusal> {
    let undeclared = |file: &str, name: &str| Refusal::Undeclared {
        file: file.to_owned(),
        column: name.to_owned(),
        nearest: nearest(name, columns.names()).map(str::to_owned),
    };
    for file in files {
        if let Some((name, _)) = file.columns.iter().find(|(name, _)| columns.get(name).is_none()) {
            return Err(undeclared(&file.file, name));
        }
    }
    set.keys().find(|name| columns.get(name).is_none()).map_or(Ok(()), |name| Err(undeclared("--set", name)))
}

/// The columns that files and constants bring, in the order in which they are first seen.
fn new_columns(
    definition: &Dataset,
    kept: &Columns,
    files: &[FileColumns],
    set: &BTreeMap<String, String>,
) -> Result<Vec<Column>, Refusal> {
    let mut found: Vec<(&str, &str, Candidate)> = Vec::new();
    for file in files {
        for (name, candidate) in file.columns.iter().filter(|(name, _)| kept.get(name).is_none()) {
            match found.iter_mut().find(|(_, there, _)| there == name) {
                None => found.push((&file.file, name, candidate.clone())),
                Some((first, _, there)) => {
                    *there = unify(there, candidate).ok_or_else(|| {
                        Refusal::Schema(format!(
                            "column `{name}` is {} in {first} and {} in {}",
                            described(there),
                            described(candidate),
                            file.file
                        ))
                    })?;
                }
            }
        }
    }
    let constants: Vec<_> = set
        .iter()
        .filter(|(name, _)| kept.get(name).is_none())
        .map(|(name, text)| {
            let mut seen = Seen::default();
            seen.text(text);
            (name.as_str(), Candidate::Texts(seen))
        })
        .collect();
    let all = found.into_iter().map(|(_, name, candidate)| (name, candidate)).chain(constants);
    let mut columns: Vec<Column> = Vec::new();
    for (name, candidate) in all {
        if columns.iter().any(|c| c.name == name) {
            continue;
        }
        let inferred = match candidate {
            Candidate::Texts(seen) => seen.data_type(),
            Candidate::Values(data_type) => data_type,
        };
        // A column of nulls may become anything later; a text can say anything.
        let data_type = if is_time(definition, name) { timestamp() } else { inferred.unwrap_or(DataType::Utf8) };
        columns.push(Column::new(name, data_type));
    }
    Ok(columns)
}

fn described(candidate: &Candidate) -> String {
    match candidate {
        Candidate::Texts(seen) => seen.data_type().map_or("null".to_owned(), |t| sql_type(&t)),
        Candidate::Values(data_type) => data_type.as_ref().map_or("null".to_owned(), sql_type),
    }
}

/// What holds the values of both; none where nothing does without loss.
fn unify(a: &Candidate, b: &Candidate) -> Option<Candidate> {
    use DataType::*;
    let (a, b) = match (a, b) {
        (Candidate::Texts(a), Candidate::Texts(b)) => {
            let mut both = a.clone();
            both.merge(b);
            return Some(Candidate::Texts(both));
        }
        // Texts are read as the type of the values; one that is none is refused with its row.
        (Candidate::Values(Some(typed)), Candidate::Texts(_))
        | (Candidate::Texts(_), Candidate::Values(Some(typed))) => {
            return Some(Candidate::Values(Some(typed.clone())));
        }
        (texts @ Candidate::Texts(_), Candidate::Values(None))
        | (Candidate::Values(None), texts @ Candidate::Texts(_)) => {
            return Some(texts.clone());
        }
        (Candidate::Values(a), Candidate::Values(b)) => (a, b),
    };
    let (Some(a), Some(b)) = (a, b) else { return Some(Candidate::Values(a.clone().or_else(|| b.clone()))) };
    let wide = match (a, b) {
        _ if a == b => a.clone(),
        (a, b) if a.is_integer() && b.is_integer() => {
            if a.primitive_width() > b.primitive_width() {
                a.clone()
            } else {
                b.clone()
            }
        }
        (a, b) if (a.is_integer() || a.is_floating()) && (b.is_integer() || b.is_floating()) => Float64,
        (Date32, Timestamp(..)) | (Timestamp(..), Date32) => timestamp(),
        _ => return None,
    };
    Some(Candidate::Values(Some(wide)))
}

/// The columns that the definition gives a role must be there, with a type that can play it.
fn check_roles(definition: &Dataset, columns: &Columns, files: &[FileColumns]) -> Result<(), Refusal> {
    let somewhere = || files.iter().map(|f| f.file.as_str()).collect::<Vec<_>>().join(", ");
    let there = |name: &str, why| {
        columns.get(name).ok_or_else(|| Refusal::MissingColumn { file: somewhere(), column: name.to_owned(), why })
    };
    let is_moment = |column: &Column, role: &str| match &column.data_type {
        DataType::Timestamp(..) => Ok(()),
        other => {
            Err(Refusal::Schema(format!("column `{}` is {}, and {role} is a TIMESTAMP", column.name, sql_type(other))))
        }
    };
    is_moment(there(&definition.timestamp, "which is the TIMESTAMP")?, "the event time")?;
    if let Some(known_at) = &definition.known_at {
        is_moment(there(known_at, "which is KNOWN AT")?, "the known-at time")?;
    }
    for name in &definition.key {
        let column = there(name, "which is part of the KEY")?;
        if column.data_type.is_floating() || column.data_type.is_nested() {
            return Err(Refusal::Schema(format!(
                "column `{name}` is {}, which cannot be a KEY",
                sql_type(&column.data_type)
            )));
        }
    }
    for name in &definition.cluster_by {
        let column = there(name, "which files are to be sorted by")?;
        if column.data_type.is_nested() {
            return Err(Refusal::Schema(format!(
                "column `{name}` is {}, which has no order",
                sql_type(&column.data_type)
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
