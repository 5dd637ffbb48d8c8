//! What was found out about views: whether they tell the future.

use arrow::array::RecordBatch;
use asof_engine::{AppliedChecked, Checked, Checking, Example, Finding, Guard, Leak, Probe, Sample, Verified};
use asof_model::{Micros, Result};
use asof_proto::column::v1::Column;
use asof_proto::jobs::v1::{ApplyCheckedRequest, ApplyCheckedResult, VerifyLeakageResult};
use asof_proto::leakage::v1 as wire;

use super::column::from_batch;
use super::comparison::from_sampled;
use super::consequences::from_recompute;
use super::object::{from_pinned, from_warnings};
use super::registry::{from_changes, from_upkeep};

pub(crate) fn to_probe(probe: Option<wire::Probe>) -> Probe {
    let wire::Probe { samples, at } = probe.unwrap_or_default();
    let at: Vec<_> = at.into_iter().map(Micros).collect();
    let default = Probe::default();
    // Who names moments asks about these.
    let unsaid = if at.is_empty() { default.samples } else { 0 };
    Probe { samples: samples.map_or(unsaid, |samples| usize::try_from(samples).unwrap_or(usize::MAX)), at }
}

/// What is to be found out before an apply. `guard` says what is protected.
pub(crate) fn to_checking(request: ApplyCheckedRequest, guard: Guard) -> Checking {
    let keys = request.sample.map(|keys| usize::try_from(keys).unwrap_or(usize::MAX));
    Checking {
        probe: (!request.without_leakage).then(|| to_probe(request.probe)),
        sample: keys.map(|keys| Sample { keys, at: request.sample_at.map(Micros) }),
        plan: request.plan,
        guard: Guard { allow_breaking: request.allow_breaking, ..guard },
    }
}

pub(crate) fn from_verified(verified: Verified) -> Result<VerifyLeakageResult> {
    Ok(VerifyLeakageResult { run: verified.run.to_string(), views: from_checked(&verified.views)? })
}

pub(crate) fn from_applied_checked(applied: AppliedChecked) -> Result<ApplyCheckedResult> {
    Ok(ApplyCheckedResult {
        refused: applied.refused(),
        run: applied.run.map(|run| run.to_string()).unwrap_or_default(),
        changes: from_changes(&applied.changes, &applied.consequences),
        views: from_checked(&applied.views)?,
        upkeep: applied.upkeep.iter().map(|(view, upkeep)| from_upkeep(view, upkeep)).collect(),
        recompute: Some(from_recompute(&applied.recompute)),
        sampled: applied.sampled.iter().map(from_sampled).collect::<Result<_>>()?,
        warnings: from_warnings(&applied.warnings),
    })
}

fn from_checked(views: &[Checked]) -> Result<Vec<wire::Checked>> {
    views.iter().map(one).collect()
}

fn one(checked: &Checked) -> Result<wire::Checked> {
    let (finding, note, leak) = match &checked.finding {
        Finding::Clean => (wire::Finding::Clean, "", None),
        Finding::Rounding => (wire::Finding::Rounding, "", None),
        Finding::Unchecked(why) => (wire::Finding::Unchecked, why.as_str(), None),
        Finding::Unstable(leak) => (wire::Finding::Unstable, "", Some(leak)),
        Finding::Leak(leak) => (wire::Finding::Leak, "", Some(leak)),
    };
    Ok(wire::Checked {
        view: Some(from_pinned(&checked.view)),
        rows: checked.rows,
        moments: checked.moments.iter().map(|moment| moment.0).collect(),
        finding: finding.into(),
        note: note.to_owned(),
        leak: leak.map(from_leak).transpose()?,
    })
}

fn from_leak(leak: &Leak) -> Result<wire::Leak> {
    let (row, differences) = match &leak.example {
        Some(example) => (from_batch(&example.row)?, differences(example)?),
        None => (Vec::new(), Vec::new()),
    };
    Ok(wire::Leak {
        at: leak.at.0,
        moments: u32::try_from(leak.moments).unwrap_or(u32::MAX),
        features: leak.features.clone(),
        row,
        differences,
        causes: leak.causes.clone(),
    })
}

/// Feature by feature, as they stand on either side.
fn differences(example: &Example) -> Result<Vec<wire::Difference>> {
    let columns = |side: &Option<RecordBatch>| -> Result<Vec<Column>> {
        side.as_ref().map_or_else(|| Ok(Vec::new()), from_batch)
    };
    let (with_all, cut_off) = (columns(&example.with_all)?, columns(&example.cut_off)?);
    let named = if with_all.is_empty() { &cut_off } else { &with_all };
    let difference = |(index, column): (usize, &Column)| wire::Difference {
        feature: column.name.clone(),
        with_all: with_all.get(index).cloned(),
        cut_off: cut_off.get(index).cloned(),
    };
    Ok(named.iter().enumerate().map(difference).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_names_moments_asks_about_these() {
        let check = |samples: Option<u32>, at: &[i64], expected: (usize, usize)| {
            let probe = to_probe(Some(wire::Probe { samples, at: at.to_vec() }));
            assert_eq!((probe.samples, probe.at.len()), expected);
        };
        check(None, &[], (8, 0));
        check(None, &[1, 2], (0, 2));
        check(Some(3), &[1, 2], (3, 2));
        check(Some(0), &[], (0, 0));
        assert_eq!(to_probe(None), Probe::default());
    }
}
