//! The join and its views.

use std::sync::Arc;

use asof_model::Micros;
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::physical_plan::PhysicalExtensionCodec;
use datafusion_proto::protobuf::ArrowType;

use super::messages::join::KnownAt;
use super::messages::{Join, Pair, View};
use super::{malformed, windows};
use crate::asof::KnownMoment;
use crate::asof::exec::{AsofJoinExec, KeyPair, ViewInput};

pub(super) fn encoded(join: &AsofJoinExec, codec: &dyn PhysicalExtensionCodec) -> Result<Join> {
    Ok(Join {
        timestamp: join.timestamp() as u32,
        known_at: Some(match join.known_at() {
            KnownMoment::EventTime => KnownAt::EventTime(()),
            KnownMoment::At(Micros(moment)) => KnownAt::Moment(moment),
            KnownMoment::Now => KnownAt::Now(()),
        }),
        views: join.views().iter().map(|view| encoded_view(view, codec)).collect::<Result<_>>()?,
        by_key: join.is_by_key(),
        schema: Some(join.schema().as_ref().try_into()?),
    })
}

fn encoded_view(view: &ViewInput, codec: &dyn PhysicalExtensionCodec) -> Result<View> {
    let pair = |on: &KeyPair| {
        let compared_as = Some((&on.compared_as).try_into()?);
        Ok(Pair { spine: on.spine as u32, view: on.view as u32, compared_as })
    };
    let positions = |columns: &[usize]| columns.iter().map(|column| *column as u32).collect();
    let optional = |column: Option<usize>| column.map(|column| column as u32);
    Ok(View {
        alias: view.alias.clone(),
        on: view.on.iter().map(pair).collect::<Result<_>>()?,
        timestamp: view.timestamp as u32,
        known: optional(view.known),
        superseded: optional(view.superseded),
        seq: optional(view.seq),
        ttl: view.ttl.map(|Micros(ttl)| ttl),
        features: positions(&view.features),
        ties: positions(&view.ties),
        windows: view.windows.iter().map(|call| windows::encoded(call, codec)).collect::<Result<_>>()?,
        found: view.found,
    })
}

pub(super) fn decoded(
    join: &Join,
    inputs: &[Arc<dyn ExecutionPlan>],
    context: &TaskContext,
    codec: &dyn PhysicalExtensionCodec,
) -> Result<AsofJoinExec> {
    let Some((spine, inputs)) = inputs.split_first() else { return Err(malformed("a join without a spine")) };
    if inputs.len() != join.views.len() {
        return Err(malformed(format!("{} views and {} inputs", join.views.len(), inputs.len())));
    }
    let known_at = match join.known_at.ok_or_else(|| malformed("a join known at no moment"))? {
        KnownAt::EventTime(()) => KnownMoment::EventTime,
        KnownAt::Moment(moment) => KnownMoment::At(Micros(moment)),
        KnownAt::Now(()) => KnownMoment::Now,
    };
    let timestamp = Columns::of(&spine.schema()).at(join.timestamp)?;
    let views = join.views.iter().zip(inputs).map(|(view, input)| decoded_view(view, spine, input, context, codec));
    let views = views.collect::<Result<Vec<_>>>()?;
    let schema: Schema = join.schema.as_ref().ok_or_else(|| malformed("a join without a schema"))?.try_into()?;
    if schema.fields().len() != spine.schema().fields().len() + views.iter().map(ViewInput::width).sum::<usize>() {
        return Err(malformed("a join with a schema of other columns"));
    }
    let decoded = AsofJoinExec::new(Arc::clone(spine), timestamp, views, known_at, Arc::new(schema));
    if join.by_key { decoded.partitioned() } else { Ok(decoded) }
}

fn decoded_view(
    view: &View,
    spine: &Arc<dyn ExecutionPlan>,
    input: &Arc<dyn ExecutionPlan>,
    context: &TaskContext,
    codec: &dyn PhysicalExtensionCodec,
) -> Result<ViewInput> {
    let (of_spine, columns) = (Columns::of(&spine.schema()), Columns::of(&input.schema()));
    let on = view.on.iter().map(|pair| {
        let compared_as = data_type(pair.compared_as.as_ref())?;
        Ok(KeyPair { spine: of_spine.at(pair.spine)?, view: columns.at(pair.view)?, compared_as })
    });
    let optional = |column: Option<u32>| column.map(|column| columns.at(column)).transpose();
    let features = view.features.iter().map(|column| columns.at(*column)).collect::<Result<Vec<_>>>()?;
    let among = Columns { count: features.len() };
    Ok(ViewInput {
        alias: view.alias.clone(),
        input: Arc::clone(input),
        on: on.collect::<Result<_>>()?,
        timestamp: columns.at(view.timestamp)?,
        known: optional(view.known)?,
        superseded: optional(view.superseded)?,
        seq: optional(view.seq)?,
        ttl: view.ttl.map(Micros),
        ties: view.ties.iter().map(|tie| among.at(*tie)).collect::<Result<_>>()?,
        windows: (view.windows.iter())
            .map(|window| windows::decoded(window, &columns, context, codec))
            .collect::<Result<_>>()?,
        features,
        found: view.found,
    })
}

pub(super) fn data_type(encoded: Option<&ArrowType>) -> Result<DataType> {
    Ok(encoded.ok_or_else(|| malformed("no type"))?.try_into()?)
}

/// The columns that there are.
pub(super) struct Columns {
    count: usize,
}

impl Columns {
    fn of(schema: &Schema) -> Self {
        Columns { count: schema.fields().len() }
    }

    /// The position, if there is such a column.
    pub(super) fn at(&self, column: u32) -> Result<usize> {
        let position = column as usize;
        if position < self.count { Ok(position) } else { Err(malformed(format!("column {column} of {}", self.count))) }
    }
}
