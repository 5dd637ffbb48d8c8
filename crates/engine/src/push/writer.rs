//! The one thread that writes pushes.
//!
//! It takes all that wait, numbers them, and writes them in one synced step: the more clients push at once, the more
//! rows share a sync, and the more small pushes share their preparation ([`super::together`]). That it is alone makes keys
//! and numbers simple: nothing happens between looking and writing.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use asof_model::digest::Digest;
use asof_model::{Error, ErrorKind, Micros, Pinned, Result};
use asof_online::{Change, Entry, Journal, Once, OnlineStore, Push, SEQ};
use asof_query::ViewRow;
use tokio::sync::{mpsc, oneshot};

use super::entrance::Entrances;
use super::numbers::Sequences;
use super::together::{Arrived, Together};
use super::{Backlog, Marks, micros};
use crate::plans::Since;
use crate::workshop::STACK;

/// Pushes that may wait for the thread, before those who push must wait themselves.
const WAITING: usize = 1024;
/// Bytes that are written in one step, unless one push alone has more.
const STEP_BYTES: usize = 4 << 20;

/// A push, ready to be numbered and written.
pub(super) struct Prepared {
    pub(super) journal: Journal,
    pub(super) rows: u64,
    pub(super) bytes: Vec<u8>,
    pub(super) digest: Digest,
    pub(super) key: Option<String>,
    pub(super) changes: Vec<(Pinned, ViewRow)>,
    /// The last number that the table had.
    pub(super) behind: i64,
    pub(super) since: Since,
    pub(super) now: Micros,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is online and in its journal.
    Accepted { rows: u64, last: i64, repeated: bool, floored: u64 },
    /// Something changed since it was prepared.
    Stale,
}

pub(super) type Reply = oneshot::Sender<Result<Outcome>>;

enum Message {
    Push(Box<Prepared>, u64, Reply),
    Small(Box<Arrived>, Reply),
    Settle(oneshot::Sender<()>),
}

/// The way to the thread. Dropped, it waits until what was sent is written and the thread has let go of the store: a
/// process that ends under a store that is at work would not end well.
pub(super) struct Writer {
    /// Taken only on drop.
    sender: Option<mpsc::Sender<Message>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            // Had it panicked, every push since would have been told that it is gone.
            let _ = thread.join();
        }
    }
}

struct Thread {
    online: Arc<dyn OnlineStore>,
    entrances: Arc<Entrances>,
    sequences: Arc<Sequences>,
    backlog: Arc<Backlog>,
    marks: Arc<Marks>,
    remember: Duration,
}

impl Writer {
    pub(super) fn new(
        online: &Arc<dyn OnlineStore>,
        entrances: &Arc<Entrances>,
        sequences: &Arc<Sequences>,
        (backlog, marks): (&Arc<Backlog>, &Arc<Marks>),
        remember: Duration,
    ) -> Result<Self> {
        let thread = Thread {
            online: Arc::clone(online),
            entrances: Arc::clone(entrances),
            sequences: Arc::clone(sequences),
            backlog: Arc::clone(backlog),
            marks: Arc::clone(marks),
            remember,
        };
        let (sender, receiver) = mpsc::channel(WAITING);
        // It computes views of small pushes, however deep their expressions are.
        let named = std::thread::Builder::new().name("asof-push".to_owned()).stack_size(STACK);
        let thread = named.spawn(move || thread.run(receiver)).map_err(Error::internal)?;
        Ok(Writer { sender: Some(sender), thread: Some(thread) })
    }

    /// Has a push written of which so many rows had a time that was floored.
    pub(super) async fn write(&self, prepared: Prepared, floored: u64) -> Result<Outcome> {
        let (reply, replied) = oneshot::channel();
        self.send(Message::Push(Box::new(prepared), floored, reply)).await?;
        replied.await.map_err(|_| gone())?
    }

    /// The same for a push that is prepared there.
    pub(super) async fn write_small(&self, arrived: Arrived) -> Result<Outcome> {
        let (reply, replied) = oneshot::channel();
        self.send(Message::Small(Box::new(arrived), reply)).await?;
        replied.await.map_err(|_| gone())?
    }

    /// Waits until all that was sent before is written.
    pub(super) async fn settle(&self) -> Result<()> {
        let (reply, replied) = oneshot::channel();
        self.send(Message::Settle(reply)).await?;
        replied.await.map_err(|_| gone())
    }

    async fn send(&self, message: Message) -> Result<()> {
        let sender = self.sender.as_ref().ok_or_else(gone)?;
        sender.send(message).await.map_err(|_| gone())
    }
}

/// What work came to that computes views: if it panics, one push fails, and not all that come after it.
fn unwound<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(Error::internal("a push panicked")))
}

fn gone() -> Error {
    Error::internal("the thread that writes pushes is gone")
}

impl Thread {
    fn run(self, mut receiver: mpsc::Receiver<Message>) {
        while let Some(first) = receiver.blocking_recv() {
            let mut step = Step::default();
            let mut next = Some(first);
            while let Some(message) = next {
                match message {
                    Message::Push(prepared, floored, reply) => {
                        if step.has_key_of(&prepared) {
                            // Its repetition: what became of the first must be known before.
                            self.write(std::mem::take(&mut step));
                        }
                        // What came before it stays before it.
                        let before = |together: &Together| together.is_of(&prepared.journal);
                        let before: Vec<_> = step.together.extract_if(.., |together| before(together)).collect();
                        before.into_iter().for_each(|together| self.join(&mut step, together));
                        self.add(&mut step, *prepared, Waiting::One(reply, floored));
                    }
                    Message::Small(arrived, reply) => self.gather(&mut step, *arrived, reply),
                    Message::Settle(reply) => {
                        self.write(std::mem::take(&mut step));
                        // Who asked may have gone.
                        let _ = reply.send(());
                    }
                }
                next = if step.bytes < STEP_BYTES { receiver.try_recv().ok() } else { None };
            }
            self.write(step);
        }
    }

    /// Adds a small push to those that it can be treated with as one.
    fn gather(&self, step: &mut Step, arrived: Arrived, reply: Reply) {
        step.bytes += arrived.rows.get_array_memory_size();
        match step.together.iter().position(|together| together.is_of(arrived.entrance.journal())) {
            Some(place) if step.together[place].fits(&arrived) => step.together[place].0.push((arrived, reply)),
            other => {
                // What came before it stays before it.
                if let Some(place) = other {
                    let before = step.together.swap_remove(place);
                    self.join(step, before);
                }
                step.together.push(Together(vec![(arrived, reply)]));
            }
        }
    }

    /// Adds small pushes to a step as one, or each alone.
    fn join(&self, step: &mut Step, together: Together) {
        match unwound(|| Ok(together.prepare())) {
            Ok(Some(prepared)) => self.add(step, prepared, Waiting::Many(together)),
            _ => together.0.into_iter().for_each(|(arrived, reply)| self.add_alone(step, &arrived, reply)),
        }
    }

    fn add_alone(&self, step: &mut Step, arrived: &Arrived, reply: Reply) {
        match unwound(|| arrived.alone()) {
            Ok((prepared, floored)) => self.add(step, prepared, Waiting::One(reply, floored)),
            Err(error) => drop(reply.send(Err(error))),
        }
    }

    /// Adds a push to a step, or answers it.
    fn add(&self, step: &mut Step, prepared: Prepared, waiting: Waiting) {
        match self.numbered(&prepared) {
            Ok(Numbered::New(push)) => step.add(push, prepared, waiting),
            Ok(Numbered::Known(outcome)) => waiting.all(Ok(outcome)),
            Err(error) => waiting.all(Err(error)),
        }
    }

    fn numbered(&self, prepared: &Prepared) -> Result<Numbered> {
        if prepared.since != self.entrances.since() {
            return Ok(Numbered::Known(Outcome::Stale));
        }
        if let Some(key) = &prepared.key
            && let Some(once) = self.online.pushed(&prepared.journal, key)?
            && once.until >= prepared.now
        {
            return told(&once, prepared).map(Numbered::Known);
        }
        let last = self.sequences.take(&prepared.journal, prepared.behind, prepared.rows)?;
        let first = last - prepared.rows as i64 + 1;
        let changes = prepared.changes.iter().filter(|(_, rows)| !rows.from.is_empty());
        let changes = changes.map(|(view, rows)| Ok(Change { view: view.clone(), rows: with_seq(rows, first)? }));
        let once = prepared.key.as_ref().map(|key| Once {
            key: key.clone(),
            since: prepared.now,
            until: Micros(prepared.now.0.saturating_add(micros(self.remember))),
            told: telling(prepared, last),
        });
        Ok(Numbered::New(Push {
            journal: prepared.journal.clone(),
            entry: Entry { last, rows: prepared.rows, bytes: prepared.bytes.clone() },
            once,
            changes: changes.collect::<Result<_>>()?,
        }))
    }

    /// Writes a step, and answers all of it. Where it fails, each push is tried alone, so that one that cannot be written
    /// is in nobody's way.
    fn write(&self, mut step: Step) {
        for together in std::mem::take(&mut step.together) {
            self.join(&mut step, together);
        }
        let Step { pushes, waiting, .. } = step;
        if pushes.is_empty() {
            return;
        }
        // Counted first, so that whoever lands them cannot come before.
        for push in &pushes {
            self.backlog.add(&push.journal, push.entry.bytes.len() as u64, push.entry.last);
            self.marks.of(&push.journal).begin(push.entry.last);
        }
        let written = self.online.push(&pushes);
        let many = pushes.len() > 1;
        for (push, waiting) in pushes.iter().zip(waiting) {
            let written = match &written {
                Err(_) if many => self.online.push(std::slice::from_ref(push)),
                written => written.clone(),
            };
            self.answer(push, waiting, written);
        }
    }

    fn answer(&self, push: &Push, waiting: Waiting, written: Result<()>) {
        let Entry { last, rows, bytes } = &push.entry;
        if written.is_err() {
            self.backlog.remove(&push.journal, bytes.len() as u64);
        }
        // Also where it was refused: then no row has this number, and none ever will.
        self.marks.of(&push.journal).end(*last);
        match (waiting, written) {
            // Which of them it is that cannot be written is found out.
            (Waiting::Many(Together(all)), Err(_)) if all.len() > 1 => {
                for (arrived, reply) in all {
                    let mut step = Step::default();
                    self.add_alone(&mut step, &arrived, reply);
                    self.write(step);
                }
            }
            (waiting, Err(error)) => waiting.all(Err(error)),
            (waiting, Ok(())) => waiting.accepted(*last, *rows),
        }
    }
}

/// Who waits for what becomes of a push.
enum Waiting {
    /// One; and how many of the rows had a time that was floored.
    One(Reply, u64),
    /// Those whose rows are in it, in their order.
    Many(Together),
}

impl Waiting {
    /// Tells all the same.
    fn all(self, outcome: Result<Outcome>) {
        let tell = |reply: Reply| drop(reply.send(outcome.clone()));
        match self {
            Waiting::One(reply, _) => tell(reply),
            Waiting::Many(Together(all)) => all.into_iter().for_each(|(_, reply)| tell(reply)),
        }
    }

    /// Tells each that its rows are there; all together have so many, and the last of them this number.
    fn accepted(self, last: i64, rows: u64) {
        // Who pushed may have gone; under its key the push is known.
        let tell = |reply: Reply, last, rows, floored| {
            drop(reply.send(Ok(Outcome::Accepted { rows, last, repeated: false, floored })));
        };
        match self {
            Waiting::One(reply, floored) => tell(reply, last, rows, floored),
            Waiting::Many(Together(all)) => {
                let mut end = last - rows as i64;
                for (arrived, reply) in all {
                    let rows = arrived.rows.num_rows();
                    end += rows as i64;
                    tell(reply, end, rows as u64, 0);
                }
            }
        }
    }
}

enum Numbered {
    New(Push),
    Known(Outcome),
}

/// What is written at once.
#[derive(Default)]
struct Step {
    pushes: Vec<Push>,
    /// For each of them.
    waiting: Vec<Waiting>,
    /// What is still to be joined: of each journal the small pushes that came last.
    together: Vec<Together>,
    keys: HashSet<(Journal, String)>,
    bytes: usize,
}

impl Step {
    fn has_key_of(&self, prepared: &Prepared) -> bool {
        let key = prepared.key.as_ref().map(|key| (prepared.journal.clone(), key.clone()));
        key.is_some_and(|key| self.keys.contains(&key))
    }

    fn add(&mut self, push: Push, prepared: Prepared, waiting: Waiting) {
        self.bytes += prepared.bytes.len();
        self.keys.extend(prepared.key.map(|key| (prepared.journal, key)));
        self.pushes.push(push);
        self.waiting.push(waiting);
    }
}

/// What is remembered of a push: its last number, its rows, and the digest of its bytes.
fn telling(prepared: &Prepared, last: i64) -> Vec<u8> {
    let numbers = [last.to_le_bytes(), prepared.rows.to_le_bytes()];
    [numbers.as_flattened(), prepared.digest.as_bytes()].concat()
}

/// The answer to a push that came before under its key.
fn told(once: &Once, prepared: &Prepared) -> Result<Outcome> {
    let (numbers, digest) = once.told.split_first_chunk::<16>().ok_or_else(|| Error::internal("a key is malformed"))?;
    let [last, rows] = *numbers.as_chunks::<8>().0 else { return Err(Error::internal("a key is malformed")) };
    if digest != prepared.digest.as_bytes() {
        let message = format!("the key `{}` came before in {}, with other rows", once.key, prepared.journal);
        return Err(Error::new(ErrorKind::Conflict, "push_key_reused", message)
            .remedy("give every push a key of its own, and the same one only to its repetition"));
    }
    Ok(Outcome::Accepted { rows: u64::from_le_bytes(rows), last: i64::from_le_bytes(last), repeated: true, floored: 0 })
}

/// A view's rows with their order of acceptance.
fn with_seq(rows: &ViewRow, first: i64) -> Result<RecordBatch> {
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.from.iter().map(|from| first + *from as i64)));
    let mut fields: Vec<_> = rows.rows.schema().fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new(SEQ, DataType::Int64, false)));
    let columns = rows.rows.columns().iter().cloned().chain([numbers]).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(Error::internal)
}
