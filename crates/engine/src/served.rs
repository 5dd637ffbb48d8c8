//! What a request found, before anybody made columns of it.
//!
//! Features that a view stores as they are stay where they were found, in rows that were checked, and are read in place by
//! whoever writes the reply; only what a service computes is there as arrays. So nothing is allocated per value, and for the most
//! usual services nothing per feature.

use std::any::Any;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt8Array};
use asof_model::{Columns, Error, Micros, Pinned, Result, Status};
use asof_online::{Codec, Rows};
use asof_query::{ServedView, Serving, Stored, ViewStatuses, Wanted};

use crate::Warning;
use crate::given::Given;
use crate::serve::{GetReply, ServedFeature, ServedRows, ServingPlan};

/// The features of a request's entities.
pub struct Served {
    plan: Arc<ServingPlan>,
    found: Found,
}

enum Found {
    /// Features that are columns of rows, or computed from them.
    InPlace(InPlace),
    /// Others, as of windows.
    Whole(Box<GetReply>),
}

/// Features in rows, and those that were computed.
pub(crate) struct InPlace {
    at: Micros,
    rows: usize,
    views: Vec<ViewRows>,
    /// By feature, none for what is stored; nothing at all where all are.
    computed: Vec<Option<ArrayRef>>,
}

/// The rows of one view, those that do not count hidden.
pub(crate) struct ViewRows {
    rows: Rows,
    places: Arc<Places>,
    /// Per row, a [`Status`] as its number; empty where all rows are present.
    statuses: Vec<u8>,
}

/// Where a plan's columns are in the rows of one publication.
pub(crate) struct Places {
    codec: Arc<Codec>,
    columns: Vec<usize>,
}

/// Where the values of a feature are.
#[derive(Clone, Copy, Debug)]
pub enum Values<'a> {
    /// In this column of these rows.
    Stored(&'a Rows, usize),
    /// In an array.
    Computed(&'a ArrayRef),
}

impl Values<'_> {
    /// Whether there is one in every row.
    pub fn is_whole(&self) -> bool {
        match self {
            Values::Stored(rows, column) => rows.is_whole(*column),
            Values::Computed(array) => array.logical_null_count() == 0,
        }
    }
}

impl InPlace {
    pub(crate) fn new(
        serving: &Serving,
        at: Micros,
        rows: usize,
        views: Vec<ViewRows>,
        given: &Given<'_>,
    ) -> Result<Self> {
        let wanted = serving.wanted().iter().map(|wanted| match wanted {
            Wanted::Stored(Stored { view, column }) => {
                let view = &views[*view];
                view.rows.column(view.places.columns[*column])
            }
            Wanted::Parameter(name) => Ok(given.column(name)),
        });
        let computed = serving.compute(wanted.collect::<Result<_>>()?, rows)?;
        Ok(InPlace { at, rows, views, computed })
    }

    fn values(&self, serving: &Serving, feature: usize) -> Values<'_> {
        match (self.computed.get(feature).and_then(Option::as_ref), serving.stored(feature)) {
            (None, Some(Stored { view, column })) => {
                let view = &self.views[view];
                Values::Stored(&view.rows, view.places.columns[column])
            }
            (Some(array), _) => Values::Computed(array),
            (None, None) => unreachable!("what is not stored was computed"),
        }
    }

    fn statuses(&self, serving: &Serving, feature: usize) -> UInt8Array {
        match self.values(serving, feature) {
            Values::Computed(array) => {
                let views = self.views.iter().map(|view| {
                    let row = match view.statuses.is_empty() {
                        true => UInt8Array::from(vec![Status::Present as u8; self.rows]),
                        false => UInt8Array::from(view.statuses.clone()),
                    };
                    ViewStatuses { row, windows: None }
                });
                serving.statuses(feature, array.as_ref(), &views.collect::<Vec<_>>())
            }
            Values::Stored(rows, column) => {
                let view = serving.stored(feature).map(|stored| &self.views[stored.view]);
                let found = |row: usize| view.and_then(|view| view.statuses.get(row)).copied();
                let status = |row: usize| match found(row) {
                    _ if rows.has(row, column) => Status::Present as u8,
                    Some(why) if why != Status::Present as u8 => why,
                    _ => Status::Null as u8,
                };
                UInt8Array::from_iter_values((0..self.rows).map(status))
            }
        }
    }

    fn views(&self, serving: &Serving) -> Vec<ServedRows> {
        let views = serving.views.iter().zip(&self.views).map(|(view, found)| ServedRows {
            alias: view.alias.clone(),
            view: view.view.pinned.clone(),
            event_times: found.rows.event_times(),
            run: found.rows.run(),
            at: found.rows.at(),
        });
        views.collect()
    }
}

impl Served {
    pub(crate) fn in_place(plan: Arc<ServingPlan>, found: InPlace) -> Self {
        Served { plan, found: Found::InPlace(found) }
    }

    pub(crate) fn whole(plan: Arc<ServingPlan>, reply: GetReply) -> Self {
        Served { plan, found: Found::Whole(Box::new(reply)) }
    }

    /// The version that answers.
    pub fn service(&self) -> &Pinned {
        &self.plan.serving.service
    }

    /// What whoever asks should know.
    pub fn warnings(&self) -> &[Warning] {
        &self.plan.warnings
    }

    /// The moment answered for.
    pub fn at(&self) -> Micros {
        match &self.found {
            Found::InPlace(found) => found.at,
            Found::Whole(reply) => reply.at,
        }
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        match &self.found {
            Found::InPlace(found) => found.rows,
            Found::Whole(reply) => reply.features.num_rows(),
        }
    }

    /// The features, in order.
    pub fn features(&self) -> &Columns {
        &self.plan.serving.features
    }

    /// Where the values of a feature are.
    pub fn values(&self, feature: usize) -> Values<'_> {
        match &self.found {
            Found::InPlace(found) => found.values(&self.plan.serving, feature),
            Found::Whole(reply) => Values::Computed(reply.features.column(feature)),
        }
    }

    /// Whether no feature had to be computed.
    pub fn is_stored(&self) -> bool {
        matches!(&self.found, Found::InPlace(found) if found.computed.is_empty())
    }

    /// Whether a feature is present in every row.
    pub fn is_whole(&self, feature: usize) -> bool {
        self.values(feature).is_whole()
    }

    /// Why each value of a feature is there or not: numbers of [`Status`].
    pub fn statuses(&self, feature: usize) -> UInt8Array {
        match &self.found {
            Found::Whole(reply) => reply.details[feature].statuses.clone(),
            Found::InPlace(_) if self.is_whole(feature) => UInt8Array::from(vec![Status::Present as u8; self.rows()]),
            Found::InPlace(found) => found.statuses(&self.plan.serving, feature),
        }
    }

    /// Positions of the views that a feature was computed from.
    pub fn depends(&self, feature: usize) -> &[usize] {
        self.plan.serving.depends(feature)
    }

    /// What each view contributed.
    pub fn views(&self) -> Vec<ServedRows> {
        match &self.found {
            Found::InPlace(found) => found.views(&self.plan.serving),
            Found::Whole(reply) => reply.views.clone(),
        }
    }

    /// What whoever writes replies wants to know again at the next request to the same version: made once per version. None
    /// where something of another type is kept already.
    pub fn layout<T: Any + Send + Sync>(&self, make: impl FnOnce(&Pinned, &Columns, &[Warning]) -> T) -> Option<&T> {
        let kept = self.plan.layout.get_or_init(|| Box::new(make(self.service(), self.features(), self.warnings())));
        kept.downcast_ref()
    }

    /// The same as columns.
    ///
    /// # Errors
    /// `online_damaged`, `row_too_large`.
    pub fn into_reply(self) -> Result<GetReply> {
        match self.found {
            Found::Whole(reply) => Ok(*reply),
            Found::InPlace(_) => self.reply(),
        }
    }

    /// A copy as columns.
    ///
    /// # Errors
    /// Those of [`into_reply`](Self::into_reply).
    pub(crate) fn reply(&self) -> Result<GetReply> {
        let found = match &self.found {
            Found::Whole(reply) => return Ok((**reply).clone()),
            Found::InPlace(found) => found,
        };
        let serving = &self.plan.serving;
        let features = (0..serving.features.0.len()).map(|feature| match found.values(serving, feature) {
            Values::Stored(rows, column) => rows.column(column),
            Values::Computed(array) => Ok(array.clone()),
        });
        let options = RecordBatchOptions::new().with_row_count(Some(found.rows));
        let features = features.collect::<Result<_>>()?;
        let features = RecordBatch::try_new_with_options(serving.output_schema(), features, &options);
        let details = (0..serving.features.0.len()).map(|feature| ServedFeature {
            views: serving.depends(feature).to_vec(),
            statuses: self.statuses(feature),
        });
        Ok(GetReply {
            service: serving.service.clone(),
            at: found.at,
            features: features.map_err(Error::internal)?,
            details: details.collect(),
            views: found.views(serving),
            errors: Vec::new(),
            warnings: Arc::clone(&self.plan.warnings),
        })
    }
}

impl std::fmt::Debug for Served {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Served").field("service", self.service()).field("rows", &self.rows()).finish_non_exhaustive()
    }
}

impl ViewRows {
    /// Rule 3 and 6 of SEMANTICS for the rows found: present, missing or expired (null is a matter of values).
    pub(crate) fn new(mut rows: Rows, places: Arc<Places>, ttl: Option<Micros>, at: Micros) -> Self {
        let oldest = ttl.map(|ttl| at.0.saturating_sub(ttl.0));
        let mut statuses = Vec::new();
        for row in 0..rows.len() {
            let status = match (rows.event_time(row), oldest) {
                (None, _) => Status::Missing,
                (Some(time), Some(oldest)) if time.0 < oldest => Status::Expired,
                (Some(_), _) => continue,
            };
            if statuses.is_empty() {
                statuses = vec![Status::Present as u8; rows.len()];
            }
            statuses[row] = status as u8;
            rows.hide(row);
        }
        ViewRows { rows, places, statuses }
    }
}

impl Places {
    /// Finds a view's columns in rows of this codec.
    pub(crate) fn find(view: &ServedView, codec: &Arc<Codec>) -> Result<Self> {
        Ok(Places { codec: Arc::clone(codec), columns: codec.positions(&view.columns)? })
    }

    /// Whether it is about rows of this very codec.
    pub(crate) fn is_of(&self, codec: &Arc<Codec>) -> bool {
        Arc::ptr_eq(&self.codec, codec)
    }
}
