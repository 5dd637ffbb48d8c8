//! `CHECK` conditions: SQL over the columns of a row; null or true lets it in.

use arrow::array::cast::AsArray as _;
use arrow::array::{Array as _, RecordBatch};
use arrow::datatypes::{DataType, Schema};
use arrow::util::display::array_value_to_string;
use asof_model::Result;
use asof_model::definition::Check;
use datafusion::common::DFSchema;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::ExprSchemable as _;
use datafusion::physical_expr::PhysicalExpr;
use std::sync::Arc;

use super::refusal::Refusal;
use crate::failure::Failure;

/// The conditions of a dataset, ready to be evaluated.
pub(crate) struct Checks(Vec<Compiled>);

struct Compiled {
    name: String,
    condition: String,
    expression: Arc<dyn PhysicalExpr>,
    /// The columns it reads, to be shown when it fails.
    columns: Vec<usize>,
}

/// A row that a check does not let in.
pub(crate) struct Violation<'a> {
    /// In the batch, from 0.
    pub(crate) row: usize,
    pub(crate) check: &'a str,
    pub(crate) condition: &'a str,
    /// The columns the check reads, with the row's values.
    pub(crate) values: String,
}

impl Checks {
    /// Compiles the conditions for rows of this schema.
    ///
    /// # Errors
    /// `bad_check` for what is not a condition on one row.
    pub(crate) fn compile(checks: &[Check], schema: &Schema) -> Result<Self> {
        let state = SessionStateBuilder::new().with_default_features().build();
        let df_schema = DFSchema::try_from(schema.clone()).map_err(Failure::from)?;
        let compile = |check: &Check| {
            let bad = |why: String| Refusal::BadCheck { check: check.name.to_string(), why };
            let unusable = |e: datafusion::error::DataFusionError| bad(e.strip_backtrace());
            let logical = state.create_logical_expr(&check.condition, &df_schema).map_err(unusable)?;
            if logical.is_volatile() {
                return Err(bad("it gives another answer each time it is asked".to_owned()));
            }
            let mut columns: Vec<_> =
                logical.column_refs().iter().filter_map(|c| schema.index_of(&c.name).ok()).collect();
            columns.sort_unstable();
            match logical.get_type(&df_schema).map_err(unusable)? {
                DataType::Boolean | DataType::Null => {}
                other => return Err(bad(format!("it gives {other}, not true or false"))),
            }
            let expression = state.create_physical_expr(logical, &df_schema).map_err(unusable)?;
            Ok(Compiled { name: check.name.to_string(), condition: check.condition.clone(), expression, columns })
        };
        Ok(Checks(checks.iter().map(compile).collect::<Result<_, Refusal>>()?))
    }

    /// The first row that fails, by the checks in their order.
    pub(crate) fn violation(&self, batch: &RecordBatch) -> Result<Option<Violation<'_>>> {
        for check in &self.0 {
            let value = check.expression.evaluate(batch).map_err(Failure::from)?;
            let array = value.into_array(batch.num_rows()).map_err(Failure::from)?;
            let Some(answers) = array.as_boolean_opt() else { continue };
            if answers.true_count() + answers.null_count() == answers.len() {
                continue;
            }
            let Some(row) = (0..answers.len()).find(|row| answers.is_valid(*row) && !answers.value(*row)) else {
                continue;
            };
            let shown = |index: &usize| {
                let array = batch.column(*index);
                let value = match array.is_null(row) {
                    true => "null".to_owned(),
                    false => array_value_to_string(array, row).unwrap_or_default(),
                };
                format!("{} = {value}", batch.schema_ref().field(*index).name())
            };
            let values = check.columns.iter().map(shown).collect::<Vec<_>>().join(", ");
            return Ok(Some(Violation { row, check: &check.name, condition: &check.condition, values }));
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Float64Array, Int64Array};

    fn check(condition: &str, expected: Result<Option<(usize, &str)>, &str>) {
        let batch = RecordBatch::try_from_iter([
            ("a", Arc::new(Int64Array::from(vec![Some(1), None, Some(-3)])) as _),
            ("b", Arc::new(Float64Array::from(vec![Some(0.5), Some(1.5), None])) as _),
        ])
        .unwrap();
        let check = Check { name: "sane".parse().unwrap(), condition: condition.to_owned() };
        let found = Checks::compile(&[check], &batch.schema())
            .map(|checks| checks.violation(&batch).unwrap().map(|v| (v.row, v.values)));
        match (found, expected) {
            (Ok(found), Ok(expected)) => {
                assert_eq!(found, expected.map(|(row, values)| (row, values.to_owned())), "{condition}");
            }
            (Err(found), Err(expected)) => assert!(found.message().contains(expected), "{found}"),
            (found, _) => panic!("{condition}: {:?}", found.map_err(|e| e.to_string())),
        }
    }

    #[test]
    fn null_and_true_let_a_row_in() {
        check("a > -10", Ok(None));
        check("a > 0", Ok(Some((2, "a = -3"))));
        check("b < 1 or a is null", Ok(None));
        check("a is not null and b is not null", Ok(Some((1, "a = null, b = 1.5"))));
        check("abs(a) < 3 and true", Ok(Some((2, "a = -3"))));
        check("null", Ok(None));
    }

    #[test]
    fn what_is_no_condition_on_a_row_is_refused() {
        check("a + 1", Err("not true or false"));
        check("c > 1", Err("c"));
        check("a >", Err("check `sane`"));
        check("random() < 0.5", Err("each time"));
        check("sum(a) > 1", Err("check `sane`"));
        check("(select true)", Err("check `sane`"));
    }
}
