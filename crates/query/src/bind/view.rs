//! Feature views: the SELECT gives the entity's key, a time, and features; what it says about knowledge agrees
//! with what it reads.

use asof_model::definition::{KnownAt, View};
use asof_model::name::nearest;
use asof_model::schema::{key_type_holds, sql_type};
use asof_model::{Column, Columns, Definition, Kind, Registered};
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::Query;

use super::scope::{Scope, Stop, input, inputs};
use super::{Bound, Problem};
use crate::fault::{At, Fault};
use crate::select::{self, Relations};
use crate::syntax::{Written, names, windows};
use crate::windows::{Problem as WindowProblem, extract};

pub(super) fn bind(view: &View, written: &Written, scope: &Scope<'_>) -> Result<Bound, Stop> {
    let query = written.query();
    let entity = scope.resolve(&view.entity, written.item("ENTITY", 0), &[Kind::Entity])?;
    let sources = read(query, scope)?;
    select::check_output(query)?;
    let windows = windows::read(query, view.slide)?;
    let plan = select::plan(windows.as_ref().map_or(query, |w| &w.query), &sources.relations)?;
    let given = select::output_columns(query, &plan)?;
    let output = Output { view, written, given };
    let columns = output.check(&entity)?;
    if let Some(windows) = &windows {
        output.of_windows(&entity, windows, plan)?;
    }
    known_at_is_said(view, &sources)?;
    let mut all: Vec<_> = sources.found.iter().map(|s| input(&s.written, &s.registered)).collect();
    all.push(input(&view.entity, &entity));
    Ok(Bound { inputs: inputs(all), columns })
}

/// What a SELECT over datasets and views reads.
pub(super) struct Sources {
    pub(super) relations: Relations,
    pub(super) found: Vec<FoundSource>,
}

pub(super) struct FoundSource {
    written: String,
    pub(super) registered: std::sync::Arc<Registered>,
    span: datafusion::sql::sqlparser::tokenizer::Span,
}

impl FoundSource {
    pub(super) fn input(&self) -> asof_model::definition::Input {
        input(&self.written, &self.registered)
    }
}

/// Resolves every name in FROM.
pub(super) fn read(query: &Query, scope: &Scope<'_>) -> Result<Sources, Stop> {
    let mut sources = Sources { relations: Relations::new(), found: Vec::new() };
    for named in names(query) {
        let registered = scope.resolve(&named.written, named.span, &[Kind::Dataset, Kind::FeatureView])?;
        let columns = scope.columns(&registered, named.span)?;
        windows::refuse(&registered, "read by another definition").map_err(|e| Fault::new(e, named.span))?;
        sources.relations.insert(named.written.clone(), select::stub(&columns));
        sources.found.push(FoundSource { written: named.written, registered, span: named.span });
    }
    Ok(sources)
}

/// Silence over something that says when its rows became known would leak what was learned later.
fn known_at_is_said(view: &View, sources: &Sources) -> Result<(), Fault> {
    if view.known_at != KnownAt::Silent {
        return Ok(());
    }
    let says = |source: &&FoundSource| match &source.registered.definition {
        Definition::Dataset(dataset) => dataset.known_at.is_some(),
        Definition::FeatureView(view) => matches!(view.known_at, KnownAt::Column(_)),
        _ => false,
    };
    match sources.found.iter().find(says) {
        Some(source) => Err(Problem::KnownAtUnsaid { dataset: source.written.clone() }.at(source.span)),
        None => Ok(()),
    }
}

/// The columns that a view's SELECT gives.
struct Output<'a> {
    view: &'a View,
    written: &'a Written,
    given: Columns,
}

impl Output<'_> {
    /// The view's columns: its key in the entity's types, its times as moments, and at least one feature.
    fn check(&self, entity: &Registered) -> Result<Columns, Fault> {
        let mut columns = self.given.clone();
        for key in &entity.columns.0 {
            let purpose = format!("the key of {}", entity.pinned.name);
            let found = self.column(&key.name, purpose, self.written.item("ENTITY", 0))?;
            if !key_type_holds(&key.data_type, &found.data_type) {
                return Err(Problem::KeyType {
                    column: key.name.clone(),
                    found: sql_type(&found.data_type),
                    entity: entity.pinned.name.to_string(),
                    wanted: sql_type(&key.data_type),
                }
                .at(select::span_of_output(self.written.query(), &key.name)));
            }
            retype(&mut columns, &key.name, &key.data_type);
        }
        self.moment(&mut columns, &self.view.timestamp, "TIMESTAMP")?;
        if let KnownAt::Column(column) = &self.view.known_at {
            self.moment(&mut columns, column, "KNOWN AT")?;
        }
        let features = crate::features::among(self.view, &columns, &entity.columns);
        if features.0.is_empty() { Err(Problem::NoFeatures.at(self.written.name)) } else { Ok(columns) }
    }

    /// That its functions have values over as-of windows, and that key and times are those of rows.
    fn of_windows(&self, entity: &Registered, windows: &windows::AsOf, plan: LogicalPlan) -> Result<(), Fault> {
        let place = |problem: &WindowProblem| {
            let called =
                |function: &str| windows.calls.iter().find(|(name, _)| name == function).map(|(_, span)| *span);
            let column = problem.column().map(|column| select::span_of_output(self.written.query(), column));
            column.or_else(|| called(problem.function()?)).or(windows.calls.first().map(|(_, span)| *span))
        };
        let fault = |problem: WindowProblem| {
            let span = place(&problem).unwrap_or(self.written.name);
            problem.at(span)
        };
        let computed = extract(plan).map_err(fault)?.computed;
        let known_at = match &self.view.known_at {
            KnownAt::Column(column) => Some((column.as_str(), "its KNOWN AT".to_owned())),
            KnownAt::Silent | KnownAt::Never => None,
        };
        let keys = entity.columns.names().map(|key| (key, format!("the key of {}", entity.pinned.name)));
        let of_rows = keys.chain([(self.view.timestamp.as_str(), "its TIMESTAMP".to_owned())]).chain(known_at);
        for (column, purpose) in of_rows {
            if computed.iter().any(|c| c.name == column) {
                return Err(fault(WindowProblem::NotOfARow { column: column.to_owned(), purpose }));
            }
        }
        Ok(())
    }

    fn moment(&self, columns: &mut Columns, name: &str, clause: &'static str) -> Result<(), Fault> {
        let span = self.written.item(clause, 0);
        let found = self.column(name, format!("its {clause}"), span)?;
        if !matches!(found.data_type, DataType::Timestamp(_, _) | DataType::Date32) {
            return Err(Problem::ColumnType {
                column: name.to_owned(),
                found: sql_type(&found.data_type),
                purpose: clause,
                wanted: "TIMESTAMP or DATE",
            }
            .at(span));
        }
        retype(columns, name, &asof_model::schema::timestamp());
        Ok(())
    }

    fn column(
        &self,
        name: &str,
        purpose: String,
        span: datafusion::sql::sqlparser::tokenizer::Span,
    ) -> Result<&Column, Fault> {
        self.given.get(name).ok_or_else(|| {
            let near = nearest(name, self.given.names()).map(str::to_owned);
            Problem::MissingOutput { column: name.to_owned(), purpose, near }.at(span)
        })
    }
}

fn retype(columns: &mut Columns, name: &str, data_type: &DataType) {
    for column in columns.0.iter_mut().filter(|c| c.name == name) {
        column.data_type = data_type.clone();
    }
}
