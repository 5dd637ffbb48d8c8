//! Asking once, and looking at the answer: what is measured must be right.

use std::path::PathBuf;

use asof_proto::serving::v1::GetFeaturesResponse;
use prost::Message;
use serde_json::json;

use crate::Result;
use crate::measure::report;
use crate::target::Target;

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,
    /// Write the bytes of the reply here, for `bare`.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// How many features there must be, all of them present in every row.
    #[arg(long)]
    features: Option<usize>,
}

pub(crate) async fn run(args: Args) -> Result<()> {
    let request = args.target.requests().into_iter().next().ok_or("no request")?;
    let reply = args.target.connect().await?.call(request).await?;
    if let Some(features) = args.features {
        let message = GetFeaturesResponse::decode(reply.clone())?;
        let whole = vec![0; args.target.shape.rows];
        if message.features.len() != features || message.features.iter().any(|f| f.statuses != whole) {
            return Err(format!("not {features} features present in {} rows: {message:.2000?}", whole.len()).into());
        }
    }
    if let Some(path) = &args.keep {
        std::fs::write(path, &reply)?;
    }
    report(&json!({ "reply_bytes": reply.len() }))
}
