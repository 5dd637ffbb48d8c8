//! What came out of holding what is served against what training gives.

use asof_engine::{
    Answered, CompareLogRequest, CompareRequest, Compared, Logged, Mismatch, Sampled, SampledDifference,
};
use asof_model::run::Receipt;
use asof_model::{Micros, Result, Status};
use asof_proto::column::v1::Column;
use asof_proto::comparison::v1 as wire;
use asof_proto::jobs::v1::{VerifyServiceRequest, VerifyServiceResult};

use super::column::from_batch;
use super::object::{from_pinned, reference};

/// How many keys are compared where nobody says.
const SAMPLES: u32 = 1_000;
/// How many entries of the serving log.
const ENTRIES: u32 = 100;

pub(crate) fn to_compare_log(request: &VerifyServiceRequest) -> Result<CompareLogRequest> {
    Ok(CompareLogRequest {
        service: reference(&request.service)?,
        samples: usize::try_from(request.samples.unwrap_or(ENTRIES)).unwrap_or(usize::MAX),
        seed: request.seed,
        since: request.since.map(Micros),
    })
}

pub(crate) fn to_compare(request: &VerifyServiceRequest) -> Result<CompareRequest> {
    Ok(CompareRequest {
        service: reference(&request.service)?,
        samples: usize::try_from(request.samples.unwrap_or(SAMPLES)).unwrap_or(usize::MAX),
        seed: request.seed,
        at: request.at.map(Micros),
    })
}

pub(crate) fn from_compared(compared: &Compared) -> Result<VerifyServiceResult> {
    let snapshots = compared.snapshots.iter().map(|(dataset, number)| (dataset.to_string(), number.0));
    let told = wire::Compared {
        service: Some(from_pinned(&compared.service)),
        at: compared.at.0,
        snapshots: snapshots.collect(),
        rows: compared.rows as u64,
        failed: compared.failed as u64,
        differing: compared.differing as u64,
        mismatches: compared.mismatches.iter().map(from_mismatch).collect::<Result<_>>()?,
        logged: compared.logged.as_ref().map(from_logged),
    };
    Ok(VerifyServiceResult { run: compared.run.to_string(), compared: Some(told) })
}

fn from_logged(logged: &Logged) -> wire::Logged {
    let Logged { found, compared, moving, ref apart, dropped } = *logged;
    wire::Logged { found, compared, moving, apart: apart.iter().cloned().collect(), dropped }
}

fn from_mismatch(mismatch: &Mismatch) -> Result<wire::Mismatch> {
    Ok(wire::Mismatch {
        request: from_batch(&mismatch.request)?,
        feature: mismatch.feature.clone(),
        served: Some(from_answered(&mismatch.served)?),
        trained: Some(from_answered(&mismatch.trained)?),
        receipts: mismatch.receipts.iter().map(from_receipt).collect(),
        at: mismatch.at.0,
    })
}

fn from_answered(answered: &Answered) -> Result<wire::Answer> {
    let value: Option<Column> = from_batch(&answered.value)?.into_iter().next();
    Ok(wire::Answer { value, status: answered.status.unwrap_or(Status::Failed) as i32 })
}

fn from_receipt((alias, receipt): &(String, Receipt)) -> wire::Receipt {
    wire::Receipt {
        alias: alias.clone(),
        view: Some(from_pinned(&receipt.view)),
        event_time: receipt.event_time.map(|time| time.0),
        run: receipt.run.to_string(),
    }
}

pub(crate) fn from_sampled(sampled: &Sampled) -> Result<wire::Sampled> {
    let snapshots = sampled.snapshots.iter().map(|(dataset, number)| (dataset.to_string(), number.0));
    Ok(wire::Sampled {
        before: Some(from_pinned(&sampled.before)),
        after: Some(from_pinned(&sampled.after)),
        at: sampled.at.map(|at| at.0),
        snapshots: snapshots.collect(),
        rows: sampled.rows as u64,
        differing: sampled.differing as u64,
        differences: sampled.differences.iter().map(from_sampled_difference).collect::<Result<_>>()?,
        note: sampled.note.clone().unwrap_or_default(),
    })
}

fn from_sampled_difference(difference: &SampledDifference) -> Result<wire::SampledDifference> {
    Ok(wire::SampledDifference {
        request: from_batch(&difference.request)?,
        feature: difference.feature.clone(),
        before: Some(from_answered(&difference.before)?),
        after: Some(from_answered(&difference.after)?),
    })
}
