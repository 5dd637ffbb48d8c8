//! The rows of a feature view.

use std::collections::BTreeMap;

use asof_model::definition::{KnownAt, View};
use asof_model::{Columns, Definition, Error, ErrorKind, Kind, Registered, Result};
use datafusion::common::{Column, ExprSchema, ScalarValue, TableReference};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast, lit};
use datafusion::sql::sqlparser::ast::Query;

use super::cut::cut_off;
use super::reordered::reordered;
use super::{Planner, not_a, planning_error};
use crate::asof::{KnownMoment, ViewSide};
use crate::kept::kept;
use crate::select::{self, Relations};
use crate::stack::deep;
use crate::syntax;
use crate::text::Text;
use crate::visibility::{self, Hidden, Relation, Revisions};
use crate::windows::{self, Computed, WindowCall, Windowed};

/// How deep views may read views; binding bounds what one apply can add.
const MAX_DEPTH: usize = 64;

/// The rows of what a SELECT names, by the name it writes.
type Sources = BTreeMap<String, Relation>;

/// A view's rows, with what the as-of join must know about them.
#[derive(Clone, Debug)]
pub struct ViewRows {
    /// The view's columns in the types it is registered with, then the hidden ones. Columns that come from as-of
    /// windows are no columns of rows, and so not among them.
    pub plan: LogicalPlan,
    /// Which columns are hidden.
    pub hidden: Hidden,
    /// The view's as-of windows.
    pub(crate) windows: ViewWindows,
}

/// The as-of windows of a view, over its rows; none of anything for most views.
#[derive(Clone, Debug, Default)]
pub(crate) struct ViewWindows {
    pub(crate) calls: Vec<WindowCall>,
    pub(crate) computed: Vec<Computed>,
    /// The rows' columns from which those are computed as well.
    pub(crate) beside: Vec<String>,
}

impl ViewWindows {
    /// The view's columns that are computed from a column of its rows.
    pub(super) fn computed_from(&self, column: &str) -> Vec<&str> {
        let calls = self.calls.iter().filter(|call| call.columns().any(|c| c.name == column));
        let results: Vec<&str> = calls.map(|call| call.name.as_str()).chain([column]).collect();
        let reads = |computed: &&Computed| {
            computed.expression.column_refs().iter().any(|read| results.contains(&read.name.as_str()))
        };
        self.computed.iter().filter(reads).map(|computed| computed.name.as_str()).collect()
    }
}

impl Planner<'_> {
    /// The rows of a view, all of them, whenever they were known: each revision of a fact with the moments
    /// from which and until which it counted. `KnownMoment::Now` asks for the latest revisions only.
    ///
    /// # Errors
    /// `revisions_mixed`, `nothing_ingested`, and those of binding.
    pub fn view(&self, registered: &Registered, known_at: KnownMoment) -> Result<ViewRows> {
        let revisions = match known_at {
            KnownMoment::Now => Revisions::Latest,
            KnownMoment::EventTime | KnownMoment::At(_) => Revisions::Timed,
        };
        deep(|| self.view_at(registered, revisions, 0))
    }

    fn view_at(&self, registered: &Registered, revisions: Revisions, depth: usize) -> Result<ViewRows> {
        let view = match &registered.definition {
            Definition::FeatureView(view) => view,
            other => return Err(not_a(registered, Kind::FeatureView, other.kind())),
        };
        if depth > MAX_DEPTH {
            let message =
                format!("{}: more than {MAX_DEPTH} views read one another in a row", registered.pinned.reference());
            return Err(Error::new(ErrorKind::Invalid, "chain_too_long", message));
        }
        // KNOWN AT NONE: the latest revision counts, as if it had been known when it happened.
        let revisions = if view.known_at == KnownAt::Never { Revisions::Latest } else { revisions };
        let (bound, windows) = self.bound_view(registered, view, revisions, depth)?;
        let Relation { plan, hidden } = typed(exposed(bound.plan, &bound.sources)?, registered)?;
        Ok(ViewRows { plan, hidden, windows })
    }

    /// A view's SELECT, bound, without its as-of windows; and those.
    pub(super) fn bound_view(
        &self,
        registered: &Registered,
        view: &View,
        revisions: Revisions,
        depth: usize,
    ) -> Result<(Bound, ViewWindows)> {
        let (query, text) = syntax::reread(registered, &view.query)?;
        let marked = syntax::windows::read(&query, view.slide).map_err(|fault| fault.within(&text))?;
        let Some(marked) = marked else {
            return Ok((self.bound(registered, &query, &text, revisions, depth)?, ViewWindows::default()));
        };
        let bound = self.bound(registered, &marked.query, &text, revisions, depth)?;
        let Windowed { events, calls, computed, beside } = windows::extract(bound.plan)?;
        Ok((Bound { plan: events, ..bound }, ViewWindows { calls, computed, beside }))
    }

    /// The rows of a SELECT over datasets and views, with the hidden columns that it keeps.
    pub(super) fn rows(
        &self,
        registered: &Registered,
        query: &Query,
        text: &Text,
        revisions: Revisions,
        depth: usize,
    ) -> Result<Relation> {
        let bound = self.bound(registered, query, text, revisions, depth)?;
        exposed(bound.plan, &bound.sources)
    }

    /// A SELECT bound over the columns of what it reads, and what that is.
    fn bound(
        &self,
        registered: &Registered,
        query: &Query,
        text: &Text,
        revisions: Revisions,
        depth: usize,
    ) -> Result<Bound> {
        let mut sources = Sources::new();
        let mut relations = Relations::new();
        for named in syntax::names(query) {
            if sources.contains_key(&named.written) {
                continue;
            }
            let input = self.input(registered, &named.written)?;
            let (source, visible) = match &input.definition {
                Definition::Dataset(dataset) => {
                    let table = self.table(input)?;
                    let source = with_declared(visibility::scan(dataset, table, revisions)?, &input.columns)?;
                    let visible = visible(&source);
                    let source = match self.until {
                        Some(moment) => cut_off(source, dataset, revisions, moment)?,
                        None => source,
                    };
                    let source = if self.reordered { reordered(source, dataset)? } else { source };
                    (source, visible)
                }
                _ => {
                    crate::refuse_windows(input, "read by another definition")?;
                    let ViewRows { plan, hidden, .. } = self.view_at(input, revisions, depth + 1)?;
                    (Relation { plan, hidden }, input.columns.clone())
                }
            };
            relations.insert(named.written.clone(), select::stub(&visible));
            sources.insert(named.written, source);
        }
        let plan = select::plan(query, &relations).map_err(|fault| fault.within(text))?;
        Ok(Bound { plan, sources })
    }
}

/// A bound SELECT, and the rows of what it reads, by name.
pub(super) struct Bound {
    pub(super) plan: LogicalPlan,
    sources: Sources,
}

fn exposed(plan: LogicalPlan, sources: &Sources) -> Result<Relation> {
    visibility::expose(plan, &mut |name| Ok(sources.get(name.table()).cloned()))
}

/// A dataset's rows with the declared columns that no ingest has brought yet: they are null.
fn with_declared(source: Relation, declared: &Columns) -> Result<Relation> {
    let schema = source.plan.schema();
    let missing: Vec<_> =
        declared.0.iter().filter(|c| schema.fields_with_unqualified_name(&c.name).is_empty()).collect();
    if missing.is_empty() {
        return Ok(source);
    }
    let nulls = missing.iter().map(|c| cast(lit(ScalarValue::Null), c.data_type.clone()).alias(&c.name));
    let columns: Vec<_> = schema.columns().into_iter().map(Expr::Column).chain(nulls).collect();
    let plan = LogicalPlanBuilder::from(source.plan).project(columns).and_then(LogicalPlanBuilder::build);
    Ok(Relation { plan: plan.map_err(planning_error)?, hidden: source.hidden })
}

/// The visible columns of a dataset's scan.
fn visible(source: &Relation) -> Columns {
    let hidden =
        |name: &str| [&source.hidden.seq, &source.hidden.superseded].into_iter().flatten().any(|c| c.name == name);
    let fields = source.plan.schema().fields().iter().filter(|f| !hidden(f.name()));
    let columns = fields.map(|f| asof_model::Column {
        name: f.name().clone(),
        data_type: f.data_type().clone(),
        nullable: f.is_nullable(),
    });
    Columns(columns.collect())
}

/// The rows in the types that are registered, unqualified. Those of windows' arguments are as they are.
fn typed(relation: Relation, registered: &Registered) -> Result<Relation> {
    let schema = relation.plan.schema();
    let mut projected = Vec::with_capacity(schema.fields().len());
    let rank = |column: &Column| {
        [&relation.hidden.seq, &relation.hidden.superseded].into_iter().flatten().any(|c| c == column)
    };
    for column in schema.columns().into_iter().filter(|column| !rank(column)) {
        let (found, name) = (schema.data_type(&column).map_err(planning_error)?, column.name.clone());
        let wanted = match registered.columns.get(&name) {
            Some(column) => &column.data_type,
            None if name.starts_with(windows::HIDDEN) => found,
            None => return Err(Error::internal(format!("{} was registered without `{name}`", registered.pinned))),
        };
        let value = kept(Expr::Column(column.clone()), found, wanted).map_err(planning_error)?;
        projected.push(value.alias(name));
    }
    let mut keep = |column: Option<Column>| {
        column.map(|column| {
            let plain = Column::new_unqualified(&column.name);
            projected.push(Expr::Column(column.clone()).alias(&column.name));
            plain
        })
    };
    let hidden = Hidden { seq: keep(relation.hidden.seq), superseded: keep(relation.hidden.superseded) };
    let plan = LogicalPlanBuilder::from(relation.plan).project(projected).and_then(LogicalPlanBuilder::build);
    Ok(Relation { plan: plan.map_err(planning_error)?, hidden })
}

/// A view's rows as one side of the as-of join.
pub(super) fn side(
    rows: ViewRows,
    view: &View,
    alias: &str,
    on: Vec<(Column, &str)>,
    features: &[String],
    ttl: Option<asof_model::Micros>,
    windows: &[WindowCall],
) -> Result<ViewSide> {
    let qualifier = TableReference::bare(alias);
    let column = |name: &str| Column::new(Some(qualifier.clone()), name);
    let plan = LogicalPlanBuilder::from(rows.plan).alias(qualifier.clone()).and_then(LogicalPlanBuilder::build);
    Ok(ViewSide {
        alias: alias.to_owned(),
        plan: plan.map_err(planning_error)?,
        on: on.into_iter().map(|(spine, key)| (spine, column(key))).collect(),
        timestamp: column(&view.timestamp),
        known: match &view.known_at {
            KnownAt::Column(known) => Some(column(known)),
            KnownAt::Silent | KnownAt::Never => None,
        },
        superseded: rows.hidden.superseded.map(|c| column(&c.name)),
        seq: rows.hidden.seq.map(|c| column(&c.name)),
        unique: false,
        ttl,
        features: features.iter().map(|feature| column(feature)).collect(),
        windows: windows.iter().map(|call| call.qualified(&qualifier)).collect(),
    })
}
