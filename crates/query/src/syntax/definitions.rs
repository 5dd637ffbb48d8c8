//! The five kinds of definition, clause by clause. Clauses come in any order before AS, each at most once.

use std::collections::HashMap;
use std::sync::Arc;

use asof_model::definition::{Annotations, Check, Dataset, Entity, KnownAt, Service, TrainingSet, View};
use asof_model::name::nearest;
use asof_model::{Columns, Definition, Name};
use datafusion::sql::sqlparser::ast::{Expr, Query};
use datafusion::sql::sqlparser::tokenizer::{Span, TokenWithSpan};

use super::cursor::{Cursor, Result};
use super::interval::interval;
use super::problem::Problem;
use super::{Statement, Written, canonical, reach, windows};
use crate::fault::At;
use crate::text::Text;

/// What CREATE can be followed by.
const KINDS: [&str; 5] = ["DATASET", "ENTITY", "FEATURE VIEW", "FEATURE SERVICE", "TRAINING SET"];

/// Reads one definition.
pub(super) fn read(tokens: Vec<TokenWithSpan>, text: &Arc<Text>) -> Result<Statement> {
    let mut cursor = Cursor::new(tokens, text);
    cursor.expect("CREATE")?;
    let start = cursor.here();
    let Some(kind) = KINDS.into_iter().find(|kind| cursor.take(kind)) else {
        return Err(unknown_kind(&mut cursor, start));
    };
    let (name, span) = cursor.name("a name")?;
    let mut reader = Reader { cursor, name, at: span, spans: HashMap::new(), checks: Vec::new(), query: None };
    let definition = match kind {
        "DATASET" => reader.dataset(),
        "ENTITY" => reader.entity(),
        "FEATURE VIEW" => reader.view(),
        "FEATURE SERVICE" => reader.service(),
        _ => reader.training_set(),
    }?;
    let Reader { spans, checks, query, .. } = reader;
    Ok(Statement { definition, written: Written { text: text.clone(), name: span, spans, query, checks } })
}

/// `CREATE FEATURE VEIW`: compares the next two words, then the next one, with what is known.
fn unknown_kind(cursor: &mut Cursor, start: Span) -> crate::fault::Fault {
    let Some(first) = cursor.word().map(str::to_ascii_uppercase) else {
        return cursor.unexpected("what to create", []);
    };
    cursor.take(&first);
    let second = cursor.word().map(|second| format!("{first} {}", second.to_ascii_uppercase()));
    let near_pair = second.as_deref().and_then(|pair| nearest(pair, KINDS)).filter(|kind| kind.contains(' '));
    match (near_pair, second) {
        (Some(kind), Some(pair)) => {
            let span = start.union(&cursor.here());
            Problem::UnknownKind(pair, KINDS.into_iter().find(|k| *k == kind)).at(span)
        }
        _ => {
            let near = nearest(&first, KINDS).or(match first.as_str() {
                "VIEW" => Some("FEATURE VIEW"),
                "SERVICE" => Some("FEATURE SERVICE"),
                "TABLE" => Some("DATASET"),
                _ => None,
            });
            Problem::UnknownKind(first, near.and_then(|near| KINDS.into_iter().find(|k| *k == near))).at(start)
        }
    }
}

/// Reads the clauses of one definition.
struct Reader {
    cursor: Cursor,
    name: Name,
    at: Span,
    spans: HashMap<&'static str, Vec<Span>>,
    checks: Vec<Expr>,
    query: Option<Box<Query>>,
}

impl Reader {
    fn dataset(&mut self) -> Result<Definition> {
        const CLAUSES: &[&str] = &["TIMESTAMP", "KNOWN AT", "KEY", "CLUSTER BY", "CHECK", "WITH"];
        let mut columns = None;
        if self.cursor.opens() {
            let (read, spans) = self.cursor.columns()?;
            columns = Some(read);
            self.spans.insert("columns", spans);
        }
        let (mut timestamp, mut known_at, mut key, mut cluster_by) = (None, None, Vec::new(), Vec::new());
        let (mut checks, mut annotations) = (Vec::new(), Annotations::new());
        while let Some(clause) = self.clause("a dataset", CLAUSES)? {
            match clause {
                "TIMESTAMP" => timestamp = Some(self.column(clause)?),
                "KNOWN AT" => known_at = Some(self.column(clause)?),
                "KEY" => key = self.columns(clause)?,
                "CLUSTER BY" => cluster_by = self.columns(clause)?,
                "CHECK" => checks.push(self.check()?),
                _ => annotations = self.with()?,
            }
        }
        let timestamp = timestamp.ok_or_else(|| self.missing("dataset", "TIMESTAMP", "TIMESTAMP column"))?;
        let name = self.name.clone();
        Ok(Definition::Dataset(Dataset { name, columns, timestamp, known_at, key, cluster_by, checks, annotations }))
    }

    fn entity(&mut self) -> Result<Definition> {
        let (mut key, mut annotations) = (None, Annotations::new());
        while let Some(clause) = self.clause("an entity", &["KEY", "WITH"])? {
            match clause {
                "KEY" => key = Some(self.typed_columns(clause)?),
                _ => annotations = self.with()?,
            }
        }
        let key = key.ok_or_else(|| self.missing("entity", "KEY", "KEY (column TYPE, …)"))?;
        Ok(Definition::Entity(Entity { name: self.name.clone(), key, annotations }))
    }

    fn view(&mut self) -> Result<Definition> {
        const CLAUSES: &[&str] = &["ENTITY", "TIMESTAMP", "KNOWN AT", "TTL", "SLIDE", "WITH", "AS"];
        let (mut entity, mut timestamp, mut known_at) = (None, None, KnownAt::Silent);
        let (mut ttl, mut slide, mut annotations) = (None, None, Annotations::new());
        while let Some(clause) = self.clause("a feature view", CLAUSES)? {
            match clause {
                "ENTITY" => entity = Some(self.reference(clause, "an entity")?),
                "TIMESTAMP" => timestamp = Some(self.column(clause)?),
                "KNOWN AT" if self.cursor.take("NONE") => known_at = KnownAt::Never,
                "KNOWN AT" => known_at = KnownAt::Column(self.column(clause)?),
                "TTL" => ttl = Some(interval(&mut self.cursor)?),
                "SLIDE" => slide = Some(self.slide()?),
                "WITH" => annotations = self.with()?,
                _ => self.select()?,
            }
        }
        let entity = entity.ok_or_else(|| self.missing("feature view", "ENTITY", "ENTITY name"))?;
        let timestamp = timestamp.ok_or_else(|| self.missing("feature view", "TIMESTAMP", "TIMESTAMP column"))?;
        let query = self.canonical("feature view")?;
        let slide = self.slid(slide)?;
        let name = self.name.clone();
        Ok(Definition::FeatureView(View { name, entity, timestamp, known_at, ttl, slide, query, annotations }))
    }

    fn service(&mut self) -> Result<Definition> {
        let (mut request, mut annotations) = (Columns::default(), Annotations::new());
        while let Some(clause) = self.clause("a feature service", &["REQUEST", "WITH", "AS"])? {
            match clause {
                "REQUEST" => request = self.typed_columns(clause)?,
                "WITH" => annotations = self.with()?,
                _ => self.select_with(true)?,
            }
        }
        let query = self.canonical("feature service")?;
        Ok(Definition::FeatureService(Service { name: self.name.clone(), request, query, annotations }))
    }

    fn training_set(&mut self) -> Result<Definition> {
        let (mut features, mut timestamp, mut annotations) = (None, None, Annotations::new());
        while let Some(clause) = self.clause("a training set", &["FEATURES", "TIMESTAMP", "WITH", "AS"])? {
            match clause {
                "FEATURES" => features = Some(self.reference(clause, "a feature service")?),
                "TIMESTAMP" => timestamp = Some(self.column(clause)?),
                "WITH" => annotations = self.with()?,
                _ => self.select()?,
            }
        }
        let features = features.ok_or_else(|| self.missing("training set", "FEATURES", "FEATURES service"))?;
        let timestamp = timestamp.ok_or_else(|| self.missing("training set", "TIMESTAMP", "TIMESTAMP column"))?;
        let query = self.canonical("training set")?;
        Ok(Definition::TrainingSet(TrainingSet { name: self.name.clone(), features, timestamp, query, annotations }))
    }

    /// The word of the next clause; none at the end.
    fn clause(&mut self, object: &'static str, clauses: &'static [&'static str]) -> Result<Option<&'static str>> {
        if self.cursor.at_end() {
            return Ok(None);
        }
        let here = self.cursor.here();
        let Some(clause) = clauses.iter().copied().find(|clause| self.cursor.take(clause)) else {
            let Some(word) = self.cursor.word().map(str::to_ascii_uppercase) else {
                return Err(self.cursor.unexpected(&format!("a clause or `;` after the clauses of {object}"), []));
            };
            if ["SELECT", "CREATE"].contains(&word.as_str()) {
                let expected = if word == "SELECT" { "AS before SELECT" } else { "`;` between two definitions" };
                return Err(self.cursor.unexpected(expected, []));
            }
            // `KNWON AT` is near `KNOWN AT` by its first word.
            let first = |clause: &'static str| clause.split(' ').next().unwrap_or(clause);
            let near = nearest(&word, clauses.iter().map(|c| first(c)))
                .and_then(|near| clauses.iter().copied().find(|c| first(c) == near));
            return Err(Problem::UnknownClause { object, found: word, near, clauses }.at(here));
        };
        // CHECK is the one clause that a definition may have several of.
        if clause != "CHECK" && self.spans.insert(clause, Vec::new()).is_some() {
            return Err(Problem::RepeatedClause(clause).at(here));
        }
        Ok(Some(clause))
    }

    fn mark(&mut self, clause: &'static str, span: Span) {
        self.spans.entry(clause).or_default().push(span);
    }

    fn column(&mut self, clause: &'static str) -> Result<String> {
        let (column, span) = self.cursor.column()?;
        self.mark(clause, span);
        Ok(column)
    }

    fn reference(&mut self, clause: &'static str, what: &str) -> Result<String> {
        let (written, span) = self.cursor.reference(what)?;
        self.mark(clause, span);
        Ok(written)
    }

    fn columns(&mut self, clause: &'static str) -> Result<Vec<String>> {
        let columns = self.cursor.column_list()?;
        let (columns, spans) = columns.into_iter().unzip();
        self.spans.insert(clause, spans);
        Ok(columns)
    }

    fn typed_columns(&mut self, clause: &'static str) -> Result<Columns> {
        let (columns, spans) = self.cursor.columns()?;
        self.spans.insert(clause, spans);
        Ok(columns)
    }

    fn slide(&mut self) -> Result<asof_model::Micros> {
        let here = self.cursor.here();
        let slide = interval(&mut self.cursor)?;
        self.mark("SLIDE", here.union(&self.cursor.behind()));
        Ok(slide)
    }

    /// A SLIDE as it counts: one that says what would be without it is no part of the meaning (law 1).
    fn slid(&self, slide: Option<asof_model::Micros>) -> Result<Option<asof_model::Micros>> {
        let windows = match &self.query {
            Some(query) => windows::read(query, slide)?,
            None => None,
        };
        let Some(slide) = slide else { return Ok(None) };
        let span = self.spans.get("SLIDE").and_then(|spans| spans.first()).copied().unwrap_or(self.at);
        windows::check_slide(slide, windows.as_ref(), span)?;
        Ok(windows.filter(|windows| !windows.slides_by(slide)).map(|_| slide))
    }

    fn check(&mut self) -> Result<Check> {
        let (name, span) = self.cursor.name("the name of the check")?;
        self.mark("CHECK", span);
        let mut conditions = self.cursor.list(Cursor::expression)?;
        let condition = conditions.pop().filter(|_| conditions.is_empty());
        let condition = condition.ok_or_else(|| Problem::Syntax("a check is one condition".to_owned()).at(span))?;
        let text = canonical::text(&condition);
        self.checks.push(condition);
        Ok(Check { name, condition: text })
    }

    /// `(key = 'value', …)`
    fn with(&mut self) -> Result<Annotations> {
        let pairs = self.cursor.list(|cursor| {
            let (key, span) = cursor.name("the name of a remark")?;
            cursor.equals()?;
            Ok((key, span, cursor.string("a text in single quotes")?))
        })?;
        let mut annotations = Annotations::new();
        for (key, span, value) in pairs {
            if annotations.insert(key.to_string(), value).is_some() {
                return Err(Problem::DuplicateColumn(key.to_string()).at(span));
            }
        }
        Ok(annotations)
    }

    fn select(&mut self) -> Result<()> {
        self.select_with(false)
    }

    /// `calls`: whether a name in FROM may have arguments.
    fn select_with(&mut self, calls: bool) -> Result<()> {
        let query = self.cursor.query()?;
        reach::check(&query, calls)?;
        self.query = Some(query);
        Ok(())
    }

    /// The text of the SELECT that every other one of its meaning has too.
    fn canonical(&self, object: &'static str) -> Result<String> {
        let query = self.query.as_ref().ok_or_else(|| self.missing(object, "AS", "AS SELECT …"))?;
        Ok(canonical::text(query.as_ref()))
    }

    fn missing(&self, object: &'static str, clause: &'static str, example: &'static str) -> crate::fault::Fault {
        Problem::MissingClause { object, name: self.name.to_string(), clause, example }.at(self.at)
    }
}
