//! How a verb becomes a recorded run.

use asof_lineage::openlineage::PARENT_RUN;
use asof_model::run::{Item, Outcome, Run, RunId, Verb};
use asof_model::{Micros, Name, Result};
use asof_offline::{Guard, Ongoing};

use crate::{Engine, Parent, Told, VERSION};

/// A run in the making: the verb adds what it reads and makes.
///
/// Dropped unfinished (the caller went away), it is recorded when its work has ended: as aborted, or as done where the work
/// had come to its commit. If the process dies, the next start does that.
pub(crate) struct Record {
    run: Run,
    engine: Engine,
    finished: bool,
    /// What belongs to it.
    work: Ongoing,
    /// Until it is recorded.
    ongoing: Option<Guard>,
}

impl Engine {
    /// A run that is not stored yet, for verbs that record themselves in their own transaction.
    pub(crate) fn new_run(&self, project: &Name, verb: Verb) -> Run {
        let started = self.clock().now();
        let parent = Parent::present().map(|parent| (PARENT_RUN.to_owned(), parent.as_str().to_owned()));
        Run {
            id: RunId::new(started),
            project: project.clone(),
            verb,
            started,
            finished: None,
            outcome: Outcome::Running,
            inputs: Vec::new(),
            outputs: Vec::new(),
            notes: parent.into_iter().collect(),
            engine: VERSION.to_owned(),
        }
    }

    /// Records the start of a run that reads these things.
    pub(crate) async fn start(&self, project: &Name, verb: Verb, inputs: Vec<Item>) -> Result<Record> {
        let run = Run { inputs, ..self.new_run(project, verb) };
        self.catalog().start(&run).await?;
        self.tell(|| Told::Began(run.clone()));
        let ongoing = self.workshop().ongoing();
        let (work, ongoing) = (ongoing.part(), Some(ongoing.begin()));
        Ok(Record { run, engine: self.clone(), finished: false, work, ongoing })
    }

    /// Records the end of a run: done, or failed with the error, which is passed on.
    pub(crate) async fn finish<T>(&self, mut record: Record, result: Result<T>) -> Result<T> {
        record.run.finished = Some(self.clock().now());
        record.run.outcome = match &result {
            Ok(_) => Outcome::Done,
            Err(error) => Outcome::Failed { error: error.to_string() },
        };
        if result.is_err() {
            record.run.outputs.clear();
        }
        record.finished = true;
        let recorded = self.catalog().finish(&record.run).await;
        if recorded.is_ok() {
            self.tell(|| Told::Ended(record.run.clone()));
        }
        // The verb's own error says more than a failure to write it down.
        let value = result?;
        recorded?;
        Ok(value)
    }
}

impl Record {
    pub(crate) fn id(&self) -> RunId {
        self.run.id
    }

    /// The work that belongs to it.
    pub(crate) fn work(&self) -> &Ongoing {
        &self.work
    }

    pub(crate) fn read(&mut self, item: Item) {
        if !self.run.inputs.contains(&item) {
            self.run.inputs.push(item);
        }
    }

    /// Snapshots that were read before count no more: others are read instead.
    pub(crate) fn reads_anew(&mut self) {
        self.run.inputs.retain(|item| !matches!(item, Item::Snapshot { .. }));
    }

    /// For whoever writes notes of its own.
    pub(crate) fn run_mut(&mut self) -> &mut Run {
        &mut self.run
    }

    pub(crate) fn made(&mut self, item: Item) {
        self.run.outputs.push(item);
    }

    /// Writes down what is known so far, so that it is there if the process dies.
    pub(crate) async fn save(&self) -> Result<()> {
        self.engine.catalog().start(&self.run).await
    }

    pub(crate) fn note(&mut self, name: &str, value: impl ToString) {
        self.run.notes.insert(name.to_owned(), value.to_string());
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        // Outside a runtime nothing can be written; the next start repairs the record.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (engine, run, work) = (self.engine.clone(), self.run.clone(), self.work.clone());
            let ongoing = self.ongoing.take();
            runtime.spawn(async move {
                work.ended().await;
                let id = run.id;
                if let Err(error) = engine.record_given_up(run).await {
                    tracing::warn!(run = %id, %error, "a run that was given up could not be recorded");
                }
                drop(ongoing);
            });
        }
    }
}

/// A run as it was at a moment.
pub(crate) fn as_of(run: Run, at: Option<Micros>) -> Run {
    match run.finished.zip(at) {
        Some((finished, at)) if finished > at => {
            Run { outcome: Outcome::Running, finished: None, outputs: Vec::new(), ..run }
        }
        _ => run,
    }
}
