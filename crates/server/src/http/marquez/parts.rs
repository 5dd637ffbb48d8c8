//! Paths and queries taken apart: names may hold anything, escaped.

use asof_model::{Error, ErrorKind, Result};

/// The parts of a path, each without its escapes.
///
/// # Errors
/// `invalid_question` for what is no text.
pub(super) fn of(path: &str) -> Result<Vec<String>> {
    path.split('/').map(|part| unescaped(part, false)).collect()
}

/// The members of a query, in order.
///
/// # Errors
/// `invalid_question` for what is no text.
pub(super) fn members(query: &str) -> Result<Vec<(String, String)>> {
    let members = query.split('&').filter(|member| !member.is_empty());
    let apart = members.map(|member| member.split_once('=').unwrap_or((member, "")));
    apart.map(|(name, value)| Ok((unescaped(name, true)?, unescaped(value, true)?))).collect()
}

fn unescaped(text: &str, plus_is_space: bool) -> Result<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digit = |place: usize| after.get(place).and_then(|digit| (*digit as char).to_digit(16));
        rest = after;
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &after[2..];
            }
            (b'+', _, _) if plus_is_space => bytes.push(b' '),
            _ => bytes.push(first),
        }
    }
    String::from_utf8(bytes).map_err(|_| {
        let shown: String = text.chars().take(80).collect();
        Error::new(ErrorKind::Invalid, "invalid_question", format!("`{shown}` escapes what is no text"))
            .remedy("escape the bytes of UTF-8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_taken_back_once_and_slashes_part_only_unescaped() {
        let parts = |path: &str| of(path).map_err(|error| error.code());
        let own = |parts: &[&str]| Ok(parts.iter().map(|part| (*part).to_owned()).collect());
        assert_eq!(
            parts("namespaces/s3%3A%2F%2Flake/datasets/raw%2Ftx%20v1"),
            own(&["namespaces", "s3://lake", "datasets", "raw/tx v1"])
        );
        assert_eq!(parts("a+b/100%/%2525"), own(&["a+b", "100%", "%25"]));
        assert_eq!(parts("%ff"), Err("invalid_question"));
        let query = members("q=a+b%2B&limit&x=1=2&").unwrap();
        let shown: Vec<_> = query.iter().map(|(name, value)| format!("{name}:{value}")).collect();
        assert_eq!(shown, ["q:a b+", "limit:", "x:1=2"]);
    }
}
