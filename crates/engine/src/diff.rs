//! `diff`: how two environments, or two versions of a name, differ: clause by clause, as `plan` says it.

use asof_model::{Error, ErrorKind, Name, Reference, Registered, Result};
use asof_query::{Change, Effect, difference};

use crate::{Engine, Scope};

/// One name that differs.
#[derive(Debug)]
pub enum Difference {
    /// Only the left side has it.
    Removed(Registered),
    /// The right side has it, and the left none or another version.
    Changed(Change),
}

impl Engine {
    /// What two environments point at and how that differs, by kind (upstream first) and name. What is the same is left
    /// out.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn diff_environments(&self, scope: &Scope, left: &Name, right: &Name) -> Result<Vec<Difference>> {
        let mut before = self.pointers(&scope.project, left).await?;
        let after = self.pointers(&scope.project, right).await?;
        let mut differences = Vec::new();
        for (name, registered) in after {
            let effect = match before.remove(&name) {
                None => Effect::Created,
                Some(before) => difference(&before, &registered),
            };
            if effect != Effect::Unchanged {
                differences.push(Difference::Changed(Change { registered, effect }));
            }
        }
        differences.extend(before.into_values().map(Difference::Removed));
        differences.sort_by_key(|difference| {
            let pinned = &difference.registered().pinned;
            (pinned.kind, pinned.name.clone())
        });
        Ok(differences)
    }

    /// How two versions of a name differ; none where they are the same.
    ///
    /// # Errors
    /// Those of a reference; `not_a_version`, `not_of_this_project`; `two_names` for versions of two names.
    pub async fn diff(&self, scope: &Scope, left: &Reference, right: &Reference) -> Result<Option<Difference>> {
        let (before, registered) = (self.version(scope, left).await?, self.version(scope, right).await?);
        if before.pinned.name != registered.pinned.name {
            let message = format!("`{left}` and `{right}` are versions of two names");
            return Err(Error::new(ErrorKind::Invalid, "two_names", message)
                .remedy("compare two versions of one name, or two environments"));
        }
        let effect = difference(&before, &registered);
        Ok((effect != Effect::Unchanged).then_some(Difference::Changed(Change { registered, effect })))
    }
}

impl Difference {
    /// What the right side has or, where it has nothing, the left.
    pub fn registered(&self) -> &Registered {
        match self {
            Difference::Removed(registered) => registered,
            Difference::Changed(change) => &change.registered,
        }
    }
}
