//! Values to the types of the dataset: exactly, or not at all.

pub(crate) mod text;
mod typed;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;

pub(crate) use typed::typed;

/// A value that its column cannot hold.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bad {
    /// The row in the batch, from 0.
    pub(crate) row: usize,
    /// As messages show it.
    pub(crate) value: String,
}

/// Why an array was not converted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Unfit {
    /// One value.
    Value(Bad),
    /// The type: this one is not converted to the other, whatever the values.
    Type(DataType),
}

impl From<Bad> for Unfit {
    fn from(bad: Bad) -> Self {
        Unfit::Value(bad)
    }
}

/// The rows of a batch with a time finer than a microsecond, which was floored.
#[derive(Clone, Debug, Default)]
pub(crate) struct Floored(Vec<bool>);

impl Floored {
    fn mark(&mut self, row: usize) {
        if self.0.len() <= row {
            self.0.resize(row + 1, false);
        }
        self.0[row] = true;
    }

    /// How many rows.
    pub(crate) fn count(&self) -> u64 {
        self.0.iter().filter(|floored| **floored).count() as u64
    }
}

/// The result of a conversion.
pub(crate) type Converted = Result<ArrayRef, Unfit>;
