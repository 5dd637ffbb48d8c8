//! Aggregates over as-of windows.

use std::sync::Arc;

use asof_model::Micros;
use datafusion::error::Result;
use datafusion::execution::{FunctionRegistry, TaskContext};
use datafusion::logical_expr::AggregateUDF;
use datafusion_proto::physical_plan::PhysicalExtensionCodec;

use super::join::{Columns, data_type};
use super::malformed;
use super::messages::{self, Window, argument, frame, measure};
use crate::windows::{Argument, Frame, Measure, WindowCall};

pub(super) fn encoded(call: &WindowCall<usize>, codec: &dyn PhysicalExtensionCodec) -> Result<Window> {
    let argument = |argument: &Argument<usize>| {
        let kind = match argument {
            Argument::Column(column) => argument::Kind::Column(*column as u32),
            Argument::Constant(value) => argument::Kind::Constant(value.try_into()?),
        };
        Ok(messages::Argument { kind: Some(kind) })
    };
    let frame = match call.frame {
        Frame::Range { width, hop } => frame::Kind::Range(messages::Range { width: width.0, hop: hop.0 }),
        Frame::Rows(count) => frame::Kind::Rows(count),
        Frame::All => frame::Kind::All(()),
    };
    Ok(Window {
        name: call.name.clone(),
        written: call.written.clone(),
        measure: Some(messages::Measure { kind: Some(encoded_measure(&call.measure, codec)?) }),
        arguments: call.arguments.iter().map(argument).collect::<Result<_>>()?,
        filter: call.filter.map(|column| column as u32),
        frame: Some(messages::Frame { kind: Some(frame) }),
        data_type: Some((&call.data_type).try_into()?),
    })
}

fn encoded_measure(of: &Measure, codec: &dyn PhysicalExtensionCodec) -> Result<measure::Kind> {
    use measure::Kind;
    Ok(match of {
        Measure::Count => Kind::Count(()),
        Measure::CountDistinct => Kind::CountDistinct(()),
        Measure::Sum => Kind::Sum(()),
        Measure::Mean => Kind::Mean(()),
        Measure::Spread { sample, root } => Kind::Spread(messages::Spread { sample: *sample, root: *root }),
        Measure::Extreme { greatest } => Kind::Extreme(messages::Extreme { greatest: *greatest }),
        Measure::End { last, ignore_nulls } => Kind::End(messages::End { last: *last, ignore_nulls: *ignore_nulls }),
        Measure::ApproxDistinct => Kind::ApproxDistinct(()),
        Measure::Quantile(share) => Kind::Quantile(*share),
        Measure::Engine { function, distinct, ignore_nulls } => {
            let mut definition = Vec::new();
            codec.try_encode_udaf(function, &mut definition)?;
            Kind::Engine(messages::Engine {
                function: function.name().to_owned(),
                definition,
                distinct: *distinct,
                ignore_nulls: *ignore_nulls,
            })
        }
    })
}

pub(super) fn decoded(
    window: &Window,
    columns: &Columns,
    context: &TaskContext,
    codec: &dyn PhysicalExtensionCodec,
) -> Result<WindowCall<usize>> {
    let argument = |argument: &messages::Argument| match &argument.kind {
        Some(argument::Kind::Column(column)) => Ok(Argument::Column(columns.at(*column)?)),
        Some(argument::Kind::Constant(value)) => Ok(Argument::Constant(value.try_into()?)),
        None => Err(malformed("an argument of no kind")),
    };
    let frame = match window.frame.and_then(|frame| frame.kind).ok_or_else(|| malformed("a window of no rows"))? {
        frame::Kind::Range(range) => Frame::Range { width: Micros(range.width), hop: Micros(range.hop) },
        frame::Kind::Rows(count) => Frame::Rows(count),
        frame::Kind::All(()) => Frame::All,
    };
    let measure = window.measure.as_ref().and_then(|measure| measure.kind.as_ref());
    Ok(WindowCall {
        name: window.name.clone(),
        written: window.written.clone(),
        measure: decoded_measure(measure.ok_or_else(|| malformed("a window of no measure"))?, context, codec)?,
        arguments: window.arguments.iter().map(argument).collect::<Result<_>>()?,
        filter: window.filter.map(|column| columns.at(column)).transpose()?,
        frame,
        data_type: data_type(window.data_type.as_ref())?,
    })
}

fn decoded_measure(kind: &measure::Kind, context: &TaskContext, codec: &dyn PhysicalExtensionCodec) -> Result<Measure> {
    use measure::Kind;
    Ok(match kind {
        Kind::Count(()) => Measure::Count,
        Kind::CountDistinct(()) => Measure::CountDistinct,
        Kind::Sum(()) => Measure::Sum,
        Kind::Mean(()) => Measure::Mean,
        Kind::Spread(spread) => Measure::Spread { sample: spread.sample, root: spread.root },
        Kind::Extreme(extreme) => Measure::Extreme { greatest: extreme.greatest },
        Kind::End(end) => Measure::End { last: end.last, ignore_nulls: end.ignore_nulls },
        Kind::ApproxDistinct(()) => Measure::ApproxDistinct,
        Kind::Quantile(share) => Measure::Quantile(*share),
        Kind::Engine(engine) => Measure::Engine {
            function: function(engine, context, codec)?,
            distinct: engine.distinct,
            ignore_nulls: engine.ignore_nulls,
        },
    })
}

fn function(
    engine: &messages::Engine,
    context: &TaskContext,
    codec: &dyn PhysicalExtensionCodec,
) -> Result<Arc<AggregateUDF>> {
    match engine.definition.is_empty() {
        true => context.udaf(&engine.function),
        false => codec.try_decode_udaf(&engine.function, &engine.definition),
    }
}
