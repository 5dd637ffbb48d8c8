//! Training sets: the spine has a time, every key and every parameter that the service needs, and no column that a
//! feature would have too.

use asof_model::definition::TrainingSet;
use asof_model::name::nearest;
use asof_model::schema::{common_key_type, sql_type};
use asof_model::{Columns, Kind};
use datafusion::arrow::datatypes::DataType;

use super::scope::{Scope, Stop, input, inputs};
use super::{Bound, Problem, service, view};
use crate::fault::{At, Fault};
use crate::select;
use crate::service::BoundService;
use crate::syntax::Written;

pub(super) fn bind(set: &TrainingSet, written: &Written, scope: &Scope<'_>) -> Result<Bound, Stop> {
    let at = written.item("FEATURES", 0);
    let registered = scope.resolve(&set.features, at, &[Kind::FeatureService])?;
    let query = written.query();
    let sources = view::read(query, scope)?;
    select::check_output(query)?;
    let plan = select::plan(query, &sources.relations)?;
    let columns = select::output_columns(query, &plan)?;
    let service = service::rebind(&registered, at, scope)?;
    let spine = Spine { columns: &columns, written, service: &service };
    spine.check(set)?;
    let mut read: Vec<_> = sources.found.iter().map(view::FoundSource::input).collect();
    read.push(input(&set.features, &registered));
    let columns = columns.0.into_iter().chain(service.columns().0).collect();
    Ok(Bound { inputs: inputs(read), columns: Columns(columns) })
}

/// How the purpose of a key column is told.
const KEY_OF: &str = "the key of";

struct Spine<'a> {
    columns: &'a Columns,
    written: &'a Written,
    service: &'a BoundService,
}

impl Spine<'_> {
    fn check(&self, set: &TrainingSet) -> Result<(), Fault> {
        let moment = |t: &DataType| matches!(t, DataType::Timestamp(_, _) | DataType::Date32);
        self.column(&set.timestamp, "TIMESTAMP", "its TIMESTAMP".to_owned(), "TIMESTAMP or DATE", moment)?;
        for view in &self.service.views {
            for (from, key) in view.from.iter().zip(&view.key.0) {
                let purpose = format!("{KEY_OF} `{}`", view.alias);
                let fits = |t: &DataType| common_key_type(t, &key.data_type).is_some();
                self.column(from, "FEATURES", purpose, &sql_type(&key.data_type), fits)?;
            }
        }
        for parameter in &self.service.request.0 {
            let purpose = format!("a request parameter of `{}`", set.features);
            let fits_parameter = |t: &DataType| fits(t, &parameter.data_type);
            self.column(&parameter.name, "FEATURES", purpose, &sql_type(&parameter.data_type), fits_parameter)?;
        }
        for output in &self.service.outputs {
            if self.columns.get(&output.name).is_some() {
                let problem = Problem::SpineClash { service: set.features.clone(), column: output.name.clone() };
                return Err(problem.at(select::span_of_output(self.written.query(), &output.name)));
            }
        }
        Ok(())
    }

    /// That the spine has a column of a fitting type; a fault stands at the clause that asks for it.
    fn column(
        &self,
        name: &str,
        clause: &'static str,
        purpose: String,
        wanted: &str,
        fits: impl Fn(&DataType) -> bool,
    ) -> Result<(), Fault> {
        match self.columns.get(name) {
            Some(column) if fits(&column.data_type) => Ok(()),
            Some(column) => {
                let found = sql_type(&column.data_type);
                let problem = Problem::SpineType { column: name.to_owned(), found, purpose, wanted: wanted.to_owned() };
                Err(problem.at(select::span_of_output(self.written.query(), name)))
            }
            None => {
                let near = nearest(name, self.columns.names()).map(str::to_owned);
                let problem =
                    Problem::SpineLacks { column: name.to_owned(), is_key: purpose.starts_with(KEY_OF), purpose, near };
                Err(problem.at(self.written.item(clause, 0)))
            }
        }
    }
}

/// Whether a spine's column can be taken for a parameter without a loss: the same type, or a wider number.
fn fits(from: &DataType, to: &DataType) -> bool {
    use DataType::{Float32, Float64, Int8, Int16, Int32, Int64};
    let width = |t: &DataType| [Int8, Int16, Int32, Int64].iter().position(|i| i == t);
    match (from, to) {
        _ if from == to => true,
        (Float32, Float64) => true,
        (from, Float64) => width(from).is_some(),
        (from, to) => width(from).zip(width(to)).is_some_and(|(from, to)| from <= to),
    }
}
