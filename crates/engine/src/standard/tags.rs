//! Words that people put on things.

use asof_catalog::{Tag, Tagged};
use asof_lineage::marquez::Tags;
use asof_lineage::openlineage::Name as Called;
use asof_model::{Error, ErrorKind, Result};
use serde_json::{Value, json};

use super::{GraphQuestion, Named, Page};
use crate::Engine;

/// The longest word, in bytes.
const LONGEST: usize = 255;

/// What a word is put on or taken off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagOn {
    /// A job.
    Job(Named),
    /// A dataset, or a column of it.
    Dataset(Named, Option<String>),
}

impl Engine {
    pub(super) async fn tags(&self) -> Result<Value> {
        let all = self.catalog().tags().await?;
        let shaped: Vec<_> = all.iter().map(|tag| json!({"name": tag.name, "description": tag.description})).collect();
        Ok(json!({"tags": shaped}))
    }

    /// All that has a word on it.
    pub(super) async fn tagged(&self) -> Result<Tags> {
        let mut tags = Tags::default();
        for Tagged { job, namespace, name, field, tag } in self.catalog().tagged().await? {
            tags.put(job, Called { namespace, name }, field, tag);
        }
        Ok(tags)
    }

    /// Adds a word that may be put on things, or says anew what it means.
    ///
    /// # Errors
    /// `invalid_tag`; those of the catalog.
    pub async fn put_tag(&self, name: &str, description: Option<String>) -> Result<Value> {
        check(name)?;
        let tag = Tag { name: name.to_owned(), description };
        self.catalog().put_tag(&tag, self.clock().now()).await?;
        Ok(json!({"name": tag.name, "description": tag.description}))
    }

    /// Puts a word on something, or takes it off; the thing as it is then.
    ///
    /// # Errors
    /// `unknown_in_lineage`, `invalid_tag`; those of the catalog.
    pub async fn tag(&self, on: TagOn, tag: &str, off: bool) -> Result<Value> {
        check(tag)?;
        let page = Page { offset: 0, limit: 1 };
        let (job, named, field) = match on {
            TagOn::Job(named) => (true, named, None),
            TagOn::Dataset(named, field) => (false, named, field),
        };
        let asked = if job { GraphQuestion::Job(named.clone()) } else { GraphQuestion::Dataset(named.clone()) };
        let shape = self.standard(asked.clone(), page, None).await?;
        // By the name that stands for all its names.
        let part = |member: &str| shape["id"][member].as_str().unwrap_or_default().to_owned();
        let on = Tagged { job, namespace: part("namespace"), name: part("name"), field, tag: tag.to_owned() };
        self.catalog().tag(&on, off, self.clock().now()).await?;
        self.standard(asked, page, None).await
    }
}

fn check(tag: &str) -> Result<()> {
    if tag.is_empty() || tag.len() > LONGEST || tag.chars().any(char::is_control) {
        let message = "a tag is a word of 1 to 255 bytes without control characters";
        return Err(Error::new(ErrorKind::Invalid, "invalid_tag", message).remedy("choose another word"));
    }
    Ok(())
}
