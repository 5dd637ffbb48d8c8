//! The gates of an environment: what is asked of versions before its pointers move to them.
//!
//! # What it promises
//! A gate passes, or says what is wrong, with which version, and what mends it. A gate that cannot be asked refuses, with
//! that reason. What a gate says is about the moment at which it is asked: pointers then move from where they were seen
//! before, or not at all, but data goes on.
//!
//! # What it costs
//! `online` and approvals cost a look-up per view. `fresh` reads the times of each view that has a TTL, `checks` every
//! dataset that has a CHECK, a gate of the project's own what it reads. `leakage` computes each view [`MOMENTS`] times
//! and once more, `equal` reads each view's keys once and joins [`KEYS`] of them. The costly ones are asked last, and not
//! at all where a cheap one refuses, unless everything is to be told.

mod checks;
mod fresh;
mod own;
mod verified;

use std::str::FromStr;
use std::sync::Arc;

use asof_model::{Error, ErrorKind, Kind, Name, Pinned, Reference, Registered, Result, Selector};
use asof_offline::Progress;

use crate::pointers::Target;
use crate::{Author, Engine};

pub use own::OwnGate;

/// At how many moments `leakage` cuts sources off.
const MOMENTS: usize = 4;

/// How many keys of each service `equal` asks for.
const KEYS: usize = 200;

/// What an environment asks of every project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Gate {
    /// What a service reads is in the online store, at that very version.
    Online,
    /// Of views with a TTL there are rows, online, that are not older.
    Fresh,
    /// The rows of datasets meet their CHECKs, also those that came before a CHECK did.
    Checks,
    /// Views do not tell the future.
    Leakage,
    /// What services serve is what training gives.
    Equal,
}

impl Gate {
    /// All of them, cheap ones first.
    pub const ALL: [Gate; 5] = [Gate::Online, Gate::Fresh, Gate::Checks, Gate::Leakage, Gate::Equal];

    /// As it is written in settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Gate::Online => "online",
            Gate::Fresh => "fresh",
            Gate::Checks => "checks",
            Gate::Leakage => "leakage",
            Gate::Equal => "equal",
        }
    }
}

impl FromStr for Gate {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let found = Gate::ALL.into_iter().find(|gate| gate.as_str() == text);
        let names = Gate::ALL.map(Gate::as_str);
        found.ok_or_else(|| format!("`{text}` is not a gate; there are {}", names.join(", ")))
    }
}

/// What an environment asks before its pointers move.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Of every project.
    pub gates: Vec<Gate>,
    /// Of this one.
    pub own: Vec<OwnGate>,
    /// How many people besides whoever promotes must have approved.
    pub approvals: u32,
    /// Whether breaking changes must be allowed.
    pub protected: bool,
}

/// How a gate answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It has nothing against it.
    Passed,
    /// It has.
    Refused,
    /// It was not asked, because something else refused already or gates were skipped.
    NotAsked,
}

/// What a gate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Its name.
    pub gate: String,
    /// How it answered.
    pub verdict: Verdict,
    /// What it looked at, where it passed.
    pub said: String,
    /// What it has against it.
    pub refusals: Vec<Refusal>,
}

/// Something that a gate has against a move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The gate.
    pub gate: String,
    /// The service that is concerned, where it is about one.
    pub service: Option<Pinned>,
    /// What of it, or what alone: a view or a dataset.
    pub view: Option<Pinned>,
    /// What is the matter with that: `is not online`.
    pub reason: String,
    /// What mends it: a command mostly.
    pub remedy: String,
}

impl Refusal {
    /// A sentence.
    pub(crate) fn text(&self) -> String {
        match (&self.service, &self.view) {
            (Some(service), Some(view)) => {
                format!("{} reads {}, which {}", service.reference(), view.reference(), self.reason)
            }
            (Some(of), None) | (None, Some(of)) => format!("{} {}", of.reference(), self.reason),
            (None, None) => self.reason.clone(),
        }
    }

    fn about(of: Option<&Pinned>, reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Refusal { gate: String::new(), service: None, view: of.cloned(), reason: reason.into(), remedy: remedy.into() }
    }

    /// For a gate that cannot be asked.
    fn failed(error: &Error) -> Self {
        Refusal::about(None, error.message(), error.remedy_text().unwrap_or_default())
    }
}

/// What a gate looked at, and what it has against it.
struct Answer {
    said: String,
    refusals: Vec<Refusal>,
}

impl Asked {
    fn new(gate: &str, answer: Result<Answer>) -> Self {
        let Answer { said, mut refusals } =
            answer.unwrap_or_else(|error| Answer { said: String::new(), refusals: vec![Refusal::failed(&error)] });
        refusals.iter_mut().for_each(|refusal| refusal.gate = gate.to_owned());
        let verdict = if refusals.is_empty() { Verdict::Passed } else { Verdict::Refused };
        Asked { gate: gate.to_owned(), verdict, said, refusals }
    }

    /// What stands in the place of a gate where the environment is protected.
    pub(crate) fn breaking(broken: &[String], allowed: bool) -> Self {
        let refusals =
            broken.iter().filter(|_| !allowed).map(|what| Refusal::about(None, what.as_str(), "--allow-breaking"));
        let said = if broken.is_empty() { "nothing".to_owned() } else { format!("allowed: {}", broken.join("; ")) };
        Asked::new("breaking", Ok(Answer { said, refusals: refusals.collect() }))
    }

    fn not(gate: &str) -> Self {
        Asked { gate: gate.to_owned(), verdict: Verdict::NotAsked, said: String::new(), refusals: Vec::new() }
    }
}

/// What is to move, and what is asked about it.
pub(crate) struct Question<'a> {
    pub(crate) project: &'a Name,
    pub(crate) environment: &'a Name,
    pub(crate) author: &'a Author,
    pub(crate) policy: &'a Policy,
    /// Where pointers are, and where they shall be.
    pub(crate) targets: &'a [Target],
    /// What was named, as opposed to what comes with it.
    pub(crate) roots: &'a [Pinned],
    /// Ask all, also when one refuses.
    pub(crate) all: bool,
    /// Ask only what costs nothing: gates are skipped.
    pub(crate) cheap: bool,
}

/// One gate of the question.
enum One<'a> {
    Approvals,
    BuiltIn(Gate),
    Own(&'a OwnGate),
}

impl One<'_> {
    fn name(&self) -> &str {
        match self {
            One::Approvals => "approvals",
            One::BuiltIn(gate) => gate.as_str(),
            One::Own(own) => &own.name,
        }
    }

    fn costs_nothing(&self) -> bool {
        matches!(self, One::Approvals | One::BuiltIn(Gate::Online))
    }
}

impl Question<'_> {
    /// What moves, of a kind.
    fn moving(&self, kind: Kind) -> impl Iterator<Item = &Registered> {
        let moves = self.targets.iter().filter(|target| target.moves()).map(|target| &target.to);
        moves.filter(move |registered| registered.pinned.kind == kind)
    }

    /// Of the views that moving services read, by service.
    fn read_views(&self) -> impl Iterator<Item = (&Pinned, &Pinned)> {
        self.moving(Kind::FeatureService).flat_map(|service| {
            let mut views: Vec<_> = service.inputs.iter().map(|input| &input.pinned).collect();
            views.retain(|input| input.kind == Kind::FeatureView);
            views.sort();
            views.dedup();
            views.into_iter().map(move |view| (&service.pinned, view))
        })
    }

    /// In the order in which they are asked: what costs least comes first.
    fn gates(&self) -> Vec<One<'_>> {
        let built_in = |dear: bool| {
            let asked = Gate::ALL.into_iter().filter(move |gate| self.policy.gates.contains(gate));
            asked.filter(move |gate| dear == matches!(gate, Gate::Leakage | Gate::Equal)).map(One::BuiltIn)
        };
        let approvals = (self.policy.approvals > 0).then_some(One::Approvals);
        let own = self.policy.own.iter().map(One::Own);
        approvals.into_iter().chain(built_in(false)).chain(own).chain(built_in(true)).collect()
    }
}

impl Engine {
    /// What gates say, in the order in which they are asked.
    pub(crate) async fn ask_gates(&self, question: &Question<'_>, progress: &Arc<dyn Progress>) -> Vec<Asked> {
        let mut said: Vec<Asked> = Vec::new();
        for gate in question.gates() {
            let refused = said.iter().any(|asked| asked.verdict == Verdict::Refused);
            let skipped = if question.cheap { !gate.costs_nothing() } else { refused && !question.all };
            said.push(match skipped {
                true => Asked::not(gate.name()),
                false => Asked::new(gate.name(), self.ask(&gate, question, progress).await),
            });
        }
        said
    }

    async fn ask(&self, gate: &One<'_>, question: &Question<'_>, progress: &Arc<dyn Progress>) -> Result<Answer> {
        match gate {
            One::Approvals => self.ask_approvals(question).await,
            One::BuiltIn(Gate::Online) => self.ask_online(question),
            One::BuiltIn(Gate::Fresh) => self.ask_fresh(question, progress).await,
            One::BuiltIn(Gate::Checks) => self.ask_checks(question, progress).await,
            One::BuiltIn(Gate::Leakage) => self.ask_leakage(question, progress).await,
            One::BuiltIn(Gate::Equal) => self.ask_equal(question, progress).await,
            One::Own(own) => self.ask_own(own, question, progress).await,
        }
    }

    async fn ask_approvals(&self, question: &Question<'_>) -> Result<Answer> {
        let wanted = question.policy.approvals;
        let environment = question.environment;
        let Some(promoter) = &question.author.who else {
            let reason = "who promotes is not said, so nobody can be told from them";
            return Ok(Answer {
                said: String::new(),
                refusals: vec![Refusal::about(None, reason, "say it with --by NAME")],
            });
        };
        let (mut refusals, mut who) = (Vec::new(), Vec::new());
        for root in question.roots {
            let mut others: Vec<String> = Vec::new();
            others.extend(self.approvals(root, Some(environment)).await?.into_iter().map(|approval| approval.who));
            others.retain(|who| who != promoter);
            if (others.len() as u64) < u64::from(wanted) {
                let has = match others.len() {
                    0 => "nobody".to_owned(),
                    _ => others.join(", "),
                };
                let reason = format!(
                    "is approved for `{environment}` by {has} besides {promoter}, who promotes it; {wanted} must"
                );
                let remedy = format!("somebody else says: asof approve {} --for {environment}", root.reference());
                refusals.push(Refusal::about(Some(root), reason, remedy));
            }
            who.extend(others);
        }
        who.sort();
        who.dedup();
        Ok(Answer { said: format!("by {}", who.join(", ")), refusals })
    }

    fn ask_online(&self, question: &Question<'_>) -> Result<Answer> {
        let (mut refusals, mut online) = (Vec::new(), 0_usize);
        for (service, view) in question.read_views() {
            if self.online().published(view)?.is_some() {
                online += 1;
                continue;
            }
            refusals.push(Refusal {
                service: Some(service.clone()),
                remedy: format!("asof materialize {}", view.reference()),
                ..Refusal::about(Some(view), "is not online", "")
            });
        }
        Ok(Answer { said: format!("{} of services", counted(online, "view")), refusals })
    }
}

/// The error where gates refuse.
pub(crate) fn refused(environment: &Name, asked: &[Asked]) -> Error {
    let refusals: Vec<_> = asked.iter().flat_map(|asked| &asked.refusals).collect();
    let mut gates: Vec<_> = refusals.iter().map(|refusal| format!("`{}`", refusal.gate)).collect();
    gates.dedup();
    let (gates, verb) = match gates.len() {
        1 => (format!("gate {}", gates.concat()), "refuses"),
        _ => (format!("gates {}", gates.join(", ")), "refuse"),
    };
    let texts: Vec<_> = refusals.iter().map(|refusal| refusal.text()).collect();
    let message = format!("{gates} of `{environment}` {verb}: {}", texts.join("; "));
    let mends = mends(&refusals);
    Error::new(ErrorKind::Precondition, "gate_refused", message)
        .remedy(format!("{mends}; or --skip-gates with --why TEXT, which is kept"))
}

/// What mends all of it: one call of `materialize` for all views.
fn mends(refusals: &[&Refusal]) -> String {
    const MATERIALIZE: &str = "asof materialize ";
    let mut remedies: Vec<_> = refusals.iter().map(|refusal| refusal.remedy.as_str()).collect();
    remedies.retain(|remedy| !remedy.is_empty());
    let mut views: Vec<_> = remedies.iter().filter_map(|remedy| remedy.strip_prefix(MATERIALIZE)).collect();
    views.sort_unstable();
    views.dedup();
    remedies.retain(|remedy| !remedy.starts_with(MATERIALIZE));
    let mut said: Vec<String> = Vec::new();
    if !views.is_empty() {
        said.push(format!("{MATERIALIZE}{}", views.join(" ")));
    }
    for remedy in remedies {
        if !said.iter().any(|there| there == remedy) {
            said.push(remedy.to_owned());
        }
    }
    if said.is_empty() { "see what it says".to_owned() } else { said.join("; ") }
}

/// A version, as it is asked for.
fn exact(pinned: &Pinned) -> Reference {
    Reference {
        project: Some(pinned.project.clone()),
        name: pinned.name.clone(),
        selector: Some(Selector::Number(pinned.version.0.into())),
    }
}

/// `1 view`, `2 views`.
fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
