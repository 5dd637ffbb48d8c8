//! From the set of events to jobs, datasets, and what flows between them, from when to when.
//!
//! Events are put into the order in which they happened, whatever order they came in, so the result depends on
//! nothing but the set. Then each job's are gone through once. Whatever an event says holds from then on. A COMPLETE says all
//! that its run ever said, and whatever else the job said before holds no longer. A FAIL or ABORT ends nothing, and neither does
//! what goes on. A streaming job never completes: whatever it says about what it reads and writes, while it goes well, is its state.
//! What is declared of a job or a dataset without a run is a state too, apart from that of the runs.
//!
//! Who says nothing at all about what it reads and writes ends nothing: that is not to know, and not to know that there is
//! nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use asof_model::Micros;
use serde_json::Value;

use super::event::{Facets, State};
use super::external::{ColumnFlow, End, External, ExternalDataset, ExternalJob, Flow, Span};
use super::heard::{Claim, ColumnKey, Columns, Heard, Names, Newest, Speaker, Statement, Times};
use super::naming::{Name, Unions};
use super::past::Then;

impl Heard {
    /// What all events together say.
    pub fn fold(&self) -> External {
        let names = Naming::of(self);
        let (columns, states) = self.states_of(&names, None);
        self.gather(names, columns, states)
    }

    /// What was known of the jobs and datasets of the fold as of a moment, in their order there.
    pub fn then(&self, at: Micros) -> Then {
        let names = Naming::of(self);
        let mut numbers: Vec<Vec<u32>> = vec![Vec::new(); names.datasets.len()];
        // Names that only symlinks lead to were told nothing of.
        for (number, place) in (0..).zip(&names.place_of).take(self.datasets.all.len()) {
            numbers[*place as usize].push(number);
        }
        Then {
            datasets: numbers.iter().map(|numbers| self.past.dataset(numbers, at)).collect(),
            jobs: self.jobs_by_name().into_iter().map(|job| self.past.job(job, at)).collect(),
        }
    }

    /// The numbers of jobs in the order of the fold.
    fn jobs_by_name(&self) -> Vec<u32> {
        let mut jobs: Vec<u32> = (0..self.jobs.all.len() as u32).collect();
        jobs.sort_unstable_by_key(|job| &self.jobs.all[*job as usize]);
        jobs
    }

    /// What each speaker says, with a moment until just before then; and the columns by number.
    fn states_of(&self, names: &Naming, until: Option<Micros>) -> (Columns, HashMap<Speaker, Speech>) {
        let mut columns = Columns::default();
        let renamed: Vec<u32> = (self.columns.all.iter())
            .map(|key| {
                let (from, to) = (names.place_of[key.from as usize], names.place_of[key.to as usize]);
                columns.number(ColumnKey { from, to, ..key.clone() })
            })
            .collect();
        let renamed = Renamed { place_of: &names.place_of, columns: &renamed, keys: &columns.all };
        let told = self.statements.iter().filter(|said| until.is_none_or(|until| said.time < until));
        let mut order: Vec<&Statement> = told.collect();
        order.sort_unstable_by_key(|said| (said.time, said.state, said.digest));
        let mut states: HashMap<Speaker, Speech> = HashMap::new();
        for said in order {
            let speaker = match said.speaker {
                Speaker::Dataset(number) => Speaker::Dataset(names.place_of[number as usize]),
                job => job,
            };
            let streams = matches!(speaker, Speaker::Runs(job) if self.streams(job));
            states.entry(speaker).or_default().hear(said, streams, &renamed);
        }
        (columns, states)
    }

    /// The runs that say what holds at a moment, by their numbers: of what each job says, those that said it last, and the one that
    /// said last that this is all; without it, what it ended would still hold.
    pub(super) fn holders(&self, at: Micros) -> BTreeSet<u32> {
        let (_, states) = self.states_of(&Naming::of(self), Some(at));
        let open = states.values().flat_map(|speech| speech.open.values());
        let ended = states.values().filter_map(|speech| speech.ended);
        open.filter_map(|held| held.by.0).chain(ended).collect()
    }

    /// Whether a job is said to be one that never completes.
    fn streams(&self, job: u32) -> bool {
        let facet = self.job_facets.get(&job).and_then(|newest| newest.get("jobType"));
        let processing = facet.and_then(|(_, _, facet)| facet.get("processingType")?.as_str());
        processing.is_some_and(|processing| processing.eq_ignore_ascii_case("STREAMING"))
    }

    fn gather(&self, names: Naming, columns: Columns, states: HashMap<Speaker, Speech>) -> External {
        let jobs = self.jobs_by_name();
        let mut job_places = vec![0; jobs.len()];
        jobs.iter().enumerate().for_each(|(place, job)| job_places[*job as usize] = place as u32);
        let job = |number: u32| End::Job(job_places[number as usize]);

        let mut flows: Vec<((End, End), Span)> = Vec::new();
        let mut column_flows: Vec<((u32, Option<u32>), Span)> = Vec::new();
        for (speaker, speech) in states {
            let of = match speaker {
                Speaker::Runs(of) | Speaker::Declared(of) => Some(job_places[of as usize]),
                Speaker::Dataset(_) => None,
            };
            for (claim, held) in speech.closed.into_iter().chain(speech.open) {
                let span = self.span(held);
                match (speaker, claim) {
                    (_, Claim::Column(number)) => column_flows.push(((number, of), span)),
                    (Speaker::Runs(of) | Speaker::Declared(of), Claim::Reads(read)) => {
                        flows.push(((End::Dataset(read), job(of)), span));
                    }
                    (Speaker::Runs(of) | Speaker::Declared(of), Claim::Writes(made)) => {
                        flows.push(((job(of), End::Dataset(made)), span));
                    }
                    (Speaker::Dataset(made), Claim::Reads(read)) => {
                        flows.push(((End::Dataset(read), End::Dataset(made)), span));
                    }
                    // A dataset writes nothing.
                    (Speaker::Dataset(_), Claim::Writes(_)) => {}
                }
            }
        }
        let parents = |of: u32| {
            let all = self.parents.range((of, 0)..=(of, u32::MAX));
            let parents: BTreeSet<_> = all.map(|(_, parent)| self.jobs.all[*parent as usize].clone()).collect();
            parents.into_iter().collect()
        };
        let flows = grouped(flows).map(|((from, to), spans)| Flow { from, to, spans }).collect();
        let mut columns: Vec<_> = grouped(column_flows)
            .map(|((number, job), spans)| {
                let ColumnKey { from, field, to, into, how } = columns.all[number as usize].clone();
                ColumnFlow { from, to, field, into, how: how.into_iter().collect(), job, spans }
            })
            .collect();
        // Numbers of columns depend on the order in which they were heard of.
        columns.sort_unstable();
        External::new(
            names.datasets,
            (jobs.iter())
                .map(|job| ExternalJob {
                    name: self.jobs.all[*job as usize].clone(),
                    part_of: parents(*job),
                    facets: self.job_facets.get(job).map(|newest| standing([newest])).unwrap_or_default(),
                    times: self.job_times.get(job).copied(),
                })
                .collect(),
            flows,
            columns,
        )
    }

    fn span(&self, held: Held) -> Span {
        let run = held.by.0.map(|run| self.runs.all[run as usize].clone());
        Span { from: held.from, until: held.until, run, state: held.by.1 }
    }
}

/// What belongs to one key, sorted by the keys.
fn grouped<K: Ord + Copy>(mut all: Vec<(K, Span)>) -> impl Iterator<Item = (K, Vec<Span>)> {
    all.sort_unstable();
    let mut all = all.into_iter().peekable();
    std::iter::from_fn(move || {
        let (key, first) = all.next()?;
        let mut spans = vec![first];
        while let Some((_, span)) = all.next_if(|(next, _)| *next == key) {
            spans.push(span);
        }
        Some((key, spans))
    })
}

/// The facets that stand: the newest of each name, unless it was taken back.
fn standing<'a>(all: impl IntoIterator<Item = &'a Newest>) -> Facets {
    let mut newest: BTreeMap<&String, _> = BTreeMap::new();
    for (name, facet) in all.into_iter().flatten() {
        let held = newest.entry(name).or_insert(facet);
        if (held.0, held.1) < (facet.0, facet.1) {
            *held = facet;
        }
    }
    let standing = newest.into_iter().filter(|(_, (_, _, facet))| !facet.is_null());
    standing.map(|(name, (_, _, facet))| (name.clone(), facet.clone())).collect()
}

/// Which names are one dataset.
struct Naming {
    /// By number of a name: which dataset it is.
    place_of: Vec<u32>,
    datasets: Vec<ExternalDataset>,
}

impl Naming {
    fn of(heard: &Heard) -> Naming {
        let mut all = Names::default();
        heard.datasets.all.iter().for_each(|name| _ = all.number(name));
        let mut joins = Vec::new();
        for (number, newest) in &heard.dataset_facets {
            let Some((_, _, facet)) = newest.get("symlinks") else { continue };
            for identifier in facet.get("identifiers").and_then(Value::as_array).into_iter().flatten() {
                let part = |name: &str| identifier.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
                if let (Some(namespace), Some(name)) = (part("namespace"), part("name")) {
                    joins.push((*number, all.number(&Name::of_dataset(namespace, name))));
                }
            }
        }
        let mut unions = Unions::new(all.all.len());
        joins.into_iter().for_each(|(a, b)| unions.join(a, b));
        let mut groups: HashMap<u32, Vec<u32>> = HashMap::new();
        (0..all.all.len() as u32).for_each(|number| groups.entry(unions.root(number)).or_default().push(number));
        let known = heard.datasets.all.len();
        let mut groups: Vec<(Name, Vec<u32>)> = (groups.into_values())
            .map(|mut numbers| {
                let name = |number: u32| &all.all[number as usize];
                // A place in storage stands for all its names, and one that events use before one that only symlinks do.
                numbers.sort_unstable_by_key(|n| (!name(*n).is_place(), *n as usize >= known, name(*n)));
                (name(numbers[0]).clone(), numbers)
            })
            .collect();
        groups.sort_unstable();
        let mut place_of = vec![0; all.all.len()];
        let mut datasets = Vec::with_capacity(groups.len());
        for (place, (name, numbers)) in groups.into_iter().enumerate() {
            numbers.iter().for_each(|number| place_of[*number as usize] = place as u32);
            let facets = standing(numbers.iter().filter_map(|number| heard.dataset_facets.get(number)));
            let mut also: Vec<_> = numbers[1..].iter().map(|number| all.all[*number as usize].clone()).collect();
            also.sort_unstable();
            let times = numbers.iter().filter_map(|number| heard.dataset_times.get(number).copied());
            datasets.push(ExternalDataset { name, also, facets, times: times.reduce(Times::and) });
        }
        Naming { place_of, datasets }
    }
}

/// How numbers of what was heard become those of the result.
struct Renamed<'a> {
    place_of: &'a [u32],
    columns: &'a [u32],
    keys: &'a [ColumnKey],
}

impl Renamed<'_> {
    fn claim(&self, claim: Claim) -> Claim {
        match claim {
            Claim::Reads(number) => Claim::Reads(self.place_of[number as usize]),
            Claim::Writes(number) => Claim::Writes(self.place_of[number as usize]),
            Claim::Column(number) => Claim::Column(self.columns[number as usize]),
        }
    }
}

/// A stretch of time in which something holds, and who said so last.
#[derive(Clone, Copy, Debug)]
struct Held {
    from: Micros,
    until: Option<Micros>,
    by: (Option<u32>, State),
}

/// What one speaker says, as time goes on.
#[derive(Default)]
struct Speech {
    /// What holds now.
    open: HashMap<Claim, Held>,
    closed: Vec<(Claim, Held)>,
    /// All that each run said so far.
    runs: HashMap<Option<u32>, Vec<Claim>>,
    /// The run that last ended what it did not say.
    ended: Option<u32>,
}

impl Speech {
    fn hear(&mut self, said: &Statement, streams: bool, renamed: &Renamed<'_>) {
        let mut claims: Vec<Claim> = said.claims.iter().map(|claim| renamed.claim(*claim)).collect();
        claims.sort_unstable();
        claims.dedup();
        for dataset in &said.taken_back {
            self.take_back(renamed.place_of[*dataset as usize], said, renamed.keys);
        }
        let going_well = !matches!(said.state, State::Fail | State::Abort);
        let whole = match said.speaker {
            Speaker::Dataset(_) | Speaker::Declared(_) => true,
            Speaker::Runs(_) => said.state == State::Complete || streams && going_well,
        };
        let said_so_far = self.runs.entry(said.run).or_default();
        if said.run.is_none() || streams {
            // Each event is a state of its own.
            *said_so_far = claims.clone();
        } else {
            said_so_far.extend(&claims);
            said_so_far.sort_unstable();
            said_so_far.dedup();
        }
        let says = if whole { said_so_far.clone() } else { claims };
        for claim in &says {
            let by = (said.run, said.state);
            let held = self.open.entry(*claim).or_insert(Held { from: said.time, until: None, by });
            // A run that is done says more than one that is not, or failed.
            if said.state == State::Complete || held.by.1 != State::Complete {
                held.by = by;
            }
        }
        if whole && !says.is_empty() {
            self.ended = said.run;
            self.close(said.time, |claim| says.binary_search(claim).is_err());
        }
    }

    /// What the columns of a dataset were made of, by what was said until now, holds no more.
    fn take_back(&mut self, dataset: u32, said: &Statement, keys: &[ColumnKey]) {
        let gone = |claim: &Claim| matches!(claim, Claim::Column(number) if keys[*number as usize].to == dataset);
        match said.speaker {
            // What a dataset says of itself is about nothing else.
            Speaker::Dataset(_) => self.close(said.time, |_| true),
            Speaker::Runs(_) | Speaker::Declared(_) => self.close(said.time, gone),
        }
        self.runs.values_mut().for_each(|claims| claims.retain(|claim| !gone(claim)));
    }

    fn close(&mut self, at: Micros, gone: impl Fn(&Claim) -> bool) {
        let closed = &mut self.closed;
        self.open.retain(|claim, held| {
            let stays = !gone(claim);
            // What held for no time at all held never.
            if !stays && held.from < at {
                closed.push((*claim, Held { until: Some(at), ..*held }));
            }
            stays
        });
    }
}
