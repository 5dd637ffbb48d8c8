//! Which entries of the serving log are compared: of all of one version those with the smallest hashes, the same ones for the
//! same seed. Reads the whole log, and keeps as many entries as were asked for.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use asof_model::{Error, ErrorKind, Micros, Pinned, Result};
use asof_offline::{Quiet, SEQ};
use futures::StreamExt;

use super::{CompareLogRequest, Logged};
use crate::Engine;
use crate::equal::taken;
use crate::serve::ServingPlan;
use crate::serving_log::{Entry, columns, corrupt, decode, dropped};

impl Engine {
    /// The entries that were asked for, in the order in which they were logged; of more than that the same ones for the same seed.
    pub(super) async fn entries(
        &self,
        plan: &Arc<ServingPlan>,
        request: &CompareLogRequest,
    ) -> Result<(Vec<Entry>, Logged)> {
        let service = plan.serving.service.clone();
        let nothing = |since: Option<Micros>| {
            let since = since.map(|since| format!(" since {since}")).unwrap_or_default();
            let message = format!("no request to {} was logged{since}", service.reference());
            Error::new(ErrorKind::Precondition, "nothing_to_compare", message).remedy(
                "set every in [serving_log] of asof.toml, and let asof serve answer requests; what was logged names its version",
            )
        };
        let Some(snapshot) = self.offline().serving_log(&service.project).await? else {
            return Err(nothing(request.since));
        };
        let (engine, plan, request) = (self.clone(), Arc::clone(plan), request.clone());
        let since = request.since;
        let work = async move {
            // Bytes that are not those that were written must not be decoded.
            snapshot.verify_files(&Quiet).await?;
            let session = datafusion::prelude::SessionContext::new_with_state(engine.workshop().session());
            let table = session.read_table(snapshot.provider()?).map_err(asof_query::execution_error)?;
            let mut batches = table.execute_stream().await.map_err(asof_query::execution_error)?;
            let mut sampled = Sampled { request, kept: BTreeMap::new(), logged: Logged::default() };
            while let Some(batch) = batches.next().await {
                sampled.add(&batch.map_err(asof_query::execution_error)?, &plan.serving.service)?;
            }
            let mut kept: Vec<_> = sampled.kept.into_iter().map(|((_, number), row)| (number, row)).collect();
            kept.sort_by_key(|(number, _)| *number);
            let entries = kept.iter().map(|(_, row)| decode(row, 0, &plan)).collect::<Result<Vec<_>>>()?;
            Ok((entries, sampled.logged))
        };
        let (entries, logged) = self.workshop().run(work).await?;
        if entries.is_empty() { Err(nothing(since)) } else { Ok((entries, logged)) }
    }
}

/// The entries with the smallest hashes so far, each a batch of one row.
struct Sampled {
    request: CompareLogRequest,
    kept: BTreeMap<(u64, i64), RecordBatch>,
    logged: Logged,
}

impl Sampled {
    fn add(&mut self, batch: &RecordBatch, service: &Pinned) -> Result<()> {
        let column =
            |name: &str| batch.column_by_name(name).ok_or_else(|| corrupt(format!("it has no column `{name}`")));
        let wrong = |name: &str| corrupt(format!("`{name}` is of another type"));
        let times = column(columns::LOGGED_AT)?.as_primitive_opt::<TimestampMicrosecondType>();
        let times = times.ok_or_else(|| wrong(columns::LOGGED_AT))?;
        let digests = column(columns::DIGEST)?.as_string_opt::<i32>().ok_or_else(|| wrong(columns::DIGEST))?;
        let names = column(columns::SERVICE)?.as_string_opt::<i32>().ok_or_else(|| wrong(columns::SERVICE))?;
        let numbers = column(SEQ)?.as_primitive_opt::<Int64Type>().ok_or_else(|| wrong(SEQ))?;
        let (name, digest) = (service.reference(), service.digest.to_string());
        for row in 0..batch.num_rows() {
            if self.request.since.is_some_and(|since| times.value(row) < since.0) {
                continue;
            }
            self.logged.dropped += dropped(&batch.slice(row, 1));
            if digests.value(row) != digest || names.value(row) != name {
                continue;
            }
            self.logged.found += 1;
            let number = numbers.value(row);
            let mut hasher = DefaultHasher::new();
            (self.request.seed, number).hash(&mut hasher);
            self.kept.insert((hasher.finish(), number), taken(batch, &[row])?);
            if self.kept.len() > self.request.samples {
                self.kept.pop_last();
            }
        }
        Ok(())
    }
}
