//! Physical plans with as-of joins as bytes, so that they can run elsewhere.
//!
//! [`AsofCodec`] adds our nodes to what the engine can encode itself. What travels is protobuf (`messages`), everything of a
//! node but its inputs, which the engine encodes beside it. Nodes that are not ours are left to another codec.
//!
//! An aggregate of the engine's travels by its name and is looked up where the plan arrives; one that needs more
//! than its name says so through the other codec. Bytes are not trusted: columns that an input does not have are an error.

mod join;
mod messages;
mod windows;

use std::sync::Arc;

use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF, WindowUDF};
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::physical_plan::{
    DefaultPhysicalExtensionCodec, PhysicalExtensionCodec, PhysicalPlanDecodeContext, PhysicalProtoConverterExtension,
};
use prost::Message;

use super::error::Error;
use super::exec::AsofJoinExec;
use super::sequence::SequenceExec;
use messages::node::Kind;
use messages::{Node, Sequence};

/// Encodes [`AsofJoinExec`] and [`SequenceExec`]; leaves the rest to another codec.
#[derive(Debug)]
pub struct AsofCodec {
    others: Arc<dyn PhysicalExtensionCodec>,
}

impl AsofCodec {
    /// A codec that leaves to `others` what is neither the engine's nor ours.
    pub fn new(others: Arc<dyn PhysicalExtensionCodec>) -> Self {
        AsofCodec { others }
    }
}

/// A codec that knows no nodes but the engine's and ours.
impl Default for AsofCodec {
    fn default() -> Self {
        AsofCodec::new(Arc::new(DefaultPhysicalExtensionCodec {}))
    }
}

/// Of bytes that no version of this program has written.
fn malformed(what: impl std::fmt::Display) -> DataFusionError {
    Error::Defect(format!("a plan cannot be read: {what}")).into()
}

impl PhysicalExtensionCodec for AsofCodec {
    fn try_decode(
        &self,
        bytes: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        context: &TaskContext,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match Node::decode(bytes).map_err(malformed)?.kind.ok_or_else(|| malformed("a node of no kind"))? {
            Kind::Join(join) => Ok(Arc::new(join::decoded(&join, inputs, context, self)?)),
            Kind::Sequence(sequence) => {
                let input = sequence.input.ok_or_else(|| malformed("a sequence of nothing"))?;
                let context = PhysicalPlanDecodeContext::new(context, self);
                Ok(Arc::new(SequenceExec::new(converter.proto_to_execution_plan(&input, &context)?)))
            }
            Kind::Other(bytes) => self.others.try_decode(&bytes, inputs, context, converter),
        }
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        bytes: &mut Vec<u8>,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        let kind = if let Some(join) = node.downcast_ref::<AsofJoinExec>() {
            Kind::Join(join::encoded(join, self)?)
        } else if let Some(sequence) = node.downcast_ref::<SequenceExec>() {
            let input = converter.execution_plan_to_proto(sequence.input(), self)?;
            Kind::Sequence(Sequence { input: Some(Box::new(input)) })
        } else {
            let mut other = Vec::new();
            self.others.try_encode(node, &mut other, converter)?;
            Kind::Other(other)
        };
        Node { kind: Some(kind) }.encode(bytes).map_err(|e| DataFusionError::External(Box::new(e)))
    }

    fn try_decode_udf(&self, name: &str, bytes: &[u8]) -> Result<Arc<ScalarUDF>> {
        self.others.try_decode_udf(name, bytes)
    }

    fn try_encode_udf(&self, node: &ScalarUDF, bytes: &mut Vec<u8>) -> Result<()> {
        self.others.try_encode_udf(node, bytes)
    }

    fn try_decode_udaf(&self, name: &str, bytes: &[u8]) -> Result<Arc<AggregateUDF>> {
        self.others.try_decode_udaf(name, bytes)
    }

    fn try_encode_udaf(&self, node: &AggregateUDF, bytes: &mut Vec<u8>) -> Result<()> {
        self.others.try_encode_udaf(node, bytes)
    }

    fn try_decode_udwf(&self, name: &str, bytes: &[u8]) -> Result<Arc<WindowUDF>> {
        self.others.try_decode_udwf(name, bytes)
    }

    fn try_encode_udwf(&self, node: &WindowUDF, bytes: &mut Vec<u8>) -> Result<()> {
        self.others.try_encode_udwf(node, bytes)
    }
}
