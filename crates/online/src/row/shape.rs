//! The few physical forms that normal types have in a row.

use arrow::datatypes::DataType;

/// How values of a type lie in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One byte.
    Boolean,
    /// So many bytes, as in Arrow's buffer.
    Fixed(usize),
    /// Bytes of any length; UTF-8 where it is text.
    Bytes {
        /// Whether Arrow holds it as a string.
        text: bool,
    },
    /// An array of values of one shape.
    List(Box<Shape>),
}

impl Shape {
    /// The shape of a normal type; none where the type is not normal.
    pub(crate) fn of(data_type: &DataType) -> Option<Shape> {
        use DataType::*;
        Some(match data_type {
            Boolean => Shape::Boolean,
            Int8 => Shape::Fixed(1),
            Int16 => Shape::Fixed(2),
            Int32 | Float32 | Date32 => Shape::Fixed(4),
            Int64 | Float64 => Shape::Fixed(8),
            Decimal128(_, _) => Shape::Fixed(16),
            Timestamp(_, _) if *data_type == asof_model::schema::timestamp() => Shape::Fixed(8),
            Utf8 => Shape::Bytes { text: true },
            Binary => Shape::Bytes { text: false },
            List(item) => Shape::List(Box::new(Shape::of(item.data_type())?)),
            _ => return None,
        })
    }

    /// The bytes of its slot.
    pub(crate) fn width(&self) -> usize {
        match self {
            Shape::Boolean => 1,
            Shape::Fixed(width) => *width,
            Shape::Bytes { .. } | Shape::List(_) => 4,
        }
    }

    /// Whether the slot only says where the value ends.
    pub(crate) fn is_variable(&self) -> bool {
        matches!(self, Shape::Bytes { .. } | Shape::List(_))
    }
}
