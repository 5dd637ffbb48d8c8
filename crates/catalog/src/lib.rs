//! What is declared and what was done, durably: definitions, their versions, the environments that point
//! at them, models that were trained on what they give, and runs with their items.
//!
//! **Promises.** A version never changes but for its remarks, and never loses its number. Every writing
//! call is one transaction: it is there whole or not at all, also after a crash, and when it returns it
//! is on the disk. Pointers move by compare-and-swap and every move is kept. Writers are serialized, in this
//! process by a queue and between processes by the database's lock; readers never wait for them. A definition that
//! is read back is checked against its digest.
//!
//! **Costs.** One question is one to three indexed statements, tens of microseconds each; [`Catalog::list`]
//! parses one body per name, [`Catalog::runs`] one per run it returns, and nothing reads the whole history.
//! A commit costs one fsync. Memory: five connections; with SQLite each has a page cache of 2 MB.
//!
//! **Deliberately not here.** No bytes of datasets or of online rows, no SQL of definitions is understood, and
//! what a number after `@` may mean besides a version (a snapshot, a training set that was built) is the
//! engine's to decide. Time comes with the records; the catalog asks no clock.
//!
//! The statements keep to what SQLite and PostgreSQL both read, with `$n` parameters and numbers of 64 bits; what they differ in is
//! in `store`.

mod apply;
mod approvals;
mod definitions;
mod deprecations;
mod error;
mod events;
mod imported;
mod jobs;
mod many;
mod models;
mod moves;
mod products;
mod runs;
mod select;
mod store;
mod tags;
mod whole;

use asof_model::run::Item;
use asof_model::{Kind, Micros, Name, Pinned, Reference, Registered, Result, Run, RunId, Selector, Version};

pub use approvals::Approval;
pub use definitions::Listed;
pub use deprecations::Deprecation;
pub use events::LineageEvent;
pub use imported::ImportedManifest;
pub use jobs::{JobEntry, Page, Product};
pub use models::Registration;
pub use moves::{Move, PointerMove, WHO, WHY, standing};
pub use runs::RunFilter;
pub use store::Held;
pub use tags::{Tag, Tagged};
pub use whole::{BuiltOf, Whole};

/// A handle on one catalog. Cheap to clone; all clones share its connections.
#[derive(Clone, Debug)]
pub struct Catalog {
    store: store::Store,
}

/// Opening and closing.
impl Catalog {
    /// Opens the catalog at `sqlite:<path>`, or a private one that lives as long as the handle at
    /// `sqlite::memory:`, or the one at `postgres://<user>:<password>@<host>/<database>`, in the first schema of the search
    /// path (`?options[search_path]=…`). A file that does not exist is made, with its folder; what is older is brought to
    /// the present layout; a file that may only be read answers questions.
    ///
    /// # Errors
    /// `invalid_url` and `not_yet` (another scheme); `catalog_unreachable`, `catalog_unavailable`, `catalog_locked`,
    /// `not_a_catalog`, `catalog_corrupt`, `other_format` for what is wrong with the file or the server. These, and
    /// `catalog_read_only` and `storage_full` for a call that writes, are **those of the store**, which any call may give.
    pub async fn open(url: &str) -> Result<Self> {
        Ok(Catalog { store: store::Store::open(url).await? })
    }

    /// Holds the catalog for whoever works with it: as long as the guard lives and its connection does, nobody else gets one. For a
    /// file the guard holds nothing, since the store that it belongs to has a lock.
    ///
    /// # Errors
    /// `catalog_locked` if another process holds it; those of the store.
    pub async fn hold(&self) -> Result<Held> {
        Ok(self.store.hold().await?)
    }

    /// How often anything was written through this handle and its clones: what was read before is what is there now as long
    /// as this is the same, where nobody else has the file. Asks no file.
    pub fn changes(&self) -> u64 {
        self.store.commits()
    }

    /// Waits until all connections are closed and the write-ahead log is folded into the file. Not needed for
    /// durability; calls made afterwards fail.
    pub async fn close(&self) {
        self.store.close().await;
    }
}

/// Definitions.
impl Catalog {
    /// The version that an environment points at; none if it does not point at that name.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn current(&self, project: &Name, environment: &Name, name: &Name) -> Result<Option<Registered>> {
        Ok(definitions::current(&mut *self.store.read().await?, project, environment, name).await?)
    }

    /// The version that a selector means. A number is a version, whatever the kind.
    ///
    /// # Errors
    /// `unknown_name`, with the nearest name; `unknown_version`, with those that exist; `ambiguous_digest`;
    /// `not_in_environment`, with where it is.
    pub async fn select(&self, project: &Name, name: &Name, selector: &Selector) -> Result<Registered> {
        Ok(select::select(&mut *self.store.read().await?, project, name, selector, None).await?)
    }

    /// What a reference means: `project` and `environment` stand in for what it leaves out. With `wanted`,
    /// only a definition of that kind will do.
    ///
    /// # Errors
    /// Those of [`Catalog::select`], and `wrong_kind`.
    pub async fn resolve(
        &self,
        project: &Name,
        environment: &Name,
        reference: &Reference,
        wanted: Option<Kind>,
    ) -> Result<Registered> {
        let project = reference.project.as_ref().unwrap_or(project);
        let here = Selector::Environment(environment.clone());
        let selector = reference.selector.as_ref().unwrap_or(&here);
        let mut db = self.store.read().await?;
        Ok(select::of_kind(&mut db, project, &reference.name, selector, wanted).await?)
    }

    /// The definition that was pinned.
    ///
    /// # Errors
    /// `unknown_name`, `unknown_version`; `other_digest` when that number has another content here, as when the
    /// reference comes from another deployment.
    pub async fn pinned(&self, pinned: &Pinned) -> Result<Registered> {
        Ok(select::pinned(&mut *self.store.read().await?, pinned).await?)
    }

    /// Everything that these definitions are made of: themselves and all that is upstream of them, each
    /// once, what is read before what reads it.
    ///
    /// # Errors
    /// Those of [`Catalog::pinned`] for the roots.
    pub async fn closure(&self, roots: &[Pinned]) -> Result<Vec<Registered>> {
        Ok(definitions::closure(&mut *self.store.read().await?, roots).await?)
    }

    /// One line per name of the project, by kind (upstream first) and name: the version that the environment
    /// points at or, where it points at none, the newest.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn list(&self, project: &Name, environment: &Name, kind: Option<Kind>) -> Result<Vec<Listed>> {
        Ok(definitions::list(&mut *self.store.read().await?, project, environment, kind).await?)
    }

    /// All versions of a name, oldest first; empty if there is no such name.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn versions(&self, project: &Name, name: &Name) -> Result<Vec<Registered>> {
        Ok(definitions::versions(&mut *self.store.read().await?, project, name).await?)
    }

    /// All names of a project with their kinds, by name.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn names(&self, project: &Name) -> Result<Vec<(Name, Kind)>> {
        Ok(definitions::names(&mut *self.store.read().await?, project).await?)
    }

    /// Registers what an apply decided, in one transaction: versions inserted, remarks replaced, the
    /// environment's pointers moved, the finished run recorded. False if all that was there already: then nothing is
    /// written, the run neither.
    ///
    /// What is there already with the same content is no conflict, so two equal applies at once both succeed.
    /// A [`Move`] whose `from` and `to` are equal moves nothing and holds the apply to what it was planned
    /// against. Who moved a pointer and why is taken from the run's notes ([`WHO`], [`WHY`]).
    ///
    /// # Errors
    /// `concurrent_apply` when a number was taken by another content or a pointer is not where the move
    /// starts: another apply got in between, nothing was changed, plan again. `name_taken` when the name
    /// belongs to another kind.
    pub async fn apply(
        &self,
        project: &Name,
        environment: &Name,
        new: Vec<Registered>,
        annotated: Vec<Registered>,
        moves: Vec<Move>,
        run: &Run,
    ) -> Result<bool> {
        let mut transaction = self.store.write().await?;
        // First, because the history of pointers refers to it.
        runs::record(&mut transaction, run).await?;
        let mut written = apply::register(&mut transaction, &new).await?;
        written |= apply::annotate(&mut transaction, &annotated).await?;
        written |= moves::move_pointers(&mut transaction, project, environment, &moves, run).await?;
        if written {
            transaction.commit().await?;
        }
        // Else it is dropped, and the run with it.
        Ok(written)
    }

    /// Moves pointers of an environment to versions that are there, all or none, and records the finished run that does it.
    /// False if they are all there already: then nothing is written, the run neither.
    ///
    /// As with [`Catalog::apply`], a [`Move`] whose `from` and `to` are equal only holds the others to it.
    ///
    /// # Errors
    /// `pointer_moved` when a pointer is not where its move starts, with who moved it; nothing was changed.
    /// `unknown_version`.
    pub async fn move_pointers(&self, project: &Name, environment: &Name, moves: Vec<Move>, run: &Run) -> Result<bool> {
        self.apply(project, environment, Vec::new(), Vec::new(), moves, run).await
    }

    /// How an environment's pointer for a name moved, newest first.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn pointer_history(&self, project: &Name, environment: &Name, name: &Name) -> Result<Vec<PointerMove>> {
        Ok(moves::history(&mut *self.store.read().await?, project, environment, name).await?)
    }

    /// How all pointers of an environment moved, the last `limit` moves, newest first.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn moves(&self, project: &Name, environment: &Name, limit: Option<usize>) -> Result<Vec<PointerMove>> {
        Ok(moves::all_moves(&mut *self.store.read().await?, project, environment, limit).await?)
    }

    /// Every version that some environment points at, or pointed at then or later, with what needs it: `prod`, or `prod until
    /// <time>`. By name and version.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn pointed(&self, project: &Name, since: Micros) -> Result<Vec<(Registered, String)>> {
        Ok(moves::pointed(&mut *self.store.read().await?, project, since).await?)
    }

    /// As [`Catalog::list`], of what the environment pointed at, at a moment. Remarks are those of now: they make no version.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn list_at(
        &self,
        project: &Name,
        environment: &Name,
        kind: Option<Kind>,
        at: Micros,
    ) -> Result<Vec<Listed>> {
        Ok(moves::list_at(&mut *self.store.read().await?, project, environment, kind, at).await?)
    }
}

/// Runs, and what they made.
impl Catalog {
    /// Records a run that starts, or what a running one has come to know of itself since.
    ///
    /// # Errors
    /// `run_done` if it is recorded as done already.
    pub async fn start(&self, run: &Run) -> Result<()> {
        self.record(run).await
    }

    /// Records a run as it ended, over what [`Catalog::start`] recorded if it was called. Twice is once.
    ///
    /// # Errors
    /// `run_done` if it is recorded as done and would now be anything else: what it made is there.
    pub async fn finish(&self, run: &Run) -> Result<()> {
        self.record(run).await
    }

    async fn record(&self, run: &Run) -> Result<()> {
        let mut transaction = self.store.write().await?;
        runs::record(&mut transaction, run).await?;
        Ok(transaction.commit().await?)
    }

    /// The run of that id.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn run(&self, id: RunId) -> Result<Option<Run>> {
        Ok(runs::run(&mut *self.store.read().await?, id).await?)
    }

    /// Runs of a project, newest first.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn runs(&self, project: &Name, filter: RunFilter) -> Result<Vec<Run>> {
        Ok(runs::runs(&mut *self.store.read().await?, project, &filter).await?)
    }

    /// Runs that started and did not end, oldest first, of one project or of all.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn unfinished(&self, project: Option<&Name>) -> Result<Vec<Run>> {
        Ok(runs::unfinished(&mut *self.store.read().await?, project).await?)
    }

    /// The first run that is done and made this: a snapshot, a training set, an online generation, a definition.
    /// An item is looked up by its identity: name and number, for a file its digest.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn producer(&self, project: &Name, item: &Item) -> Result<Option<Run>> {
        Ok(products::producer(&mut *self.store.read().await?, project, item).await?)
    }

    /// The training sets that were built under a name, by number.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn built(&self, project: &Name, name: &Name) -> Result<Vec<Item>> {
        Ok(products::built(&mut *self.store.read().await?, project, name).await?)
    }

    /// The newest generation of each view version that was published online, by name and version; without those of which a run
    /// of `gc` that is done says, as its inputs, that it dropped them.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn online(&self, project: &Name) -> Result<Vec<Item>> {
        Ok(products::online(&mut *self.store.read().await?, project).await?)
    }
}

/// Rows online that are there no more.
impl Catalog {
    /// The number of the newest publication of a view that is on record, also where it was dropped since.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn last_generation(&self, view: &Pinned) -> Result<Option<u64>> {
        Ok(products::last_generation(&mut *self.store.read().await?, view).await?)
    }
}

/// The project as a whole.
impl Catalog {
    /// All versions of all names, and all pointers: two statements.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn whole(&self, project: &Name) -> Result<Whole> {
        Ok(whole::read(&mut *self.store.read().await?, project).await?)
    }

    /// Which training sets were built out of which definitions, by name and number.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn built_of(&self, project: &Name) -> Result<Vec<BuiltOf>> {
        Ok(whole::built_of(&mut *self.store.read().await?, project).await?)
    }
}

/// What people say of versions: that they may go somewhere, that they are not to be used any more.
impl Catalog {
    /// Keeps an approval with the finished run that records it. False if that person said so before: then nothing is
    /// written, the run neither.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn approve(&self, project: &Name, approval: &Approval, run: &Run) -> Result<bool> {
        let mut transaction = self.store.write().await?;
        runs::record(&mut transaction, run).await?;
        let new = approvals::insert(&mut transaction, project, approval).await?;
        if new {
            transaction.commit().await?;
        }
        Ok(new)
    }

    /// The approvals of all versions of a name for all environments, oldest first.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn approvals(&self, project: &Name, name: &Name) -> Result<Vec<Approval>> {
        Ok(approvals::of_name(&mut *self.store.read().await?, project, name).await?)
    }

    /// Keeps the remark that a version is deprecated, in the place of another one, with the finished run that records it.
    /// False if just that was said before: then nothing is written, the run neither.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn deprecate(&self, project: &Name, remark: &Deprecation, run: &Run) -> Result<bool> {
        let mut transaction = self.store.write().await?;
        runs::record(&mut transaction, run).await?;
        let new = deprecations::put(&mut transaction, project, remark).await?;
        if new {
            transaction.commit().await?;
        }
        Ok(new)
    }

    /// Takes the remark back. False if there is none: then nothing is written, the run neither.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn undo_deprecation(&self, project: &Name, name: &Name, version: Version, run: &Run) -> Result<bool> {
        let mut transaction = self.store.write().await?;
        runs::record(&mut transaction, run).await?;
        let removed = deprecations::remove(&mut transaction, project, name, version).await?;
        if removed {
            transaction.commit().await?;
        }
        Ok(removed)
    }

    /// All versions of a project that are deprecated, by name and version.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn deprecations(&self, project: &Name) -> Result<Vec<Deprecation>> {
        Ok(deprecations::of_project(&mut *self.store.read().await?, project).await?)
    }
}

/// Events of other tools about what their jobs read and write.
impl Catalog {
    /// Keeps those that are not there yet, all or none; how many these were.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn keep_events(&self, events: &[LineageEvent]) -> Result<u64> {
        let mut transaction = self.store.write().await?;
        let new = events::insert(&mut transaction, events).await?;
        transaction.commit().await?;
        Ok(new)
    }

    /// In the order of arrival, those after that number, at most so many, each with its number. Numbers begin at 1.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn events_after(&self, number: i64, most: u32) -> Result<Vec<(i64, LineageEvent)>> {
        Ok(events::after(&mut *self.store.read().await?, number, most).await?)
    }

    /// The number of the event that came last; 0 if none ever did.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn newest_event(&self) -> Result<i64> {
        Ok(events::newest(&mut *self.store.read().await?).await?)
    }
}
