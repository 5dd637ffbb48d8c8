//! Columns down to those of datasets, through all definitions between: as standards tell it that know no definitions.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use asof_model::flow::{Of, Read, Reads, Ways};
use asof_model::{Flows, Kind, Pinned, Result};

use super::Flowing;

/// A column of a dataset.
pub type DatasetColumn = (Pinned, String);

/// What a definition's columns are made of, of datasets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flat {
    /// By column, in its order.
    pub columns: Vec<(String, BTreeMap<DatasetColumn, Ways>)>,
    /// What concerns every column: it decides which rows there are.
    pub rows: BTreeMap<DatasetColumn, Ways>,
}

/// What a definition's columns are made of, of datasets. What the caller of a service brings is in none; a training
/// set's spine brings it from datasets. Takes time in the columns of all definitions between, each looked at once.
///
/// # Errors
/// Those of [`Flowing::flows`].
pub fn flat(flowing: &dyn Flowing, of: &Pinned) -> Result<Flat> {
    let mut known: HashMap<Pinned, Arc<Flat>> = HashMap::new();
    // A definition after all that it reads, without recursing.
    let mut open = vec![(of.clone(), false)];
    while let Some((next, is_ready)) = open.pop() {
        if known.contains_key(&next) {
            continue;
        }
        let flows = flowing.flows(&next)?;
        if is_ready {
            let flat = flattened(&flows, next.kind != Kind::FeatureService, &known);
            known.insert(next, Arc::new(flat));
            continue;
        }
        open.push((next, true));
        open.extend(flows.inputs.iter().filter(|input| is_made(input)).map(|input| (input.clone(), false)));
    }
    Ok(known.remove(of).map(Arc::unwrap_or_clone).unwrap_or_default())
}

fn is_made(pinned: &Pinned) -> bool {
    pinned.kind != Kind::Dataset
}

fn flattened(flows: &Flows, has_rows: bool, known: &HashMap<Pinned, Arc<Flat>>) -> Flat {
    let add = |into: &mut BTreeMap<DatasetColumn, Ways>, column: DatasetColumn, ways: Ways| {
        let all = into.entry(column).or_default();
        *all = all.and(ways);
    };
    let step = |reads: &Reads| {
        let mut made = BTreeMap::new();
        let mut through = BTreeSet::new();
        for (Read { of, column }, ways) in reads {
            let Of::Input(place) = of else { continue };
            let Some(input) = flows.inputs.get(*place as usize) else { continue };
            let Some(flat) = known.get(input) else {
                add(&mut made, (input.clone(), column.clone()), *ways);
                continue;
            };
            through.insert(input);
            let inner = flat.columns.iter().find(|(name, _)| name == column).map(|(_, inner)| inner);
            for (from, first) in inner.into_iter().flatten() {
                add(&mut made, from.clone(), first.then(*ways));
            }
        }
        (made, through)
    };
    let (mut rows, _) = step(&flows.rows);
    // Which rows a view has decides which rows there are that come from it.
    let views = flows.inputs.iter().filter(|input| has_rows && input.kind == Kind::FeatureView);
    for (column, ways) in views.filter_map(|view| known.get(view)).flat_map(|flat| &flat.rows) {
        add(&mut rows, column.clone(), *ways);
    }
    let columns = flows.columns.iter().map(|made| {
        let (mut all, through) = step(&made.of);
        // A service's rows are those that are asked for: a view's rows decide about what comes from it.
        let beside = through.into_iter().filter(|input| !has_rows || input.kind != Kind::FeatureView);
        for (column, ways) in beside.filter_map(|input| known.get(input)).flat_map(|flat| &flat.rows) {
            add(&mut all, column.clone(), *ways);
        }
        (made.name.clone(), all)
    });
    Flat { columns: columns.collect(), rows }
}
