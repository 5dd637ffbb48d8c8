//! Paths to tables: a Parquet file as any reader finds it, or a dataset as Asof keeps it.

use std::path::Path;

use asof_model::Name;
use asof_offline::Store;
use datafusion::prelude::{DataFrame, ParquetReadOptions, SessionContext};

use crate::Result;

/// All rows of a file, or of the newest snapshot in the folder of a dataset (`<store>/datasets/<project>/<name>`).
pub(crate) async fn rows(context: &SessionContext, path: &Path) -> Result<DataFrame> {
    let text = path.to_str().ok_or("a path that is not UTF-8")?;
    if path.is_file() {
        return Ok(context.read_parquet(text, ParquetReadOptions::default()).await?);
    }
    let nothing = || format!("{text} is neither a Parquet file nor the folder of a dataset");
    if !path.is_dir() {
        return Err(nothing().into());
    }
    let mut upwards = path.ancestors();
    let mut name = || -> Result<Name> {
        let folder = upwards.next().and_then(Path::file_name).and_then(|name| name.to_str());
        Ok(folder.ok_or_else(nothing)?.parse()?)
    };
    let (dataset, project) = (name()?, name()?);
    let root = upwards.nth(1).and_then(Path::to_str).ok_or_else(nothing)?;
    let snapshot = Store::open(root).await?.snapshot(&project, &dataset, None).await?;
    Ok(context.read_table(snapshot.ok_or_else(nothing)?.provider()?)?)
}
