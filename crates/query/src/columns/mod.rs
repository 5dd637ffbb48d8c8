//! Which columns a definition's columns are made of, and how: from its bound plan.
//!
//! # What it promises
//! [`flows`] binds a definition as it was bound when it was applied, and walks what comes out. There is no second reading of
//! SQL. A column that is neither among what a column is made of nor among what decides the rows cannot change it, whatever is in it; what is said
//! to go in directly is computed from. What cannot be looked through makes every column of the inputs concern every column
//! of the definition, and [`Flows::unseen`] says what it was.
//!
//! To what the SELECT says this adds what else decides:
//! - of a dataset with `KEY`, the key, and the known-at by which its revisions are put in order;
//! - of an as-of window, the view's key, event time and known-at;
//! - of a service, for each view that an output reads: the key it is joined by, the event time, and the known-at, as the order in which rows
//!   count, and where the view's rows can tie, its features ([`ties`]);
//! - of a training set, the spine's columns that hold keys and parameters, and its timestamp.
//!
//! # What it costs
//! One planning of the definition's SELECT (of a training set also of its service's), over the columns of what it reads and no
//! deeper: a few hundred microseconds to some milliseconds, and no I/O. Nothing is kept.
//!
//! # What it does not do
//! It does not ask whether data make a difference: `x * 0` is made of `x`. The order in which a dataset accepted its rows is
//! no column, and so is nowhere.

mod expression;
mod ties;
mod uses;
mod walk;

use std::collections::{BTreeMap, HashMap};

use asof_model::definition::{Dataset, KnownAt, TrainingSet, View};
use asof_model::flow::{Flows, Made, Of, Reads, Way};
use asof_model::{Columns, Definition, Error, Kind, Pinned, Registered, Result};
use datafusion::common::Column;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::Query;

use crate::plan::{Definitions, Planner, Tables};
use crate::select::{self, Relations};
use crate::service::{BoundService, REQUEST};
use crate::stack::deep;
use crate::syntax;
use crate::text::Text;
use uses::{Numbers, Uses};
use walk::{Scope, Shape, Stop, Walk};

/// What a definition's columns are made of; nothing for datasets and entities. `shown` gives the columns of a dataset.
///
/// # Errors
/// `internal` where the definition, or what it reads, is not what was registered.
pub fn flows(registered: &Registered, definitions: &Definitions, shown: Shown<'_>) -> Result<Flows> {
    deep(|| {
        let planner = Planner::new(definitions, &NoTables);
        let mut finder = Finder::new(planner, shown);
        match &registered.definition {
            Definition::FeatureView(view) => finder.view(registered, view),
            Definition::FeatureService(_) => finder.service(registered),
            Definition::TrainingSet(set) => finder.training_set(registered, set),
            Definition::Dataset(_) | Definition::Entity(_) => Ok(Flows::default()),
        }
    })
}

/// The columns of a dataset.
type Shown<'a> = &'a (dyn Fn(&Registered) -> Columns + Sync);

/// Binding needs none.
struct NoTables;

impl Tables for NoTables {
    fn table(&self, _: &Pinned) -> Option<std::sync::Arc<dyn datafusion::catalog::TableProvider>> {
        None
    }
}

struct Finder<'a> {
    planner: Planner<'a>,
    shown: Shown<'a>,
    numbers: Numbers,
    inputs: Vec<Pinned>,
    /// Of which views rows can be of one rank, as far as that was asked.
    ties: HashMap<Pinned, bool>,
}

/// A bound SELECT, and what it reads by name.
struct Bound {
    plan: LogicalPlan,
    sources: BTreeMap<String, Shape>,
}

impl<'a> Finder<'a> {
    fn new(planner: Planner<'a>, shown: Shown<'a>) -> Self {
        Finder { planner, shown, numbers: Numbers::default(), inputs: Vec::new(), ties: HashMap::new() }
    }

    fn view(&mut self, registered: &Registered, view: &View) -> Result<Flows> {
        let (query, text) = syntax::reread(registered, &view.query)?;
        let marked = syntax::windows::read(&query, view.slide).map_err(|fault| fault.within(&text))?;
        let query = marked.as_ref().map_or(query.as_ref(), |marked| &marked.query);
        let bound = self.bound(registered, query, &text)?;
        let mut shape = match self.walked(&bound) {
            Ok(shape) => shape,
            Err(stop) => return Ok(self.unseen(stop, registered, &bound)),
        };
        let moment = self.moment();
        let names: Vec<String> = bound.plan.schema().fields().iter().map(|field| field.name().clone()).collect();
        if marked.is_some() {
            let ranked = self.ranked(registered, view)?;
            // Where rows may tie, the others decide too.
            let all = self.ties_in(registered, view, query, &bound.plan)?;
            let columns = names.iter().zip(&shape.columns).filter(|(name, _)| all || ranked.contains(name));
            let mut decide: Uses = columns.map(|(_, uses)| uses).collect();
            decide.take(moment);
            let decide = decide.then(Way::Window);
            for uses in &mut shape.columns {
                if uses.take(moment).is_some() {
                    uses.add(&decide);
                }
            }
        }
        all_given(registered, names.iter().map(String::as_str))?;
        let made = names.into_iter().zip(&shape.columns);
        // `*` may show columns by now that it did not when the view was registered.
        let made = made.filter(|(name, _)| registered.columns.get(name).is_some());
        let made = made.map(|(name, uses)| Made { name, of: self.numbers.named(uses) });
        Ok(Flows {
            columns: made.collect(),
            rows: self.numbers.named(&shape.rows),
            inputs: self.inputs.clone(),
            unseen: None,
        })
    }

    /// The columns that say whose a view's row is, and from when it counts.
    fn ranked(&self, registered: &Registered, view: &View) -> Result<Vec<String>> {
        let entity = self.planner.input_of_kind(registered, Kind::Entity)?;
        let mut ranked: Vec<String> = entity.columns.names().map(str::to_owned).collect();
        ranked.push(view.timestamp.clone());
        if let KnownAt::Column(known) = &view.known_at {
            ranked.push(known.clone());
        }
        Ok(ranked)
    }

    fn service(&mut self, registered: &Registered) -> Result<Flows> {
        let service = self.planner.bind_service(registered)?;
        let schema = service.input.clone();
        let columns: Vec<Uses> = schema
            .iter()
            .map(|(qualifier, field)| {
                let column = Column::new(qualifier.cloned(), field.name());
                self.served(&service, &column).map_or_else(Uses::default, Uses::of)
            })
            .collect();
        let inputs = [(schema.as_ref(), columns.as_slice())];
        let scope = Scope { inputs: &inputs, around: None };
        let nothing = BTreeMap::new();
        let mut made = Vec::with_capacity(service.outputs.len());
        for output in &service.outputs {
            let mut walk = Walk { sources: &nothing, moment: self.moment() };
            let mut uses = match walk.value(&output.expression, &scope) {
                Ok(uses) => uses,
                Err(Stop(what)) => return Err(Error::internal(format!("{}: {what}", registered.pinned))),
            };
            // What simplifying forgot still says whether the value is there.
            for column in &output.columns {
                if let Some(number) = self.served(&service, column)
                    && uses.iter().all(|(known, _)| known != number)
                {
                    uses.add(&Uses::of(number).then(Way::Conditional));
                }
            }
            for view in &output.reads {
                uses.add(&self.joined(&service, *view)?);
            }
            made.push((output.name.clone(), uses));
        }
        let columns = made.into_iter().map(|(name, uses)| Made { name, of: self.numbers.named(&uses) });
        Ok(Flows { columns: columns.collect(), rows: Reads::new(), inputs: self.inputs.clone(), unseen: None })
    }

    /// The number of a column that a service's expressions read.
    fn served(&mut self, service: &BoundService, column: &Column) -> Option<u32> {
        let qualifier = column.relation.as_ref()?.table();
        if qualifier == REQUEST {
            return Some(self.numbers.of(Of::Request, &column.name));
        }
        let view = service.views.iter().find(|view| view.alias == qualifier)?;
        let place = self.input(&view.view.pinned);
        Some(self.numbers.of(place, &column.name))
    }

    /// What decides which row of a view counts.
    fn joined(&mut self, service: &BoundService, place: usize) -> Result<Uses> {
        let view = &service.views[place];
        let definition = view.definition();
        let of = self.input(&view.view.pinned);
        let mut uses = Uses::default();
        for (key, from) in view.key.names().zip(&view.from) {
            uses.add(&Uses::of(self.numbers.of(of, key)).then(Way::Join));
            uses.add(&Uses::of(self.numbers.of(Of::Request, from)).then(Way::Join));
        }
        let happened = Uses::of(self.numbers.of(of, &definition.timestamp));
        uses.add(&happened.clone().then(Way::Sort));
        if definition.ttl.is_some() {
            uses.add(&happened.then(Way::Filter));
        }
        if let KnownAt::Column(known) = &definition.known_at {
            uses.add(&Uses::of(self.numbers.of(of, known)).then(Way::Sort));
        }
        if self.may_tie(&view.view)? {
            for feature in view.features.names() {
                uses.add(&Uses::of(self.numbers.of(of, feature)).then(Way::Sort));
            }
        }
        Ok(uses)
    }

    /// Whether rows of a dataset or view can be of one rank.
    fn may_tie(&mut self, registered: &Registered) -> Result<bool> {
        let Definition::FeatureView(view) = &registered.definition else { return Ok(false) };
        if let Some(known) = self.ties.get(&registered.pinned) {
            return Ok(*known);
        }
        let (query, text) = syntax::reread(registered, &view.query)?;
        let marked = syntax::windows::read(&query, view.slide).map_err(|fault| fault.within(&text))?;
        let query = marked.as_ref().map_or(query.as_ref(), |marked| &marked.query);
        let plan = self.planned(registered, query, &text)?;
        let found = self.ties_in(registered, view, query, &plan)?;
        self.ties.insert(registered.pinned.clone(), found);
        Ok(found)
    }

    /// Whether rows of a view can be of one rank, by its plan.
    fn ties_in(&mut self, registered: &Registered, view: &View, query: &Query, plan: &LogicalPlan) -> Result<bool> {
        let mut tied = Vec::new();
        for named in syntax::names(query) {
            if self.may_tie(self.planner.input(registered, &named.written)?)? {
                tied.push(named.written);
            }
        }
        let ranked = self.ranked(registered, view)?;
        let ranked: Vec<&str> = ranked.iter().map(String::as_str).collect();
        Ok(ties::may_tie(plan, &|source| tied.iter().any(|tied| tied == source), &ranked))
    }

    fn training_set(&mut self, registered: &Registered, set: &TrainingSet) -> Result<Flows> {
        let service = self.planner.input(registered, &set.features)?;
        let asked = {
            let planner = self.planner.again();
            Finder::new(planner, self.shown).service(service)?
        };
        let (query, text) = syntax::reread(registered, &set.query)?;
        let bound = self.bound(registered, &query, &text)?;
        let of = self.input(&service.pinned);
        let spine = match self.walked(&bound) {
            Ok(shape) => shape,
            Err(stop) => return Ok(self.unseen(stop, registered, &bound)),
        };
        let names: Vec<&str> = bound.plan.schema().fields().iter().map(|field| field.name().as_str()).collect();
        let column = |name: &str| {
            let place = names.iter().position(|known| *known == name);
            place.map_or_else(Uses::default, |place| spine.columns[place].clone())
        };
        let mut made: Vec<(String, Uses)> = Vec::with_capacity(names.len() + asked.columns.len());
        made.extend(names.iter().map(|name| ((*name).to_owned(), column(name))));
        for feature in &asked.columns {
            let mut uses = Uses::of(self.numbers.of(of, &feature.name));
            for (read, ways) in feature.of.iter().filter(|(read, _)| read.of == Of::Request) {
                ways.iter().for_each(|way| uses.add(&column(&read.column).then(way)));
            }
            if feature.of.keys().any(|read| read.of != Of::Request) {
                uses.add(&column(&set.timestamp).then(Way::Sort));
            }
            made.push((feature.name.clone(), uses));
        }
        all_given(registered, made.iter().map(|(name, _)| name.as_str()))?;
        let made = made.into_iter().filter(|(name, _)| registered.columns.get(name).is_some());
        let columns = made.map(|(name, uses)| Made { name, of: self.numbers.named(&uses) }).collect();
        Ok(Flows { columns, rows: self.numbers.named(&spine.rows), inputs: self.inputs.clone(), unseen: None })
    }

    /// A SELECT over datasets and views, bound over their columns.
    fn planned(&self, registered: &Registered, query: &Query, text: &Text) -> Result<LogicalPlan> {
        let mut relations = Relations::new();
        for named in syntax::names(query) {
            let columns = self.columns(self.planner.input(registered, &named.written)?);
            relations.insert(named.written, select::stub(&columns));
        }
        select::plan(query, &relations).map_err(|fault| fault.within(text))
    }

    fn columns(&self, input: &Registered) -> Columns {
        match &input.definition {
            Definition::Dataset(_) => (self.shown)(input),
            _ => input.columns.clone(),
        }
    }

    /// The same, with what the columns of what it reads are made of: themselves.
    fn bound(&mut self, registered: &Registered, query: &Query, text: &Text) -> Result<Bound> {
        let plan = self.planned(registered, query, text)?;
        let mut sources = BTreeMap::new();
        for named in syntax::names(query) {
            let input = self.planner.input(registered, &named.written)?;
            let of = self.input(&input.pinned);
            let columns = self.columns(input);
            let own = columns.names().map(|column| Uses::of(self.numbers.of(of, column))).collect();
            let mut shape = Shape { columns: own, rows: Uses::default() };
            if let Definition::Dataset(dataset) = &input.definition {
                shape.rows = self.revised(of, dataset);
            }
            sources.insert(named.written, shape);
        }
        Ok(Bound { plan, sources })
    }

    /// What decides which revisions of a dataset's facts count.
    fn revised(&mut self, of: Of, dataset: &Dataset) -> Uses {
        let mut uses = Uses::default();
        for key in &dataset.key {
            uses.add(&Uses::of(self.numbers.of(of, key)).then(Way::GroupBy));
        }
        if let (Some(known), false) = (&dataset.known_at, dataset.key.is_empty()) {
            // What is not said to be known was known when it happened.
            for moment in [known, &dataset.timestamp] {
                uses.add(&Uses::of(self.numbers.of(of, moment)).then(Way::Sort));
            }
        }
        uses
    }

    fn walked(&mut self, bound: &Bound) -> std::result::Result<Shape, Stop> {
        Walk { sources: &bound.sources, moment: self.moment() }.plan(&bound.plan, None)
    }

    /// What stands for the moment of as-of windows; no column is called so.
    fn moment(&mut self) -> u32 {
        self.numbers.of(Of::Request, "")
    }

    fn input(&mut self, pinned: &Pinned) -> Of {
        let place = self.inputs.iter().position(|known| known == pinned).unwrap_or_else(|| {
            self.inputs.push(pinned.clone());
            self.inputs.len() - 1
        });
        Of::Input(place as u32)
    }

    /// Everything concerns everything.
    fn unseen(&self, stop: Stop, registered: &Registered, bound: &Bound) -> Flows {
        let all: Uses = bound.sources.values().flat_map(|source| &source.columns).collect();
        let rows = self.numbers.named(&all.then(Way::Unknown));
        let columns = registered.columns.names().map(|name| Made { name: name.to_owned(), of: Reads::new() });
        Flows { inputs: self.inputs.clone(), columns: columns.collect(), rows, unseen: Some(stop.0) }
    }
}

/// A star gives fewer columns than it did where not all columns of a dataset are known.
fn all_given<'n>(registered: &Registered, given: impl Iterator<Item = &'n str> + Clone) -> Result<()> {
    let missing = registered.columns.names().find(|name| !given.clone().any(|given| given == *name));
    match missing {
        None => Ok(()),
        Some(name) => Err(Error::internal(format!("{} does not give its column `{name}`", registered.pinned))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use asof_model::flow::Read;
    use datafusion::logical_expr::LogicalPlanBuilder;

    #[test]
    fn what_cannot_be_looked_through_is_said() {
        let plan = LogicalPlanBuilder::empty(true).explain(false, false).and_then(LogicalPlanBuilder::build).unwrap();
        let nothing = BTreeMap::new();
        let Stop(what) = Walk { sources: &nothing, moment: 0 }.plan(&plan, None).unwrap_err();
        assert!(what.contains("Explain"), "{what}");
        let read = |column: &str| Read { of: Of::Input(0), column: column.to_owned() };
        let mut numbers = Numbers::default();
        let columns = ["a", "b"].map(|column| Uses::of(numbers.of(Of::Input(0), column))).to_vec();
        let all: Uses = columns.iter().collect();
        let unknown = numbers.named(&all.then(Way::Unknown));
        assert_eq!(unknown, Reads::from([(read("a"), Way::Unknown.into()), (read("b"), Way::Unknown.into())]));
    }
}
