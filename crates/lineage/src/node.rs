//! The things that lineage is about, and how they are named.

use asof_model::run::Item;
use asof_model::{Digest, Kind, Label, Name, Pinned, SnapshotNumber};

use crate::openlineage;

/// What stands for all columns of a thing.
const ALL: &str = "*";

/// A thing in the graph: what makes it this one and no other. In the order in which they are listed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Node {
    /// One version of a definition.
    Definition(Pinned),
    /// A snapshot of a dataset.
    Snapshot {
        /// The project.
        project: Name,
        /// The dataset.
        dataset: Name,
        /// Which snapshot.
        number: SnapshotNumber,
    },
    /// A file from outside, by place and content.
    File {
        /// Where it was read from.
        url: String,
        /// SHA-256 of its bytes.
        digest: Digest,
    },
    /// A training set that was built.
    TrainingSet {
        /// The project.
        project: Name,
        /// Its name.
        name: Name,
        /// The n-th one built under that name.
        number: u32,
    },
    /// A view's rows in the online store.
    Online {
        /// The view.
        view: Pinned,
        /// Which publication of it, from 1.
        generation: u64,
    },
    /// A version of a model.
    Model {
        /// The project.
        project: Name,
        /// Its name.
        name: Name,
        /// Its version, as its registry writes it.
        version: Label,
    },
    /// A dataset that somebody else told of. A file that an ingest read from the same place is this one.
    External(openlineage::Name),
    /// A job of somebody else's.
    Job(openlineage::Name),
    /// A column of a thing, in questions by column ([`crate::columns`]).
    Column {
        /// Whose it is.
        of: Box<Node>,
        /// Its name; none for the rows of the thing, which concern all its columns.
        name: Option<String>,
    },
}

impl Node {
    /// What a run of that project read or made.
    pub fn of(project: &Name, item: &Item) -> Self {
        match item {
            Item::File { url, digest, .. } => Node::File { url: url.clone(), digest: *digest },
            Item::Snapshot { dataset, number } => {
                Node::Snapshot { project: project.clone(), dataset: dataset.clone(), number: *number }
            }
            Item::Definition(pinned) => Node::Definition(pinned.clone()),
            Item::TrainingSet { name, number, .. } => {
                Node::TrainingSet { project: project.clone(), name: name.clone(), number: *number }
            }
            Item::Online { view, generation, .. } => Node::Online { view: view.clone(), generation: *generation },
            Item::Model { name, version } => {
                Node::Model { project: project.clone(), name: name.clone(), version: version.clone() }
            }
        }
    }

    /// Its project; what comes from outside has none.
    pub fn project(&self) -> Option<&Name> {
        match self {
            Node::File { .. } | Node::External(_) | Node::Job(_) => None,
            Node::Column { of, .. } => of.project(),
            Node::Definition(pinned) | Node::Online { view: pinned, .. } => Some(&pinned.project),
            Node::Snapshot { project, .. } | Node::TrainingSet { project, .. } | Node::Model { project, .. } => {
                Some(project)
            }
        }
    }

    /// A name for it that is unique and stays the same.
    pub fn id(&self) -> String {
        match self {
            Node::Definition(pinned) => pinned.to_string(),
            Node::Snapshot { project, dataset, number } => format!("asof://{project}/snapshot/{dataset}@{number}"),
            Node::File { url, digest } => format!("{url}#{digest}"),
            Node::TrainingSet { project, name, number } => {
                format!("asof://{project}/built_training_set/{name}@{number}")
            }
            Node::Online { view, generation } => {
                format!("asof://{}/online/{}#{generation}", view.project, view.reference())
            }
            Node::Model { project, name, version } => format!("asof://{project}/model/{name}@{version}"),
            Node::External(name) => format!("dataset:{}:{}", name.namespace, name.name),
            Node::Job(name) => format!("job:{}:{}", name.namespace, name.name),
            Node::Column { of, name } => format!("{}#{}", of.id(), name.as_deref().unwrap_or(ALL)),
        }
    }

    /// The word for what it is.
    pub fn kind(&self) -> &'static str {
        match self {
            Node::Definition(pinned) => pinned.kind.as_str(),
            Node::Snapshot { .. } => "snapshot",
            Node::File { .. } => "file",
            Node::TrainingSet { .. } => "built_training_set",
            Node::Online { .. } => "online",
            Node::Model { .. } => "model",
            Node::External(_) => "external_dataset",
            Node::Job(_) => "job",
            Node::Column { name: Some(_), .. } => "column",
            Node::Column { name: None, .. } => "rows",
        }
    }

    /// As users write it (`flights@1`); of a file the last part of its path; of a dataset of others namespace and name; of a
    /// job its name. Safe to print.
    pub fn name(&self) -> String {
        match self {
            Node::Definition(pinned) | Node::Online { view: pinned, .. } => pinned.reference(),
            Node::Snapshot { dataset, number, .. } => format!("{dataset}@{number}"),
            Node::TrainingSet { name, number, .. } => format!("{name}@{number}"),
            Node::Model { name, version, .. } => format!("{name}@{version}"),
            Node::File { url, .. } => {
                let path = url.trim_end_matches('/');
                let last = path.rsplit('/').next().unwrap_or(path);
                printable(last)
            }
            Node::External(name) => printable(&name.to_string()),
            Node::Job(name) => printable(&name.name),
            Node::Column { of, name } => {
                let of = match of.as_ref() {
                    // One table, whatever the version.
                    Node::Definition(pinned) if pinned.kind == Kind::Dataset => pinned.name.to_string(),
                    other => other.name(),
                };
                format!("{of}.{}", printable(name.as_deref().unwrap_or(ALL)))
            }
        }
    }

    /// For people: `flights@1 (snapshot, 336,776 rows)`. `size` and `note` are what [`crate::Graph`] knows of it.
    pub(crate) fn text(&self, size: Option<Size>, note: Option<&str>) -> String {
        let name = self.name();
        let size = size.map(|size| format!(", {size}")).unwrap_or_default();
        match self {
            Node::Definition(pinned) => format!("{name} ({}{})", pinned.kind, also(note)),
            Node::Snapshot { .. } => format!("{name} (snapshot{size})"),
            Node::File { digest, .. } => format!("{name} (file, {})", digest.short()),
            Node::TrainingSet { .. } => format!("{name} (built training set{size})"),
            Node::Online { generation, .. } => format!("{name} (online, generation {generation}{size})"),
            Node::Model { .. } => format!("{name} (model)"),
            Node::External(_) => format!("{name} (external dataset{})", also(note)),
            Node::Job(job) => format!("{name} (job of {}{})", printable(&job.namespace), also(note)),
            Node::Column { of, name: column } => {
                let of = match of.as_ref() {
                    Node::Definition(pinned) => pinned.kind.to_string(),
                    Node::File { digest, .. } => format!("file, {}", digest.short()),
                    other => other.kind().replace('_', " "),
                };
                let rows = if column.is_some() { "" } else { "rows of " };
                format!("{name} ({rows}{of}{})", also(note))
            }
        }
    }
}

fn also(note: Option<&str>) -> String {
    note.map(|note| format!(", {}", printable(note))).unwrap_or_default()
}

/// Without what would do something to a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

impl From<Pinned> for Node {
    fn from(pinned: Pinned) -> Self {
        Node::Definition(pinned)
    }
}

/// How large a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Size {
    /// All its rows.
    Rows(u64),
    /// The rows that it has more than the one before it.
    RowsAdded(u64),
    /// Its keys.
    Keys(u64),
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Size::Rows(n) => write!(f, "{} rows", grouped(*n)),
            Size::RowsAdded(n) => write!(f, "{} rows added", grouped(*n)),
            Size::Keys(n) => write!(f, "{} keys", grouped(*n)),
        }
    }
}

/// `336,776`
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (336_776, "336,776"), (1_234_567, "1,234,567")]
        {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn a_file_is_called_by_the_end_of_its_path_and_cannot_write_on_the_terminal() {
        let name = |url: &str| Node::File { url: url.into(), digest: Digest::of(b"") }.name();
        assert_eq!(name("s3://bucket/a/flights.parquet"), "flights.parquet");
        assert_eq!(name("flights.csv"), "flights.csv");
        assert_eq!(name("dir/"), "dir");
        assert_eq!(name("a\u{1b}[2Jb"), "a\u{fffd}[2Jb");
    }
}
