//! `train`: a training set, every input pinned, built once.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use asof_model::run::{Item, RunId, Verb};
use asof_model::{
    Definition, Error, ErrorKind, Kind, KnownMoment, Micros, Name, Pinned, Reference, Registered, Result, Selector,
    SnapshotNumber,
};
use asof_offline::{ExportFormat, InputSnapshot, Manifest, ManifestDraft, Progress};
use asof_query::{Definitions, Planner, TrainingOptions};
use datafusion::execution::context::SessionContext;
use datafusion::execution::{SendableRecordBatchStream, SessionState, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};

use crate::datasets::Pins;
use crate::run::Record;
use crate::told::{self, Making};
use crate::{Engine, Scope, VERSION, Warning};

/// Which training set to build, and how.
#[derive(Clone, Debug)]
pub struct TrainRequest {
    /// The definition.
    pub name: Reference,
    /// As of when things are known; normally each row's own time.
    pub known_at: KnownMoment,
    /// Whether to add a `<feature>__status` column for each feature.
    pub statuses: bool,
}

/// A training set that is there now.
#[derive(Clone, Debug)]
pub struct Trained {
    /// The run.
    pub run: RunId,
    /// What it contains and from what it was made.
    pub manifest: Manifest,
    /// False if the same set had been built before, and that one was returned.
    pub built: bool,
    /// What of that it is made of is deprecated.
    pub warnings: Vec<Warning>,
}

/// All that determines a training set's rows.
pub(crate) struct Recipe {
    pub(crate) definition: Registered,
    pub(crate) closure: Vec<Registered>,
    pub(crate) pins: Pins,
    pub(crate) options: TrainingOptions,
}

impl Engine {
    /// Builds a training set from the newest snapshots, or returns the one already built from exactly these.
    ///
    /// # Errors
    /// `unknown_name`, `wrong_kind`, `nothing_ingested`, and those of the query (a null timestamp in the
    /// spine names its row).
    pub async fn train(&self, scope: &Scope, request: TrainRequest, progress: Arc<dyn Progress>) -> Result<Trained> {
        let (project, environment) = (&scope.project, &scope.environment);
        let definition = self.catalog().resolve(project, environment, &request.name, Some(Kind::TrainingSet)).await?;
        let mut record = self.start(project, Verb::Train, vec![Item::Definition(definition.pinned.clone())]).await?;
        let work = async {
            let options = TrainingOptions { known_at: request.known_at, statuses: request.statuses };
            let recipe = self.recipe(definition, options, None).await?;
            recipe.closure.iter().for_each(|r| record.read(Item::Definition(r.pinned.clone())));
            recipe.pins.items().for_each(|item| record.read(item));
            let warnings = self.warnings(&recipe.definition.pinned, &recipe.closure).await?;
            let name = &recipe.definition.pinned.name;
            let numbers = self.offline().training_sets(project, name).await?;
            for number in numbers.iter().rev() {
                let manifest = self.offline().manifest(project, name, *number).await?;
                if recipe.made(&manifest) {
                    record.note("unchanged", format!("{name}@{number} was built from the same inputs"));
                    return Ok(Trained { run: record.id(), manifest, built: false, warnings });
                }
            }
            // A number is never reused, not even that of a set whose files somebody removed.
            let recorded = self.catalog().built(project, name).await?;
            let used = recorded.iter().filter_map(|item| match item {
                Item::TrainingSet { number, .. } => Some(*number),
                _ => None,
            });
            let elsewhere = self.catalog().imported_numbers(project, name).await?;
            let number = numbers.into_iter().chain(used).chain(elsewhere).max().unwrap_or(0) + 1;
            let manifest = self.build(recipe, number, &record, progress).await?;
            let (rows, content) = (manifest.rows, manifest.content);
            record.made(Item::TrainingSet { name: manifest.name.clone(), number, content });
            record.note("rows", rows);
            Ok(Trained { run: record.id(), manifest, built: true, warnings })
        };
        let result = work.await;
        self.finish(record, result).await
    }

    /// Writes a training set's rows out in a format of choice; returns how many.
    ///
    /// # Errors
    /// `unknown_training_set`; a damaged file is `corrupt_file`.
    pub async fn export(
        &self,
        scope: &Scope,
        reference: &Reference,
        format: ExportFormat,
        out: impl Write + Send + 'static,
    ) -> Result<u64> {
        let manifest = self.training_set(scope, reference).await?;
        self.rows_are_here(&manifest).await?;
        let engine = self.clone();
        self.workshop()
            .run(async move {
                let rows = engine.offline().read_training_set(&manifest).await?;
                asof_offline::export(rows, format, out).await
            })
            .await
    }

    /// Refuses a training set whose rows are elsewhere.
    async fn rows_are_here(&self, manifest: &Manifest) -> Result<()> {
        let (name, number) = (&manifest.name, manifest.number);
        if self.offline().training_sets(&manifest.project, name).await?.contains(&number) {
            return Ok(());
        }
        let message =
            format!("training set `{name}@{number}` was imported: its manifest is here, and its rows are not");
        Err(Error::new(ErrorKind::Precondition, "rows_elsewhere", message)
            .remedy(format!("build it here, from the same snapshots: asof train {name}")))
    }

    /// The manifest of a training set that was built: `name@3` is the third one, without a number the
    /// newest.
    ///
    /// # Errors
    /// `nothing_built` when none was built under that name, `unknown_training_set` when none with that number.
    pub async fn training_set(&self, scope: &Scope, reference: &Reference) -> Result<Manifest> {
        let project = reference.project.as_ref().unwrap_or(&scope.project);
        let name = &reference.name;
        let number = match &reference.selector {
            Some(Selector::Number(number)) => u32::try_from(*number).unwrap_or(u32::MAX),
            None | Some(Selector::Latest) => {
                match self.built_numbers(project, name).await?.pop() {
                    Some(number) => number,
                    None => {
                        // Says so if the name itself is unknown or of another kind.
                        let plain = Reference { selector: None, ..reference.clone() };
                        self.catalog().resolve(project, &scope.environment, &plain, Some(Kind::TrainingSet)).await?;
                        let message = format!("training set `{name}` has not been built yet");
                        return Err(Error::new(ErrorKind::Precondition, "nothing_built", message)
                            .remedy(format!("build it: asof train {name}")));
                    }
                }
            }
            Some(other) => {
                let message = format!("`{name}@{other}`: a built training set is asked for by its number");
                return Err(Error::new(ErrorKind::Invalid, "invalid_reference", message)
                    .remedy(format!("asof log {name} --verb train lists those that were built")));
            }
        };
        match self.offline().manifest(project, name, number).await {
            // It may have been built elsewhere.
            Err(error) if error.code() == "unknown_training_set" => {
                match self.catalog().imported_manifest(project, name, number).await? {
                    Some(body) => imported(name, number, &body),
                    None => Err(error),
                }
            }
            manifest => manifest,
        }
    }

    /// The numbers of the training sets that were built under a name, here or elsewhere, ascending.
    pub(crate) async fn built_numbers(&self, project: &Name, name: &Name) -> Result<Vec<u32>> {
        let mut numbers = self.offline().training_sets(project, name).await?;
        numbers.extend(self.catalog().imported_numbers(project, name).await?);
        numbers.sort_unstable();
        numbers.dedup();
        Ok(numbers)
    }

    /// Resolves and pins everything a training set is made of.
    pub(crate) async fn recipe(
        &self,
        definition: Registered,
        options: TrainingOptions,
        snapshots: Option<&BTreeMap<Name, SnapshotNumber>>,
    ) -> Result<Recipe> {
        let closure = self.catalog().closure(std::slice::from_ref(&definition.pinned)).await?;
        let pins = self.pin(&closure, snapshots).await?;
        Ok(Recipe { definition, closure, pins, options })
    }

    async fn build(
        &self,
        recipe: Recipe,
        number: u32,
        record: &Record,
        progress: Arc<dyn Progress>,
    ) -> Result<Manifest> {
        let (engine, run, created) = (self.clone(), record.id(), self.clock().now());
        let store = self.offline().working_on(record.work());
        self.workshop()
            .run_as(record.work(), async move {
                let (rows, making) = engine.rows(&recipe, &progress).await?;
                let draft = recipe.draft(run, created)?;
                let manifest = store.write_training_set(draft, number, rows, &making).await?;
                making.all_read();
                Ok(manifest)
            })
            .await
    }

    /// Computes the rows of a recipe, in order, and tells what it reads; what is made of them is told through the other.
    /// Call it on the workshop's threads.
    pub(crate) async fn rows(
        &self,
        recipe: &Recipe,
        progress: &Arc<dyn Progress>,
    ) -> Result<(SendableRecordBatchStream, Making)> {
        let definitions = Definitions::new(recipe.closure.iter().cloned().map(Arc::new));
        let plan = Planner::new(&definitions, &recipe.pins).training(&recipe.definition, &recipe.options)?;
        self.stream(plan, progress, "reading").await
    }

    /// Executes a plan within the workshop's limits, and tells what it reads under the name of a stage.
    pub(crate) async fn stream(
        &self,
        plan: LogicalPlan,
        progress: &Arc<dyn Progress>,
        stage: impl Into<String>,
    ) -> Result<(SendableRecordBatchStream, Making)> {
        let tally = told::tally(progress, stage);
        let (plan, rows) = self.execute(tally.counting(self.workshop().session()), plan).await?;
        Ok((rows, Making::new(progress, tally, plan)))
    }

    /// Executes a plan in a session of its own.
    pub(crate) async fn execute(
        &self,
        session: SessionState,
        plan: LogicalPlan,
    ) -> Result<(Arc<dyn ExecutionPlan>, SendableRecordBatchStream)> {
        let (plan, task) = self.planned(session, plan).await?;
        let rows = execute_stream(Arc::clone(&plan), task).map_err(asof_query::execution_error)?;
        Ok((plan, rows))
    }

    /// A plan as it would be executed in a session.
    pub(crate) async fn planned(
        &self,
        session: SessionState,
        plan: LogicalPlan,
    ) -> Result<(Arc<dyn ExecutionPlan>, Arc<TaskContext>)> {
        let context = SessionContext::new_with_state(session);
        let frame = context.execute_logical_plan(plan).await.map_err(asof_query::execution_error)?;
        let task = Arc::new(frame.task_ctx());
        let plan = frame.create_physical_plan().await.map_err(asof_query::execution_error)?;
        Ok((plan, task))
    }
}

impl Recipe {
    /// Whether a training set was made by this very recipe: equal recipes give equal rows.
    fn made(&self, manifest: &Manifest) -> bool {
        let inputs = self.inputs();
        manifest.definition.digest == self.definition.pinned.digest
            && manifest.inputs.len() == inputs.len()
            && manifest.inputs.iter().zip(&inputs).all(|(then, now)| then.is(now))
            && manifest.options == self.recorded_options()
    }

    fn inputs(&self) -> Vec<InputSnapshot> {
        let input = |(dataset, snapshot): (&Name, &asof_offline::Snapshot)| InputSnapshot {
            dataset: dataset.clone(),
            number: snapshot.number,
            content: Some(snapshot.content()),
        };
        self.pins.snapshots().map(input).collect()
    }

    fn recorded_options(&self) -> asof_offline::TrainingOptions {
        asof_offline::TrainingOptions { known_at: self.options.known_at, statuses: self.options.statuses }
    }

    fn draft(&self, run: RunId, created: Micros) -> Result<ManifestDraft> {
        let Definition::TrainingSet(set) = &self.definition.definition else {
            return Err(Error::internal("a training set was asked for"));
        };
        let service = (self.definition.inputs.iter())
            .find(|i| i.pinned.kind == Kind::FeatureService)
            .ok_or_else(|| Error::internal(format!("{} names no service", self.definition.pinned)))?;
        let mut closure: Vec<Pinned> = self.closure.iter().map(|r| r.pinned.clone()).collect();
        closure.sort();
        Ok(ManifestDraft {
            project: self.definition.pinned.project.clone(),
            name: self.definition.pinned.name.clone(),
            definition: self.definition.pinned.clone(),
            service: service.pinned.clone(),
            closure,
            spine: set.query.clone(),
            options: self.recorded_options(),
            inputs: self.inputs(),
            engine: VERSION.to_owned(),
            run,
            created,
        })
    }
}

/// A manifest that was imported, out of its JSON.
pub(crate) fn imported(name: &Name, number: u32, body: &str) -> Result<Manifest> {
    let manifest = serde_json::from_str(body).map_err(|e| e.to_string()).and_then(Manifest::read);
    manifest.map_err(|why| {
        let message = format!("the manifest of training set `{name}@{number}` that was imported cannot be read: {why}");
        Error::new(ErrorKind::Corrupt, "catalog_corrupt", message).remedy("restore the catalog from a backup")
    })
}

/// The options a manifest recorded, for computing its rows again.
pub(crate) fn options_of(manifest: &Manifest) -> TrainingOptions {
    TrainingOptions { known_at: manifest.options.known_at, statuses: manifest.options.statuses }
}
