//! When rows count: a view's rows one by one, and the moments of a view or a dataset.

use asof_model::definition::KnownAt;
use asof_model::schema::timestamp;
use asof_model::{Definition, Error, Kind, Registered, Result};
use datafusion::common::{Column, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast};

use super::{Planner, not_a, planning_error};
use crate::asof::KnownMoment;

/// A view's rows, and which of their columns says what.
#[derive(Clone, Debug)]
pub struct Timeline {
    /// The view's columns as registered, then `superseded` where there is one. What as-of windows aggregate stands for
    /// the columns that come from them.
    pub plan: LogicalPlan,
    /// Places of the columns that say which row it is: the entity's key, the event time, the known-at.
    pub identity: Vec<usize>,
    /// Places of the features.
    pub features: Vec<usize>,
    /// Where the times are among them.
    pub times: Moments,
    /// The place of the moment at which a revision was superseded; null means never.
    pub superseded: Option<usize>,
}

/// Which columns say when a row counts: from the later of the two, where the known-at is not null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moments {
    /// The place of the event time.
    pub timestamp: usize,
    /// The place of the known-at.
    pub known: Option<usize>,
}

impl Planner<'_> {
    /// Every row of a view, whenever it was known.
    ///
    /// # Errors
    /// Those of [`Planner::view`].
    pub fn timeline(&self, registered: &Registered) -> Result<Timeline> {
        let Definition::FeatureView(view) = &registered.definition else {
            return Err(not_a(registered, Kind::FeatureView, registered.definition.kind()));
        };
        let entity = self.input_of_kind(registered, Kind::Entity)?;
        let rows = self.view(registered, KnownMoment::EventTime)?;
        let hidden = [&rows.hidden.seq, &rows.hidden.superseded];
        let columns = rows.plan.schema().columns().into_iter();
        let names: Vec<String> =
            columns.filter(|c| !hidden.iter().any(|h| h.as_ref() == Some(c))).map(|c| c.name).collect();
        let place = |name: &str| {
            let found = names.iter().position(|n| n == name);
            found.ok_or_else(|| Error::internal(format!("{} has no column `{name}`", registered.pinned)))
        };
        let known = match &view.known_at {
            KnownAt::Column(known) => Some(place(known)?),
            KnownAt::Silent | KnownAt::Never => None,
        };
        let superseded = rows.hidden.superseded.as_ref().map(|_| names.len());
        let columns = (names.iter().map(Column::new_unqualified)).chain(rows.hidden.superseded);
        let plan = LogicalPlanBuilder::from(rows.plan)
            .project(columns.map(Expr::Column))
            .and_then(LogicalPlanBuilder::build)
            .map_err(planning_error)?;
        let times = Moments { timestamp: place(&view.timestamp)?, known };
        let keys = entity.columns.names().map(place).collect::<Result<Vec<_>>>()?;
        let identifies = |at: &usize| keys.contains(at) || *at == times.timestamp || Some(*at) == times.known;
        let (identity, features) = (0..names.len()).partition(identifies);
        Ok(Timeline { plan, identity, features, times, superseded })
    }

    /// The times of a dataset's rows, all revisions, and nothing else of them.
    ///
    /// # Errors
    /// `nothing_ingested`.
    pub fn dataset_moments(&self, registered: &Registered) -> Result<(LogicalPlan, Moments)> {
        let Definition::Dataset(dataset) = &registered.definition else {
            return Err(not_a(registered, Kind::Dataset, registered.definition.kind()));
        };
        let table = self.table(registered)?;
        let name = TableReference::bare(dataset.name.as_str());
        let time = |column: &str| cast(Expr::Column(Column::new(Some(name.clone()), column)), timestamp());
        let happened = time(&dataset.timestamp).alias("happened");
        let known = dataset.known_at.as_ref().map(|known| time(known).alias("known"));
        let times = Moments { timestamp: 0, known: known.as_ref().map(|_| 1) };
        let columns: Vec<_> = std::iter::once(happened).chain(known).collect();
        let plan = LogicalPlanBuilder::scan(name.clone(), provider_as_source(table), None)
            .and_then(|scan| scan.project(columns))
            .and_then(LogicalPlanBuilder::build);
        Ok((plan.map_err(planning_error)?, times))
    }
}
