//! When rows count: a view's rows one by one, and the moments of a view or a dataset.

use asof_model::definition::KnownAt;
use asof_model::schema::timestamp;
use asof_model::{Definition, Error, Kind, Registered, Result};
use datafusion::common::{Column, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast};

use super::view::ViewRows;
use super::{Planner, not_a, planning_error};
use crate::asof::KnownMoment;

/// A view's rows, and which of their columns says what. Of a view with as-of windows they are the rows that the windows
/// gather.
#[derive(Clone, Debug)]
pub struct Timeline {
    /// The rows.
    pub plan: LogicalPlan,
    /// Places of the columns that say which row it is: the entity's key, the event time, the known-at.
    pub identity: Vec<usize>,
    /// Places of the other columns, and what they are called.
    pub features: Vec<(usize, String)>,
    /// Where the times are.
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
        let ViewRows { plan, hidden, windows } = self.view(registered, KnownMoment::EventTime)?;
        let columns = plan.schema().columns().into_iter().filter(|column| hidden.seq.as_ref() != Some(column));
        let columns: Vec<Column> = columns.collect();
        let place = |name: &str| {
            let found = columns.iter().position(|column| column.name == name);
            found.ok_or_else(|| Error::internal(format!("{} has no column `{name}`", registered.pinned)))
        };
        let known = match &view.known_at {
            KnownAt::Column(known) => Some(place(known)?),
            KnownAt::Silent | KnownAt::Never => None,
        };
        let times = Moments { timestamp: place(&view.timestamp)?, known };
        let superseded = hidden.superseded.as_ref().map(|column| place(&column.name)).transpose()?;
        let mut identity = entity.columns.names().map(place).collect::<Result<Vec<_>>>()?;
        identity.extend([times.timestamp].into_iter().chain(known));
        let is_feature = |place: &usize| !identity.contains(place) && superseded != Some(*place);
        let called = |place: usize| {
            let name = &columns[place].name;
            match registered.columns.get(name) {
                Some(_) => (place, name.clone()),
                None => (place, format!("input of {}", windows.computed_from(name).join(", "))),
            }
        };
        let features = (0..columns.len()).filter(is_feature).map(called).collect();
        let plan = LogicalPlanBuilder::from(plan)
            .project(columns.iter().cloned().map(Expr::Column))
            .and_then(LogicalPlanBuilder::build)
            .map_err(planning_error)?;
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
