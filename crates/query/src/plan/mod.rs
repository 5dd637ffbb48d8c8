//! Registered definitions to plans over pinned snapshots.
//!
//! A [`Planner`] is handed the definitions a plan is made of and the tables of its datasets. It reads each
//! definition's canonical text again and binds it as it was bound when it was applied; views that read views
//! are inlined. Costs a few milliseconds per SELECT and no I/O.

mod causes;
mod contributing;
mod cut;
mod newest;
mod question;
mod reordered;
mod row_wise;
mod serving;
mod stamped;
mod tiled;
mod timeline;
mod training;
mod view;
mod windows;

use std::collections::HashMap;
use std::sync::Arc;

use asof_model::definition::{Input, Service};
use asof_model::memory::exhausted;
use asof_model::{Column, Columns, Definition, Error, ErrorKind, Kind, Micros, Pinned, Registered, Result, disk};
use datafusion::catalog::TableProvider;
use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::tokenizer::Span;

use crate::asof::KnownMoment;
use crate::fault::Fault;
use crate::service::{self, BoundService, Found};
use crate::stack::deep;
use crate::syntax;
use crate::text::Text;

pub use contributing::{Contributing, Contribution, Contributor};
pub use question::Question;
pub use row_wise::{Following, RowWise, ViewRow};
pub use serving::{ServedView, Serving, Stored, ViewStatuses, Wanted};
pub use tiled::{ServedWindows, Tiled};
pub use timeline::{Moments, Timeline};
pub use view::ViewRows;

/// Definitions by their pinned form: all that some plan is made of, directly or not.
#[derive(Clone, Debug, Default)]
pub struct Definitions(HashMap<Pinned, Arc<Registered>>);

impl Definitions {
    /// These definitions.
    pub fn new(definitions: impl IntoIterator<Item = Arc<Registered>>) -> Self {
        Definitions(definitions.into_iter().map(|d| (d.pinned.clone(), d)).collect())
    }

    /// One of them.
    pub fn get(&self, pinned: &Pinned) -> Option<&Arc<Registered>> {
        self.0.get(pinned)
    }
}

/// The pinned snapshots of datasets.
pub trait Tables: Send + Sync {
    /// A dataset's visible columns and `_seq`, the order of acceptance; none if it is not among the pinned ones.
    fn table(&self, dataset: &Pinned) -> Option<Arc<dyn TableProvider>>;
}

/// How a training set is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrainingOptions {
    /// By when values must have been known.
    pub known_at: KnownMoment,
    /// Whether to add a `<feature>__status` column for each feature.
    pub statuses: bool,
}

/// Makes plans out of definitions and tables.
pub struct Planner<'a> {
    definitions: &'a Definitions,
    tables: &'a dyn Tables,
    until: Option<Micros>,
    reordered: bool,
}

impl<'a> Planner<'a> {
    /// A planner over these.
    pub fn new(definitions: &'a Definitions, tables: &'a dyn Tables) -> Self {
        Planner { definitions, tables, until: None, reordered: false }
    }

    /// One over the same, with no settings.
    pub(crate) fn again(&self) -> Planner<'a> {
        Planner::new(self.definitions, self.tables)
    }

    /// Cuts every dataset off at a moment: what happened after it, or became known after it, is not there.
    #[must_use]
    pub fn until(self, moment: Micros) -> Self {
        Planner { until: Some(moment), ..self }
    }

    /// Reads the rows of datasets in another order than usual, which changes no value that has a meaning.
    #[must_use]
    pub fn reordered(self) -> Self {
        Planner { reordered: true, ..self }
    }

    fn definition(&self, pinned: &Pinned) -> Result<&'a Arc<Registered>> {
        let found = self.definitions.get(pinned);
        found.ok_or_else(|| Error::internal(format!("{pinned} is needed and was not given to the planner")))
    }

    /// The rows of a dataset.
    fn table(&self, dataset: &Registered) -> Result<Arc<dyn TableProvider>> {
        let name = &dataset.pinned.name;
        self.tables.table(&dataset.pinned).ok_or_else(|| {
            Error::new(ErrorKind::Precondition, "nothing_ingested", format!("dataset `{name}` has no data yet"))
                .remedy(format!("ingest something first: asof ingest {name} FILE…"))
        })
    }

    /// The definition that a name in another one's text means.
    pub(crate) fn input(&self, of: &Registered, written: &str) -> Result<&'a Arc<Registered>> {
        let input = of.inputs.iter().find(|input| input.written == written);
        let input = input.ok_or_else(|| Error::internal(format!("{} does not pin `{written}`", of.pinned)))?;
        self.definition(&input.pinned)
    }

    pub(crate) fn input_of_kind(&self, of: &Registered, kind: Kind) -> Result<&'a Arc<Registered>> {
        let is_wanted = |input: &&Input| input.pinned.kind == kind;
        let input = of.inputs.iter().find(is_wanted);
        let input = input.ok_or_else(|| Error::internal(format!("{} pins no {kind}", of.pinned)))?;
        self.definition(&input.pinned)
    }

    /// The meaning of a registered service.
    fn service(&self, registered: &Registered) -> Result<BoundService> {
        deep(|| self.bind_service(registered))
    }

    /// What a request to a service names besides its parameters: a column per key of its views, each once, in the type of the
    /// first view that asks for it. Reads the text and plans nothing.
    ///
    /// # Errors
    /// `wrong_kind`; those of reading the text.
    pub fn service_keys(&self, registered: &Registered) -> Result<Columns> {
        deep(|| self.read_keys(registered))
    }

    fn read_keys(&self, registered: &Registered) -> Result<Columns> {
        let service: &Service = match &registered.definition {
            Definition::FeatureService(service) => service,
            other => return Err(not_a(registered, Kind::FeatureService, other.kind())),
        };
        let (query, text) = syntax::reread(registered, &service.query)?;
        let views = service::views(&query, |written| self.found(registered, written).map_err(Stop::Error));
        let mut keys = Columns::default();
        for view in views.map_err(|stop: Stop| stop.within(&text))? {
            for (from, key) in view.from.iter().zip(&view.key.0).filter(|(from, _)| service.request.get(from).is_none())
            {
                if keys.get(from).is_none() {
                    keys.0.push(Column::new(from, key.data_type.clone()));
                }
            }
        }
        Ok(keys)
    }

    fn found(&self, of: &Registered, written: &str) -> Result<Found> {
        let view = self.input(of, written)?;
        let entity = self.input_of_kind(view, Kind::Entity)?;
        Ok(Found { view: view.clone(), entity: entity.clone() })
    }

    /// The same as [`Planner::service`], where the stack is deep already.
    pub(crate) fn bind_service(&self, registered: &Registered) -> Result<BoundService> {
        let service: &Service = match &registered.definition {
            Definition::FeatureService(service) => service,
            other => return Err(not_a(registered, Kind::FeatureService, other.kind())),
        };
        let (query, text) = syntax::reread(registered, &service.query)?;
        let bound = service::bind(service, &query, Span::empty(), |written, _| {
            self.found(registered, written).map_err(Stop::Error)
        });
        bound.map_err(|stop: Stop| stop.within(&text))
    }
}

/// Why a service cannot be bound: a fault in its text, or what is missing around it.
enum Stop {
    Fault(Fault),
    Error(Error),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Stop::Fault(fault)
    }
}

impl Stop {
    fn within(self, text: &Text) -> Error {
        match self {
            Stop::Fault(fault) => fault.within(text),
            Stop::Error(error) => error,
        }
    }
}

fn not_a(registered: &Registered, wanted: Kind, found: Kind) -> Error {
    let message = format!("{} is {}, not {}", registered.pinned.reference(), found.one(), wanted.one());
    Error::new(ErrorKind::Invalid, "wrong_kind", message)
}

/// What went wrong while a plan ran, as the user should read it: our own errors come through the engine as
/// they are, a value that the data makes impossible is the data's fault, and the rest is the machine's.
pub fn execution_error(error: DataFusionError) -> Error {
    match error {
        DataFusionError::External(inner) => match inner.downcast::<Error>() {
            Ok(ours) => *ours,
            Err(other) => match other.downcast::<DataFusionError>() {
                Ok(engine) => execution_error(*engine),
                Err(other) => Error::internal(other),
            },
        },
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => execution_error(*inner),
        DataFusionError::Shared(inner) => match Arc::try_unwrap(inner) {
            Ok(inner) => execution_error(inner),
            Err(shared) => shared_error(&shared),
        },
        DataFusionError::ArrowError(ref arrow, _) => match arrow.as_ref() {
            datafusion::arrow::error::ArrowError::ExternalError(inner) if inner.is::<Error>() => {
                inner.downcast_ref::<Error>().cloned().unwrap_or_else(|| Error::internal(inner))
            }
            arrow if is_about_data(arrow) => bad_value(arrow),
            other => disk::within(other).unwrap_or_else(|| Error::internal(other)),
        },
        DataFusionError::Execution(reason) => bad_value(reason),
        DataFusionError::ResourcesExhausted(reason) => exhausted(&reason),
        other => disk::within(&other).unwrap_or_else(|| Error::internal(other.strip_backtrace())),
    }
}

fn is_about_data(error: &datafusion::arrow::error::ArrowError) -> bool {
    use datafusion::arrow::error::ArrowError::{ArithmeticOverflow, CastError, ComputeError, DivideByZero, ParseError};
    matches!(error, CastError(_) | ComputeError(_) | DivideByZero | ArithmeticOverflow(_) | ParseError(_))
}

fn bad_value(reason: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Invalid, "cannot_compute", format!("a value cannot be computed: {reason}"))
        .remedy("TRY_CAST, NULLIF and CASE keep single rows from failing the whole")
}

/// Errors that several readers of one stream share can only be looked at.
fn shared_error(error: &DataFusionError) -> Error {
    match error {
        DataFusionError::External(inner) => {
            inner.downcast_ref::<Error>().cloned().unwrap_or_else(|| Error::internal(inner))
        }
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => shared_error(inner),
        DataFusionError::Shared(inner) => shared_error(inner),
        DataFusionError::ResourcesExhausted(reason) => exhausted(reason),
        other => disk::within(other).unwrap_or_else(|| Error::internal(other.strip_backtrace())),
    }
}

/// A failure of the engine while a plan is made.
fn planning_error(error: DataFusionError) -> Error {
    Error::internal(error.strip_backtrace())
}
