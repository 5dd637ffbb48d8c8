//! What a dataset is called: names written differently are brought to one form, and names that symlinks tie together
//! are one dataset.
//!
//! A place in storage has a scheme, a host or bucket, and a path; the namespace is the first two, the name the third
//! (`s3://lake`, `raw/transactions`), whichever of the two a producer wrote them into. Variants of a scheme
//! are one (`s3a`, `s3n`, `s3`), slashes at the ends do not count, and neither does the host of a local file if it is this
//! one. Other names are left as they are, but for slashes at the end of a namespace and the two spellings of PostgreSQL.

use std::fmt;

/// A namespace and a name in it: of a dataset or of a job.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// Where names are unique.
    pub namespace: String,
    /// The name there.
    pub name: String,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.namespace.as_str(), self.name.starts_with('/')) {
            (FILE, true) => write!(f, "file://{}", self.name),
            (namespace, true) => write!(f, "{namespace}{}", self.name),
            (namespace, false) => write!(f, "{namespace}/{}", self.name),
        }
    }
}

/// The namespace of files of the machine itself.
const FILE: &str = "file";

/// Schemes of object stores and file systems, with the one that stands for all its variants.
const PLACES: [(&str, &str); 14] = [
    ("s3", "s3"),
    ("s3a", "s3"),
    ("s3n", "s3"),
    ("gs", "gs"),
    ("gcs", "gs"),
    ("abfs", "abfss"),
    ("abfss", "abfss"),
    ("wasb", "wasbs"),
    ("wasbs", "wasbs"),
    ("hdfs", "hdfs"),
    ("dbfs", "dbfs"),
    ("oss", "oss"),
    ("az", "az"),
    ("file", FILE),
];

impl Name {
    /// A dataset's name in its one form.
    pub fn of_dataset(namespace: &str, name: &str) -> Name {
        let (namespace, name) = (namespace.trim(), name.trim());
        let Some((scheme, rest)) = place(namespace) else {
            let namespace = namespace.trim_end_matches('/');
            let namespace = match namespace.strip_prefix("postgresql://") {
                Some(host) => format!("postgres://{host}"),
                None => namespace.to_owned(),
            };
            return Name { namespace, name: name.to_owned() };
        };
        // A name may repeat what its namespace says.
        let name = match place(name) {
            Some((repeated, path)) if name.contains("://") && repeated == scheme => {
                return Name::of_place(scheme, path);
            }
            _ => name,
        };
        if scheme == FILE {
            let host = rest.trim_matches('/');
            let path = if name.starts_with('/') || host.is_empty() || rest.starts_with("///") {
                name.to_owned()
            } else {
                format!("/{name}")
            };
            return match host {
                "" | "localhost" => Name { namespace: FILE.into(), name: trimmed(&path) },
                host => Name { namespace: format!("file://{host}"), name: trimmed(&path) },
            };
        }
        Name::of_place(scheme, &format!("{}/{name}", rest.trim_end_matches('/')))
    }

    /// The place that a URL or an absolute path means, if it is one of storage.
    pub fn of_url(url: &str) -> Option<Name> {
        if url.starts_with('/') {
            return Some(Name { namespace: FILE.into(), name: trimmed(url) });
        }
        let (scheme, rest) = place(url).filter(|_| url.contains("://"))?;
        Some(Name::of_place(scheme, rest))
    }

    /// The places that a URL may mean which we recorded: as it is written, and with what it escapes (`%20`) as what it stands for.
    pub(crate) fn of_recorded(url: &str) -> impl Iterator<Item = Name> {
        let unescaped = unescaped(url).filter(|unescaped| unescaped != url);
        Name::of_url(url).into_iter().chain(unescaped.and_then(|url| Name::of_url(&url)))
    }

    /// `rest` is what follows the scheme: `//bucket/path`.
    fn of_place(scheme: &str, rest: &str) -> Name {
        let rest = rest.trim_start_matches("//");
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, path) = (host.to_ascii_lowercase(), path.trim_matches('/'));
        match (scheme, host.as_str()) {
            (FILE, "" | "localhost") => Name { namespace: FILE.into(), name: format!("/{path}") },
            (FILE, host) => Name { namespace: format!("file://{host}"), name: format!("/{path}") },
            (scheme, host) => {
                let name = if path.is_empty() { "/" } else { path };
                Name { namespace: format!("{scheme}://{host}"), name: name.to_owned() }
            }
        }
    }

    /// Whether it is a place in storage.
    pub(crate) fn is_place(&self) -> bool {
        place(&self.namespace).is_some()
    }
}

/// Without slashes at its end; a root stays one.
fn trimmed(path: &str) -> String {
    match path.trim_end_matches('/') {
        "" if path.starts_with('/') => "/".to_owned(),
        path => path.to_owned(),
    }
}

/// A URL without its escapes; none where that would be no text.
fn unescaped(url: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(url.len());
    let mut rest = url.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).filter(|hex| first == b'%' && hex.iter().all(u8::is_ascii_hexdigit));
        let hex = hex.and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

/// The one scheme of a namespace or URL of storage, and what follows its colon.
fn place(text: &str) -> Option<(&'static str, &str)> {
    let (scheme, rest) = text.split_once(':').unwrap_or((text, ""));
    let (_, one) = PLACES.iter().find(|(variant, _)| variant.eq_ignore_ascii_case(scheme))?;
    // Without a host only files have a place.
    (*one == FILE || rest.starts_with("//")).then_some((*one, rest))
}

/// Which names are one: a forest over their positions.
#[derive(Debug, Default)]
pub(crate) struct Unions {
    parents: Vec<u32>,
}

impl Unions {
    /// So many names, each for itself.
    pub(crate) fn new(names: usize) -> Self {
        Unions { parents: (0..names as u32).collect() }
    }

    pub(crate) fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.root(a), self.root(b));
        // The smaller stands for both. What the caller shows of them depends on the set alone.
        self.parents[a.max(b) as usize] = a.min(b);
    }

    pub(crate) fn root(&mut self, of: u32) -> u32 {
        let mut root = of;
        while self.parents[root as usize] != root {
            root = self.parents[root as usize];
        }
        let mut next = of;
        while next != root {
            next = std::mem::replace(&mut self.parents[next as usize], root);
        }
        root
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_of_a_name_are_one() {
        let check = |variants: &[(&str, &str)], expected: (&str, &str)| {
            for (namespace, name) in variants {
                let got = Name::of_dataset(namespace, name);
                assert_eq!((got.namespace.as_str(), got.name.as_str()), expected, "{namespace} {name}");
            }
        };
        let lake = [
            ("s3://lake", "raw/transactions"),
            ("s3a://lake", "raw/transactions/"),
            ("S3://Lake/", "/raw/transactions"),
            ("s3n://lake/raw", "transactions"),
            ("s3://lake", "s3a://lake/raw/transactions"),
        ];
        check(&lake, ("s3://lake", "raw/transactions"));
        let local = [
            ("file", "/srv/data/a.parquet"),
            ("file:", "/srv/data/a.parquet/"),
            ("file://", "/srv/data/a.parquet"),
            ("file:///", "/srv/data/a.parquet"),
            ("file://localhost", "/srv/data/a.parquet"),
            ("file", "file:///srv/data/a.parquet"),
        ];
        check(&local, ("file", "/srv/data/a.parquet"));
        check(&[("file://host", "/a"), ("file://host/", "a")], ("file://host", "/a"));
        check(&[("gs://b", "x"), ("gcs://b/", "x/")], ("gs://b", "x"));
        check(&[("abfs://c@a.dfs.core.windows.net", "x")], ("abfss://c@a.dfs.core.windows.net", "x"));
        check(&[("postgresql://h:5432", "d.s.t"), ("postgres://h:5432/", "d.s.t")], ("postgres://h:5432", "d.s.t"));
        // Elsewhere nothing is known about slashes and case.
        check(&[("Kafka://h:1", "Topic/")], ("Kafka://h:1", "Topic/"));
        check(&[("s3", "plain")], ("s3", "plain"));
    }

    #[test]
    fn what_a_file_is_read_from_is_a_place() {
        let check = |url: &str, expected: Option<&str>| {
            assert_eq!(Name::of_url(url).map(|name| name.to_string()).as_deref(), expected, "{url}");
        };
        check("s3a://bucket/a/b.csv", Some("s3://bucket/a/b.csv"));
        check("/data/a.csv", Some("file:///data/a.csv"));
        check("file:///data/a.csv", Some("file:///data/a.csv"));
        check("s3://bucket", Some("s3://bucket/"));
        check("flights.csv", None);
        check("data/flights.csv", None);
        check("https://h/flights.csv", None);
    }

    #[test]
    fn what_a_url_escapes_may_be_meant_either_way() {
        let check = |url: &str, expected: &[&str]| {
            let names: Vec<_> = Name::of_recorded(url).map(|name| name.to_string()).collect();
            assert_eq!(names, expected, "{url}");
        };
        check("file:///a/b%20c.csv", &["file:///a/b%20c.csv", "file:///a/b c.csv"]);
        check("s3://b/%C3%A4", &["s3://b/%C3%A4", "s3://b/ä"]);
        check("s3://b/100%", &["s3://b/100%"]);
        check("s3://b/%FF", &["s3://b/%FF"]);
        check("s3://b/%ä1", &["s3://b/%ä1"]);
        check("uploaded.csv", &[]);
    }

    #[test]
    fn unions_do_not_depend_on_their_order() {
        let joins = [(0, 1), (2, 3), (1, 2), (4, 5), (5, 4)];
        let roots = |joins: Vec<(u32, u32)>| {
            let mut unions = Unions::new(7);
            joins.into_iter().for_each(|(a, b)| unions.join(a, b));
            (0..7).map(|of| unions.root(of)).collect::<Vec<_>>()
        };
        let expected = vec![0, 0, 0, 0, 4, 4, 6];
        assert_eq!(roots(joins.to_vec()), expected);
        assert_eq!(roots(joins.iter().rev().map(|(a, b)| (*b, *a)).collect()), expected);
    }
}
