//! What others say: events, folded.

mod fixtures;
mod folding;
mod orders;
mod out;
mod telling;

use asof_lineage::openlineage::{End, External, Heard, Span};
use asof_model::Micros;
use serde_json::{Value, json};

/// What these events say.
pub(crate) fn folded<'a>(events: impl IntoIterator<Item = &'a Value>) -> External {
    let mut heard = Heard::new();
    for event in events {
        heard.hear(event).unwrap();
    }
    heard.fold()
}

/// A run's event at a second, of job `j` in `n`; datasets are `ns/name` written as `name`, in `s3://lake`.
pub(crate) fn event(second: i64, run: &str, state: &str, inputs: &[&str], outputs: &[&str]) -> Value {
    of_job("j", second, run, state, inputs, outputs)
}

pub(crate) fn of_job(job: &str, second: i64, run: &str, state: &str, inputs: &[&str], outputs: &[&str]) -> Value {
    let datasets = |names: &[&str]| names.iter().map(|name| dataset(name)).collect::<Vec<_>>();
    json!({
        "eventTime": Micros(second * 1_000_000).to_string(), "eventType": state, "run": {"runId": run},
        "job": {"namespace": "n", "name": job}, "inputs": datasets(inputs), "outputs": datasets(outputs),
    })
}

pub(crate) fn dataset(name: &str) -> Value {
    json!({"namespace": "s3://lake", "name": name})
}

pub(crate) fn name(external: &External, end: End) -> String {
    match end {
        End::Dataset(place) => external.datasets()[place as usize].name.to_string(),
        End::Job(place) => format!("[{}]", external.jobs()[place as usize].name),
    }
}

fn shown(span: &Span) -> String {
    let second = |at: Micros| if at.0 % 1_000_000 == 0 { (at.0 / 1_000_000).to_string() } else { at.to_string() };
    let until = span.until.map(second).unwrap_or_default();
    let run = span.run.as_deref().unwrap_or("-");
    format!("{}..{until} {run} {}", second(span.from), span.state.as_str())
}

/// Everything that flows, a line each, with when and who says so.
pub(crate) fn flows(external: &External) -> Vec<String> {
    let flow = |flow: &asof_lineage::openlineage::Flow| {
        let spans: Vec<_> = flow.spans.iter().map(shown).collect();
        format!("{} > {} ({})", name(external, flow.from), name(external, flow.to), spans.join(", "))
    };
    external.flows().iter().map(flow).collect()
}

/// What flows at a moment, or now, without who says so.
pub(crate) fn holding(external: &External, at: Option<i64>) -> Vec<String> {
    let at = at.map(|second| Micros(second * 1_000_000));
    let flows = external.flows().iter().filter(|flow| flow.spans.iter().any(|span| span.holds(at)));
    flows.map(|flow| format!("{} > {}", name(external, flow.from), name(external, flow.to))).collect()
}

/// Every column that goes into another, a line each.
pub(crate) fn columns(external: &External) -> Vec<String> {
    let column = |flow: &asof_lineage::openlineage::ColumnFlow| {
        let how = flow.how.iter().map(|t| format!("{}{}", if t.direct { "" } else { "~" }, t.subtype));
        let job = flow.job.map(|job| format!(" [{}]", external.jobs()[job as usize].name.name)).unwrap_or_default();
        let spans: Vec<_> = flow.spans.iter().map(shown).collect();
        format!(
            "{}:{} > {}:{} {}{job} ({})",
            external.datasets()[flow.from as usize].name,
            flow.field,
            external.datasets()[flow.to as usize].name,
            flow.into.as_deref().unwrap_or("*"),
            how.collect::<Vec<_>>().join("+"),
            spans.join(", ")
        )
    };
    external.columns().iter().map(column).collect()
}
