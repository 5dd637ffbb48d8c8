//! What the events of others say: jobs, datasets, and what flows between them, from when to when.

use std::collections::HashMap;
use std::sync::Arc;

use asof_model::Micros;

use super::columns::Transformation;
use super::event::{Facets, State};
use super::heard::Times;
use super::naming::Name;

/// The graph of what others said. The same for the same set of events; everything in it is sorted.
#[derive(Debug, Default)]
pub struct External {
    datasets: Vec<ExternalDataset>,
    jobs: Vec<ExternalJob>,
    flows: Vec<Flow>,
    columns: Vec<ColumnFlow>,
    /// Every name that a dataset goes by, and that of every job.
    ends: HashMap<Name, End>,
}

/// A dataset that somebody else told of.
#[derive(Clone, Debug, PartialEq)]
pub struct ExternalDataset {
    /// The name that stands for all its names.
    pub name: Name,
    /// Its other names.
    pub also: Vec<Name>,
    /// What is known of it: the newest facet of each name.
    pub facets: Facets,
    /// When it was told of; none where only the name of another leads to it.
    pub times: Option<Times>,
}

/// A job that somebody else told of.
#[derive(Clone, Debug, PartialEq)]
pub struct ExternalJob {
    /// Its name.
    pub name: Name,
    /// The jobs that started it.
    pub part_of: Vec<Name>,
    /// What is known of it: the newest facet of each name.
    pub facets: Facets,
    /// When it was told of; none where only the name of another leads to it.
    pub times: Option<Times>,
}

/// A dataset or a job, by its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    /// A dataset.
    Dataset(u32),
    /// A job.
    Job(u32),
}

/// A stretch of time in which something holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// From this moment on.
    pub from: Micros,
    /// Until just before this one; none where it still holds.
    pub until: Option<Micros>,
    /// The run that said so last, of those that are done if any is; none where it was said without one.
    pub run: Option<Arc<str>>,
    /// What had become of the run when it said so.
    pub state: State,
}

impl Span {
    /// Whether it holds at a moment; without one, whether it still does.
    pub fn holds(&self, at: Option<Micros>) -> bool {
        match at {
            Some(at) => self.from <= at && self.until.is_none_or(|until| at < until),
            None => self.until.is_none(),
        }
    }
}

/// That something flows from a dataset into a job, from a job into a dataset, or between datasets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// What is upstream.
    pub from: End,
    /// What is downstream.
    pub to: End,
    /// When.
    pub spans: Vec<Span>,
}

/// That a column goes into another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ColumnFlow {
    /// The dataset upstream.
    pub from: u32,
    /// The column there.
    pub field: String,
    /// The dataset downstream.
    pub to: u32,
    /// The column there; none for all of them.
    pub into: Option<String>,
    /// In which ways.
    pub how: Vec<Transformation>,
    /// The job that does it, if one does.
    pub job: Option<u32>,
    /// When.
    pub spans: Vec<Span>,
}

impl PartialEq for External {
    fn eq(&self, other: &External) -> bool {
        (&self.datasets, &self.jobs, &self.flows, &self.columns)
            == (&other.datasets, &other.jobs, &other.flows, &other.columns)
    }
}

impl External {
    pub(super) fn new(
        datasets: Vec<ExternalDataset>,
        jobs: Vec<ExternalJob>,
        flows: Vec<Flow>,
        columns: Vec<ColumnFlow>,
    ) -> External {
        let mut ends = HashMap::new();
        for (number, job) in jobs.iter().enumerate() {
            ends.insert(job.name.clone(), End::Job(number as u32));
        }
        // A name that is both is that of the dataset.
        for (number, dataset) in datasets.iter().enumerate() {
            for name in dataset.also.iter().chain([&dataset.name]) {
                ends.insert(name.clone(), End::Dataset(number as u32));
            }
        }
        External { datasets, jobs, flows, columns, ends }
    }

    /// All datasets, by name.
    pub fn datasets(&self) -> &[ExternalDataset] {
        &self.datasets
    }

    /// All jobs, by name.
    pub fn jobs(&self) -> &[ExternalJob] {
        &self.jobs
    }

    /// What flows where.
    pub fn flows(&self) -> &[Flow] {
        &self.flows
    }

    /// Which columns go into which.
    pub fn columns(&self) -> &[ColumnFlow] {
        &self.columns
    }

    /// The dataset or job of a name, by any of its names.
    pub fn find(&self, name: &Name) -> Option<End> {
        self.ends.get(name).copied()
    }
}
