//! What runs made. Only a run that is done made anything.

use asof_model::run::Item;
use asof_model::{Name, Pinned, Run};
use sqlx::{query_as, query_scalar};

use crate::error::{Error, Result};
use crate::runs::{self, Entry};
use crate::store::Connection;

pub(crate) async fn producer(db: &mut Connection, project: &Name, item: &Item) -> Result<Option<Run>> {
    let entry = Entry::of(project, item);
    let body: Option<String> = query_scalar(
        "SELECT r.body FROM run_item i JOIN run r ON r.id = i.run
         WHERE i.project = $1 AND i.key = $2 AND i.role = 'output' AND r.state = 'done'
         ORDER BY r.started, r.id LIMIT 1",
    )
    .bind(entry.project.as_str())
    .bind(entry.key)
    .fetch_optional(db)
    .await?;
    body.map(|body| runs::from_body(&body)).transpose()
}

pub(crate) async fn built(db: &mut Connection, project: &Name, name: &Name) -> Result<Vec<Item>> {
    let rows = query_as(
        "SELECT r.body, i.position FROM run_item i JOIN run r ON r.id = i.run
         WHERE i.project = $1 AND i.item = 'training_set' AND i.name = $2 AND i.role = 'output' AND r.state = 'done'
         ORDER BY i.number, r.started, r.id",
    )
    .bind(project.as_str())
    .bind(name.as_str())
    .fetch_all(db)
    .await?;
    outputs(project, rows)
}

/// The newest generation of each view that is on record, but for those that were dropped since.
pub(crate) async fn online(db: &mut Connection, project: &Name) -> Result<Vec<Item>> {
    let rows = query_as(
        "WITH made AS (
             SELECT i.* FROM run_item i JOIN run r ON r.id = i.run
             WHERE i.project = $1 AND i.item = 'online' AND i.role = 'output' AND r.state = 'done'
         ), newest AS (
             SELECT name, version, max(number) AS number FROM made GROUP BY name, version
         )
         SELECT r.body, m.position FROM newest n
         JOIN made m ON m.name = n.name AND m.version = n.version AND m.number = n.number
         JOIN run r ON r.id = m.run
         WHERE NOT EXISTS (
             SELECT 1 FROM run_item d JOIN run q ON q.id = d.run
             WHERE d.project = m.project AND d.key = m.key AND d.role = 'input' AND q.verb = 'gc' AND q.state = 'done'
         )
         ORDER BY m.name, m.version, r.started, r.id",
    )
    .bind(project.as_str())
    .fetch_all(db)
    .await?;
    outputs(project, rows)
}

/// The number of the newest publication of a view that is on record, also where it was dropped since.
pub(crate) async fn last_generation(db: &mut Connection, view: &Pinned) -> Result<Option<u64>> {
    let number: Option<i64> = query_scalar(
        "SELECT max(i.number) FROM run_item i JOIN run r ON r.id = i.run
         WHERE i.project = $1 AND i.item = 'online' AND i.name = $2 AND i.version = $3 AND i.role = 'output'
           AND r.state = 'done'",
    )
    .bind(view.project.as_str())
    .bind(view.name.as_str())
    .bind(i64::from(view.version.0))
    .fetch_one(db)
    .await?;
    Ok(number.and_then(|number| u64::try_from(number).ok()))
}

/// The items at these positions, each thing once: as the first run that made it says.
fn outputs(project: &Name, rows: Vec<(String, i64)>) -> Result<Vec<Item>> {
    let items = rows.into_iter().map(|(body, position)| {
        let run = runs::from_body(&body)?;
        let found = usize::try_from(position).ok().and_then(|position| run.outputs.into_iter().nth(position));
        found.ok_or_else(|| Error::damaged(format_args!("run {}", run.id), "its index points past its outputs"))
    });
    let mut items: Vec<Item> = items.collect::<Result<_>>()?;
    items.dedup_by_key(|item| Entry::of(project, item).key);
    Ok(items)
}
