//! Arrow arrays as they grow while rows are read.

use arrow::array::{
    Array, ArrayData, ArrayRef, BinaryArray, BooleanArray, BooleanBufferBuilder, ListArray, NullBufferBuilder,
    StringArray, make_array,
};
use arrow::buffer::{Buffer, MutableBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use std::sync::Arc;

use super::Shape;
use super::read::{Trouble, Values};

/// A column being built. Values of fixed width are bytes to it; types come back at the end.
pub(super) enum Sink {
    Boolean { values: BooleanBufferBuilder, nulls: NullBufferBuilder },
    Fixed { width: usize, values: MutableBuffer, nulls: NullBufferBuilder },
    Bytes { text: bool, ends: Ends, values: MutableBuffer, nulls: NullBufferBuilder },
    List { ends: Ends, items: Box<Sink>, shape: Box<Shape>, nulls: NullBufferBuilder },
}

/// Arrow's offsets: where each value ends among all values.
pub(super) struct Ends(Vec<i32>);

impl Ends {
    fn with_capacity(rows: usize) -> Self {
        let mut ends = Vec::with_capacity(rows + 1);
        ends.push(0);
        Ends(ends)
    }

    fn push(&mut self, end: usize) -> Result<(), Trouble> {
        self.0.push(i32::try_from(end).map_err(|_| Trouble::TooLarge)?);
        Ok(())
    }

    fn finish(self) -> OffsetBuffer<i32> {
        OffsetBuffer::new(ScalarBuffer::from(self.0))
    }
}

impl Sink {
    pub(super) fn new(shape: &Shape, rows: usize) -> Sink {
        let nulls = NullBufferBuilder::new(rows);
        match shape {
            Shape::Boolean => Sink::Boolean { values: BooleanBufferBuilder::new(rows), nulls },
            Shape::Fixed(width) => {
                Sink::Fixed { width: *width, values: MutableBuffer::with_capacity(rows * width), nulls }
            }
            Shape::Bytes { text } => {
                let ends = Ends::with_capacity(rows);
                Sink::Bytes { text: *text, ends, values: MutableBuffer::new(0), nulls }
            }
            Shape::List(item) => {
                let (ends, items) = (Ends::with_capacity(rows), Box::new(Sink::new(item, 0)));
                Sink::List { ends, items, shape: item.clone(), nulls }
            }
        }
    }

    /// Adds a null.
    pub(super) fn null(&mut self) -> Result<(), Trouble> {
        match self {
            Sink::Boolean { values, nulls } => {
                values.append(false);
                nulls.append_null();
            }
            Sink::Fixed { width, values, nulls } => {
                values.extend_zeros(*width);
                nulls.append_null();
            }
            Sink::Bytes { ends, values, nulls, .. } => {
                ends.push(values.len())?;
                nulls.append_null();
            }
            Sink::List { ends, items, nulls, .. } => {
                ends.push(items.len())?;
                nulls.append_null();
            }
        }
        Ok(())
    }

    /// Adds the value whose bytes these are: those of the slot or, of variable length, of the value itself.
    pub(super) fn value(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        match self {
            Sink::Boolean { values, nulls } => {
                match bytes {
                    [0] => values.append(false),
                    [1] => values.append(true),
                    _ => return Err(Trouble::Malformed("a boolean is neither 0 nor 1")),
                }
                nulls.append_non_null();
            }
            Sink::Fixed { values, nulls, .. } => {
                values.extend_from_slice(bytes);
                nulls.append_non_null();
            }
            Sink::Bytes { ends, values, nulls, .. } => {
                values.extend_from_slice(bytes);
                ends.push(values.len())?;
                nulls.append_non_null();
            }
            Sink::List { ends, items, shape, nulls } => {
                let array = Values::of_array(bytes, shape)?;
                for n in 0..array.count() {
                    match array.get(n)? {
                        Some(bytes) => items.value(bytes)?,
                        None => items.null()?,
                    }
                }
                ends.push(items.len())?;
                nulls.append_non_null();
            }
        }
        Ok(())
    }

    fn len(&self) -> usize {
        match self {
            Sink::Boolean { nulls, .. }
            | Sink::Fixed { nulls, .. }
            | Sink::Bytes { nulls, .. }
            | Sink::List { nulls, .. } => nulls.len(),
        }
    }

    /// The array, of the type whose shape this has.
    pub(super) fn finish(self, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
        let rows = self.len();
        Ok(match self {
            Sink::Boolean { mut values, mut nulls } => Arc::new(BooleanArray::new(values.finish(), nulls.finish())),
            Sink::Fixed { values, mut nulls, .. } => {
                let data = ArrayData::builder(data_type.clone()).len(rows).nulls(nulls.finish());
                make_array(data.add_buffer(values.into()).build()?)
            }
            Sink::Bytes { text: true, ends, values, mut nulls } => {
                Arc::new(StringArray::try_new(ends.finish(), Buffer::from(values), nulls.finish())?)
            }
            Sink::Bytes { text: false, ends, values, mut nulls } => {
                Arc::new(BinaryArray::try_new(ends.finish(), Buffer::from(values), nulls.finish())?)
            }
            Sink::List { ends, items, mut nulls, .. } => {
                let DataType::List(field) = data_type else {
                    return Err(ArrowError::SchemaError(format!("{data_type} is not a list")));
                };
                let items = items.finish(field.data_type())?;
                debug_assert!(field.is_nullable() || items.null_count() == 0);
                Arc::new(ListArray::try_new(field.clone(), ends.finish(), items, nulls.finish())?)
            }
        })
    }
}
