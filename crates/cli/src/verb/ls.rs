//! `asof ls`: what is there.

use asof_model::{Kind, Micros};
use asof_proto::registry::v1::{ListRequest, Listing};
use serde_json::json;

use crate::args::Global;
use crate::connection::Connection;
use crate::failure::Result;
use crate::moments::moment;
use crate::out::Out;
use crate::pinned::{self, wire_kind};
use crate::rows::{self, Format};
use crate::table::Table;
use crate::verb::{Answer, deprecate};

/// List what is declared.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only datasets, entities, views, services or training_sets.
    kind: Option<Kind>,
    /// Only what the environment pointed at, at this moment: what it was then.
    #[arg(long, value_name = "TIME")]
    at: Option<Micros>,
    /// How to print the rows.
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

impl Args {
    /// Asks and prints.
    ///
    /// # Errors
    /// The server's.
    pub(crate) async fn run(self, global: &Global, out: &mut Out) -> Result<Answer> {
        let connection = Connection::open(global, "ls").await?;
        let kind = self.kind.map(wire_kind).unwrap_or_default().into();
        let request = ListRequest { scope: connection.scope(), kind, at: self.at.map(|at| at.0) };
        let listings = connection.registry().list(request).await?.into_inner().listings;
        let named = |listing: &Listing| listing.pinned.clone().unwrap_or_default();
        let table = || {
            let mut table = Table::new(["KIND", "NAME", "NEWEST", "ONLINE AS OF", "DESCRIPTION"]);
            for listing in &listings {
                let pinned = named(listing);
                table.row(vec![
                    pinned::words(&pinned).to_owned(),
                    format!("{}{}", pinned::reference(&pinned), if listing.current { "" } else { " (not current)" }),
                    listing.newest.map(|n| format!("@{n}")).unwrap_or_default(),
                    listing.online.map(moment).unwrap_or_default(),
                    described(listing),
                ]);
            }
            table
        };
        let documents = || listings.iter().map(document).collect();
        let each = |text: &dyn Fn(&Listing) -> Option<String>| listings.iter().map(text).collect::<Vec<_>>();
        let columns = vec![
            rows::texts("kind", each(&|l| Some(pinned::words(&named(l)).to_owned()))),
            rows::texts("project", each(&|l| Some(named(l).project))),
            rows::texts("name", each(&|l| Some(named(l).name))),
            rows::numbers("version", listings.iter().map(|l| Some(named(l).version.into())).collect()),
            rows::texts("digest", each(&|l| Some(named(l).digest))),
            rows::texts("current", each(&|l| Some(l.current.to_string()))),
            rows::numbers("newest", listings.iter().map(|l| l.newest).collect()),
            rows::moments("online", listings.iter().map(|l| l.online).collect()),
            rows::moments("created", listings.iter().map(|l| Some(l.created)).collect()),
            rows::texts("deprecated", each(&|l| l.deprecated.as_ref().map(|remark| remark.why.clone()))),
            rows::texts("description", each(&|l| l.annotations.get("description").cloned())),
        ];
        rows::print(out, self.output, &[columns], table, documents)?;
        Ok(Answer::Done)
    }
}

/// Its description, unless there is something that matters more.
fn described(listing: &Listing) -> String {
    match &listing.deprecated {
        Some(remark) => format!("DEPRECATED: {}", deprecate::text(remark)),
        None => listing.annotations.get("description").cloned().unwrap_or_default(),
    }
}

fn document(listing: &Listing) -> serde_json::Value {
    json!({
        "definition": pinned::json_option(listing.pinned.as_ref()),
        "current": listing.current,
        "newest": listing.newest,
        "online": listing.online.map(moment),
        "annotations": listing.annotations,
        "deprecated": deprecate::json(listing.deprecated.as_ref()),
        "created": moment(listing.created),
    })
}
