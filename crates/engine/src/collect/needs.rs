//! What is needed, and by what.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use asof_model::run::{Item, Run, RunId, Verb};
use asof_model::{Kind, Micros, Name, Pinned, Result, SnapshotNumber};
use asof_online::Published;

use super::{Kept, distinct, ranges};
use crate::{Engine, Scope};

/// See the module.
#[derive(Default)]
pub(super) struct Needs {
    /// By dataset, what needs each snapshot.
    pub(super) snapshots: BTreeMap<Name, BTreeMap<SnapshotNumber, Vec<String>>>,
    /// What needs the rows online of each view.
    online: BTreeMap<Pinned, Vec<String>>,
    /// The rows online that nothing needs, and why.
    pub(super) needless: Vec<(Published, String)>,
    /// The runs that have not ended.
    pub(super) at_work: BTreeSet<RunId>,
}

impl Needs {
    /// All that is needed in a project, also what was in use since then.
    pub(super) async fn of(
        engine: &Engine,
        project: &Name,
        datasets: &[Name],
        sets: &[Name],
        since: Micros,
    ) -> Result<Self> {
        let mut needs = Needs::default();
        let unfinished = engine.catalog().unfinished(Some(project)).await?;
        needs.at_work = unfinished.iter().map(|run| run.id).collect();
        needs.of_training_sets(engine, project, sets).await?;
        needs.of_models(engine, project).await?;
        needs.of_rows_online(engine, project, since, &unfinished).await?;
        needs.of_runs(&unfinished);
        needs.of_time(engine, project, datasets, since, &unfinished).await?;
        Ok(needs)
    }

    /// What is kept, and why; neighbours of one reason together.
    pub(super) fn kept(&self) -> Vec<Kept> {
        let mut kept = Vec::new();
        for (dataset, snapshots) in &self.snapshots {
            let told = snapshots.iter().map(|(number, why)| (*number, distinct(why.iter().cloned()).join(", ")));
            let told: Vec<_> = told.collect();
            for row in told.chunk_by(|(a, why), (b, other)| a.0 + 1 == b.0 && why == other) {
                let numbers: Vec<_> = row.iter().map(|(number, _)| *number).collect();
                let what = format!("{dataset}@{}", ranges(&numbers));
                kept.extend(row.first().map(|(_, why)| Kept { what, why: why.clone() }));
            }
        }
        for (view, why) in &self.online {
            let what = format!("{} online", view.reference());
            kept.push(Kept { what, why: distinct(why.iter().cloned()).join(", ") });
        }
        kept
    }

    fn snapshot(&mut self, dataset: &Name, number: SnapshotNumber, why: String) {
        self.snapshots.entry(dataset.clone()).or_default().entry(number).or_default().push(why);
    }

    fn read(&mut self, items: &[Item], why: &str) {
        for item in items {
            if let Item::Snapshot { dataset, number } = item {
                self.snapshot(dataset, *number, why.to_owned());
            }
        }
    }

    /// The snapshots that training sets were built from, wherever they were.
    async fn of_training_sets(&mut self, engine: &Engine, project: &Name, sets: &[Name]) -> Result<()> {
        let scope = Scope { project: project.clone(), environment: project.clone() };
        for name in sets {
            for number in engine.built_numbers(project, name).await? {
                let reference = format!("{project}/{name}@{number}").parse()?;
                for input in engine.training_set(&scope, &reference).await?.inputs {
                    self.snapshot(&input.dataset, input.number, format!("training set {name}@{number}"));
                }
            }
        }
        Ok(())
    }

    /// The same of models, also where somebody removed the training set; and the rows that they are served.
    async fn of_models(&mut self, engine: &Engine, project: &Name) -> Result<()> {
        for model in engine.catalog().models(project, None).await? {
            let why = format!("model {}", model.reference());
            let set =
                Item::TrainingSet { name: model.training_set.clone(), number: model.number, content: model.content };
            if let Some(run) = engine.catalog().producer(project, &set).await? {
                self.read(&run.inputs, &why);
            }
            for registered in engine.catalog().closure(std::slice::from_ref(&model.service)).await? {
                if registered.pinned.kind == Kind::FeatureView {
                    self.online.entry(registered.pinned).or_default().push(why.clone());
                }
            }
        }
        Ok(())
    }

    /// Which views are online for a reason, which for none, and what those for a reason rest on.
    async fn of_rows_online(
        &mut self,
        engine: &Engine,
        project: &Name,
        since: Micros,
        unfinished: &[Run],
    ) -> Result<()> {
        for (root, by) in engine.catalog().pointed(project, since).await? {
            let named = root.pinned.reference();
            for registered in engine.catalog().closure(std::slice::from_ref(&root.pinned)).await? {
                if registered.pinned.kind == Kind::FeatureView {
                    self.online.entry(registered.pinned).or_default().push(format!("{named} in {by}"));
                }
            }
        }
        let mut there: HashMap<Pinned, Published> = HashMap::new();
        for published in engine.online().list()?.into_iter().filter(|published| published.view.project == *project) {
            there.insert(published.view.clone(), published);
        }
        let is_worked_on = |view: &Pinned| {
            let about = |run: &Run| run.inputs.iter().any(|item| matches!(item, Item::Definition(p) if p == view));
            unfinished.iter().any(|run| run.verb == Verb::Materialize && about(run))
        };
        self.online.retain(|view, _| there.contains_key(view));
        for (view, published) in there {
            let run = engine.catalog().run(published.run).await?;
            let finished = run.as_ref().and_then(|run| run.finished).unwrap_or(Micros(i64::MAX));
            if !self.online.contains_key(&view) {
                if is_worked_on(&view) {
                    self.online.insert(view.clone(), vec!["a materialization is at work on it".to_owned()]);
                } else if finished >= since {
                    self.online.insert(view.clone(), vec![format!("it was materialized at {finished}")]);
                } else {
                    let why = "no environment points at it or at what reads it, and no model is served by it";
                    self.needless.push((published, why.to_owned()));
                    continue;
                }
            }
            let why = format!("{} is online from it", view.reference());
            self.read(run.map(|run| run.inputs).unwrap_or_default().as_slice(), &why);
            if let Some(basis) = &published.basis {
                self.snapshot(&basis.dataset, basis.snapshot, why.clone());
                self.snapshot(&basis.dataset, basis.whole, why);
            }
        }
        self.needless.sort_by(|(a, _), (b, _)| a.view.cmp(&b.view));
        Ok(())
    }

    /// What runs that are at work say that they read.
    fn of_runs(&mut self, unfinished: &[Run]) {
        for run in unfinished {
            self.read(&run.inputs, &format!("{} run {} is at work", run.verb, run.id));
        }
    }

    /// The newest snapshots; those that were it since then, or since a run began that is at work: it may read what was the newest
    /// then.
    async fn of_time(
        &mut self,
        engine: &Engine,
        project: &Name,
        datasets: &[Name],
        since: Micros,
        unfinished: &[Run],
    ) -> Result<()> {
        let oldest = unfinished.iter().map(|run| run.started).min();
        for dataset in datasets {
            let commits = engine.offline().commits(project, dataset).await?;
            let mut until = None;
            for commit in commits.iter().rev() {
                match until {
                    None => self.snapshot(dataset, commit.number, "it is the newest".to_owned()),
                    Some(until) if until >= since => {
                        self.snapshot(dataset, commit.number, "it was the newest not long ago".to_owned());
                    }
                    Some(until) if oldest.is_some_and(|oldest| until >= oldest) => {
                        let why = "it was the newest when a run began that is at work".to_owned();
                        self.snapshot(dataset, commit.number, why);
                    }
                    Some(_) => {}
                }
                until = Some(commit.time);
            }
        }
        Ok(())
    }
}
