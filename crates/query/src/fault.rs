//! An error and the span it is about, on its way to the place where the text is known.

use asof_model::Error;
use datafusion::sql::sqlparser::tokenizer::Span;

use crate::text::Text;

/// An error at a span of some text.
#[derive(Debug)]
pub(crate) struct Fault {
    error: Box<Error>,
    span: Span,
}

impl Fault {
    pub(crate) fn new(error: impl Into<Error>, span: Span) -> Self {
        Fault { error: Box::new(error.into()), span }
    }

    /// The error with its place in this text.
    pub(crate) fn within(self, text: &Text) -> Error {
        self.error.at(text.place(self.span))
    }

    /// The error without its place.
    #[cfg(test)]
    pub(crate) fn into_error(self) -> Error {
        *self.error
    }
}

/// Puts a problem at its place: `Problem::….at(span)`.
pub(crate) trait At: Into<Error> {
    fn at(self, span: Span) -> Fault {
        Fault::new(self, span)
    }
}
