//! `verify --leakage`: whether the rows of a view depend on what comes after them.
//!
//! # What it promises
//! The as-of join never uses a row from after the moment asked about; but a view's own SELECT may have put later
//! rows into it before (a daily mean stamped with the start of its day). So the view is computed twice: over all
//! of its sources, and over its sources cut off at a moment T, where what happened or became known after T is not there.
//! The rows that count at T must be the same, to the bit. This is repeated for several T (see [`sample`]), the
//! same ones whenever it is run on the same data; a leak that shows at none of them is not found.
//!
//! - A row is what it is by key, event time and known-at; two rows equal in these are told apart by their values.
//! - A difference that goes away when the same is computed in another order is no leak: floats that differ in their last
//!   bits ([`Finding::Rounding`]), or a view that is not the same twice ([`Finding::Unstable`]).
//! - Only what the data says can be found out. A landing that is stamped with its departure, in a row whose only time
//!   is that departure, looks like a fact of the departure.
//! - Data that is not there shows no leak: a view over a dataset without data is refused ([`Engine::verify`]) or passed
//!   over with a note (where definitions are checked before they are applied).
//!
//! # What it costs
//! Computing each view as often as there are moments, and twice more, three times more for a view that leaks;
//! each on one thread, so that a sum of floats has one order, as many at a time as there are threads. Memory beyond
//! that of the plans is fixed: rows are counted by the hash of what they are ([`count`]), and of a view that
//! leaks a sample is looked at ([`compare`]).

mod check;
mod compare;
mod count;
mod rows;
mod sample;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use asof_model::run::{Item, RunId, Verb};
use asof_model::{Error, ErrorKind, Kind, Micros, Pinned, Reference, Registered, Result};
use asof_offline::Progress;
use asof_query::Definitions;

pub(crate) use check::Subject;

use crate::{Engine, Scope};

/// At which moments sources are cut off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// How many moments are chosen from the data.
    pub samples: usize,
    /// These too.
    pub at: Vec<Micros>,
}

/// How many moments are chosen where nobody says.
const SAMPLES: usize = 8;

/// The most moments in one check: each costs a computation of every view.
const MAX_PROBES: usize = 1_000;

impl Default for Probe {
    fn default() -> Self {
        Probe { samples: SAMPLES, at: Vec::new() }
    }
}

/// Which views to check.
#[derive(Clone, Debug)]
pub struct VerifyRequest {
    /// A view, or a service for all its views.
    pub reference: Reference,
    /// Where to cut.
    pub probe: Probe,
}

/// What was found, view by view; what is read before what reads it.
#[derive(Clone, Debug)]
pub struct Verified {
    /// The run.
    pub run: RunId,
    /// The views that were asked for, and those that they read.
    pub views: Vec<Checked>,
}

/// One view, looked through.
#[derive(Clone, Debug)]
pub struct Checked {
    /// Its version.
    pub view: Pinned,
    /// How many rows it has.
    pub rows: u64,
    /// At which moments its sources were cut off.
    pub moments: Vec<Micros>,
    /// What came out.
    pub finding: Finding,
}

/// What came out of checking a view.
#[derive(Clone, Debug)]
pub enum Finding {
    /// No row differs.
    Clean,
    /// Floats differ in their last bits, as they do when they are summed in another order. Not a leak.
    Rounding,
    /// It could not be checked, for this reason.
    Unchecked(String),
    /// The view gives other rows when the same is computed in another order, so it cannot be told whether it leaks.
    Unstable(Leak),
    /// Rows depend on what comes after them.
    Leak(Leak),
}

impl Finding {
    /// Whether a view may be relied on, as far as one can see.
    pub fn passes(&self) -> bool {
        !matches!(self, Finding::Unstable(_) | Finding::Leak(_))
    }
}

/// How it shows.
#[derive(Clone, Debug)]
pub struct Leak {
    /// The moment of the example.
    pub at: Micros,
    /// At how many of the moments rows differ.
    pub moments: usize,
    /// The features that differ, in the rows that were looked at.
    pub features: Vec<String>,
    /// A row that differs; none where the difference was gone when it was looked at.
    pub example: Option<Example>,
    /// What in the definition may cause it, the likeliest first.
    pub causes: Vec<String>,
}

/// A row that differs. All batches have one row.
#[derive(Clone, Debug)]
pub struct Example {
    /// Its key and times.
    pub row: RecordBatch,
    /// The features that differ, with all sources; none if there is no such row then.
    pub with_all: Option<RecordBatch>,
    /// The same with the sources cut off.
    pub cut_off: Option<RecordBatch>,
}

impl Engine {
    /// Checks a view, or all views of a service, and the views that they read.
    ///
    /// # Errors
    /// `unknown_name`, `wrong_kind`, `nothing_ingested`, `too_many_moments`, and those of computing the views.
    pub async fn verify(&self, scope: &Scope, request: VerifyRequest, progress: Arc<dyn Progress>) -> Result<Verified> {
        request.probe.check()?;
        let (project, environment) = (&scope.project, &scope.environment);
        let root = self.catalog().resolve(project, environment, &request.reference, None).await?;
        if !matches!(root.pinned.kind, Kind::FeatureView | Kind::FeatureService) {
            let message = format!(
                "{} is {}, not a feature view or a feature service",
                root.pinned.reference(),
                root.pinned.kind.one()
            );
            let service = root.inputs.iter().find(|input| input.pinned.kind == Kind::FeatureService);
            let remedy = match service {
                Some(service) => format!("check its service: asof verify {} --leakage", service.pinned.reference()),
                None => "name a view, or a service for all its views: asof ls lists them".to_owned(),
            };
            return Err(Error::new(ErrorKind::Invalid, "wrong_kind", message).remedy(remedy));
        }
        let mut record = self.start(project, Verb::Verify, vec![Item::Definition(root.pinned.clone())]).await?;
        let work = async {
            let closure = self.catalog().closure(std::slice::from_ref(&root.pinned)).await?;
            closure.iter().for_each(|r| record.read(Item::Definition(r.pinned.clone())));
            let pins = self.pin(&closure, None).await?;
            pins.items().for_each(|item| record.read(item));
            record.save().await?;
            let (definitions, pins) =
                (Arc::new(Definitions::new(closure.iter().cloned().map(Arc::new))), Arc::new(pins));
            let mut views = Vec::new();
            for view in closure.iter().filter(|r| r.pinned.kind == Kind::FeatureView) {
                let subject = Subject::new(self, view, definitions.clone(), pins.clone());
                views.push(subject.check(&request.probe, &progress).await?);
            }
            name_what_is_read(&mut views, &closure);
            let found = |wanted: fn(&Finding) -> bool| views.iter().filter(|v| wanted(&v.finding)).count();
            record.note("views", views.len());
            record.note("leaks", found(|f| matches!(f, Finding::Leak(_))));
            record.note("unstable", found(|f| matches!(f, Finding::Unstable(_))));
            Ok(Verified { run: record.id(), views })
        };
        let result = work.await;
        self.finish(record, result).await
    }

    /// Checks views that may not be registered yet; `definitions` holds all that is not, and may hold more.
    /// A view whose data is not there is passed over.
    pub(crate) async fn check_unregistered(
        &self,
        views: &[&Registered],
        definitions: &[&Registered],
        probe: &Probe,
        progress: &Arc<dyn Progress>,
    ) -> Result<Vec<Checked>> {
        probe.check()?;
        let definitions = definitions.iter().map(|definition| (&definition.pinned, *definition)).collect();
        let mut checked = Vec::with_capacity(views.len());
        let mut read: Vec<Registered> = Vec::new();
        for view in views {
            let closure = self.closure_among(view, &definitions).await?;
            let found = match self.pin(&closure, None).await {
                Ok(pins) => {
                    let definitions = Definitions::new(closure.iter().cloned().map(Arc::new));
                    let subject = Subject::new(self, view, Arc::new(definitions), Arc::new(pins));
                    subject.check(probe, progress).await?
                }
                Err(error) if error.code() == "nothing_ingested" => {
                    let finding = Finding::Unchecked(error.message().to_owned());
                    Checked { view: view.pinned.clone(), rows: 0, moments: Vec::new(), finding }
                }
                Err(error) => return Err(error),
            };
            checked.push(found);
            read.extend(closure);
        }
        name_what_is_read(&mut checked, &read);
        Ok(checked)
    }

    /// All that a definition is made of, taken from `definitions` where it is there, else from the catalog.
    pub(crate) async fn closure_among(
        &self,
        root: &Registered,
        definitions: &HashMap<&Pinned, &Registered>,
    ) -> Result<Vec<Registered>> {
        let mut found = vec![root.clone()];
        let mut seen = HashSet::from([root.pinned.clone()]);
        let mut next = 0;
        while let Some(inputs) = found.get(next).map(|r: &Registered| r.inputs.clone()) {
            next += 1;
            for input in inputs.into_iter().filter(|input| seen.insert(input.pinned.clone())) {
                found.push(match definitions.get(&input.pinned) {
                    Some(given) => (*given).clone(),
                    None => self.catalog().pinned(&input.pinned).await?,
                });
            }
        }
        Ok(found)
    }
}

impl Probe {
    fn check(&self) -> Result<()> {
        let count = self.samples.saturating_add(self.at.len());
        let invalid = |message| Err(Error::new(ErrorKind::Invalid, "too_many_moments", message));
        match count {
            0 => invalid("a check needs at least one moment".to_owned()),
            1..=MAX_PROBES => Ok(()),
            _ => invalid(format!("{count} moments in one check; at most {MAX_PROBES}")),
        }
    }
}

/// Where a view reads one that leaks, that is the likeliest cause.
fn name_what_is_read(views: &mut [Checked], closure: &[Registered]) {
    let leaks = |v: &&Checked| matches!(v.finding, Finding::Leak(_));
    let leaking: HashSet<Pinned> = views.iter().filter(leaks).map(|v| v.view.clone()).collect();
    for view in views {
        let Finding::Leak(leak) = &mut view.finding else { continue };
        let inputs = closure.iter().find(|r| r.pinned == view.view).map(|r| &r.inputs);
        let read = inputs.into_iter().flatten().filter(|input| leaking.contains(&input.pinned));
        let causes: Vec<_> = read.map(|input| format!("it reads {}, which leaks", input.pinned.reference())).collect();
        leak.causes.splice(0..0, causes);
    }
}
