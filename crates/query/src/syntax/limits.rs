//! Bounds on a text, checked on its tokens before anything recurses over it.
//!
//! The parser, the planner and the destructors of their trees recurse as deep as the text nests, and as deep
//! as a chain of operators is long (`1 + 1 + 1 …` is a tree that leans to the left). Both are bounded here, so
//! that no text can exhaust a stack, whoever's stack it is.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::problem::Problem;
use super::tokens::extent;
use crate::fault::{At, Fault};
use crate::text::Text;

/// The longest definition, in bytes.
pub(crate) const MAX_BYTES: usize = 64 * 1024;
/// How deep parentheses, brackets, CASE and prefix operators may nest.
pub(crate) const MAX_DEPTH: usize = 100;
/// How many tokens of one level may follow each other without a comma.
pub(crate) const MAX_RUN: usize = 500;

/// # Errors
/// `text_too_long`, `nested_too_deep`, at the token that is too much.
pub(crate) fn check(tokens: &[TokenWithSpan], text: &Text) -> Result<(), Fault> {
    let whole = extent(tokens);
    let bytes = text.slice(whole).len();
    if bytes > MAX_BYTES {
        return Err(Problem::TooLong(bytes).at(tokens.first().map_or(whole, |t| t.span)));
    }
    // For each open level the tokens since its last comma.
    let mut runs = vec![0usize];
    let mut prefixes = 0;
    for token in tokens {
        prefixes = if is_prefix(&token.token) { prefixes + 1 } else { 0 };
        match edge(&token.token) {
            Edge::Opens => runs.push(0),
            Edge::Closes if runs.len() > 1 => {
                runs.pop();
            }
            Edge::Separates => runs.last_mut().into_iter().for_each(|run| *run = 0),
            Edge::Closes | Edge::Within => {}
        }
        let run = runs.last_mut().expect("the outermost level is never closed");
        *run += 1;
        if *run > MAX_RUN {
            return Err(Problem::TooWide.at(token.span));
        }
        if runs.len() + prefixes > MAX_DEPTH {
            return Err(Problem::TooDeep.at(token.span));
        }
    }
    Ok(())
}

enum Edge {
    Opens,
    Closes,
    Separates,
    Within,
}

fn edge(token: &Token) -> Edge {
    match token {
        // `<` opens nested types too, but is mostly "less than": it counts as one more token, no level.
        Token::LParen | Token::LBracket | Token::LBrace => Edge::Opens,
        Token::RParen | Token::RBracket | Token::RBrace => Edge::Closes,
        Token::Comma => Edge::Separates,
        Token::Word(word) if word.keyword == Keyword::CASE => Edge::Opens,
        Token::Word(word) if word.keyword == Keyword::END => Edge::Closes,
        _ => Edge::Within,
    }
}

fn is_prefix(token: &Token) -> bool {
    match token {
        Token::Plus | Token::Minus | Token::Tilde | Token::ExclamationMark | Token::Arrow => true,
        Token::Word(word) => matches!(word.keyword, Keyword::NOT | Keyword::INTERVAL | Keyword::PRIOR | Keyword::ARRAY),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tokens::statements;
    use super::*;
    use crate::text::Source;

    fn check(sql: String, expected: Option<Problem>) {
        let text = Text::new(Source { file: "a.sql".into(), text: sql });
        let (statements, _) = statements(&text);
        let found = super::check(&statements[0], &text).err().map(|f| f.into_error().message().to_owned());
        assert_eq!(found, expected.map(|p| p.to_string()));
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |n: usize| format!("SELECT {}1{}", "(".repeat(n), ")".repeat(n));
        check(nested(MAX_DEPTH - 1), None);
        check(nested(MAX_DEPTH), Some(Problem::TooDeep));
        check(nested(10_000), Some(Problem::TooDeep));
        check(format!("SELECT {}1", "NOT ".repeat(500)), Some(Problem::TooDeep));
        check(format!("SELECT {}1", "CASE WHEN ".repeat(500)), Some(Problem::TooDeep));
        check(format!("SELECT {}1{}", "[".repeat(500), "]".repeat(500)), Some(Problem::TooDeep));
    }

    #[test]
    fn chains_are_bounded_and_lists_are_not() {
        check(format!("SELECT 1{}", " + 1".repeat(2_000)), Some(Problem::TooWide));
        check(format!("SELECT a IN (0{})", ", 1".repeat(5_000)), None);
        check(format!("SELECT 1{}", ", (1)".repeat(5_000)), None);
    }

    #[test]
    fn length_is_bounded() {
        check(format!("SELECT '{}'", "x".repeat(MAX_BYTES)), Some(Problem::TooLong(MAX_BYTES + 9)));
    }
}
