//! The language: what is read, what is refused and in which words, what makes a version.

mod grammar;
mod meaning;
mod tour;
mod versions;

/// One document of texts and what is said about them, for a snapshot.
fn document(texts: &[&str], said: impl Fn(&str) -> String) -> String {
    let parts = texts.iter().map(|text| format!("{}\n----\n{}\n", text.trim(), said(text)));
    parts.collect::<Vec<_>>().join("\n========\n")
}
