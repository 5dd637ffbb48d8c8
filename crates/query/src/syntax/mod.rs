//! The grammar: text to [`Statement`]s.
//!
//! A text is cut into tokens once, with their places; each definition up to its `;` is then read alone, so one
//! mistake does not hide the next. Unquoted words are put into lower case before anything is parsed, and a
//! definition keeps its SELECT as the parser writes it out again, free choices made one way (`canonical`):
//! formatting, comments, letter case and the like leave no trace in it, and so none in its digest (law 1).
//!
//! Costs one pass over the text. Size and nesting are bounded on the tokens ([`limits`]), before anything recurses.

mod canonical;
mod cursor;
mod definitions;
mod interval;
mod limits;
mod problem;
mod reach;
mod tokens;
pub(crate) mod windows;

use std::collections::HashMap;
use std::sync::Arc;

use asof_model::{Definition, Error, Registered};
use datafusion::sql::sqlparser::ast::{Expr, Query};
use datafusion::sql::sqlparser::tokenizer::Span;

pub(crate) use interval::show as show_interval;
pub(crate) use reach::{Named, names};

use crate::stack::deep;
use crate::text::{Source, Text};

/// One definition as read from a text: what it says, and where each part stands.
#[derive(Debug)]
pub struct Statement {
    /// What was declared.
    pub definition: Definition,
    pub(crate) written: Written,
}

/// Where the parts of a definition stand in its text.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) text: Arc<Text>,
    /// The place of its name.
    pub(crate) name: Span,
    /// By clause: the places of the names in it.
    pub(crate) spans: HashMap<&'static str, Vec<Span>>,
    /// The SELECT after AS.
    pub(crate) query: Option<Box<Query>>,
    /// The conditions of CHECK clauses.
    pub(crate) checks: Vec<Expr>,
}

impl Written {
    /// The place of the `index`-th name in a clause; that of the definition's name if there is none.
    pub(crate) fn item(&self, clause: &'static str, index: usize) -> Span {
        self.spans.get(clause).and_then(|spans| spans.get(index)).copied().unwrap_or(self.name)
    }

    /// The SELECT after AS.
    pub(crate) fn query(&self) -> &Query {
        self.query.as_deref().expect("this kind of definition is not read without AS SELECT")
    }
}

/// Reads all definitions of some files, in order.
///
/// # Errors
/// Every mistake found, each with its place: after one, reading goes on behind the next `;`. The codes are
/// `syntax`, `unknown_kind`, `unknown_clause`, `repeated_clause`, `missing_clause`, `invalid_name`,
/// `duplicate_column`, `reserved_column`, `unsupported_type`, `invalid_interval`, `text_too_long`,
/// `nested_too_deep` and `not_allowed`.
pub fn parse(sources: &[Source]) -> Result<Vec<Statement>, Vec<Error>> {
    deep(|| read(sources))
}

fn read(sources: &[Source]) -> Result<Vec<Statement>, Vec<Error>> {
    let (mut read, mut errors) = (Vec::new(), Vec::new());
    for source in sources {
        let text = Arc::new(Text::new(source.clone()));
        let (statements, stopped) = tokens::statements(&text);
        for tokens in statements {
            match limits::check(&tokens, &text).and_then(|()| definitions::read(tokens, &text)) {
                Ok(statement) => read.push(statement),
                Err(fault) => errors.push(fault.within(&text)),
            }
        }
        errors.extend(stopped.map(|fault| fault.within(&text)));
    }
    if errors.is_empty() { Ok(read) } else { Err(errors) }
}

/// Reads the SELECT of a registered definition again; its places are in the canonical text.
pub(crate) fn reread(registered: &Registered, query: &str) -> Result<(Box<Query>, Arc<Text>), Error> {
    let source = Source { file: registered.pinned.reference(), text: query.to_owned() };
    let text = Arc::new(Text::new(source));
    let (mut statements, stopped) = tokens::statements(&text);
    let read = match (statements.pop(), stopped) {
        (Some(tokens), None) => limits::check(&tokens, &text).and_then(|()| cursor::Cursor::new(tokens, &text).query()),
        (_, Some(fault)) => Err(fault),
        (None, None) => return Err(Error::internal(format!("{} has an empty text", registered.pinned))),
    };
    read.map(|query| (query, text.clone())).map_err(|fault| fault.within(&text))
}

/// A SELECT, and the text that it stands in.
pub(crate) type OneSelect = (Box<Query>, Arc<Text>);

/// Reads a text that is one SELECT; none where it is empty or more than one.
pub(crate) fn one_select(source: Source) -> Result<Option<OneSelect>, Error> {
    let text = Arc::new(Text::new(source));
    let (mut statements, stopped) = tokens::statements(&text);
    if let Some(fault) = stopped {
        return Err(fault.within(&text));
    }
    let (Some(tokens), true) = (statements.pop(), statements.is_empty()) else { return Ok(None) };
    let read = || {
        limits::check(&tokens, &text)?;
        let query = cursor::Cursor::new(tokens, &text).query()?;
        reach::check(&query, false)?;
        Ok(query)
    };
    let read: Result<_, crate::fault::Fault> = read();
    read.map(|query| Some((query, text.clone()))).map_err(|fault| fault.within(&text))
}
