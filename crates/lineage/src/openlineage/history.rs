//! What the set of events says about single runs: which there are of a job, and which made a dataset.
//!
//! Answers come with the digests of the events, whose text the catalog has. A question takes time in the number of events that it
//! is about; [`Heard::states`] goes through all of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use asof_model::{Digest, Micros};

use super::canonical;
use super::event::State;
use super::heard::{Claim, Heard, Speaker, Statement, Times};
use super::naming::Name;

/// A run that somebody told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldRun {
    /// Its identifier, as it came.
    pub id: Arc<str>,
    /// The job that it is a run of.
    pub job: Name,
    /// When it was told of.
    pub times: Times,
    /// The last that became of it.
    pub state: State,
    /// The events that tell of it, in the order in which they happened.
    pub events: Vec<Digest>,
}

/// What a job reads and writes, as its runs said that are done: while they say the same it is one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldVersion {
    /// What it is called: the same wherever just these datasets are told of this job.
    pub id: String,
    /// What it reads.
    pub inputs: Vec<Name>,
    /// What it writes.
    pub outputs: Vec<Name>,
    /// When a run that is done first said so.
    pub first: Micros,
    /// Its runs that are done, the one that ended last first.
    pub runs: Vec<ToldRun>,
}

/// Which statements are about what, by their places.
#[derive(Debug, Default)]
pub(super) struct Places {
    of_run: HashMap<u32, Vec<u32>>,
    of_job: HashMap<u32, Vec<u32>>,
    writing: HashMap<u32, Vec<u32>>,
}

impl Places {
    /// `writes` are the datasets that the statement at that place says are written.
    pub(super) fn add(&mut self, place: u32, speaker: Speaker, run: Option<u32>, writes: impl Iterator<Item = u32>) {
        let (Some(run), Speaker::Runs(job)) = (run, speaker) else { return };
        self.of_run.entry(run).or_default().push(place);
        self.of_job.entry(job).or_default().push(place);
        writes.for_each(|dataset| self.writing.entry(dataset).or_default().push(place));
    }
}

impl Heard {
    /// The runs of a job, the one that began last first; with a moment, as of then.
    pub fn runs_of(&self, job: &Name, at: Option<Micros>) -> Vec<ToldRun> {
        let Some(job) = self.jobs.find(job) else { return Vec::new() };
        let places = self.places.of_job.get(&job).into_iter().flatten();
        let mut runs = self.runs(places, at);
        runs.sort_unstable_by(|a, b| (b.times.first, &b.id).cmp(&(a.times.first, &a.id)));
        runs
    }

    /// A run of any job.
    pub fn run(&self, id: &str, at: Option<Micros>) -> Option<ToldRun> {
        let run = self.runs.find(id)?;
        self.runs(self.places.of_run.get(&run).into_iter().flatten(), at).pop()
    }

    /// The runs that are done and wrote a dataset of one of these names, the one that ended last first.
    pub fn writers(&self, names: &[Name], at: Option<Micros>) -> Vec<ToldRun> {
        let numbers = names.iter().filter_map(|name| self.datasets.find(name));
        let places = numbers.filter_map(|number| self.places.writing.get(&number)).flatten();
        let runs: BTreeMap<_, _> =
            places.filter_map(|place| self.statements[*place as usize].run).map(|run| (run, ())).collect();
        let places = runs.keys().filter_map(|run| self.places.of_run.get(run)).flatten();
        let mut runs = self.runs(places, at);
        runs.retain(|run| run.state == State::Complete);
        runs.sort_unstable_by(|a, b| (b.times.last, &b.id).cmp(&(a.times.last, &a.id)));
        runs
    }

    /// The versions of a job, the one whose run ended last first; with a moment, as of then.
    pub fn versions_of(&self, job: &Name, at: Option<Micros>) -> Vec<ToldVersion> {
        let mut versions: BTreeMap<(BTreeSet<Name>, BTreeSet<Name>), Vec<ToldRun>> = BTreeMap::new();
        for run in self.runs_of(job, at).into_iter().filter(|run| run.state == State::Complete) {
            let (mut reads, mut writes) = (BTreeSet::new(), BTreeSet::new());
            let of_run = self.runs.find(&run.id).and_then(|run| self.places.of_run.get(&run));
            let said = of_run.into_iter().flatten().map(|place| &self.statements[*place as usize]);
            for claim in said.filter(|said| at.is_none_or(|at| said.time <= at)).flat_map(|said| &said.claims) {
                match claim {
                    Claim::Reads(dataset) => _ = reads.insert(self.datasets.all[*dataset as usize].clone()),
                    Claim::Writes(dataset) => _ = writes.insert(self.datasets.all[*dataset as usize].clone()),
                    Claim::Column(_) => {}
                }
            }
            versions.entry((reads, writes)).or_default().push(run);
        }
        let mut versions: Vec<ToldVersion> = (versions.into_iter())
            .filter_map(|((inputs, outputs), mut runs)| {
                runs.sort_unstable_by(|a, b| (b.times.last, &b.id).cmp(&(a.times.last, &a.id)));
                let first = runs.last()?.times.last;
                let id = version_id(job, &inputs, &outputs);
                Some(ToldVersion {
                    id,
                    inputs: inputs.into_iter().collect(),
                    outputs: outputs.into_iter().collect(),
                    first,
                    runs,
                })
            })
            .collect();
        let newest = |version: &ToldVersion| version.runs.first().map(|run| (run.times.last, run.id.clone()));
        versions.sort_by_key(|version| std::cmp::Reverse(newest(version)));
        versions
    }

    /// Of each job how the run stands that began last.
    pub fn states(&self, at: Option<Micros>) -> HashMap<Name, State> {
        let jobs = self.places.of_job.keys().map(|job| &self.jobs.all[*job as usize]);
        jobs.filter_map(|job| Some((job.clone(), self.runs_of(job, at).first()?.state))).collect()
    }

    /// What runs came to between two moments, the first included: when, and what.
    pub fn states_between(&self, from: Micros, until: Micros) -> Vec<(Micros, State)> {
        let within = self.statements.iter().filter(|said| said.run.is_some() && from <= said.time && said.time < until);
        within.map(|said| (said.time, said.state)).collect()
    }

    fn runs<'a>(&'a self, places: impl Iterator<Item = &'a u32>, at: Option<Micros>) -> Vec<ToldRun> {
        let mut said: BTreeMap<u32, Vec<&Statement>> = BTreeMap::new();
        for statement in places.map(|place| &self.statements[*place as usize]) {
            if let Some(run) = statement.run
                && at.is_none_or(|at| statement.time <= at)
            {
                said.entry(run).or_default().push(statement);
            }
        }
        let runs = said.into_iter().filter_map(|(run, mut statements)| {
            statements.sort_unstable_by_key(|said| (said.time, said.state, said.digest));
            let (first, last) = (statements.first()?, statements.last()?);
            let Speaker::Runs(job) = first.speaker else { return None };
            Some(ToldRun {
                id: self.runs.all[run as usize].clone(),
                job: self.jobs.all[job as usize].clone(),
                times: Times { first: first.time, last: last.time },
                state: last.state,
                events: statements.iter().map(|said| said.digest).collect(),
            })
        });
        runs.collect()
    }
}

/// In the form of an identifier, since readers take versions for that.
fn version_id(job: &Name, inputs: &BTreeSet<Name>, outputs: &BTreeSet<Name>) -> String {
    let mut text = format!("{}\n{}", job.namespace, job.name);
    for (word, names) in [("reads", inputs), ("writes", outputs)] {
        names.iter().for_each(|name| text += &format!("\n{word}\n{}\n{}", name.namespace, name.name));
    }
    canonical::identifier(&Digest::of(text.as_bytes()))
}
