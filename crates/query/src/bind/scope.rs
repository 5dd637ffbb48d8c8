//! What names mean while a set of definitions is bound: those of the same files first, then those registered.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use asof_model::definition::Input;
use asof_model::name::nearest;
use asof_model::{Columns, Definition, Kind, Name, Pinned, Reference, Registered, Selector};
use datafusion::sql::sqlparser::tokenizer::Span;

use super::{Problem, Registry};
use crate::fault::{At, Fault};
use crate::syntax::Statement;

/// Why a definition is not bound.
#[derive(Debug)]
pub(super) enum Stop {
    /// A mistake in it.
    Fault(Fault),
    /// A mistake in what it reads, which has been reported already.
    Upstream,
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Stop::Fault(fault)
    }
}

/// The names of the files and of the registry.
pub(super) struct Scope<'a> {
    pub(super) registry: &'a dyn Registry,
    kinds: HashMap<Name, Kind>,
    /// The definition that is being bound, which is no suggestion for what it reads.
    current: Option<Name>,
    bound: HashMap<Name, Arc<Registered>>,
    failed: HashSet<Name>,
}

impl<'a> Scope<'a> {
    pub(super) fn new(registry: &'a dyn Registry, statements: &[Statement]) -> Self {
        let kinds = statements.iter().map(|s| (s.definition.name().clone(), s.definition.kind())).collect();
        Scope { registry, kinds, current: None, bound: HashMap::new(), failed: HashSet::new() }
    }

    pub(super) fn begin(&mut self, name: &Name) {
        self.current = Some(name.clone());
    }

    pub(super) fn bound(&mut self, registered: Registered) {
        self.bound.insert(registered.pinned.name.clone(), Arc::new(registered));
    }

    pub(super) fn failed(&mut self, name: Name) {
        self.failed.insert(name);
    }

    /// A name stands for one kind of thing in a project.
    pub(super) fn check_name(&self, definition: &Definition, span: Span) -> Result<(), Stop> {
        let name = definition.name();
        match self.registry.kind(name) {
            Some(kind) if kind != definition.kind() => {
                Err(Problem::NameTaken { name: name.to_string(), kind, new: definition.kind() }.at(span).into())
            }
            _ => Ok(()),
        }
    }

    /// The definition that a name in a text means.
    pub(super) fn resolve(&self, written: &str, span: Span, wanted: &[Kind]) -> Result<Arc<Registered>, Stop> {
        let reference: Reference = written.parse().map_err(|_| self.unknown(written, written, wanted).at(span))?;
        let name = &reference.name;
        if let Some(project) = reference.project.as_ref().filter(|p| *p != self.registry.project()) {
            return Err(Problem::OtherProject { written: written.to_owned(), project: project.to_string() }
                .at(span)
                .into());
        }
        if self.failed.contains(name) {
            return Err(Stop::Upstream);
        }
        let found = match &reference.selector {
            None => self.bound.get(name).cloned().or_else(|| self.registry.current(name)),
            Some(selector @ (Selector::Number(_) | Selector::Digest(_))) => {
                let own = self.bound.get(name).filter(|r| selects(selector, &r.pinned)).cloned();
                own.or_else(|| self.registry.select(name, selector))
            }
            Some(Selector::Latest | Selector::Environment(_)) => {
                return Err(Problem::Moving(written.to_owned()).at(span).into());
            }
        };
        let found = found.ok_or_else(|| match self.kind_of(name) {
            Some(_) => Problem::UnknownVersion(written.to_owned()).at(span),
            None => self.unknown(written, name.as_str(), wanted).at(span),
        })?;
        if wanted.contains(&found.pinned.kind) {
            return Ok(found);
        }
        Err(Problem::WrongKind { written: written.to_owned(), kind: found.pinned.kind, wanted: wanted.to_vec() }
            .at(span)
            .into())
    }

    /// A definition by its pinned form.
    pub(super) fn pinned(&self, pinned: &Pinned) -> Option<Arc<Registered>> {
        let own = self.bound.get(&pinned.name).filter(|r| r.pinned == *pinned).cloned();
        own.or_else(|| self.registry.select(&pinned.name, &Selector::Digest(pinned.digest.hex())))
    }

    /// The columns that a dataset or view shows to what reads it.
    pub(super) fn columns(&self, registered: &Registered, span: Span) -> Result<Columns, Fault> {
        let columns = self.shown(registered);
        let unknown = columns.0.is_empty();
        if unknown { Err(Problem::NoColumnsYet(registered.pinned.name.to_string()).at(span)) } else { Ok(columns) }
    }

    /// Those of a dataset are the stored ones, then those declared that no ingest has brought yet.
    pub(super) fn shown(&self, registered: &Registered) -> Columns {
        let stored = match &registered.definition {
            Definition::Dataset(_) => self.registry.dataset_columns(&registered.pinned.name).unwrap_or_default(),
            _ => Columns::default(),
        };
        stored.and(&registered.columns)
    }

    fn kind_of(&self, name: &Name) -> Option<Kind> {
        let own = self.kinds.get(name).copied();
        own.or_else(|| self.registry.kind(name))
    }

    fn unknown(&self, written: &str, name: &str, wanted: &[Kind]) -> Problem {
        let mut known = self.registry.names();
        known.extend(self.kinds.iter().map(|(name, kind)| (name.clone(), *kind)));
        known.retain(|(name, kind)| wanted.contains(kind) && self.current.as_ref() != Some(name));
        known.sort();
        known.dedup();
        let names: Vec<_> = known.iter().map(|(name, _)| name.as_str()).collect();
        let near = nearest(name, names.iter().copied()).map(str::to_owned);
        let known = names.into_iter().map(str::to_owned).collect();
        Problem::UnknownName { written: written.to_owned(), wanted: wanted.to_vec(), near, known }
    }
}

/// Whether a version that this apply makes is the one a selector means.
fn selects(selector: &Selector, pinned: &Pinned) -> bool {
    match selector {
        Selector::Number(number) => u64::from(pinned.version.0) == *number,
        Selector::Digest(prefix) => pinned.digest.hex().starts_with(prefix.as_str()),
        Selector::Latest | Selector::Environment(_) => false,
    }
}

/// An input as it is stored.
pub(super) fn input(written: &str, registered: &Registered) -> Input {
    Input { written: written.to_owned(), pinned: registered.pinned.clone() }
}

/// Inputs in the order in which they are stored: sorted by the written name, each once.
pub(super) fn inputs(mut inputs: Vec<Input>) -> Vec<Input> {
    inputs.sort_by(|a, b| a.written.cmp(&b.written));
    inputs.dedup();
    inputs
}
