//! `asof lineage`: what a thing, or a column, comes from and what depends on it.

use asof_model::Micros;
use asof_proto::lineage::v1::{Change, Direction, LineageRequest, LineageResponse, Rendering};
use clap::ValueEnum;

use crate::args::Global;
use crate::connection::Connection;
use crate::failure::Result;
use crate::out::Out;
use crate::verb::Answer;
use crate::warnings;

/// Draw what a thing, or a column, comes from and what depends on it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Around what: a reference, or what others told of (s3://bucket/path, namespace/name); around a column: REF.COLUMN.
    #[arg(value_name = "REF")]
    reference: String,
    /// Around this column of it.
    #[arg(long, value_name = "COLUMN")]
    column: Option<String>,
    /// Only what it comes from.
    #[arg(long, conflicts_with = "downstream")]
    upstream: bool,
    /// Only what depends on it.
    #[arg(long)]
    downstream: bool,
    /// At most so many steps; by default all.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    depth: Option<u32>,
    /// As of this moment; by default what holds now.
    #[arg(long, value_name = "TIME")]
    at: Option<Micros>,
    /// Only what lies on a way to this.
    #[arg(long, value_name = "REF")]
    to: Option<String>,
    /// To this column of it.
    #[arg(long, value_name = "COLUMN", requires = "to")]
    to_column: Option<String>,
    /// What would change if the column did so.
    #[arg(long, value_enum, conflicts_with_all = ["upstream", "downstream", "to"])]
    impact: Option<Impact>,
    /// How to draw it.
    #[arg(long, value_enum, default_value_t)]
    output: Drawing,
}

/// How a graph is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Drawing {
    /// Indented text, for people; its form may change.
    #[default]
    Tree,
    /// Nodes and edges; stable.
    Json,
    /// A Mermaid flowchart.
    Mermaid,
    /// For Graphviz.
    Dot,
    /// The events of OpenLineage that tell it, a line each, oldest first.
    Openlineage,
}

/// What is to happen to a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Impact {
    /// It goes.
    Drop,
    /// It gets another type.
    Retype,
}

impl Args {
    /// Asks and prints.
    ///
    /// # Errors
    /// The server's.
    pub(crate) async fn run(self, global: &Global, out: &mut Out) -> Result<Answer> {
        let connection = Connection::open(global, "lineage").await?;
        let direction = match (self.upstream, self.downstream) {
            (true, _) => Direction::Upstream,
            (_, true) => Direction::Downstream,
            (false, false) => Direction::Both,
        };
        let rendering = match self.output {
            Drawing::Tree => Rendering::Tree,
            Drawing::Json => Rendering::Json,
            Drawing::Mermaid => Rendering::Mermaid,
            Drawing::Dot => Rendering::Dot,
            Drawing::Openlineage => Rendering::Openlineage,
        };
        let request = LineageRequest {
            scope: connection.scope(),
            reference: self.reference,
            direction: direction.into(),
            depth: self.depth.unwrap_or(0),
            rendering: rendering.into(),
            at: self.at.map(|at| at.0),
            toward: self.to.unwrap_or_default(),
            column: self.column.unwrap_or_default(),
            toward_column: self.to_column.unwrap_or_default(),
            change: match self.impact {
                None => Change::None.into(),
                Some(Impact::Drop) => Change::Drop.into(),
                Some(Impact::Retype) => Change::Retype.into(),
            },
        };
        let LineageResponse { text, warnings } = connection.lineage().lineage(request).await?.into_inner();
        warnings::tell(&warnings);
        // Nobody's events tell of an entity.
        if !text.is_empty() {
            out.line(text.trim_end_matches('\n'))?;
        }
        Ok(Answer::Done)
    }
}
