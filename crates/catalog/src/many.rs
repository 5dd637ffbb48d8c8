//! Many rows in few statements: what an apply of a thousand definitions writes would otherwise be ten thousand of them.

use sqlx::any::{Any, AnyArguments};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, query};

use crate::error::Result;
use crate::store::Connection;

/// How many rows one statement inserts. To SQLite `$1` is a name, and each name is looked for among all before it: a thousand rows of
/// ten columns at once took two seconds for that alone.
const AT_ONCE: usize = 50;

/// A statement with its parameters so far.
pub(crate) type Bound = Query<'static, Any, AnyArguments>;

/// Inserts rows: `into` names the table and its columns in brackets, `then` what stands behind the values, and `bind` adds a row's
/// parameters, in the order of the columns.
pub(crate) async fn insert<T>(
    db: &mut Connection,
    into: &'static str,
    then: &'static str,
    rows: &[T],
    bind: impl Fn(Bound, &T) -> Bound,
) -> Result<()> {
    let columns = into.split(',').count();
    for rows in rows.chunks(AT_ONCE) {
        let place = |row: usize| {
            let places: Vec<_> = (1..=columns).map(|column| format!("${}", row * columns + column)).collect();
            format!("({})", places.join(", "))
        };
        let places: Vec<_> = (0..rows.len()).map(place).collect();
        // Names of columns and numbers of parameters: nothing of it is anybody's text.
        let statement = format!("INSERT INTO {into} VALUES {} {then}", places.join(", "));
        // Not kept prepared unless it is likely to come again.
        let bound = query(AssertSqlSafe(statement)).persistent(rows.len() == 1);
        rows.iter().fold(bound, &bind).execute(&mut *db).await?;
    }
    Ok(())
}
