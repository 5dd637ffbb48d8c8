//! Which values would differ: both versions of what changes, asked for the same keys at the same moment over the same
//! snapshots, by the plan that training runs.
//!
//! A view is asked through a service that reads nothing else. Keys are of both versions' own rows, and of the spine of the
//! newest training set of the former one; parameters are those of the spine, without one they are null. The moment is that
//! of the newest row of the views, unless another is named: later nothing new happens, and much has expired.
//!
//! Compared are the features that both versions have. What asks for other keys or parameters cannot be compared.
//!
//! Costs what two training sets of as many rows cost, and reading each view's keys and times.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::row::{RowConverter, SortField};
use asof_model::definition::{Annotations, Input, Service};
use asof_model::{
    Columns, Definition, Error, Kind, KnownMoment, Micros, Name, Pinned, Registered, Result, SnapshotNumber,
};
use asof_offline::Progress;
use asof_query::{Change, Definitions, Effect, Planner, Serving, TrainingOptions};
use futures::TryStreamExt;

use crate::datasets::Pins;
use crate::equal::sample::{Wanted, assembled};
use crate::equal::{AT, at_moment, one, plain, status_of, taken};
use crate::known::Known;
use crate::{Answered, Engine, Scope};

/// The most differences that are told of one change.
const MOST_TOLD: usize = 100;

/// Which values to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// For how many keys.
    pub keys: usize,
    /// The moment asked about; none means that of the newest row.
    pub at: Option<Micros>,
}

/// How the values of a view or service differ.
#[derive(Clone, Debug)]
pub struct Sampled {
    /// What is current.
    pub before: Pinned,
    /// What would be.
    pub after: Pinned,
    /// The moment asked about.
    pub at: Option<Micros>,
    /// What both were computed over.
    pub snapshots: Vec<(Name, SnapshotNumber)>,
    /// Keys that were asked for.
    pub rows: usize,
    /// Keys for which some feature differs.
    pub differing: usize,
    /// The first of the differences, key by key.
    pub differences: Vec<SampledDifference>,
    /// Why nothing could be compared.
    pub note: Option<String>,
}

/// One feature of one key.
#[derive(Clone, Debug)]
pub struct SampledDifference {
    /// The keys and parameters, a batch of one row.
    pub request: RecordBatch,
    /// The feature.
    pub feature: String,
    /// Its value in the former version.
    pub before: Answered,
    /// Its value in the new one.
    pub after: Answered,
}

/// One of the two versions.
struct Side {
    service: Registered,
    serving: Serving,
    /// Keys, then parameters.
    request: Columns,
}

impl Engine {
    /// Views and services of another meaning, and how their values differ.
    pub(crate) async fn sampled_changes(
        &self,
        scope: &Scope,
        changes: &[Change],
        known: &Known,
        sample: &Sample,
        progress: &Arc<dyn Progress>,
    ) -> Result<Vec<Sampled>> {
        let given = changes.iter().map(|change| (&change.registered.pinned, &change.registered)).collect();
        let mut sampled = Vec::new();
        for change in changes {
            let (after, Effect::Versioned { from, .. }) = (&change.registered, &change.effect) else { continue };
            if !matches!(after.pinned.kind, Kind::FeatureView | Kind::FeatureService) {
                continue;
            }
            let Some(before) = known.version(&after.pinned.name, *from) else { continue };
            let compared = self.compared(scope, before, after, &given, sample, progress).await;
            sampled.push(match compared {
                Ok(sampled) => sampled,
                // A plan goes on where there is no data yet, or a value of it cannot be computed.
                Err(error) if error.kind() == asof_model::ErrorKind::Internal => return Err(error),
                Err(error) => nothing(before, after, error.message()),
            });
        }
        Ok(sampled)
    }

    async fn compared(
        &self,
        scope: &Scope,
        before: &Registered,
        after: &Registered,
        given: &HashMap<&Pinned, &Registered>,
        sample: &Sample,
        progress: &Arc<dyn Progress>,
    ) -> Result<Sampled> {
        let mut all: BTreeMap<Pinned, Registered> = BTreeMap::new();
        for root in [before, after] {
            all.extend(self.closure_among(root, given).await?.into_iter().map(|r| (r.pinned.clone(), r)));
        }
        let all: Vec<Registered> = all.into_values().collect();
        let pins = Arc::new(self.pin(&all, None).await?);
        let definitions = Arc::new(Definitions::new(all.into_iter().map(Arc::new)));
        let (old, new) = (self.side(before, &definitions, &pins).await?, self.side(after, &definitions, &pins).await?);
        if old.request != new.request {
            return Ok(nothing(before, after, "it is asked for by other keys or parameters"));
        }
        let wanted = Wanted { most: sample.keys, seed: 0 };
        let spine = match before.pinned.kind {
            Kind::FeatureService => self.of_a_spine(&scope.environment, &before.pinned, &old.request, wanted).await?,
            _ => None,
        };
        let (mut keys, mut newest) = (Vec::new(), None);
        for view in old.serving.views.iter().chain(&new.serving.views) {
            keys.push(self.of_a_view(view, &definitions, &pins, wanted, progress).await?);
            if sample.at.is_none() {
                let until = self.clock().now();
                newest = newest.max(self.newest_event(&view.view, &definitions, &pins, until, progress).await?);
            }
        }
        let rows =
            distinct(&assembled(&old.request, spine.as_ref(), &keys, sample.keys.saturating_mul(2))?, sample.keys)?;
        let Some(at) = sample.at.or(newest).filter(|_| rows.num_rows() > 0) else {
            return Ok(nothing(before, after, "there is no row to compare yet"));
        };
        let asked = at_moment(&rows, AT, at)?;
        let values = (
            self.values(&old.service, &asked, &definitions, &pins, progress).await?,
            self.values(&new.service, &asked, &definitions, &pins, progress).await?,
        );
        let (differing, differences) = differences(&rows, &values.0, &values.1)?;
        Ok(Sampled {
            before: before.pinned.clone(),
            after: after.pinned.clone(),
            at: Some(at),
            snapshots: pins.numbers().into_iter().collect(),
            rows: rows.num_rows(),
            differing,
            differences,
            note: None,
        })
    }

    async fn side(&self, of: &Registered, definitions: &Arc<Definitions>, pins: &Arc<Pins>) -> Result<Side> {
        let service = match &of.definition {
            Definition::FeatureView(_) => alone(of, definitions)?,
            _ => of.clone(),
        };
        let (compiled, definitions, pins) = (service.clone(), Arc::clone(definitions), Arc::clone(pins));
        let compile = async move { Planner::new(&definitions, pins.as_ref()).serving(&compiled) };
        let serving = self.workshop().run(compile).await?;
        let mut request = serving.keys.clone();
        request.0.extend(serving.request.0.iter().filter(|p| serving.keys.get(&p.name).is_none()).cloned());
        Ok(Side { service, serving, request })
    }

    /// Each feature followed by its status.
    async fn values(
        &self,
        service: &Registered,
        rows: &RecordBatch,
        definitions: &Arc<Definitions>,
        pins: &Arc<Pins>,
        progress: &Arc<dyn Progress>,
    ) -> Result<RecordBatch> {
        let options = TrainingOptions { known_at: KnownMoment::EventTime, statuses: true };
        let plan = Planner::new(definitions, pins.as_ref()).training_of(service, rows.clone(), AT, &options)?;
        let (engine, progress, stage) =
            (self.clone(), Arc::clone(progress), format!("reading for {}", service.pinned.name));
        let work = async move {
            let (stream, making) = engine.stream(plan, &progress, stage).await?;
            let schema = stream.schema();
            let batches: Vec<_> = stream.try_collect().await.map_err(asof_query::execution_error)?;
            making.all_read();
            concat_batches(&schema, &batches).map_err(Error::internal)
        };
        self.workshop().run(work).await
    }
}

fn nothing(before: &Registered, after: &Registered, why: &str) -> Sampled {
    Sampled {
        before: before.pinned.clone(),
        after: after.pinned.clone(),
        at: None,
        snapshots: Vec::new(),
        rows: 0,
        differing: 0,
        differences: Vec::new(),
        note: Some(why.to_owned()),
    }
}

/// A service of all features of one view.
fn alone(view: &Registered, definitions: &Definitions) -> Result<Registered> {
    let Definition::FeatureView(definition) = &view.definition else {
        return Err(Error::internal(format!("{} is no view", view.pinned)));
    };
    let entity = view.inputs.iter().find(|input| input.pinned.kind == Kind::Entity);
    let entity = entity.and_then(|input| definitions.get(&input.pinned));
    let entity = entity.ok_or_else(|| Error::internal(format!("{} has no entity", view.pinned)))?;
    let features = asof_query::features(definition, view, entity);
    let name = &view.pinned.name;
    let listed: Vec<_> = features.names().map(|name| format!("\"{}\"", name.replace('"', "\"\""))).collect();
    let service = Service {
        name: name.clone(),
        request: Columns::default(),
        query: format!("SELECT {} FROM {name}", listed.join(", ")),
        annotations: Annotations::new(),
    };
    let inputs = vec![Input { written: name.to_string(), pinned: view.pinned.clone() }];
    let definition = Definition::FeatureService(service);
    let pinned = Pinned { kind: Kind::FeatureService, digest: definition.digest(&inputs), ..view.pinned.clone() };
    Ok(Registered { pinned, definition, inputs, columns: features, created: view.created })
}

/// The first rows, each once.
fn distinct(rows: &RecordBatch, most: usize) -> Result<RecordBatch> {
    let sorted = bits(rows.columns())?;
    let mut seen = std::collections::HashSet::new();
    let mut places: Vec<usize> = (0..rows.num_rows()).filter(|row| seen.insert(sorted[*row].clone())).collect();
    places.truncate(most);
    taken(rows, &places)
}

/// Rows as bytes that are equal where the rows are, to the bit.
fn bits(columns: &[ArrayRef]) -> Result<Vec<Box<[u8]>>> {
    let fields = columns.iter().map(|column| SortField::new(column.data_type().clone()));
    let converter = RowConverter::new(fields.collect()).map_err(Error::internal)?;
    let rows = converter.convert_columns(columns).map_err(Error::internal)?;
    Ok(rows.iter().map(|row| row.data().into()).collect())
}

/// How many rows differ in a feature that both have, and the first of the differences, row by row.
fn differences(
    rows: &RecordBatch,
    before: &RecordBatch,
    after: &RecordBatch,
) -> Result<(usize, Vec<SampledDifference>)> {
    let mut found = Vec::new();
    let mut differs = vec![false; rows.num_rows()];
    for (place, field) in before.schema().fields().iter().enumerate().step_by(2) {
        let Some((other, _)) = after.schema().column_with_name(field.name()) else { continue };
        let (old, new) = (plain(before.column(place))?, plain(after.column(other))?);
        let same_type = old.data_type() == new.data_type();
        let (old_bits, new_bits) = (bits(std::slice::from_ref(&old))?, bits(std::slice::from_ref(&new))?);
        for row in 0..rows.num_rows() {
            let statuses = (status(before, place + 1, row), status(after, other + 1, row));
            // Of two types no values are the same, but two that are not there may be.
            let same = match same_type {
                true => old_bits[row] == new_bits[row],
                false => old.is_null(row) && new.is_null(row),
            };
            if same && statuses.0 == statuses.1 {
                continue;
            }
            differs[row] = true;
            found.push((row, place, other));
        }
    }
    found.sort_unstable();
    found.truncate(MOST_TOLD);
    let told = found.into_iter().map(|(row, place, other)| {
        let feature = before.schema().field(place).name().clone();
        let side = |of: &RecordBatch, place: usize| {
            Ok::<_, Error>(Answered {
                value: one(&feature, of.column(place), row)?,
                status: status_of(status(of, place + 1, row)),
            })
        };
        Ok(SampledDifference {
            request: taken(rows, &[row])?,
            before: side(before, place)?,
            after: side(after, other)?,
            feature,
        })
    });
    let told = told.collect::<Result<_>>()?;
    Ok((differs.into_iter().filter(|differs| *differs).count(), told))
}

fn status(of: &RecordBatch, place: usize, row: usize) -> &str {
    of.column(place).as_string::<i32>().value(row)
}
