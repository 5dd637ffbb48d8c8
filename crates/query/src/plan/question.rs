//! A SELECT that is no definition: asked once, over datasets and views as they are.
//!
//! It is read, bounded and refused as the SELECT of a definition is, so it reaches nothing but what it names. Of facts with
//! revisions it sees the latest. It cannot read a view with as-of windows, whose values are not columns of rows.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use asof_model::definition::{Annotations, Input, TrainingSet};
use asof_model::{Columns, Definition, Error, ErrorKind, Micros, Pinned, Registered, Result};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast::Query;

use super::{Planner, planning_error};
use crate::stack::deep;
use crate::syntax;
use crate::text::{Source, Text};
use crate::visibility::Revisions;

/// A SELECT, read.
pub struct Question {
    query: Box<Query>,
    text: Arc<Text>,
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Question").field(&self.text.as_str()).finish()
    }
}

impl Question {
    /// Reads one SELECT.
    ///
    /// # Errors
    /// `syntax`, `text_too_long`, `nested_too_deep` and `not_allowed`, each with its place.
    pub fn read(source: Source) -> Result<Self> {
        let name = source.file.clone();
        let read = deep(|| syntax::one_select(source))?;
        match read {
            Some((query, text)) => Ok(Question { query, text }),
            None => Err(Error::new(ErrorKind::Invalid, "syntax", format!("{name}: one SELECT is expected here"))
                .remedy("write one SELECT over datasets and views, and nothing else")),
        }
    }

    /// The names in its FROM clauses, as written, each once.
    pub fn names(&self) -> BTreeSet<String> {
        syntax::names(&self.query).into_iter().map(|named| named.written).collect()
    }
}

impl Planner<'_> {
    /// The rows that a SELECT gives, where `inputs` say what its names mean.
    ///
    /// # Errors
    /// `nothing_ingested`, `revisions_mixed`, and those of binding, each with its place.
    pub fn question(&self, question: &Question, inputs: Vec<Input>) -> Result<LogicalPlan> {
        let of = asked(inputs)?;
        let rows = deep(|| self.rows(&of, &question.query, &question.text, Revisions::Latest, 0))?;
        let schema = rows.plan.schema();
        let hidden = [&rows.hidden.seq, &rows.hidden.superseded];
        let visible = schema.columns().into_iter().filter(|c| !hidden.iter().any(|h| h.as_ref() == Some(c)));
        let visible: Vec<_> = visible.map(Expr::Column).collect();
        LogicalPlanBuilder::from(rows.plan.clone())
            .project(visible)
            .and_then(LogicalPlanBuilder::build)
            .map_err(planning_error)
    }
}

/// What stands for the definition that a SELECT usually belongs to: it only says what names mean.
fn asked(inputs: Vec<Input>) -> Result<Registered> {
    let name = "question".parse()?;
    let project = match inputs.first() {
        Some(input) => input.pinned.project.clone(),
        None => "question".parse()?,
    };
    let set = TrainingSet {
        name,
        features: String::new(),
        timestamp: String::new(),
        query: String::new(),
        annotations: Annotations::new(),
    };
    let definition = Definition::TrainingSet(set);
    let pinned = Pinned {
        kind: definition.kind(),
        project,
        name: definition.name().clone(),
        version: asof_model::Version(0),
        digest: definition.digest(&inputs),
    };
    Ok(Registered { pinned, definition, inputs, columns: Columns::default(), created: Micros(0) })
}
