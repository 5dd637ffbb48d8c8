//! What long work tells about itself, while it lasts.

use std::time::Duration;

use asof_proto::jobs::v1::{self as jobs, Progress, Unit};
use asof_proto::registry::v1::PromoteResponse;
use asof_proto::storage::v1 as storage;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tonic::Streaming;

use crate::failure::{Failure, Result};

/// What is done sooner needs no bar.
const SHOWN_AFTER: Duration = Duration::from_secs(1);

/// One event of a long call.
pub(crate) trait Event {
    /// What the call comes to.
    type Answer;
    /// Progress, or the answer; none for an event of a newer server.
    fn step(self) -> Option<Step<Self::Answer>>;
}

/// What an event says.
pub(crate) enum Step<A> {
    /// How far it is.
    On(Progress),
    /// It is done.
    Done(A),
}

/// Follows a long call to its answer; on a terminal, with a bar on stderr.
///
/// # Errors
/// The call's own.
pub(crate) async fn follow<E: Event>(mut events: Streaming<E>) -> Result<E::Answer> {
    let mut bar = Bar::hidden();
    let mut latest = None;
    loop {
        // Also where there is no news, what is known must be shown at last.
        let Ok(event) = tokio::time::timeout(SHOWN_AFTER, events.message()).await else {
            latest.iter().for_each(|progress| bar.show(progress));
            continue;
        };
        let Some(event) = event? else { break };
        match event.step() {
            Some(Step::On(progress)) => {
                bar.show(&progress);
                latest = Some(progress);
            }
            Some(Step::Done(answer)) => return Ok(answer),
            None => {}
        }
    }
    Err(Failure::refused("internal", "the server ended the call without an answer", ""))
}

/// A bar on stderr that shows itself after a second, and never where nobody looks: what is done, how much of it, of how
/// much, and how long it will take.
pub(crate) struct Bar {
    bar: ProgressBar,
    /// The stage that is shown, and whether it is known how much there is.
    shown: Option<(String, bool)>,
}

impl Bar {
    pub(crate) fn hidden() -> Self {
        Bar { bar: ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()), shown: None }
    }

    pub(crate) fn show(&mut self, progress: &Progress) {
        let bar = &self.bar;
        if bar.is_hidden() && bar.elapsed() >= SHOWN_AFTER {
            // Draws nothing unless stderr is a terminal.
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        let now = (progress.stage.clone(), progress.total.is_some());
        if self.shown.as_ref() != Some(&now) {
            bar.set_style(style(template(progress)));
            bar.set_message(crate::failure::visible(&progress.stage));
            // Another stage goes at another speed.
            bar.reset_eta();
            self.shown = Some(now);
        }
        if let Some(total) = progress.total {
            bar.set_length(total);
        }
        bar.set_position(progress.done);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn template(progress: &Progress) -> &'static str {
    match (progress.unit(), progress.total) {
        (Unit::Bytes, Some(_)) => "{msg} {wide_bar:.cyan/dim} {bytes} of {total_bytes} {eta}",
        (Unit::Bytes, None) => "{spinner} {msg} {bytes}",
        (Unit::Rows | Unit::Unspecified, Some(_)) => "{msg} {wide_bar:.cyan/dim} {human_pos} of {human_len} rows {eta}",
        (Unit::Rows | Unit::Unspecified, None) => "{spinner} {msg} {human_pos} rows, of how many is not known",
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Event for storage::CollectEvent {
    type Answer = storage::CollectResult;
    fn step(self) -> Option<Step<Self::Answer>> {
        Some(match self.event? {
            storage::collect_event::Event::Progress(progress) => Step::On(progress),
            storage::collect_event::Event::Result(result) => Step::Done(result),
        })
    }
}

impl Event for jobs::IngestEvent {
    type Answer = jobs::IngestResult;
    fn step(self) -> Option<Step<Self::Answer>> {
        Some(match self.event? {
            jobs::ingest_event::Event::Progress(progress) => Step::On(progress),
            jobs::ingest_event::Event::Result(answer) => Step::Done(answer),
        })
    }
}

impl Event for jobs::TrainEvent {
    type Answer = jobs::TrainResult;
    fn step(self) -> Option<Step<Self::Answer>> {
        Some(match self.event? {
            jobs::train_event::Event::Progress(progress) => Step::On(progress),
            jobs::train_event::Event::Result(answer) => Step::Done(answer),
        })
    }
}

impl Event for jobs::RebuildEvent {
    type Answer = jobs::RebuildResult;
    fn step(self) -> Option<Step<Self::Answer>> {
        Some(match self.event? {
            jobs::rebuild_event::Event::Progress(progress) => Step::On(progress),
            jobs::rebuild_event::Event::Result(answer) => Step::Done(answer),
        })
    }
}

impl Event for jobs::MaterializeEvent {
    type Answer = jobs::MaterializeResult;
    fn step(self) -> Option<Step<Self::Answer>> {
        Some(match self.event? {
            jobs::materialize_event::Event::Progress(progress) => Step::On(progress),
            jobs::materialize_event::Event::Result(answer) => Step::Done(answer),
        })
    }
}

impl Event for jobs::VerifyLeakageEvent {
    type Answer = jobs::VerifyLeakageResult;
    fn step(self) -> Option<Step<Self::Answer>> {
        Some(match self.event? {
            jobs::verify_leakage_event::Event::Progress(progress) => Step::On(progress),
            jobs::verify_leakage_event::Event::Result(answer) => Step::Done(answer),
        })
    }
}

impl Event for jobs::VerifyServiceEvent {
    type Answer = jobs::VerifyServiceResult;
    fn step(self) -> Option<Step<Self::Answer>> {
        Some(match self.event? {
            jobs::verify_service_event::Event::Progress(progress) => Step::On(progress),
            jobs::verify_service_event::Event::Result(answer) => Step::Done(answer),
        })
    }
}

impl Event for jobs::PromoteEvent {
    type Answer = PromoteResponse;
    fn step(self) -> Option<Step<Self::Answer>> {
        Some(match self.event? {
            jobs::promote_event::Event::Progress(progress) => Step::On(progress),
            jobs::promote_event::Event::Result(answer) => Step::Done(answer),
        })
    }
}

impl Event for jobs::ApplyCheckedEvent {
    type Answer = jobs::ApplyCheckedResult;
    fn step(self) -> Option<Step<Self::Answer>> {
        Some(match self.event? {
            jobs::apply_checked_event::Event::Progress(progress) => Step::On(progress),
            jobs::apply_checked_event::Event::Result(answer) => Step::Done(answer),
        })
    }
}
