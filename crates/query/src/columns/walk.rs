//! What the columns of a plan are made of, node by node from the bottom up.
//!
//! Of every node two things are known: what each of its columns is made of, and what decides which rows it has. Filters, joins,
//! groups and orders add to the latter, which concerns every column; only where an aggregate makes one row of all there are,
//! it goes into the aggregated values alone.
//!
//! Every kind of node that a definition can have is here by name; the others cannot be looked through, which is said ([`Stop`])
//! and never guessed. Recursion is as deep as the plan.

use std::collections::BTreeMap;

use asof_model::flow::Way;
use datafusion::common::{Column, DFSchema, JoinType};
use datafusion::logical_expr::utils::grouping_set_to_exprlist;
use datafusion::logical_expr::{Aggregate, Distinct, Join, LogicalPlan, Unnest, Values};

use super::uses::Uses;

/// The part of a plan that cannot be looked through.
#[derive(Debug)]
pub(super) struct Stop(pub(super) String);

/// What a plan's columns are made of.
#[derive(Clone, Debug, Default)]
pub(super) struct Shape {
    /// One after another.
    pub(super) columns: Vec<Uses>,
    /// What decides which rows there are.
    pub(super) rows: Uses,
}

/// The columns that an expression can see.
#[derive(Clone, Copy)]
pub(super) struct Scope<'s> {
    /// The inputs of its node, and what their columns are made of.
    pub(super) inputs: &'s [(&'s DFSchema, &'s [Uses])],
    /// What is around the query that it is in.
    pub(super) around: Option<&'s Scope<'s>>,
}

impl Scope<'_> {
    pub(super) fn own(&self, column: &Column) -> Option<&Uses> {
        self.inputs.iter().find_map(|(schema, uses)| uses.get(schema.maybe_index_of_column(column)?))
    }

    /// The nearest around it that has the column.
    pub(super) fn outer(&self, column: &Column) -> Option<&Uses> {
        let around = self.around?;
        around.own(column).or_else(|| around.outer(column))
    }
}

/// A walk over one plan.
pub(super) struct Walk<'a> {
    /// What the tables are made of, by the name that the plan has for them.
    pub(super) sources: &'a BTreeMap<String, Shape>,
    /// The number that stands for the moment of as-of windows.
    pub(super) moment: u32,
}

impl Walk<'_> {
    /// What a plan's columns are made of, within what is around it.
    pub(super) fn plan(&mut self, plan: &LogicalPlan, around: Option<&Scope<'_>>) -> Result<Shape, Stop> {
        match plan {
            LogicalPlan::TableScan(scan) => {
                let source = self.sources.get(scan.table_name.table());
                let source = source.ok_or_else(|| Stop(format!("table {}", scan.table_name)))?;
                Ok(match &scan.projection {
                    None => source.clone(),
                    Some(places) => {
                        let columns =
                            places.iter().map(|place| source.columns.get(*place).cloned().unwrap_or_default());
                        Shape { columns: columns.collect(), rows: source.rows.clone() }
                    }
                })
            }
            LogicalPlan::SubqueryAlias(alias) => self.plan(&alias.input, around),
            LogicalPlan::Subquery(subquery) => self.plan(&subquery.subquery, around),
            LogicalPlan::Repartition(repartition) => self.plan(&repartition.input, around),
            LogicalPlan::Limit(limit) => self.plan(&limit.input, around),
            LogicalPlan::EmptyRelation(empty) => {
                Ok(Shape { columns: vec![Uses::default(); empty.schema.fields().len()], rows: Uses::default() })
            }
            LogicalPlan::Projection(projection) => {
                let input = self.plan(&projection.input, around)?;
                let inputs = [(projection.input.schema().as_ref(), input.columns.as_slice())];
                let scope = Scope { inputs: &inputs, around };
                let columns = projection.expr.iter().map(|expression| self.value(expression, &scope));
                Ok(Shape { columns: columns.collect::<Result<_, _>>()?, rows: input.rows })
            }
            LogicalPlan::Filter(filter) => {
                let mut input = self.plan(&filter.input, around)?;
                let inputs = [(filter.input.schema().as_ref(), input.columns.as_slice())];
                let decides = self.value(&filter.predicate, &Scope { inputs: &inputs, around })?.then(Way::Filter);
                input.rows.add(&decides);
                Ok(input)
            }
            LogicalPlan::Sort(sort) => {
                let mut input = self.plan(&sort.input, around)?;
                let inputs = [(sort.input.schema().as_ref(), input.columns.as_slice())];
                let decides = self.order(&sort.expr, &Scope { inputs: &inputs, around })?.then(Way::Sort);
                input.rows.add(&decides);
                Ok(input)
            }
            LogicalPlan::Window(window) => {
                let mut input = self.plan(&window.input, around)?;
                let inputs = [(window.input.schema().as_ref(), input.columns.as_slice())];
                let scope = Scope { inputs: &inputs, around };
                let made = window.window_expr.iter().map(|expression| self.value(expression, &scope));
                let made: Vec<Uses> = made.collect::<Result<_, _>>()?;
                input.columns.extend(made);
                Ok(input)
            }
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate, around),
            LogicalPlan::Distinct(distinct) => self.distinct(distinct, around),
            LogicalPlan::Join(join) => self.join(join, around),
            LogicalPlan::Union(union) => {
                let mut all = Shape { columns: vec![Uses::default(); union.schema.fields().len()], ..Shape::default() };
                for input in &union.inputs {
                    let input = self.plan(input, around)?;
                    all.columns.iter_mut().zip(&input.columns).for_each(|(all, one)| all.add(one));
                    all.rows.add(&input.rows);
                }
                Ok(all)
            }
            LogicalPlan::Values(values) => self.constant_rows(values, around),
            LogicalPlan::Unnest(unnest) => self.unnest(unnest, around),
            LogicalPlan::Statement(_)
            | LogicalPlan::Explain(_)
            | LogicalPlan::Analyze(_)
            | LogicalPlan::Extension(_)
            | LogicalPlan::Dml(_)
            | LogicalPlan::Ddl(_)
            | LogicalPlan::Copy(_)
            | LogicalPlan::DescribeTable(_)
            | LogicalPlan::RecursiveQuery(_) => Err(Stop(plan.display().to_string())),
        }
    }

    fn aggregate(&mut self, aggregate: &Aggregate, around: Option<&Scope<'_>>) -> Result<Shape, Stop> {
        let input = self.plan(&aggregate.input, around)?;
        let inputs = [(aggregate.input.schema().as_ref(), input.columns.as_slice())];
        let scope = Scope { inputs: &inputs, around };
        let groups = grouping_set_to_exprlist(&aggregate.group_expr).map_err(|e| Stop(e.strip_backtrace()))?;
        let mut columns = Vec::with_capacity(aggregate.schema.fields().len());
        for group in groups {
            columns.push(self.value(group, &scope)?);
        }
        let by: Uses = columns.iter().collect();
        // Grouping sets have one more, which says of a row which set it is of.
        columns.resize(aggregate.schema.fields().len().saturating_sub(aggregate.aggr_expr.len()), Uses::default());
        let one_row = aggregate.group_expr.is_empty();
        for expression in &aggregate.aggr_expr {
            let value = self.value(expression, &scope)?;
            columns.push(if one_row { value.and(&input.rows) } else { value });
        }
        let rows = if one_row { Uses::default() } else { input.rows.and(&by.then(Way::GroupBy)) };
        Ok(Shape { columns, rows })
    }

    fn distinct(&mut self, distinct: &Distinct, around: Option<&Scope<'_>>) -> Result<Shape, Stop> {
        match distinct {
            Distinct::All(input) => {
                let mut input = self.plan(input, around)?;
                let all: Uses = input.columns.iter().collect();
                input.rows.add(&all.then(Way::GroupBy));
                Ok(input)
            }
            Distinct::On(on) => {
                let input = self.plan(&on.input, around)?;
                let inputs = [(on.input.schema().as_ref(), input.columns.as_slice())];
                let scope = Scope { inputs: &inputs, around };
                let columns = on.select_expr.iter().map(|expression| self.value(expression, &scope));
                let columns = columns.collect::<Result<_, _>>()?;
                let by = self.values(&on.on_expr, &scope)?.then(Way::GroupBy);
                let order = self.order(on.sort_expr.as_deref().unwrap_or_default(), &scope)?.then(Way::Sort);
                Ok(Shape { columns, rows: input.rows.and(&by).and(&order) })
            }
        }
    }

    /// A subquery on the right may look at the rows on the left (LATERAL).
    fn join(&mut self, join: &Join, around: Option<&Scope<'_>>) -> Result<Shape, Stop> {
        let left = self.plan(&join.left, around)?;
        let beside = [(join.left.schema().as_ref(), left.columns.as_slice())];
        let right = self.plan(&join.right, Some(&Scope { inputs: &beside, around }))?;
        let both = [beside[0], (join.right.schema().as_ref(), right.columns.as_slice())];
        let scope = Scope { inputs: &both, around };
        let on = join.on.iter().flat_map(|(left, right)| [left, right]);
        let by = self.values(on.chain(&join.filter), &scope)?.then(Way::Join);
        let rows = left.rows.and(&right.rows).and(&by);
        let columns = match join.join_type {
            JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => {
                left.columns.into_iter().chain(right.columns).collect()
            }
            JoinType::LeftSemi | JoinType::LeftAnti => left.columns,
            JoinType::RightSemi | JoinType::RightAnti => right.columns,
            JoinType::LeftMark => left.columns.into_iter().chain([by]).collect(),
            JoinType::RightMark => right.columns.into_iter().chain([by]).collect(),
        };
        Ok(Shape { columns, rows })
    }

    fn constant_rows(&mut self, values: &Values, around: Option<&Scope<'_>>) -> Result<Shape, Stop> {
        let mut columns = vec![Uses::default(); values.schema.fields().len()];
        let scope = Scope { inputs: &[], around };
        for row in &values.values {
            for (column, value) in columns.iter_mut().zip(row) {
                column.add(&self.value(value, &scope)?);
            }
        }
        Ok(Shape { columns, rows: Uses::default() })
    }

    /// How long a list is decides how many rows there are.
    fn unnest(&mut self, unnest: &Unnest, around: Option<&Scope<'_>>) -> Result<Shape, Stop> {
        let input = self.plan(&unnest.input, around)?;
        let unnested = |place: &usize| {
            unnest.list_type_columns.iter().any(|(list, _)| list == place) || unnest.struct_type_columns.contains(place)
        };
        let columns = unnest.dependency_indices.iter().map(|place| {
            let uses = input.columns.get(*place).cloned().unwrap_or_default();
            if unnested(place) { uses.then(Way::Transformation) } else { uses }
        });
        let columns = columns.collect();
        let lists = unnest.list_type_columns.iter().filter_map(|(list, _)| input.columns.get(*list));
        let rows = lists.collect::<Uses>().then(Way::Join).and(&input.rows);
        Ok(Shape { columns, rows })
    }
}
