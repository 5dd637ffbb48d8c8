//! What a change does to whom.

use asof_engine::{Break, Compatibility, Consequence, Read, Recompute, Standing, User};
use asof_proto::registry::v1 as wire;

use super::object::from_pinned;

/// None where nothing of that name was there.
pub(crate) fn from_consequence(consequence: &Consequence) -> Option<wire::Consequence> {
    let compatibility = match consequence.verdict {
        Compatibility::None if consequence.standings.is_empty() => return None,
        Compatibility::None => wire::Compatibility::Unspecified,
        Compatibility::Compatible => wire::Compatibility::Compatible,
        Compatibility::Breaking => wire::Compatibility::Breaking,
    };
    Some(wire::Consequence {
        compatibility: compatibility.into(),
        breaks: from_breaks(&consequence.breaks),
        users: consequence.users.listed.iter().map(from_user).collect(),
        more_users: u32::try_from(consequence.users.more).unwrap_or(u32::MAX),
        standings: consequence.standings.iter().map(from_standing).collect(),
    })
}

fn from_breaks(breaks: &[Break]) -> Vec<wire::Break> {
    let told = breaks.iter().map(|b| wire::Break {
        what: b.what.to_owned(),
        name: b.name.clone(),
        before: b.before.clone(),
        after: b.after.clone(),
    });
    told.collect()
}

fn from_user(user: &User) -> wire::User {
    use wire::user::What;
    match user {
        User::Definition { pinned, follows, environments } => wire::User {
            what: Some(What::Definition(from_pinned(pinned))),
            follows: follows.map_or(0, |version| version.0),
            environments: environments.iter().map(ToString::to_string).collect(),
        },
        User::TrainingSet { name, number } => wire::User {
            what: Some(What::TrainingSet(wire::Built { name: name.to_string(), number: *number })),
            ..wire::User::default()
        },
        User::Model { name, version } => wire::User {
            what: Some(What::Model(wire::UsedModel { name: name.to_string(), version: version.to_string() })),
            ..wire::User::default()
        },
    }
}

fn from_standing(standing: &Standing) -> wire::Standing {
    wire::Standing {
        environment: standing.environment.to_string(),
        version: standing.version.0,
        breaks: from_breaks(&standing.breaks),
        protected: standing.protected,
    }
}

pub(crate) fn from_recompute(recompute: &Recompute) -> wire::Recompute {
    let read = |read: &Read| wire::Read {
        dataset: read.dataset.to_string(),
        snapshot: read.snapshot.0,
        rows: read.rows,
        files: read.files,
        bytes: read.bytes,
    };
    wire::Recompute {
        views: recompute.views.iter().map(from_pinned).collect(),
        reads: recompute.reads.iter().map(read).collect(),
    }
}
