//! A position in the tokens of one definition, and the small pieces of grammar that clauses are made of.

use std::sync::Arc;

use asof_model::name::nearest;
use asof_model::schema::parse_sql_type;
use asof_model::{Column, Columns, Name};
use datafusion::sql::sqlparser::ast::{Expr, Query};
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan};

use super::problem::Problem;
use super::tokens::{DIALECT, extent, lower_first};
use crate::fault::{At, Fault};
use crate::text::Text;

/// How deep the parser may go; [`super::limits`] has bounded the text so that only oddities get there.
const RECURSION: usize = 2_000;

/// Prefixes of column names that Asof uses for hidden and derived columns.
const RESERVED: [&str; 3] = ["__", "_seq", "_superseded"];

pub(crate) type Result<T, E = Fault> = std::result::Result<T, E>;

/// Where the reader is in a definition.
pub(crate) struct Cursor {
    text: Arc<Text>,
    parser: Parser<'static>,
    spans: Vec<Span>,
    /// Just behind the last token, for what is missing there.
    end: Span,
}

impl Cursor {
    pub(crate) fn new(tokens: Vec<TokenWithSpan>, text: &Arc<Text>) -> Self {
        let spans: Vec<_> = tokens.iter().map(|t| t.span).collect();
        let last = extent(&tokens).end;
        let parser = Parser::new(&DIALECT).with_recursion_limit(RECURSION).with_tokens_with_locations(tokens);
        Cursor { text: text.clone(), parser, spans, end: Span::new(last, last) }
    }

    /// The place of the next token.
    pub(crate) fn here(&self) -> Span {
        self.spans.get(self.parser.index()).copied().unwrap_or(self.end)
    }

    /// The place of the token taken last.
    pub(crate) fn behind(&self) -> Span {
        self.parser.index().checked_sub(1).and_then(|i| self.spans.get(i)).copied().unwrap_or(self.end)
    }

    pub(crate) fn at_end(&self) -> bool {
        self.parser.peek_token_ref().token == Token::EOF
    }

    /// The next token as it is written, for messages.
    pub(crate) fn found(&self) -> String {
        if self.at_end() { "the end of the definition".to_owned() } else { self.written(self.here()) }
    }

    fn written(&self, span: Span) -> String {
        format!("`{}`", self.text.slice(span))
    }

    /// Whether a parenthesis opens here.
    pub(crate) fn opens(&self) -> bool {
        self.parser.peek_token_ref().token == Token::LParen
    }

    /// The next token if it is an unquoted word, in lower case.
    pub(crate) fn word(&self) -> Option<&str> {
        self.nth_word(0)
    }

    fn nth_word(&self, n: usize) -> Option<&str> {
        match &self.parser.peek_nth_token_ref(n).token {
            Token::Word(word) if word.quote_style.is_none() => Some(&word.value),
            _ => None,
        }
    }

    /// Whether the words of a phrase (`KNOWN AT`) come next.
    pub(crate) fn sees(&self, phrase: &str) -> bool {
        phrase.split(' ').enumerate().all(|(n, word)| self.nth_word(n).is_some_and(|w| w.eq_ignore_ascii_case(word)))
    }

    /// Takes the words of a phrase if they come next.
    pub(crate) fn take(&mut self, phrase: &str) -> bool {
        let sees = self.sees(phrase);
        if sees {
            phrase.split(' ').for_each(|_| self.parser.advance_token());
        }
        sees
    }

    pub(crate) fn expect(&mut self, phrase: &'static str) -> Result<()> {
        if self.take(phrase) { Ok(()) } else { Err(self.unexpected(phrase, [phrase])) }
    }

    /// The fault that something else was expected here; a nearly right word among `words` is suggested.
    pub(crate) fn unexpected<'a>(&self, expected: &str, words: impl IntoIterator<Item = &'a str>) -> Fault {
        let near = self.word().and_then(|w| nearest(&w.to_ascii_uppercase(), words).map(str::to_owned));
        Problem::Unexpected { expected: expected.to_owned(), found: self.found(), near }.at(self.here())
    }

    fn symbol(&mut self, token: &Token) -> Result<()> {
        if self.parser.consume_token(token) { Ok(()) } else { Err(self.unexpected(&format!("`{token}`"), [])) }
    }

    /// Any identifier, with its place.
    fn identifier(&mut self, what: &str) -> Result<(String, Span)> {
        let span = self.here();
        match self.parser.peek_token().token {
            Token::Word(word) => {
                self.parser.advance_token();
                Ok((word.value, span))
            }
            _ => Err(self.unexpected(what, [])),
        }
    }

    /// A validated name.
    pub(crate) fn name(&mut self, what: &str) -> Result<(Name, Span)> {
        let (text, span) = self.identifier(what)?;
        Ok((text.parse().map_err(|e| Problem::InvalidName(e).at(span))?, span))
    }

    /// A name, possibly with a version, as written.
    pub(crate) fn reference(&mut self, what: &str) -> Result<(String, Span)> {
        self.identifier(what)
    }

    /// The name of a column.
    pub(crate) fn column(&mut self) -> Result<(String, Span)> {
        self.identifier("a column")
    }

    /// `( item, … )`
    pub(crate) fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        self.symbol(&Token::LParen)?;
        let mut items = vec![item(self)?];
        loop {
            if self.parser.consume_token(&Token::Comma) {
                items.push(item(self)?);
            } else if self.parser.consume_token(&Token::RParen) {
                return Ok(items);
            } else {
                return Err(self.unexpected("`,` or `)`", []));
            }
        }
    }

    /// `(column, …)`, each at most once.
    pub(crate) fn column_list(&mut self) -> Result<Vec<(String, Span)>> {
        let columns = self.list(Self::column)?;
        distinct(columns.iter().map(|(name, span)| (name, *span)))?;
        Ok(columns)
    }

    /// `(column TYPE [NOT NULL], …)`, each at most once, none reserved.
    pub(crate) fn columns(&mut self) -> Result<(Columns, Vec<Span>)> {
        let columns = self.list(|cursor| {
            let (name, span) = cursor.column()?;
            if RESERVED.iter().any(|prefix| name.starts_with(prefix)) {
                return Err(Problem::ReservedColumn(name).at(span));
            }
            let data_type = cursor.data_type()?;
            let not_null = cursor.take("NOT NULL");
            let _ = !not_null && cursor.take("NULL");
            Ok((Column { name, data_type, nullable: !not_null }, span))
        })?;
        distinct(columns.iter().map(|(column, span)| (&column.name, *span)))?;
        let (columns, spans) = columns.into_iter().unzip();
        Ok((Columns(columns), spans))
    }

    fn data_type(&mut self) -> Result<arrow::datatypes::DataType> {
        let start = self.here();
        let written = self.parser.parse_data_type().map_err(|e| self.syntax(e))?;
        let text = written.to_string();
        parse_sql_type(&text).ok_or_else(|| Problem::UnsupportedType(text).at(start.union(&self.behind())))
    }

    /// `'text'`
    pub(crate) fn string(&mut self, what: &str) -> Result<String> {
        match self.parser.peek_token().token {
            Token::SingleQuotedString(text) => {
                self.parser.advance_token();
                Ok(text)
            }
            _ => Err(self.unexpected(what, [])),
        }
    }

    /// `=`
    pub(crate) fn equals(&mut self) -> Result<()> {
        self.symbol(&Token::Eq)
    }

    /// Any expression.
    pub(crate) fn expression(&mut self) -> Result<Expr> {
        self.parser.parse_expr().map_err(|e| self.syntax(e))
    }

    /// A query, up to the end of the definition.
    pub(crate) fn query(&mut self) -> Result<Box<Query>> {
        let starts = ["select", "with", "values", "from"];
        if !self.opens() && !self.word().is_some_and(|w| starts.contains(&w)) {
            return Err(self.unexpected("SELECT", ["SELECT", "WITH"]));
        }
        let query = self.parser.parse_query().map_err(|e| self.syntax(e))?;
        if self.at_end() {
            return Ok(query);
        }
        let words = ["FROM", "WHERE", "GROUP", "HAVING", "WINDOW", "ORDER", "LIMIT", "JOIN", "UNION"];
        // A misspelt word may have been taken for an alias just before: `FROM t WHER a > 1`.
        let behind = self.text.slice(self.behind()).to_ascii_uppercase();
        match nearest(&behind, words).filter(|near| *near != behind) {
            Some(near) => {
                let (expected, found) = (near.to_owned(), self.written(self.behind()));
                Err(Problem::Unexpected { expected, found, near: Some(near.to_owned()) }.at(self.behind()))
            }
            None => Err(self.unexpected("the end of the definition", words)),
        }
    }

    /// The parser says where it stopped only at the end of its message.
    fn syntax(&self, error: ParserError) -> Fault {
        let message = match error {
            ParserError::RecursionLimitExceeded => return Problem::TooDeep.at(self.here()),
            ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
        };
        let (message, span) = match message.rsplit_once(" at Line: ") {
            Some((message, place)) => (message, location(place).map_or(self.here(), |l| self.token_at(l))),
            None => (message.as_str(), self.here()),
        };
        let Some((expected, found)) = message.strip_prefix("Expected: ").and_then(|m| m.split_once(", found: ")) else {
            return Problem::Syntax(lower_first(message)).at(span);
        };
        let found = if found == "EOF" { "the end of the definition".to_owned() } else { self.written(span) };
        let is_sign = !expected.chars().any(char::is_alphanumeric);
        let expected = if is_sign { format!("`{expected}`") } else { expected.to_owned() };
        Problem::Unexpected { expected, found, near: None }.at(span)
    }

    fn token_at(&self, location: Location) -> Span {
        self.spans.iter().find(|s| s.start == location).copied().unwrap_or(Span::new(location, location))
    }
}

/// `3, Column: 5`
fn location(text: &str) -> Option<Location> {
    let (line, column) = text.split_once(", Column: ")?;
    Some(Location { line: line.parse().ok()?, column: column.parse().ok()? })
}

fn distinct<'a>(names: impl Iterator<Item = (&'a String, Span)>) -> Result<()> {
    let mut seen = std::collections::HashSet::new();
    for (name, span) in names {
        if !seen.insert(name) {
            return Err(Problem::DuplicateColumn(name.clone()).at(span));
        }
    }
    Ok(())
}
