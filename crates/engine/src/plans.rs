//! Serving plans, found without asking the catalog.
//!
//! What a reference means changes only when pointers move (apply, promote, rollback), and only this engine does that to its
//! catalog: the caller of [`Engine::open`](crate::Engine::open) holds the stores alone. So a reference is looked up once, remembered, and
//! forgotten with the next move. A request whose reference is remembered costs two look-ups by hash: no SQL, no lock, nothing allocated.
//! Requests that are under way keep the plan that they began with.
//!
//! A plan itself never changes, as its service does not, and is kept until a remark changes that whoever uses it is told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use asof_model::{Pinned, Reference};
use foldhash::fast::RandomState;

use crate::Scope;

/// See the module. It need not know what a plan is.
pub(crate) struct Plans<P> {
    meanings: ArcSwap<Meanings<P>>,
    compiled: Mutex<HashMap<Pinned, Arc<P>>>,
}

/// What references mean, as far as somebody asked.
struct Meanings<P> {
    since: Since,
    plans: HashMap<Scope, HashMap<Reference, Arc<P>, RandomState>, RandomState>,
}

/// After which apply the catalog was asked, counted up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Since(u64);

impl Since {
    /// After one more change.
    pub(crate) fn next(self) -> Self {
        Since(self.0 + 1)
    }
}

impl<P> Plans<P> {
    /// None yet.
    pub(crate) fn new() -> Self {
        let meanings = Meanings { since: Since::default(), plans: HashMap::default() };
        Plans { meanings: ArcSwap::from_pointee(meanings), compiled: Mutex::default() }
    }

    /// The plan that a reference means. Where it is not remembered, the catalog must be asked after this call; what it says
    /// counts from the moment that is given back.
    pub(crate) fn meant(&self, scope: &Scope, service: &Reference) -> Result<Arc<P>, Since> {
        let meanings = self.meanings.load();
        let plan = meanings.plans.get(scope).and_then(|plans| plans.get(service));
        plan.cloned().ok_or(meanings.since)
    }

    /// The plan of a version, if it is compiled.
    pub(crate) fn of(&self, service: &Pinned) -> Option<Arc<P>> {
        self.compiled.lock().unwrap_or_else(PoisonError::into_inner).get(service).cloned()
    }

    /// Keeps the plan of a version, unless something changed since it was begun; of several the first.
    pub(crate) fn keep(&self, since: Since, service: Pinned, plan: P) -> Arc<P> {
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if self.meanings.load().since != since {
            return Arc::new(plan);
        }
        Arc::clone(compiled.entry(service).or_insert_with(|| Arc::new(plan)))
    }

    /// Remembers what the catalog said a reference means, unless something was applied since it was asked.
    pub(crate) fn remember(&self, since: Since, scope: &Scope, service: &Reference, plan: &Arc<P>) {
        self.meanings.rcu(|meanings| {
            let mut plans = meanings.plans.clone();
            if meanings.since == since {
                plans.entry(scope.clone()).or_default().insert(service.clone(), Arc::clone(plan));
            }
            Meanings { since: meanings.since, plans }
        });
    }

    /// Something was applied: whatever a reference meant, the catalog must be asked again.
    pub(crate) fn forget(&self) {
        self.meanings.rcu(|meanings| Meanings { since: meanings.since.next(), plans: HashMap::default() });
    }

    /// What plans tell besides values changed: they are to be compiled again.
    pub(crate) fn forget_all(&self) {
        // Whoever compiles meanwhile began before, and keeps nothing after this.
        self.forget();
        self.compiled.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_before_an_apply_is_not_remembered_after_it() {
        let plans = Plans::new();
        let scope = Scope { project: "p".parse().unwrap(), environment: "dev".parse().unwrap() };
        let service = "s".parse().unwrap();
        let meant = || plans.meant(&scope, &service).ok().map(|plan| *plan);
        let asked = || plans.meant(&scope, &service).unwrap_err();
        let (first, second) = (Arc::new(1), Arc::new(2));
        let slow = asked();
        plans.remember(asked(), &scope, &service, &first);
        assert_eq!(meant(), Some(1));
        plans.forget();
        assert_eq!(meant(), None);
        plans.remember(slow, &scope, &service, &first);
        assert_eq!(meant(), None);
        plans.remember(asked(), &scope, &service, &second);
        assert_eq!(meant(), Some(2));
    }

    #[test]
    fn what_was_compiled_before_a_remark_is_not_kept_after_it() {
        let plans = Plans::new();
        let pinned = Pinned {
            kind: asof_model::Kind::FeatureService,
            project: "p".parse().unwrap(),
            name: "s".parse().unwrap(),
            version: asof_model::Version(1),
            digest: asof_model::Digest::of(b"s"),
        };
        let scope = Scope { project: "p".parse().unwrap(), environment: "dev".parse().unwrap() };
        let since = || plans.meant(&scope, &"s".parse().unwrap()).unwrap_err();
        let slow = since();
        assert_eq!(*plans.keep(slow, pinned.clone(), 1), 1);
        assert_eq!(*plans.keep(slow, pinned.clone(), 2), 1, "the first stays");
        plans.forget_all();
        assert!(plans.of(&pinned).is_none());
        assert_eq!(*plans.keep(slow, pinned.clone(), 1), 1, "it is used");
        assert!(plans.of(&pinned).is_none(), "and not kept");
        plans.keep(since(), pinned.clone(), 3);
        assert_eq!(plans.of(&pinned).as_deref(), Some(&3));
    }
}
