//! Columns and their types: Arrow types, written as SQL.
//!
//! Asof keeps one Arrow type per SQL type, its **normal** type. What arrives in another (unsigned or
//! dictionary-encoded columns, string views, timestamps in other units or zones) is converted at the
//! edge, so that equal definitions over equal data always mean equal types.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};

/// The type of every moment that Asof stores: microseconds, UTC.
pub fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// A named, typed column. The type is always normal (see [`normal`]).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its normal type, serialized as SQL.
    #[serde(with = "as_sql")]
    pub data_type: DataType,
    /// Whether it may hold nulls.
    #[serde(default = "yes")]
    pub nullable: bool,
}

fn yes() -> bool {
    true
}

impl Column {
    /// A nullable column of a normal type.
    pub fn new(name: impl Into<String>, data_type: DataType) -> Self {
        Column { name: name.into(), data_type, nullable: true }
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, sql_type(&self.data_type))?;
        if self.nullable { Ok(()) } else { f.write_str(" NOT NULL") }
    }
}

/// Columns in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Columns(pub Vec<Column>);

impl Columns {
    /// The column of that name.
    pub fn get(&self, name: &str) -> Option<&Column> {
        self.0.iter().find(|c| c.name == name)
    }

    /// These, then those of the others that have other names: of a dataset the stored columns, then those declared that no
    /// ingest has brought.
    #[must_use]
    pub fn and(mut self, others: &Columns) -> Self {
        for other in &others.0 {
            if self.get(&other.name).is_none() {
                self.0.push(other.clone());
            }
        }
        self
    }

    /// All names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|c| c.name.as_str())
    }

    /// As an Arrow schema.
    pub fn to_arrow(&self) -> Schema {
        Schema::new(self.0.iter().map(|c| Field::new(&c.name, c.data_type.clone(), c.nullable)).collect::<Vec<_>>())
    }

    /// From an Arrow schema, each type made normal.
    ///
    /// # Errors
    /// `unsupported_type` naming the first column whose type has no normal form.
    pub fn from_arrow(schema: &Schema) -> Result<Self> {
        let columns = schema.fields().iter().map(|field| {
            let data_type = normal(field.data_type()).ok_or_else(|| {
                Error::new(Kind::Invalid, "unsupported_type", format!("column `{}` has the type {}, which Asof does not keep", field.name(), field.data_type()))
                    .remedy("cast it to BOOLEAN, an integer, REAL, DOUBLE, DECIMAL, VARCHAR, BINARY, DATE, TIMESTAMP or an array of one of these")
            })?;
            Ok(Column { name: field.name().clone(), data_type, nullable: field.is_nullable() })
        });
        Ok(Columns(columns.collect::<Result<_>>()?))
    }
}

/// The one type Asof keeps for values of this type; none where it keeps no such values.
pub fn normal(data_type: &DataType) -> Option<DataType> {
    use DataType::*;
    Some(match data_type {
        Boolean | Int8 | Int16 | Int32 | Int64 | Float32 | Float64 | Date32 | Utf8 | Binary => data_type.clone(),
        UInt8 => Int16,
        UInt16 => Int32,
        UInt32 | UInt64 => Int64,
        Float16 => Float32,
        Decimal32(p, s) | Decimal64(p, s) | Decimal128(p, s) => Decimal128(*p, *s),
        Decimal256(p, s) if *p <= 38 => Decimal128(*p, *s),
        LargeUtf8 | Utf8View => Utf8,
        LargeBinary | BinaryView | FixedSizeBinary(_) => Binary,
        Date64 => Date32,
        Timestamp(_, _) => timestamp(),
        Dictionary(_, values) => normal(values)?,
        List(item) | LargeList(item) | ListView(item) | LargeListView(item) | FixedSizeList(item, _) => {
            list(normal(item.data_type())?)
        }
        _ => return None,
    })
}

fn list(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new("element", item, true)))
}

/// A normal type as SQL: `BIGINT`, `TIMESTAMP`, `DOUBLE[]`. Other types are shown as Arrow shows them.
pub fn sql_type(data_type: &DataType) -> String {
    use DataType::*;
    let name = match data_type {
        Boolean => "BOOLEAN",
        Int8 => "TINYINT",
        Int16 => "SMALLINT",
        Int32 => "INT",
        Int64 => "BIGINT",
        Float32 => "REAL",
        Float64 => "DOUBLE",
        Utf8 => "VARCHAR",
        Binary => "BINARY",
        Date32 => "DATE",
        Timestamp(TimeUnit::Microsecond, Some(_)) => "TIMESTAMP",
        Decimal128(p, s) => return format!("DECIMAL({p},{s})"),
        List(item) => return format!("{}[]", sql_type(item.data_type())),
        other => return other.to_string(),
    };
    name.to_owned()
}

/// The normal type that a SQL type name means; the usual synonyms are known.
pub fn parse_sql_type(text: &str) -> Option<DataType> {
    use DataType::*;
    let text = text.trim().to_ascii_uppercase();
    if let Some(item) = text.strip_suffix("[]") {
        return Some(list(parse_sql_type(item)?));
    }
    let (name, arguments) = match text.split_once('(') {
        Some((name, rest)) => (name.trim_end(), Some(rest.strip_suffix(')')?)),
        None => (text.as_str(), None),
    };
    let numbers = || -> Option<Vec<i16>> { arguments?.split(',').map(|n| n.trim().parse().ok()).collect() };
    Some(match name {
        "BOOLEAN" | "BOOL" => Boolean,
        "TINYINT" => Int8,
        "SMALLINT" | "INT2" => Int16,
        "INT" | "INTEGER" | "INT4" => Int32,
        "BIGINT" | "INT8" | "LONG" => Int64,
        "REAL" | "FLOAT4" => Float32,
        "DOUBLE" | "DOUBLE PRECISION" | "FLOAT" | "FLOAT8" => Float64,
        "VARCHAR" | "TEXT" | "STRING" | "CHAR" | "CHARACTER VARYING" => Utf8,
        "BINARY" | "VARBINARY" | "BYTEA" | "BLOB" => Binary,
        "DATE" => Date32,
        "TIMESTAMP" | "TIMESTAMPTZ" | "DATETIME" | "TIMESTAMP WITH TIME ZONE" | "TIMESTAMP WITHOUT TIME ZONE" => {
            timestamp()
        }
        "DECIMAL" | "NUMERIC" => match numbers().as_deref() {
            Some([p]) if (1..=38).contains(p) => Decimal128(*p as u8, 0),
            Some([p, s]) if (1..=38).contains(p) && (0..=*p).contains(s) => Decimal128(*p as u8, *s as i8),
            None if arguments.is_none() => Decimal128(38, 10),
            _ => return None,
        },
        _ => return None,
    })
}

/// Whether a column of this type may be part of a key. A float is not: it equals itself only by luck.
pub fn is_key_type(data_type: &DataType) -> bool {
    use DataType::*;
    matches!(data_type, Boolean | Int8 | Int16 | Int32 | Int64 | Utf8 | Binary | Date32)
}

/// The type both sides of a key are compared in: integer widths are unified, all else must be equal.
pub fn common_key_type(left: &DataType, right: &DataType) -> Option<DataType> {
    if !is_key_type(left) || !is_key_type(right) {
        return None;
    }
    match (left.is_integer(), right.is_integer()) {
        (true, true) => Some(DataType::Int64),
        _ if left == right => Some(left.clone()),
        _ => None,
    }
}

/// Whether every value of one key type is a value of the other as well: it is the same, or a wider integer.
pub fn key_type_holds(holder: &DataType, held: &DataType) -> bool {
    let wide_enough = !holder.is_integer() || held.primitive_width() <= holder.primitive_width();
    common_key_type(holder, held).is_some() && wide_enough
}

mod as_sql {
    use arrow::datatypes::DataType;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(data_type: &DataType, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&super::sql_type(data_type))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<DataType, D::Error> {
        let text = String::deserialize(d)?;
        super::parse_sql_type(&text).ok_or_else(|| D::Error::custom(format!("unknown type {text}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_normal_type_round_trips_through_sql() {
        use DataType::*;
        for t in [
            Boolean,
            Int8,
            Int16,
            Int32,
            Int64,
            Float32,
            Float64,
            Utf8,
            Binary,
            Date32,
            timestamp(),
            Decimal128(10, 2),
            list(Float64),
        ] {
            assert_eq!(normal(&t), Some(t.clone()));
            assert_eq!(parse_sql_type(&sql_type(&t)), Some(t));
        }
    }

    #[test]
    fn other_types_become_normal_or_are_refused() {
        assert_eq!(
            normal(&DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::LargeUtf8))),
            Some(DataType::Utf8)
        );
        assert_eq!(normal(&DataType::Timestamp(TimeUnit::Nanosecond, None)), Some(timestamp()));
        assert_eq!(normal(&DataType::Null), None);
        assert_eq!(parse_sql_type("decimal(99)"), None);
        assert_eq!(parse_sql_type("map"), None);
    }

    #[test]
    fn keys_unify_integers_and_nothing_else() {
        assert_eq!(common_key_type(&DataType::Int32, &DataType::Int64), Some(DataType::Int64));
        assert_eq!(common_key_type(&DataType::Utf8, &DataType::Int64), None);
        assert_eq!(common_key_type(&DataType::Float64, &DataType::Float64), None);
    }

    #[test]
    fn a_key_holds_what_is_no_wider() {
        use DataType::*;
        let check = |holder: DataType, held: DataType, expected| {
            assert_eq!(key_type_holds(&holder, &held), expected, "{held} in {holder}");
        };
        check(Int64, Int8, true);
        check(Int32, Int32, true);
        check(Int16, Int64, false);
        check(Utf8, Utf8, true);
        check(Utf8, Int8, false);
        check(Float64, Float64, false);
    }
}
