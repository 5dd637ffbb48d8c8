//! Which definition comes before which: upstream first, otherwise in the order of the files.

use std::collections::HashMap;

use asof_model::{Definition, Error, Name, Reference};
use datafusion::sql::sqlparser::tokenizer::Span;

use super::{Problem, Registry};
use crate::fault::At;
use crate::syntax::{Named, Statement, names};

/// How many definitions may read one another in a row.
pub(crate) const MAX_CHAIN: usize = 64;

/// The statements, upstream first, without those that cannot be ordered; and why not.
pub(super) fn order(statements: Vec<Statement>, registry: &dyn Registry) -> (Vec<Statement>, Vec<Error>) {
    let mut errors = Vec::new();
    let mut by_name: HashMap<Name, usize> = HashMap::new();
    let mut kept: Vec<Statement> = Vec::with_capacity(statements.len());
    for statement in statements {
        let name = statement.definition.name().clone();
        match by_name.get(&name) {
            Some(&first) => {
                let written = &kept[first].written;
                let first = written.text.pointer(written.name);
                let fault = Problem::DefinedTwice { name: name.to_string(), first }.at(statement.written.name);
                errors.push(fault.within(&statement.written.text));
            }
            None => {
                by_name.insert(name, kept.len());
                kept.push(statement);
            }
        }
    }
    let edges: Vec<_> = kept.iter().map(|s| upstream(s, &by_name, registry)).collect();
    let mut walk =
        Walk { statements: &kept, edges: &edges, marks: vec![Mark::New; kept.len()], order: Vec::new(), errors };
    (0..kept.len()).for_each(|i| walk.visit(i, &mut Vec::new()));
    let Walk { order, errors, .. } = walk;
    let mut kept: Vec<_> = kept.into_iter().map(Some).collect();
    let ordered = order.into_iter().map(|i| kept[i].take().expect("each statement is visited once")).collect();
    (ordered, errors)
}

/// What a definition names, as written, with the place.
pub(super) fn references(statement: &Statement) -> Vec<Named> {
    let written = &statement.written;
    let mut named = match &statement.definition {
        Definition::Dataset(_) | Definition::Entity(_) => return Vec::new(),
        Definition::FeatureView(view) => {
            vec![Named { written: view.entity.clone(), span: written.item("ENTITY", 0) }]
        }
        Definition::FeatureService(_) => Vec::new(),
        Definition::TrainingSet(set) => {
            vec![Named { written: set.features.clone(), span: written.item("FEATURES", 0) }]
        }
    };
    named.extend(names(written.query()));
    named
}

/// The statements of the same files that one reads, with the places where it says so.
fn upstream(statement: &Statement, by_name: &HashMap<Name, usize>, registry: &dyn Registry) -> Vec<(usize, Span)> {
    let within = |named: Named| {
        let reference: Reference = named.written.parse().ok()?;
        let index = *by_name.get(&reference.name)?;
        // A pinned version that exists already is no concern of these files.
        let exists = reference.selector.is_some_and(|s| registry.select(&reference.name, &s).is_some());
        (!exists).then_some((index, named.span))
    };
    references(statement).into_iter().filter_map(within).collect()
}

#[derive(Clone, Copy, PartialEq)]
enum Mark {
    New,
    Open,
    Done,
    /// Part of a circle, or reading one.
    Failed,
}

struct Walk<'a> {
    statements: &'a [Statement],
    edges: &'a [Vec<(usize, Span)>],
    marks: Vec<Mark>,
    order: Vec<usize>,
    errors: Vec<Error>,
}

impl Walk<'_> {
    /// Depth first. `path` bounds the recursion, and with it the depth of plans that inline views in views.
    fn visit(&mut self, index: usize, path: &mut Vec<usize>) {
        if self.marks[index] != Mark::New {
            return;
        }
        if path.len() >= MAX_CHAIN {
            let statement = &self.statements[index].written;
            self.errors.push(Problem::ChainTooLong(MAX_CHAIN).at(statement.name).within(&statement.text));
            self.marks[index] = Mark::Failed;
            return;
        }
        self.marks[index] = Mark::Open;
        path.push(index);
        let mut failed = false;
        let edges = self.edges;
        for (next, span) in &edges[index] {
            if self.marks[*next] == Mark::Open {
                self.report(path, *next, *span);
                failed = true;
                continue;
            }
            self.visit(*next, path);
            failed |= self.marks[*next] == Mark::Failed;
        }
        path.pop();
        self.marks[index] = if failed { Mark::Failed } else { Mark::Done };
        if !failed {
            self.order.push(index);
        }
    }

    /// `a → b → a`, at the reference that closes the circle.
    fn report(&mut self, path: &[usize], back: usize, span: Span) {
        let start = path.iter().position(|i| *i == back).unwrap_or(0);
        let circle: Vec<_> =
            (path[start..].iter().chain([&back])).map(|i| self.statements[*i].definition.name().as_str()).collect();
        let last = &self.statements[*path.last().expect("the path holds the statement being visited")];
        self.errors.push(Problem::Cycle(circle.join(" → ")).at(span).within(&last.written.text));
    }
}
