//! Lists of things, a part at a time.

use asof_model::Micros;
use serde_json::{Value, json};

use super::Page;
use super::world::{Thing, World};

/// What a search is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Anything.
    All,
    /// Datasets only.
    Datasets,
    /// Jobs only.
    Jobs,
}

/// How what was found is ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// By name.
    Name,
    /// What was told of last first.
    Updated,
}

/// A part of a list, and how many there are.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed<T> {
    /// The part.
    pub part: Vec<T>,
    /// How many there are altogether.
    pub total: usize,
}

impl World {
    /// The namespaces, by name.
    pub fn namespaces(&self, page: Page) -> Value {
        let spaces = self.spaces(false);
        let total = spaces.len();
        let part = spaces.into_iter().skip(page.offset).take(page.limit);
        let part: Vec<_> = part.map(|(name, times)| Self::namespace_shape(name, times)).collect();
        json!({"namespaces": part, "totalCount": total})
    }

    /// A namespace, if anybody told of something in it.
    pub fn namespace(&self, name: &str) -> Option<Value> {
        self.spaces(false).get(name).map(|times| Self::namespace_shape(name, *times))
    }

    /// Where datasets lie, by name.
    pub fn sources(&self, page: Page) -> Value {
        let spaces = self.spaces(true);
        let total = spaces.len();
        let part = spaces.into_iter().skip(page.offset).take(page.limit);
        let part: Vec<_> = part.map(|(name, times)| Self::source_shape(name, times)).collect();
        json!({"sources": part, "totalCount": total})
    }

    /// Where datasets lie, if any lies there.
    pub fn source(&self, name: &str) -> Option<Value> {
        self.spaces(true).get(name).map(|times| Self::source_shape(name, *times))
    }

    /// Datasets or jobs, of one namespace or of all, by namespace and name.
    pub fn list(
        &self,
        jobs: bool,
        namespace: Option<&str>,
        page: Page,
        wanted: impl Fn(&Thing) -> bool,
    ) -> Listed<&Thing> {
        // They are sorted so.
        let start = self.things.partition_point(|thing| jobs && !thing.is_job);
        let all = self.things[start..].iter().take_while(|thing| thing.is_job == jobs);
        let all = all.filter(|thing| namespace.is_none_or(|namespace| thing.name.namespace == namespace));
        let mut total = 0;
        let mut part = Vec::new();
        for thing in all.filter(|thing| thing.is_there(self.at) && wanted(thing)) {
            if total >= page.offset && part.len() < page.limit {
                part.push(thing);
            }
            total += 1;
        }
        Listed { part, total }
    }

    /// When each job, or each dataset, was told of first.
    pub fn firsts(&self, jobs: bool) -> Vec<Micros> {
        let things = self.things.iter().filter(|thing| thing.is_job == jobs && thing.is_there(self.at));
        things.filter_map(|thing| Some(thing.times?.first)).collect()
    }

    /// When each place where datasets lie was told of first.
    pub fn firsts_of_sources(&self) -> Vec<Micros> {
        self.spaces(true).into_values().filter_map(|times| Some(times?.first)).collect()
    }

    /// Things whose names have a text in them, whatever its case, the first so many.
    pub fn search(&self, text: &str, filter: Filter, sort: Sort, limit: usize) -> Value {
        let text = text.to_lowercase();
        let fits = |thing: &&Thing| match filter {
            Filter::All => true,
            Filter::Datasets => !thing.is_job,
            Filter::Jobs => thing.is_job,
        };
        let named = |thing: &&Thing| {
            let mut names = thing.also.iter().chain([&thing.name]);
            names.any(|name| name.name.to_lowercase().contains(&text))
        };
        let there = |thing: &&Thing| thing.is_there(self.at);
        let mut found: Vec<&Thing> = self.things.iter().filter(fits).filter(there).filter(named).collect();
        match sort {
            Sort::Name => found.sort_by_key(|thing| (&thing.name.name, &thing.name.namespace, thing.is_job)),
            Sort::Updated => found.sort_by_key(|thing| std::cmp::Reverse(thing.times.map(|times| times.last))),
        }
        let shown = found.iter().take(limit).map(|thing| {
            json!({"type": if thing.is_job { "JOB" } else { "DATASET" }, "name": thing.name.name,
                "namespace": thing.name.namespace, "updatedAt": super::shape::last(thing.times), "nodeId": thing.id()})
        });
        json!({"totalCount": found.len(), "results": shown.collect::<Vec<_>>()})
    }
}
