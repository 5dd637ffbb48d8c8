//! Datasets and jobs of ours and of others, and how they hang together, at one moment.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use asof_model::Micros;

use crate::openlineage::{End, External, Facets, Name, Then, Times};

/// See [`super`].
#[derive(Debug, Default)]
pub struct World {
    /// What others said, and what we say; what comes later goes before it.
    pub(super) parts: Vec<Arc<External>>,
    /// By kind, namespace and name.
    pub(super) things: Vec<Thing>,
    /// What was known then of what a part tells of, by its place.
    then: HashMap<u32, Then>,
    datasets: HashMap<Name, u32>,
    jobs: HashMap<Name, u32>,
    pub(super) at: Option<Micros>,
    pub(super) tags: Tags,
    /// By dataset: the columns that go into it, and those of it that go elsewhere.
    pub(super) columns_into: HashMap<u32, Vec<Drawn>>,
    pub(super) columns_from: HashMap<u32, Vec<Drawn>>,
}

/// A column that goes into another, now or at the moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drawn {
    pub(super) from: u32,
    pub(super) to: u32,
    /// Where it is in which part.
    pub(super) place: (u32, u32),
}

/// A dataset or a job.
#[derive(Debug)]
pub struct Thing {
    /// The name that stands for all its names.
    pub name: Name,
    /// Whether it is a job; else it is a dataset.
    pub is_job: bool,
    /// Its other names.
    pub also: BTreeSet<Name>,
    /// When it was told of.
    pub times: Option<Times>,
    /// Where it is in which part.
    pub(super) places: Vec<(u32, u32)>,
    pub(super) upstream: BTreeSet<u32>,
    pub(super) downstream: BTreeSet<u32>,
}

/// Words that people put on things.
#[derive(Clone, Debug, Default)]
pub struct Tags {
    /// By whether it is a job, and its name: those of the whole under no field.
    all: HashMap<(bool, Name), BTreeMap<Option<String>, BTreeSet<String>>>,
}

impl Tags {
    /// Puts a word on something, or on a field of it.
    pub fn put(&mut self, is_job: bool, name: Name, field: Option<String>, tag: String) {
        self.all.entry((is_job, name)).or_default().entry(field).or_default().insert(tag);
    }

    /// The words on something, or on a field of it.
    pub(super) fn of(&self, thing: &Thing, field: Option<&str>) -> Vec<&str> {
        let names = thing.also.iter().chain([&thing.name]);
        let found = names.filter_map(|name| self.all.get(&(thing.is_job, name.clone())));
        let words = found.filter_map(|fields| fields.get(&field.map(str::to_owned))).flatten();
        words.map(String::as_str).collect::<BTreeSet<_>>().into_iter().collect()
    }
}

impl World {
    /// The world of what these say, at a moment or now; of two facets of one name that of the later part counts.
    pub fn of(parts: Vec<Arc<External>>, at: Option<Micros>, tags: Tags) -> World {
        let mut drawn = World { at, tags, ..World::default() };
        let mut numbers = Vec::new();
        for (part, external) in parts.iter().enumerate() {
            numbers.push(drawn.add(part as u32, external));
        }
        for (external, (datasets, jobs)) in parts.iter().zip(&numbers) {
            for flow in external.flows().iter().filter(|flow| flow.spans.iter().any(|span| span.holds(at))) {
                let number = |end: End| match end {
                    End::Dataset(dataset) => datasets[dataset as usize],
                    End::Job(job) => jobs[job as usize],
                };
                let (from, to) = (number(flow.from), number(flow.to));
                drawn.things[from as usize].downstream.insert(to);
                drawn.things[to as usize].upstream.insert(from);
            }
        }
        drawn.parts = parts;
        drawn.sorted().with_columns()
    }

    /// With what was known at the moment of what a part tells of; else that is what is known now.
    pub fn knowing(mut self, part: u32, then: Then) -> World {
        self.then.insert(part, then);
        self
    }

    /// What a part tells of; the number of each.
    fn add(&mut self, part: u32, external: &External) -> (Vec<u32>, Vec<u32>) {
        let mut datasets = Vec::with_capacity(external.datasets().len());
        for (place, dataset) in (0..).zip(external.datasets()) {
            let names = || dataset.also.iter().chain([&dataset.name]);
            let known = names().find_map(|name| self.datasets.get(name)).copied();
            let number = known.unwrap_or_else(|| self.push(&dataset.name, false));
            names().for_each(|name| _ = self.datasets.entry(name.clone()).or_insert(number));
            let thing = &mut self.things[number as usize];
            thing.also.extend(names().filter(|name| **name != thing.name).cloned());
            thing.told(dataset.times, (part, place));
            datasets.push(number);
        }
        let mut jobs = Vec::with_capacity(external.jobs().len());
        for (place, job) in (0..).zip(external.jobs()) {
            let known = self.jobs.get(&job.name).copied();
            let number = known.unwrap_or_else(|| self.push(&job.name, true));
            self.jobs.insert(job.name.clone(), number);
            self.things[number as usize].told(job.times, (part, place));
            jobs.push(number);
        }
        (datasets, jobs)
    }

    fn push(&mut self, name: &Name, is_job: bool) -> u32 {
        let (also, upstream, downstream) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let thing = Thing { name: name.clone(), is_job, also, times: None, places: Vec::new(), upstream, downstream };
        self.things.push(thing);
        self.things.len() as u32 - 1
    }

    /// Numbers by name, so that lists are slices and no answer depends on the order in which things came.
    fn sorted(mut self) -> World {
        let mut order: Vec<u32> = (0..self.things.len() as u32).collect();
        order.sort_by_key(|number| {
            let thing = &self.things[*number as usize];
            (thing.is_job, &thing.name)
        });
        let mut places = vec![0; order.len()];
        order.iter().zip(0..).for_each(|(number, place)| places[*number as usize] = place);
        let renumbered = |set: &BTreeSet<u32>| set.iter().map(|number| places[*number as usize]).collect();
        for thing in &mut self.things {
            thing.upstream = renumbered(&thing.upstream);
            thing.downstream = renumbered(&thing.downstream);
        }
        let mut things: Vec<_> = self.things.into_iter().map(Some).collect();
        self.things = order.iter().filter_map(|number| things[*number as usize].take()).collect();
        self.datasets.values_mut().chain(self.jobs.values_mut()).for_each(|number| *number = places[*number as usize]);
        self
    }

    fn with_columns(mut self) -> World {
        for (part, external) in (0..).zip(&self.parts) {
            for (place, flow) in (0..).zip(external.columns()) {
                let number = |of: u32| self.datasets.get(&external.datasets()[of as usize].name).copied();
                if let (Some(from), Some(to)) = (number(flow.from), number(flow.to))
                    && flow.spans.iter().any(|span| span.holds(self.at))
                {
                    let drawn = Drawn { from, to, place: (part, place) };
                    self.columns_into.entry(to).or_default().push(drawn);
                    self.columns_from.entry(from).or_default().push(drawn);
                }
            }
        }
        self
    }

    /// The dataset of any of its names, if anybody had told of it.
    pub fn dataset(&self, namespace: &str, name: &str) -> Option<&Thing> {
        let name = Name::of_dataset(namespace, name);
        self.known(*self.datasets.get(&name)?)
    }

    /// The job of that name, if anybody had told of it.
    pub fn job(&self, namespace: &str, name: &str) -> Option<&Thing> {
        let name = Name { namespace: namespace.to_owned(), name: name.to_owned() };
        self.known(*self.jobs.get(&name)?)
    }

    fn known(&self, number: u32) -> Option<&Thing> {
        Some(&self.things[number as usize]).filter(|thing| thing.is_there(self.at))
    }

    pub(super) fn number(&self, thing: &Thing) -> Option<u32> {
        let numbers = if thing.is_job { &self.jobs } else { &self.datasets };
        numbers.get(&thing.name).copied()
    }

    /// What is known of a thing.
    pub fn facets(&self, thing: &Thing) -> Facets {
        let mut facets = Facets::new();
        for (part, place) in &thing.places {
            let external = &self.parts[*part as usize];
            let then = self.then.get(part).and_then(|then| then.of(thing.is_job, *place));
            let of = match (then, thing.is_job) {
                (Some(then), _) => then,
                (None, true) => &external.jobs()[*place as usize].facets,
                (None, false) => &external.datasets()[*place as usize].facets,
            };
            facets.extend(of.iter().map(|(name, facet)| (name.clone(), facet.clone())));
        }
        facets
    }

    /// The jobs that started a job.
    pub(super) fn parents(&self, thing: &Thing) -> BTreeSet<&Name> {
        let jobs = thing.places.iter().filter(|_| thing.is_job);
        jobs.flat_map(|(part, place)| &self.parts[*part as usize].jobs()[*place as usize].part_of).collect()
    }
}

impl Thing {
    fn told(&mut self, times: Option<Times>, place: (u32, u32)) {
        self.times = match (self.times, times) {
            (Some(known), Some(times)) => Some(known.and(times)),
            (known, times) => known.or(times),
        };
        self.places.push(place);
    }

    pub(super) fn is_there(&self, at: Option<Micros>) -> bool {
        match (at, self.times) {
            (Some(at), Some(times)) => times.first <= at,
            (Some(_), None) => false,
            (None, _) => true,
        }
    }

    /// What it is called in a graph.
    pub fn id(&self) -> String {
        let kind = if self.is_job { "job" } else { "dataset" };
        format!("{kind}:{}:{}", self.name.namespace, self.name.name)
    }
}
