//! SQL files with the answers they must give: every `tests/slt/*.slt` of the repository, each over an in-memory
//! project of its own. The answers are worked out by hand from what a value is, never copied from output.
//!
//! | statement | what it does |
//! |---|---|
//! | `CREATE …; CREATE …` | registers definitions, all or none |
//! | `INSERT INTO dataset VALUES (…), …` | appends rows, cast to the declared columns; `_seq` goes on counting |
//! | `TRAIN set [KNOWN AT NOW \| KNOWN AT 'time'] [WITH STATUSES]` | the rows of a training set, in their order |
//! | `NEWEST view AT 'time'` | the newest row of each key by then, whatever the TTL, without its stamp, sorted, since they have no order |
//! | `DESCRIBE set` | the columns of a training set with their types |
//!
//! The first row of an answer holds the column names. `NULL` is a null and `(empty)` an empty text. A refusal is
//! shown on one line, `code: message (remedy)`, for `statement error <regex>` and `query error <regex>`. `skipif asof`
//! stands before an answer that is right and not given yet, with a comment why.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use asof_model::schema::sql_type;
use asof_model::{Columns, Error, Micros};
use asof_query::{KnownMoment, Planner, TrainingOptions};
use datafusion::arrow::array::{ArrayRef, RecordBatch, new_empty_array};
use datafusion::arrow::compute::concat;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast, ident};
use sqllogictest::{DB, DBOutput, DefaultColumnType, Runner, parse_file};

use crate::asof::RUNTIME;
use crate::planning::{accepted, run};
use crate::project::Project;

const FOLDER: &str = "../../tests/slt";

/// Goes on after a wrong answer, so that one run tells all of them.
#[test]
fn every_file_gives_its_answers() {
    let files = files();
    assert!(!files.is_empty(), "no files in {FOLDER}");
    let failures: Vec<String> = std::thread::scope(|scope| {
        let running: Vec<_> = files.iter().map(|file| scope.spawn(|| failures(file))).collect();
        running.into_iter().flat_map(|file| file.join().expect("told above")).collect()
    });
    assert!(failures.is_empty(), "{} wrong answers\n\n{}", failures.len(), failures.join("\n"));
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(FOLDER);
    let entries = folder.read_dir().expect(FOLDER).map(|entry| entry.expect("readable").path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|e| e == "slt")).collect();
    files.sort();
    files
}

fn failures(file: &Path) -> Vec<String> {
    let records = match parse_file::<DefaultColumnType>(file) {
        Ok(records) => records,
        Err(error) => return vec![error.to_string()],
    };
    let mut runner = Runner::new(|| async { Ok(Database::new()) });
    records.into_iter().filter_map(|record| runner.run(record).err()).map(|error| error.to_string()).collect()
}

/// A project, and the rows that its datasets have accepted.
struct Database {
    project: Project,
    accepted: BTreeMap<String, Vec<ArrayRef>>,
}

/// Why a statement was refused, one error a line.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.iter().map(line).collect::<Vec<_>>().join("\n"))]
struct Refused(Vec<Error>);

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Refused(vec![error])
    }
}

fn line(error: &Error) -> String {
    let remedy = error.remedy_text().map(|remedy| format!(" ({remedy})"));
    format!("{}: {}{}", error.code(), error.message(), remedy.unwrap_or_default())
}

impl DB for Database {
    type Error = Refused;
    type ColumnType = DefaultColumnType;

    fn engine_name(&self) -> &str {
        "asof"
    }

    fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Refused> {
        let (verb, rest) = sql.split_once(' ').unwrap_or((sql, ""));
        match verb {
            "INSERT" => self.insert(rest),
            "TRAIN" => Ok(shown(&run(self.training(rest)?)?)),
            "NEWEST" => Ok(sorted(shown(&run(self.newest(rest)?)?))),
            "DESCRIBE" => Ok(described(&self.training(rest)?)),
            _ => self.create(sql),
        }
    }
}

impl Database {
    fn new() -> Self {
        Database { project: Project::new(), accepted: BTreeMap::new() }
    }

    fn create(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Refused> {
        self.project.plan(sql).map_err(Refused)?;
        Ok(DBOutput::StatementComplete(self.project.apply(sql).len() as u64))
    }

    /// `INTO dataset VALUES (…), …`
    fn insert(&mut self, rest: &str) -> Result<DBOutput<DefaultColumnType>, Refused> {
        let (into, values) = rest.split_once("VALUES").expect("VALUES");
        let dataset = into.trim().strip_prefix("INTO ").expect("INTO a dataset").trim();
        let columns = self.project.get(dataset).columns.clone();
        let rows = run(typed(values, &columns))?;
        let empty = || columns.0.iter().map(|column| new_empty_array(&column.data_type)).collect();
        let all: &mut Vec<ArrayRef> = self.accepted.entry(dataset.to_owned()).or_insert_with(empty);
        for (column, new) in all.iter_mut().zip(rows.columns()) {
            *column = concat(&[column.as_ref(), new.as_ref()]).expect("one type");
        }
        self.project.ingest(dataset, accepted(columns.names().zip(all.iter().cloned()).collect()));
        Ok(DBOutput::StatementComplete(rows.num_rows() as u64))
    }

    /// `set [KNOWN AT NOW | KNOWN AT 'time'] [WITH STATUSES]`
    fn training(&self, rest: &str) -> Result<LogicalPlan, Error> {
        let (rest, statuses) = match rest.strip_suffix("WITH STATUSES") {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        let (set, known_at) = match rest.split_once("KNOWN AT") {
            Some((set, time)) if time.trim() == "NOW" => (set, KnownMoment::Now),
            Some((set, time)) => (set, KnownMoment::At(moment(time))),
            None => (rest, KnownMoment::EventTime),
        };
        let definitions = self.project.definitions();
        let options = TrainingOptions { known_at, statuses };
        Planner::new(&definitions, &self.project).training(&self.project.get(set.trim()), &options)
    }

    /// `view AT 'time'`
    fn newest(&self, rest: &str) -> Result<LogicalPlan, Error> {
        let (view, time) = rest.split_once(" AT ").expect("AT 'time'");
        let definitions = self.project.definitions();
        let plan = Planner::new(&definitions, &self.project).newest(&self.project.get(view), moment(time))?;
        let told = plan.schema().columns().into_iter().filter(|c| !["__known", "__seq"].contains(&c.name.as_str()));
        let told: Vec<_> = told.map(Expr::Column).collect();
        Ok(LogicalPlanBuilder::from(plan).project(told).and_then(LogicalPlanBuilder::build).expect("its own columns"))
    }
}

fn moment(literal: &str) -> Micros {
    literal.trim().trim_matches('\'').parse().expect(literal)
}

/// Rows of literals in the types of these columns.
fn typed(values: &str, columns: &Columns) -> LogicalPlan {
    let state = asof_query::session_state(Arc::new(RuntimeEnv::default()), 1);
    let literals = RUNTIME.block_on(state.create_logical_plan(&format!("VALUES {values}"))).expect(values);
    assert_eq!(literals.schema().fields().len(), columns.0.len(), "one value for each column: {values}");
    let typed = columns.0.iter().zip(1..).map(|(column, n)| {
        let literal = ident(format!("column{n}"));
        cast(literal, column.data_type.clone()).alias(&column.name)
    });
    LogicalPlanBuilder::from(literals).project(typed).and_then(LogicalPlanBuilder::build).expect(values)
}

/// Column names, then values, as text.
fn shown(rows: &RecordBatch) -> DBOutput<DefaultColumnType> {
    let options = FormatOptions::default().with_null("NULL");
    let columns: Vec<_> =
        rows.columns().iter().map(|c| ArrayFormatter::try_new(c, &options).expect("printable")).collect();
    let value = |column: &ArrayFormatter, row| match column.value(row).to_string() {
        text if text.is_empty() => "(empty)".to_owned(),
        text => text,
    };
    let names = rows.schema().fields().iter().map(|f| f.name().clone()).collect();
    let values = (0..rows.num_rows()).map(|row| columns.iter().map(|column| value(column, row)).collect());
    table(std::iter::once(names).chain(values).collect())
}

fn described(plan: &LogicalPlan) -> DBOutput<DefaultColumnType> {
    let columns = plan.schema().fields().iter().map(|f| vec![f.name().clone(), sql_type(f.data_type())]);
    table(std::iter::once(vec!["column".into(), "type".into()]).chain(columns).collect())
}

fn table(rows: Vec<Vec<String>>) -> DBOutput<DefaultColumnType> {
    DBOutput::Rows { types: vec![DefaultColumnType::Any; rows[0].len()], rows }
}

/// The same below its names.
fn sorted(mut output: DBOutput<DefaultColumnType>) -> DBOutput<DefaultColumnType> {
    if let DBOutput::Rows { rows, .. } = &mut output {
        rows[1..].sort();
    }
    output
}
