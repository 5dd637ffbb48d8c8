//! One aggregate over one as-of window, as the as-of join is told of it.

use std::convert::Infallible;
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Column, ScalarValue, TableReference};
use datafusion::logical_expr::AggregateUDF;

use super::Frame;

/// An aggregate over a window of a view's rows. `C` is how columns of the rows are named.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WindowCall<C = Column> {
    /// The name of the result; unique within the view.
    pub name: String,
    /// As it was written, for messages: `sum(amount)`.
    pub written: String,
    /// What is computed.
    pub measure: Measure,
    /// Of what.
    pub arguments: Vec<Argument<C>>,
    /// A boolean column: rows where it is not true do not count.
    pub filter: Option<C>,
    /// Over which rows.
    pub frame: Frame,
    /// The type of the result.
    pub data_type: DataType,
}

/// What an aggregate is given.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Argument<C = Column> {
    /// A column of the rows.
    Column(C),
    /// A constant.
    Constant(ScalarValue),
}

/// What is computed of the rows of a window.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Measure {
    /// How many rows, or how many with a value.
    Count,
    /// How many different values.
    CountDistinct,
    /// The sum.
    Sum,
    /// Sum over count.
    Mean,
    /// The spread: of a sample or of all there is, squared or not.
    Spread {
        /// Over n − 1 instead of n.
        sample: bool,
        /// The square root: a standard deviation.
        root: bool,
    },
    /// The least or greatest value.
    Extreme {
        /// The greatest.
        greatest: bool,
    },
    /// The value of the first or last row by (event time, known, seq).
    End {
        /// The last.
        last: bool,
        /// Rows without a value do not count.
        ignore_nulls: bool,
    },
    /// About how many different values.
    ApproxDistinct,
    /// About the value below which this share of the values lies; the bits of a float from 0 to 1.
    Quantile(u64),
    /// An aggregate of the engine's.
    Engine {
        /// Which.
        function: Arc<AggregateUDF>,
        /// Of different values.
        distinct: bool,
        /// Rows without a value do not count.
        ignore_nulls: bool,
    },
}

impl<C> WindowCall<C> {
    /// The columns that it reads.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &C> {
        let arguments = self.arguments.iter().filter_map(|argument| match argument {
            Argument::Column(column) => Some(column),
            Argument::Constant(_) => None,
        });
        arguments.chain(&self.filter)
    }

    /// The same over columns named otherwise.
    pub(crate) fn renamed<D, E>(&self, mut name: impl FnMut(&C) -> Result<D, E>) -> Result<WindowCall<D>, E> {
        let arguments = self.arguments.iter().map(|argument| {
            Ok(match argument {
                Argument::Column(column) => Argument::Column(name(column)?),
                Argument::Constant(value) => Argument::Constant(value.clone()),
            })
        });
        Ok(WindowCall {
            name: self.name.clone(),
            written: self.written.clone(),
            measure: self.measure.clone(),
            arguments: arguments.collect::<Result<_, E>>()?,
            filter: self.filter.as_ref().map(name).transpose()?,
            frame: self.frame,
            data_type: self.data_type.clone(),
        })
    }
}

impl WindowCall {
    /// The same over columns of this qualifier.
    pub(crate) fn qualified(&self, qualifier: &TableReference) -> Self {
        let qualify = |column: &Column| Ok::<_, Infallible>(Column::new(Some(qualifier.clone()), &column.name));
        let Ok(qualified) = self.renamed(qualify);
        qualified
    }
}
