//! `import`: what another deployment exported, taken in whole or not at all.
//!
//! A version keeps its number here. Where that number is taken by another content, or that content is there under another
//! number, the bundle is refused with what differs: to renumber would make `name@3` mean two things, and manifests, models
//! and what people wrote down refer to numbers. Gaps stay gaps: the next version that is applied here counts on from the highest
//! number, and a number that is missing below it can still be brought by the bundle that has it.

use std::collections::{BTreeMap, HashMap, HashSet};

use asof_catalog::ImportedManifest;
use asof_model::run::{Item, Outcome, RunId, Verb};
use asof_model::{Digest, Error, ErrorKind, Name, Pinned, Registered, Result};
use asof_offline::Manifest;
use asof_query::{Effect, difference};

use super::{Bundle, damaged};
use crate::{Author, Engine, Scope, Told};

/// How many conflicts an error mentions.
const MENTIONED: usize = 5;

/// What to import.
#[derive(Clone, Debug)]
pub struct ImportRequest {
    /// The bundle's bytes.
    pub bundle: Vec<u8>,
    /// What the file is called, for the record.
    pub called: String,
    /// Only say what would be imported.
    pub dry_run: bool,
    /// In whose name, and why.
    pub author: Author,
}

/// What was imported, or would be.
#[derive(Clone, Debug)]
pub struct ImportReport {
    /// The run; none if nothing was to be done, or it was a dry run.
    pub run: Option<RunId>,
    /// The definitions that are new here, what is read before what reads it.
    pub new: Vec<Pinned>,
    /// Those that were there already, with the same digest.
    pub there: Vec<Pinned>,
    /// The training sets whose manifests are new here.
    pub training_sets: Vec<(Name, u32)>,
    /// Those that were there already.
    pub training_sets_there: Vec<(Name, u32)>,
    /// What stands in the way; only of a dry run, else it is the error.
    pub conflicts: Vec<Conflict>,
}

/// Something that is here otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// `flights@2`.
    pub what: String,
    /// Why it cannot come.
    pub why: String,
}

impl Engine {
    /// Takes a bundle in: definitions and manifests of training sets, in one transaction that is one run. What is there
    /// already with the same digest is left as it is, its remarks too. No pointer moves.
    ///
    /// # Errors
    /// `not_a_bundle`, `bundle_damaged`, `other_format`, `not_of_this_project`; `import_conflict` with what differs;
    /// `concurrent_apply` if somebody else was quicker. Nothing was changed then.
    pub async fn import_bundle(&self, scope: &Scope, request: ImportRequest) -> Result<ImportReport> {
        let now = self.clock().now();
        let bundle = Bundle::read(&request.bundle)?;
        if bundle.project != scope.project {
            let message = format!("the bundle is of project `{}`, not of `{}`", bundle.project, scope.project);
            return Err(Error::new(ErrorKind::Invalid, "not_of_this_project", message)
                .remedy(format!("import it into its project: --project {}", bundle.project)));
        }
        let mut report = ImportReport {
            run: None,
            new: Vec::new(),
            there: Vec::new(),
            training_sets: Vec::new(),
            training_sets_there: Vec::new(),
            conflicts: Vec::new(),
        };
        let known = self.compare_definitions(&bundle, &mut report).await?;
        let manifests = self.compare_manifests(&bundle, &known, &mut report).await?;
        if request.dry_run {
            return Ok(report);
        }
        if !report.conflicts.is_empty() {
            return Err(conflicting(&report.conflicts));
        }
        if report.new.is_empty() && manifests.is_empty() {
            return Ok(report);
        }
        let mut run = self.new_run(&scope.project, Verb::Import);
        let bytes = request.bundle.len() as u64;
        run.inputs = vec![Item::File { url: request.called, digest: Digest::of(&request.bundle), bytes }];
        run.outputs = report.new.iter().cloned().map(Item::Definition).collect();
        run.outputs.extend(manifests.iter().map(|(manifest, _)| Item::TrainingSet {
            name: manifest.name.clone(),
            number: manifest.number,
            content: manifest.content,
        }));
        run.finished = Some(now);
        run.outcome = Outcome::Done;
        request.author.note(&mut run);
        let id = run.id;
        let is_new = |registered: &Registered| report.new.contains(&registered.pinned);
        // Here it is there from now on.
        let new = bundle.definitions.into_iter().filter(is_new).map(|r| Registered { created: now, ..r }).collect();
        let manifests = manifests.into_iter().map(|(_, stored)| stored).collect();
        let engine = self.clone();
        let importing = async move {
            let written = engine.catalog().import(new, manifests, &run).await?;
            if written {
                engine.tell(|| Told::Happened(run));
            }
            Ok(written)
        };
        // Somebody else may have imported the same meanwhile: then there was nothing left to do.
        report.run = self.settle(importing).await?.then_some(id);
        Ok(report)
    }

    /// Which definitions are new, which are there, and which cannot come. Gives back all that manifests may refer to.
    async fn compare_definitions(&self, bundle: &Bundle, report: &mut ImportReport) -> Result<HashSet<Pinned>> {
        let mut known = HashSet::new();
        let mut here: BTreeMap<Name, Vec<Registered>> = BTreeMap::new();
        let kinds: HashMap<Name, _> = self.catalog().names(&bundle.project).await?.into_iter().collect();
        for registered in &bundle.definitions {
            let pinned = &registered.pinned;
            if pinned.project != bundle.project || pinned.version.0 == 0 || known.contains(pinned) {
                return Err(damaged(&format!("{} has no place in it", pinned.reference())));
            }
            for input in registered.inputs.iter().map(|input| &input.pinned) {
                // What is read comes first; or it is here already.
                if !known.contains(input) && self.catalog().pinned(input).await.is_err() {
                    return Err(damaged(&format!(
                        "{} reads {}, which is not in it",
                        pinned.reference(),
                        input.reference()
                    )));
                }
            }
            known.insert(pinned.clone());
            if !here.contains_key(&pinned.name) {
                let versions = self.catalog().versions(&bundle.project, &pinned.name).await?;
                here.insert(pinned.name.clone(), versions);
            }
            let versions = &here[&pinned.name];
            let why = match kinds.get(&pinned.name) {
                Some(kind) if *kind != pinned.kind => {
                    Some(format!("`{}` is {} here, and {} there", pinned.name, kind.one(), pinned.kind.one()))
                }
                _ => taken(registered, versions),
            };
            match why {
                Some(why) => report.conflicts.push(Conflict { what: pinned.reference(), why }),
                None if versions.iter().any(|r| r.pinned == *pinned) => report.there.push(pinned.clone()),
                None => report.new.push(pinned.clone()),
            }
        }
        Ok(known)
    }

    /// The same of manifests; those that are new, with what is stored of them.
    async fn compare_manifests(
        &self,
        bundle: &Bundle,
        known: &HashSet<Pinned>,
        report: &mut ImportReport,
    ) -> Result<Vec<(Manifest, ImportedManifest)>> {
        let mut new = Vec::new();
        for text in &bundle.training_sets {
            let manifest = Manifest::read(text.clone()).map_err(|why| damaged(&format!("a manifest: {why}")))?;
            let (name, number) = (manifest.name.clone(), manifest.number);
            let what = format!("{name}@{number}");
            let lacks = manifest.closure.iter().chain([&manifest.definition, &manifest.service]);
            let lacks = lacks.filter(|pinned| !known.contains(pinned)).map(Pinned::reference).next();
            if manifest.project != bundle.project || number == 0 {
                return Err(damaged(&format!("the manifest of {what} has no place in it")));
            }
            if let Some(lacks) = lacks {
                return Err(damaged(&format!("the manifest of {what} refers to {lacks}, which is not in it")));
            }
            let reference = format!("{}/{what}", bundle.project).parse()?;
            let scope = Scope { project: bundle.project.clone(), environment: bundle.project.clone() };
            match self.training_set(&scope, &reference).await {
                Ok(there) if there.data == manifest.data => {
                    report.training_sets_there.push((name, number));
                    continue;
                }
                Ok(there) => {
                    let why = format!(
                        "another training set has that number here, {} rows with the digest {}, not {} rows with {}",
                        there.rows,
                        there.data.short(),
                        manifest.rows,
                        manifest.data.short()
                    );
                    report.conflicts.push(Conflict { what, why });
                    continue;
                }
                Err(error) if error.code() == "unknown_training_set" => {}
                Err(error) => return Err(error),
            }
            report.training_sets.push((name.clone(), number));
            let body = text.to_string();
            let stored =
                ImportedManifest { project: bundle.project.clone(), name, number, digest: manifest.data, body };
            new.push((manifest, stored));
        }
        Ok(new)
    }
}

/// Why a version cannot have its number here, if it cannot.
fn taken(registered: &Registered, here: &[Registered]) -> Option<String> {
    let pinned = &registered.pinned;
    if let Some(other) = here.iter().find(|r| r.pinned.version == pinned.version) {
        if other.pinned.digest == pinned.digest {
            return None;
        }
        let differs = match difference(other, registered) {
            Effect::Versioned { clauses, upstream, .. } => {
                let clauses = clauses.iter().map(|clause| clause.name.to_owned());
                clauses
                    .chain(upstream.iter().map(|name| format!("what it reads ({name})")))
                    .collect::<Vec<_>>()
                    .join(", ")
            }
            _ => "what it reads".to_owned(),
        };
        let (there, here) = (pinned.digest.short(), other.pinned.digest.short());
        return Some(format!("it is {here} here and {there} in the bundle; they differ in {differs}"));
    }
    let twin = here.iter().find(|r| r.pinned.digest == pinned.digest)?;
    Some(format!("the same definition is {} here", twin.pinned.reference()))
}

fn conflicting(conflicts: &[Conflict]) -> Error {
    let told = conflicts.iter().take(MENTIONED).map(|conflict| format!("{}: {}", conflict.what, conflict.why));
    let mut told = told.collect::<Vec<_>>().join("; ");
    if conflicts.len() > MENTIONED {
        told.push_str(&format!("; and {} more", conflicts.len() - MENTIONED));
    }
    let message = format!("the bundle does not fit to what is here: {told}");
    Error::new(ErrorKind::Conflict, "import_conflict", message).remedy(
        "nothing was changed. Versions keep their numbers: apply and version definitions in one deployment only, and import \
         from there",
    )
}
