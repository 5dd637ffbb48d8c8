//! The answer to a request for features, as people and programs read it.

use asof_model::Status;
use asof_proto::column::v1::Column;
use asof_proto::error::v1::Error;
use asof_proto::object::v1::Pinned;
use asof_proto::serving::v1::{Feature, GetFeaturesResponse, View};
use serde_json::{Value, json};

use crate::moments::moment;
use crate::pinned;
use crate::rows;
use crate::table::Table;
use crate::warnings;

/// Some entities as asked, and their features.
#[derive(Debug)]
pub(crate) struct Page {
    /// How many entities came before.
    pub(crate) start: usize,
    /// Keys and parameters, a row per entity.
    pub(crate) request: Vec<Column>,
    /// A row per entity, in the same order.
    pub(crate) reply: GetFeaturesResponse,
}

impl Page {
    /// Keys and parameters, features, `<feature>__status`; where they were asked for, `<view>__event_time`,
    /// `<view>__view` and `<view>__run`.
    pub(crate) fn columns(&self) -> Vec<Column> {
        let features = &self.reply.features;
        let mut columns = self.request.clone();
        columns.extend(features.iter().filter_map(|f| f.values.clone()));
        columns.extend(features.iter().map(|feature| {
            let statuses = (0..self.count()).map(|row| Some(status(feature, row).to_string()));
            rows::texts(&format!("{}__status", name(feature)), statuses.collect())
        }));
        for view in &self.reply.views {
            let times = view.event_times.clone().unwrap_or_default();
            columns.push(Column { name: format!("{}__event_time", view.alias), ..times });
            if let Some(version) = &view.view {
                let same = |text: String| vec![Some(text); self.count()];
                columns.push(rows::texts(&format!("{}__view", view.alias), same(pinned::reference(version))));
                columns.push(rows::texts(&format!("{}__run", view.alias), same(view.run.clone())));
            }
        }
        columns
    }

    /// How many entities.
    fn count(&self) -> usize {
        rows::count(&self.request).max(self.reply.features.iter().map(|f| f.statuses.len()).max().unwrap_or(0))
    }

    /// The only entity: a feature per line.
    pub(crate) fn one(&self) -> Table {
        let (times, receipts) = (!self.reply.views.is_empty(), self.reply.views.iter().any(|v| v.view.is_some()));
        let mut header = vec!["FEATURE", "VALUE", "STATUS"];
        header.extend(times.then_some("EVENT TIME"));
        header.extend(receipts.then_some("RECEIPT"));
        let mut table = Table::new(header);
        for feature in &self.reply.features {
            let views: Vec<_> = self.views(feature).collect();
            let mut cells =
                vec![name(feature).to_owned(), shown(feature, 0).unwrap_or_default(), status(feature, 0).to_string()];
            if times {
                cells.push(views.iter().filter_map(|v| event_time(v, 0)).collect::<Vec<_>>().join(", "));
            }
            if receipts {
                cells.push(views.iter().filter_map(|v| receipt(v)).collect::<Vec<_>>().join(", "));
            }
            table.row(cells);
        }
        table
    }

    /// Every entity, its values or why there are none.
    fn entities(&self) -> Vec<Value> {
        let entity = |row: usize| {
            let request = self.request.iter().map(|c| (c.name.clone(), rows::value(c, row)));
            let features = self.reply.features.iter().map(|feature| {
                let views: Vec<_> = self.views(feature).map(|v| v.alias.clone()).collect();
                let mut shown = json!({
                    "name": name(feature),
                    "type": feature.values.as_ref().map(|c| &c.r#type),
                    "value": feature.values.as_ref().map(|c| rows::value(c, row)),
                    "status": status(feature, row),
                });
                if !self.reply.views.is_empty() {
                    shown["views"] = json!(views);
                }
                shown
            });
            let mut entity = json!({
                "request": request.collect::<serde_json::Map<_, _>>(),
                "features": features.collect::<Vec<_>>(),
            });
            if let Some(error) = self.error(row) {
                entity["error"] = json!({ "code": error.code, "message": error.message, "remedy": error.remedy });
            }
            if !self.reply.views.is_empty() {
                entity["views"] = self.reply.views.iter().map(|view| view_json(view, row)).collect();
            }
            entity
        };
        (0..self.count()).map(entity).collect()
    }

    /// Why an entity could not be answered.
    fn error(&self, row: usize) -> Option<&Error> {
        self.reply.errors.iter().find(|bad| bad.row as usize == row)?.error.as_ref()
    }

    /// Those that could not be answered, for people.
    pub(crate) fn errors(&self) -> impl Iterator<Item = String> {
        self.reply.errors.iter().filter_map(|bad| {
            let error = bad.error.as_ref()?;
            // The server counts the rows of its own request.
            let message = error.message.strip_prefix(&format!("row {}: ", bad.row)).unwrap_or(&error.message);
            Some(format!("row {}: error[{}]: {}", self.start + bad.row as usize, error.code, message))
        })
    }

    /// The views that a feature was computed from.
    pub(crate) fn views<'a>(&'a self, feature: &'a Feature) -> impl Iterator<Item = &'a View> {
        feature.views.iter().filter_map(|position| self.reply.views.get(*position as usize))
    }
}

/// Many entities: a row each; in place of a value that is not there stands why.
pub(crate) fn many(pages: &[Page]) -> Table {
    let Some(first) = pages.first() else { return Table::new([""; 0]) };
    let names = first.request.iter().map(|c| c.name.as_str()).chain(first.reply.features.iter().map(name));
    let times = first.reply.views.iter().map(|v| format!("{} event time", v.alias));
    let mut table = Table::new(names.map(str::to_owned).chain(times));
    for page in pages {
        for row in 0..page.count() {
            let given = page.request.iter().map(|c| rows::text(c, row).unwrap_or_else(|| "null".to_owned()));
            let features = page.reply.features.iter();
            let features = features.map(|f| shown(f, row).unwrap_or_else(|| format!("({})", status(f, row))));
            let times = page.reply.views.iter().map(|v| event_time(v, row).unwrap_or_default());
            table.row(given.chain(features).chain(times).collect());
        }
    }
    table
}

/// The version and moment that answered, and every entity.
pub(crate) fn json(service: Option<&Pinned>, at: i64, pages: &[Page]) -> Value {
    let mut document = json!({
        "service": pinned::json_option(service),
        "at": moment(at),
        "entities": pages.iter().flat_map(Page::entities).collect::<Vec<_>>(),
    });
    if let Some(page) = pages.iter().find(|page| !page.reply.warnings.is_empty()) {
        document["warnings"] = warnings::json(&page.reply.warnings);
    }
    document
}

/// The feature's name.
pub(crate) fn name(feature: &Feature) -> &str {
    feature.values.as_ref().map_or("", |c| c.name.as_str())
}

/// Why a value is, or is not, there; a number this client does not know is missing.
pub(crate) fn status(feature: &Feature, row: usize) -> Status {
    feature.statuses.get(row).and_then(|number| Status::from_u8(*number)).unwrap_or(Status::Missing)
}

/// The value, `null` for one that is null; nothing where there is none.
pub(crate) fn shown(feature: &Feature, row: usize) -> Option<String> {
    let value = feature.values.as_ref().and_then(|c| rows::text(c, row));
    value.or_else(|| (status(feature, row) == Status::Null).then(|| "null".to_owned()))
}

/// When the row happened that a view found.
pub(crate) fn event_time(view: &View, row: usize) -> Option<String> {
    rows::text(view.event_times.as_ref()?, row)
}

/// What brought a view's rows: version, run and the moment as of which they are the newest.
fn receipt(view: &View) -> Option<String> {
    let version = view.view.as_ref()?;
    Some(format!("{} by run {} as of {}", pinned::reference(version), view.run, moment(view.materialized_at)))
}

fn view_json(view: &View, row: usize) -> Value {
    let mut shown = json!({ "alias": view.alias, "event_time": event_time(view, row) });
    if let Some(version) = &view.view {
        shown["view"] = pinned::json(version);
        shown["run"] = json!(view.run);
        shown["materialized_at"] = json!(moment(view.materialized_at));
    }
    shown
}
