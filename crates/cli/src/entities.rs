//! Whom a request is about: key columns and parameters as typed or as in a file, made into columns of the
//! types that the service declares.

use std::ops::Range;
use std::path::Path;

use asof_proto::column::v1::Column;
use asof_proto::object::v1 as object;

use crate::failure::{Failure, Result};
use crate::file_rows::{self, Texts};
use crate::literal;
use crate::pairs::{self, Pair};

/// Rows of texts, one per entity.
#[derive(Debug)]
pub(crate) struct Entities {
    texts: Texts,
    count: usize,
    from_file: bool,
}

impl Entities {
    /// The entities that were typed (one), or those of a file with what was typed added to each.
    ///
    /// # Errors
    /// Wrong usage for a key given twice; those of reading the file.
    pub(crate) fn read(pairs: &[Pair], file: Option<&Path>) -> Result<Self> {
        pairs::distinct(pairs)?;
        let (mut texts, count) = match file {
            Some(file) => file_rows::read(file)?,
            None => (Texts::new(), 1),
        };
        for Pair { key, value } in pairs {
            if texts.insert(key.clone(), vec![value.clone(); count]).is_some() {
                return Err(Failure::usage(format!("`{key}` is given here and in the file"), "give it in one place"));
            }
        }
        Ok(Entities { texts, count, from_file: file.is_some() })
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Some of the rows as columns of the declared types, in the declared order. A column that is not declared
    /// goes on as text: the server says what it takes instead.
    ///
    /// # Errors
    /// `wrong_type` for a text that is not of the declared type, with its row if it is from a file.
    pub(crate) fn columns(&self, declared: &[object::Column], rows: Range<usize>) -> Result<Vec<Column>> {
        let order = |name: &String| declared.iter().position(|d| d.name == *name).unwrap_or(declared.len());
        let mut texts: Vec<_> = self.texts.iter().collect();
        texts.sort_by_key(|(name, _)| order(name));
        let columns = texts.into_iter().map(|(name, texts)| {
            let sql = declared.iter().find(|d| d.name == *name).map_or("VARCHAR", |d| d.r#type.as_str());
            literal::column(name, sql, texts.get(rows.clone()).unwrap_or_default()).map_err(|(row, reason)| {
                let place = if self.from_file { format!("row {}: ", rows.start + row + 1) } else { String::new() };
                Failure::refused("wrong_type", format!("{place}`{name}` must be {sql}: {reason}"), "")
            })
        });
        columns.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(texts: &[&str]) -> Vec<Pair> {
        texts.iter().map(|t| t.parse().unwrap()).collect()
    }

    fn declared() -> Vec<object::Column> {
        let column = |name: &str, sql: &str| object::Column { name: name.into(), r#type: sql.into(), nullable: true };
        vec![column("origin", "VARCHAR"), column("distance", "DOUBLE")]
    }

    #[test]
    fn columns_come_in_the_declared_order_and_strangers_last() {
        let entities = Entities::read(&pairs(&["distance=3", "orign=x", "origin=JFK"]), None).unwrap();
        let columns = entities.columns(&declared(), 0..1).unwrap();
        let names: Vec<_> = columns.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["origin", "distance", "orign"]);
    }

    #[test]
    fn a_wrong_type_names_column_type_and_text() {
        let entities = Entities::read(&pairs(&["distance=abc"]), None).unwrap();
        let Err(Failure::Refused(errors)) = entities.columns(&declared(), 0..1) else { panic!("accepted") };
        assert_eq!(errors[0].message, "`distance` must be DOUBLE: `abc` is not a DOUBLE");
    }
}
