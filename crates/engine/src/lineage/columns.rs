//! `lineage` by column: what a column comes from, where it goes, and what would change with it.
//!
//! What the columns of a definition are made of is a fact of its version, so it is found out once, when a question first reaches the
//! definition, and kept for as long as the process lives (decision 17 says why it is not stored). The first question over many
//! definitions binds each of them once; after that it costs what it reaches.
//!
//! Binding needs the columns of datasets. Those that are declared are known; which others an ingest brought is looked up
//! only where a definition cannot be bound without.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use asof_lineage::columns::Flowing;
use asof_lineage::{Ask, Graph, Node, Tree};
use asof_model::flow::Of;
use asof_model::name::nearest;
use asof_model::{Columns, Error, ErrorKind, Flows, Kind, Name, Pinned, Registered, Result};
use asof_query::Definitions;

use super::{About, Direction, Found, LineageRequest, Meant, Rendering, node};
use crate::graphs::Drawn;
use crate::{Engine, Scope};

/// How the columns of a service begin that are its caller's.
const REQUEST: &str = "request.";

/// What was found out.
#[derive(Default)]
pub(crate) struct Kept {
    flows: Mutex<HashMap<Pinned, Arc<Flows>>>,
    /// The columns of datasets' tables, as far as they were looked up: by project and name.
    stored: Mutex<HashMap<(Name, Name), Columns>>,
}

/// Finds out what columns of a project are made of.
struct Finder {
    engine: Engine,
    drawn: Arc<Drawn>,
}

impl Flowing for Finder {
    fn flows(&self, of: &Pinned) -> Result<Arc<Flows>> {
        self.engine.graphs.columns.flows(&self.drawn.definitions, of)
    }
}

/// Finds out what columns of definitions are made of, without a graph of them.
pub(crate) struct Declared<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) definitions: &'a Definitions,
}

impl Flowing for Declared<'_> {
    fn flows(&self, of: &Pinned) -> Result<Arc<Flows>> {
        self.engine.graphs.columns.flows(self.definitions, of)
    }
}

impl Kept {
    fn flows(&self, definitions: &Definitions, of: &Pinned) -> Result<Arc<Flows>> {
        if let Some(known) = self.flows.lock().unwrap_or_else(PoisonError::into_inner).get(of) {
            return Ok(known.clone());
        }
        let registered = definitions.get(of);
        let registered = registered.ok_or_else(|| Error::internal(format!("{of} is in the graph and not defined")))?;
        let found = asof_query::flows(registered, definitions, &|dataset| self.shown(dataset))?;
        let found = Arc::new(found);
        self.flows.lock().unwrap_or_else(PoisonError::into_inner).insert(of.clone(), found.clone());
        Ok(found)
    }

    /// Whether the columns of a dataset's table were looked up.
    pub(crate) fn is_looked_up(&self, dataset: &Pinned) -> bool {
        let of = (dataset.project.clone(), dataset.name.clone());
        self.stored.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&of)
    }

    /// The columns of a dataset, as far as they are known: the stored ones, then those declared that no ingest has brought.
    fn shown(&self, dataset: &Registered) -> Columns {
        let of = (dataset.pinned.project.clone(), dataset.pinned.name.clone());
        let stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner).get(&of).cloned();
        stored.unwrap_or_default().and(&dataset.columns)
    }
}

impl Engine {
    /// See [`Engine::lineage`].
    pub(crate) async fn column_lineage(&self, scope: &Scope, request: LineageRequest) -> Result<(Arc<Drawn>, Found)> {
        let Some((about, column)) = self.of_column(scope, request.about.clone(), request.column.clone()).await? else {
            // It was the name of something of others that has a point in it.
            let about = About::Outside(written(&request.about, &request.column));
            return self.thing_lineage(scope, LineageRequest { about, column: None, ..request }).await;
        };
        let meant = self.meant(scope, &about).await?.with_columns();
        let project = meant.project().unwrap_or(&scope.project).clone();
        let drawn = self.graph(&project).await?;
        let root = self.column_of(&drawn, &about, meant, &column).await?;
        let toward = match &request.toward {
            None => None,
            Some(toward) => {
                let wanted = self.of_column(scope, toward.clone(), request.toward_column.clone()).await?;
                let (toward, column) = wanted.ok_or_else(|| no_column(&written(toward, &request.toward_column)))?;
                let meant = self.meant(scope, &toward).await?.with_columns();
                Some(self.column_of(&drawn, &toward, meant, &column).await?)
            }
        };
        let found = move |flowing: &dyn Flowing, graph: &Graph| answer(flowing, graph, &root, toward.clone(), &request);
        let found = self.with_flows(&drawn, found).await?;
        Ok((drawn, found))
    }

    /// Does some work that asks what columns are made of, on a deep stack and away from requests.
    ///
    /// # Errors
    /// The work's own.
    pub(crate) async fn with_flows<T, F>(&self, drawn: &Arc<Drawn>, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&dyn Flowing, &Graph) -> Result<T> + Send + Sync + 'static,
    {
        let work = Arc::new(work);
        let attempt = || {
            let (finder, work) = (Finder { engine: self.clone(), drawn: drawn.clone() }, work.clone());
            self.workshop().run(async move { work(&finder, &finder.drawn.graph) })
        };
        match attempt().await {
            Ok(done) => Ok(done),
            // Something may read a column that only a table has.
            Err(_) => {
                self.columns_of_tables(&drawn.datasets).await?;
                attempt().await
            }
        }
    }

    /// A thing and its column; none where both together are the name of something of others.
    async fn of_column(&self, scope: &Scope, about: About, column: Option<String>) -> Result<Option<(About, String)>> {
        let Some(column) = column else { return Err(no_column(&about.to_string())) };
        if let About::Ours(reference) = &about
            && self.definition(scope, reference).await.is_err()
        {
            let whole = format!("{about}.{column}");
            if whole.contains('/') && self.is_outside(scope, &whole).await? {
                return Ok(None);
            }
        }
        Ok(Some((about, column)))
    }

    /// The column in the graph.
    async fn column_of(&self, drawn: &Drawn, about: &About, meant: Meant, column: &str) -> Result<Node> {
        let node = node(&drawn.graph, about, meant.clone())?;
        if let (Node::Definition(_), Some(pinned)) = (&node, meant.definition())
            && let Some(registered) = drawn.definitions.get(pinned)
        {
            if pinned.kind == Kind::Dataset && !self.has(registered, column) {
                self.columns_of_tables(std::slice::from_ref(pinned)).await?;
            }
            if !self.has(registered, column) {
                return Err(self.unknown_column(registered, column));
            }
        }
        Ok(drawn.graph.column(&node, column))
    }

    fn has(&self, registered: &Registered, column: &str) -> bool {
        let is_service = registered.pinned.kind == Kind::FeatureService;
        self.graphs.columns.shown(registered).get(column).is_some() || is_service && column.starts_with(REQUEST)
    }

    fn unknown_column(&self, registered: &Registered, column: &str) -> Error {
        let columns = self.graphs.columns.shown(registered);
        unknown_column(&registered.pinned, column, columns.names().collect())
    }

    /// Looks up which columns the tables of datasets have.
    pub(crate) async fn columns_of_tables(&self, datasets: &[Pinned]) -> Result<()> {
        for dataset in datasets {
            if let Some(snapshot) = self.offline().snapshot(&dataset.project, &dataset.name, None).await? {
                let mut stored = self.graphs.columns.stored.lock().unwrap_or_else(PoisonError::into_inner);
                stored.insert((dataset.project.clone(), dataset.name.clone()), snapshot.columns.clone());
            }
        }
        Ok(())
    }
}

fn unknown_column(of: &Pinned, column: &str, known: Vec<&str>) -> Error {
    let message = format!("{} has no column `{column}`", of.reference());
    let remedy = match nearest(column, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("it has {}", known.join(", ")),
    };
    Error::new(ErrorKind::NotFound, "unknown_column", message).remedy(remedy)
}

/// A parameter or key of a service's request has to be one that something is made of.
fn is_asked_for(flowing: &dyn Flowing, root: &Node) -> Result<()> {
    let Node::Column { of, name: Some(name) } = root else { return Ok(()) };
    let (Node::Definition(pinned), Some(parameter)) = (of.as_ref(), name.strip_prefix(REQUEST)) else { return Ok(()) };
    let flows = flowing.flows(pinned)?;
    let reads = flows.columns.iter().flat_map(|made| made.of.keys()).filter(|read| read.of == Of::Request);
    let known: BTreeSet<String> = reads.map(|read| format!("{REQUEST}{}", read.column)).collect();
    if known.contains(name) {
        return Ok(());
    }
    Err(unknown_column(pinned, &format!("{REQUEST}{parameter}"), known.iter().map(String::as_str).collect()))
}

fn written(about: &About, column: &Option<String>) -> String {
    match column {
        Some(column) => format!("{about}.{column}"),
        None => about.to_string(),
    }
}

fn no_column(about: &str) -> Error {
    let message = format!("the question is about a column, and of `{about}` none is named");
    Error::new(ErrorKind::Invalid, "column_needed", message)
        .remedy(format!("write {about}.COLUMN, or name it apart with --column or --to-column"))
}

fn answer(
    flowing: &dyn Flowing,
    graph: &Graph,
    root: &Node,
    toward: Option<Node>,
    request: &LineageRequest,
) -> Result<Found> {
    let LineageRequest { direction, depth, at, rendering, impact, .. } = request;
    is_asked_for(flowing, root)?;
    if let Some(change) = impact
        && matches!(rendering, Rendering::Json | Rendering::Tree)
    {
        return Ok(Found::Impact(Box::new(graph.impact(flowing, root, *change, *at)?)));
    }
    let ask = |direction| Ask { direction, depth: *depth, at: *at, toward: toward.clone() };
    let mut trees: Vec<Tree> = Vec::new();
    // What changes is downstream.
    if *direction != Direction::Downstream && impact.is_none() {
        trees.push(graph.column_tree(flowing, root, &ask(asof_lineage::Direction::Upstream))?);
    }
    if *direction != Direction::Upstream || impact.is_some() {
        trees.push(graph.column_tree(flowing, root, &ask(asof_lineage::Direction::Downstream))?);
    }
    Ok(Found::Trees(trees))
}
