//! The set of events that were heard of, in a short form that can be folded again and again.
//!
//! An event counts once, by the digest of its canonical text. Of each only what the fold needs is kept: who said when that
//! what reads and writes what. Of facets the newest of each name is at hand, and what was said before it is kept ([`super::past`]); the
//! events as they came are the catalog's to keep.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use asof_model::{Digest, Micros, Result};
use serde_json::Value;

use super::canonical;
use super::columns::{self, Said, Transformation};
use super::event::{About, Dataset, Event, Facets, Job, State, is_deleted};
use super::history::Places;
use super::naming::Name;
use super::past::Past;

/// Events that were heard of: grows, and never forgets.
#[derive(Debug, Default)]
pub struct Heard {
    seen: HashSet<Digest>,
    pub(super) datasets: Names,
    pub(super) jobs: Names,
    pub(super) runs: Texts,
    pub(super) columns: Columns,
    pub(super) statements: Vec<Statement>,
    pub(super) dataset_facets: HashMap<u32, Newest>,
    pub(super) job_facets: HashMap<u32, Newest>,
    /// Jobs, and those that started them.
    pub(super) parents: BTreeSet<(u32, u32)>,
    /// When each dataset, and each job, was told of first and last.
    pub(super) dataset_times: HashMap<u32, Times>,
    pub(super) job_times: HashMap<u32, Times>,
    pub(super) places: Places,
    pub(super) past: Past,
    /// The events about a job or a dataset without a run, with when.
    pub(super) declared: HashMap<Speaker, Vec<(Micros, Digest)>>,
    /// The jobs whose events say that a dataset has other names, or has them no more.
    pub(super) ties: HashMap<u32, BTreeSet<u32>>,
}

/// When something was told of first and last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// First.
    pub first: Micros,
    /// Last.
    pub last: Micros,
}

impl Times {
    /// At one moment.
    pub fn at(time: Micros) -> Times {
        Times { first: time, last: time }
    }

    /// From the first of both to the last.
    pub fn and(self, other: Times) -> Times {
        Times { first: self.first.min(other.first), last: self.last.max(other.last) }
    }
}

/// Whichever order they come in.
fn see(times: &mut HashMap<u32, Times>, number: u32, time: Micros) {
    let told = Times::at(time);
    times.entry(number).and_modify(|known| *known = known.and(told)).or_insert(told);
}

/// What one event says, by numbers of names.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) time: Micros,
    /// How things of one moment follow each other.
    pub(super) state: State,
    pub(super) digest: Digest,
    pub(super) speaker: Speaker,
    pub(super) run: Option<u32>,
    pub(super) claims: Vec<Claim>,
    /// Datasets whose columns are made of what was said before no more.
    pub(super) taken_back: Vec<u32>,
}

impl Statement {
    /// The job that it is about, if it is about one.
    pub(super) fn job(&self) -> Option<u32> {
        match self.speaker {
            Speaker::Runs(job) | Speaker::Declared(job) => Some(job),
            Speaker::Dataset(_) => None,
        }
    }
}

/// Whose state an event tells: one says nothing about what another said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Speaker {
    /// A job, by its runs.
    Runs(u32),
    /// A job, by what is declared of it.
    Declared(u32),
    /// A dataset.
    Dataset(u32),
}

/// One thing that an event says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Claim {
    /// The job reads it; the dataset is made of it.
    Reads(u32),
    /// The job writes it.
    Writes(u32),
    /// A column goes into another.
    Column(u32),
}

/// A column that goes into another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ColumnKey {
    pub(super) from: u32,
    pub(super) field: String,
    pub(super) to: u32,
    pub(super) into: Option<String>,
    pub(super) how: BTreeSet<Transformation>,
}

/// The newest facet of each name, with when it was said and by which event; one that was taken back is kept as that.
pub(super) type Newest = BTreeMap<String, (Micros, Digest, Value)>;

impl Heard {
    /// No events.
    pub fn new() -> Self {
        Heard::default()
    }

    /// How many events there are.
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// Adds an event as it came, unless it was there; its digest.
    ///
    /// # Errors
    /// `invalid_event`.
    pub fn hear(&mut self, value: &Value) -> Result<Digest> {
        let event = Event::read(value)?;
        let digest = canonical::digest(value);
        if !self.seen.insert(digest) {
            return Ok(digest);
        }
        let time = event.time;
        self.past.event(time, digest);
        let add = |speaker, state, run, claims, taken_back| Statement {
            time,
            state,
            digest,
            speaker,
            run,
            claims,
            taken_back,
        };
        match &event.about {
            About::Run { run, state, parent, job } => {
                let number = self.job(job, time, digest);
                if let Some(parent) = parent {
                    let parent = self.jobs.number(parent);
                    see(&mut self.job_times, parent, time);
                    self.parents.insert((number, parent));
                }
                let run = self.runs.number(run);
                let (claims, taken_back) = self.claims(number, job, time, digest);
                let writes = claims.iter().filter_map(|claim| match claim {
                    Claim::Writes(dataset) => Some(*dataset),
                    _ => None,
                });
                self.places.add(self.statements.len() as u32, Speaker::Runs(number), Some(run), writes);
                self.statements.push(add(Speaker::Runs(number), *state, Some(run), claims, taken_back));
            }
            About::Job(job) => {
                let number = self.job(job, time, digest);
                self.declared.entry(Speaker::Declared(number)).or_default().push((time, digest));
                let (claims, taken_back) = self.claims(number, job, time, digest);
                self.statements.push(add(Speaker::Declared(number), State::Complete, None, claims, taken_back));
            }
            About::Dataset(dataset) => {
                let number = self.dataset(dataset, time, digest);
                self.declared.entry(Speaker::Dataset(number)).or_default().push((time, digest));
                match columns::of(&dataset.facets) {
                    Said::Nothing => {}
                    said => {
                        let (mut claims, mut taken_back) = (Vec::new(), Vec::new());
                        self.columns_of(number, said, time, &mut claims, &mut taken_back);
                        let speaker = Speaker::Dataset(number);
                        self.statements.push(add(speaker, State::Complete, None, claims, taken_back));
                    }
                }
            }
        }
        Ok(digest)
    }

    fn job(&mut self, job: &Job, time: Micros, digest: Digest) -> u32 {
        let number = self.jobs.number(&job.name);
        see(&mut self.job_times, number, time);
        renew(self.job_facets.entry(number).or_default(), &job.facets, time, digest);
        self.past.of_job(number, &job.facets);
        number
    }

    fn dataset(&mut self, dataset: &Dataset, time: Micros, digest: Digest) -> u32 {
        let number = self.datasets.number(&dataset.name);
        see(&mut self.dataset_times, number, time);
        renew(self.dataset_facets.entry(number).or_default(), &dataset.facets, time, digest);
        self.past.of_dataset(number, &dataset.facets);
        number
    }

    fn claims(&mut self, number: u32, job: &Job, time: Micros, digest: Digest) -> (Vec<Claim>, Vec<u32>) {
        let (mut claims, mut taken_back) = (Vec::new(), Vec::new());
        for dataset in job.inputs.iter().chain(&job.outputs).filter(|dataset| dataset.facets.contains_key("symlinks")) {
            let dataset = self.datasets.number(&dataset.name);
            self.ties.entry(dataset).or_default().insert(number);
        }
        for input in &job.inputs {
            claims.push(Claim::Reads(self.dataset(input, time, digest)));
        }
        for output in &job.outputs {
            let number = self.dataset(output, time, digest);
            claims.push(Claim::Writes(number));
            self.columns_of(number, columns::of(&output.facets), time, &mut claims, &mut taken_back);
        }
        claims.sort_unstable();
        claims.dedup();
        (claims, taken_back)
    }

    fn columns_of(&mut self, to: u32, said: Said, time: Micros, claims: &mut Vec<Claim>, taken_back: &mut Vec<u32>) {
        let sources = match said {
            Said::Nothing => return,
            Said::Deleted => return taken_back.push(to),
            Said::Sources(sources) => sources,
        };
        for source in sources {
            let from = self.datasets.number(&source.dataset);
            see(&mut self.dataset_times, from, time);
            // Whatever columns are taken from is read, whether the inputs say so or not.
            claims.push(Claim::Reads(from));
            let key = ColumnKey { from, field: source.field, to, into: source.into, how: source.how };
            claims.push(Claim::Column(self.columns.number(key)));
        }
    }
}

/// Whichever order they come in, the newest stays; of two of one moment, the one of the greater digest.
fn renew(newest: &mut Newest, facets: &Facets, time: Micros, digest: Digest) {
    for (name, facet) in facets {
        let held = newest.get(name).is_some_and(|(at, by, _)| (*at, *by) >= (time, digest));
        if !held {
            let facet = if is_deleted(facet) { Value::Null } else { facet.clone() };
            newest.insert(name.clone(), (time, digest, facet));
        }
    }
}

/// Names by number.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) all: Vec<Name>,
    numbers: HashMap<Name, u32>,
}

impl Names {
    pub(super) fn find(&self, name: &Name) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    pub(super) fn number(&mut self, name: &Name) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.all.len() as u32;
        self.all.push(name.clone());
        self.numbers.insert(name.clone(), number);
        number
    }
}

/// Texts by number.
#[derive(Debug, Default)]
pub(super) struct Texts {
    pub(super) all: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, u32>,
}

impl Texts {
    pub(super) fn find(&self, text: &str) -> Option<u32> {
        self.numbers.get(text).copied()
    }

    fn number(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = self.all.len() as u32;
        let text: Arc<str> = text.into();
        self.all.push(text.clone());
        self.numbers.insert(text, number);
        number
    }
}

/// Columns by number.
#[derive(Debug, Default)]
pub(super) struct Columns {
    pub(super) all: Vec<ColumnKey>,
    numbers: HashMap<ColumnKey, u32>,
}

impl Columns {
    pub(super) fn number(&mut self, key: ColumnKey) -> u32 {
        if let Some(number) = self.numbers.get(&key) {
            return *number;
        }
        let number = self.all.len() as u32;
        self.all.push(key.clone());
        self.numbers.insert(key, number);
        number
    }
}
