//! Text to tokens, in the letter case that canonical text has, cut at each `;`.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan, Tokenizer};

use super::problem::Problem;
use crate::fault::{At, Fault};
use crate::text::Text;

/// The one dialect: in it `name@3` is a single word.
pub(crate) static DIALECT: GenericDialect = GenericDialect {};

/// The tokens of each statement, without white space and comments, and what stopped the reading, if
/// something did. A statement cut short by that is not among them.
pub(crate) fn statements(text: &Text) -> (Vec<Vec<TokenWithSpan>>, Option<Fault>) {
    let mut tokens = Vec::new();
    let read = Tokenizer::new(&DIALECT, text.as_str()).tokenize_with_location_into_buf_with_mapper(&mut tokens, lower);
    let mut statements = vec![Vec::new()];
    for token in tokens {
        match token.token {
            Token::Whitespace(_) | Token::EOF => {}
            Token::SemiColon => statements.push(Vec::new()),
            _ => statements.last_mut().expect("one was put there at the start").push(token),
        }
    }
    let fault = read.err().map(|e| {
        statements.pop();
        Problem::Unreadable(lower_first(&e.message)).at(Span::new(e.location, e.location))
    });
    statements.retain(|s| !s.is_empty());
    (statements, fault)
}

/// Unquoted words mean the same in any letter case, so one is chosen before anything looks at them.
fn lower(mut token: TokenWithSpan) -> TokenWithSpan {
    match &mut token.token {
        Token::Word(word) if word.quote_style.is_none() => word.value.make_ascii_lowercase(),
        Token::Number(digits, _) => digits.make_ascii_lowercase(),
        _ => {}
    }
    token
}

/// A message of the parser, as part of a sentence.
pub(crate) fn lower_first(message: &str) -> String {
    let mut letters = message.chars();
    let first = letters.next().map(|c| c.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

/// From the first token to the last.
pub(crate) fn extent(tokens: &[TokenWithSpan]) -> Span {
    Span::union_iter(tokens.iter().map(|t| t.span))
}
