//! Output without what differs from run to run: folders, runs, digests, processes, moments of today.

/// Replaces `folder` by `<project>`, and ids, digests, process numbers and present moments by what they are.
pub(crate) fn scrub(text: &str, folder: &str) -> String {
    let text = text.replace(folder, "<project>");
    let mut scrubbed = String::new();
    let mut rest = text.as_str();
    while let Some(first) = rest.chars().next() {
        // Only where a word begins.
        let begins = !scrubbed.chars().next_back().is_some_and(|c| c.is_ascii_alphanumeric());
        let (length, name) = match begins.then(|| variable(rest)).flatten() {
            Some(found) => found,
            None => (first.len_utf8(), ""),
        };
        let (head, tail) = rest.split_at(length);
        scrubbed.push_str(if name.is_empty() { head } else { name });
        rest = tail;
    }
    scrubbed
}

/// What varies at the start of a text: its length and its name.
fn variable(text: &str) -> Option<(usize, &'static str)> {
    let run = |from: usize, fits: &dyn Fn(u8) -> bool| text.bytes().skip(from).take_while(|b| fits(*b)).count();
    let hex = |b: u8| b.is_ascii_hexdigit();
    if let Some(digits) = text.strip_prefix("sha256:").map(|_| run(7, &hex)).filter(|n| *n >= 8) {
        return Some((7 + digits, "<digest>"));
    }
    if text.starts_with("process ") && run(8, &|b| b.is_ascii_digit()) > 0 {
        return Some((8 + run(8, &|b| b.is_ascii_digit()), "process <pid>"));
    }
    if text.starts_with("127.0.0.1:") && run(10, &|b| b.is_ascii_digit()) > 0 {
        return Some((10 + run(10, &|b| b.is_ascii_digit()), "<address>"));
    }
    let shape: Vec<usize> =
        text.get(..36)?.split('-').map(|part| if part.bytes().all(hex) { part.len() } else { 0 }).collect();
    (shape == [8, 4, 4, 4, 12]).then_some((36, "<id>"))
}

#[test]
fn what_varies_is_named() {
    let check = |text: &str, expected: &str| assert_eq!(scrub(text, "/tmp/x"), expected);
    check("/tmp/x/a.csv: no", "<project>/a.csv: no");
    check("(run 0198c1f2-0000-7abc-8def-0123456789ab)", "(run <id>)");
    check("content sha256:0123456789abcdef.", "content <digest>.");
    check("held by process 4711 (asof serve)", "held by process <pid> (asof serve)");
    check("--server http://127.0.0.1:7461", "--server http://<address>");
    check("ärger", "ärger");
}
