//! The wire form of our nodes. Tags are never renumbered, and one that is given up is never used again.

use datafusion_proto::protobuf::{ArrowType, PhysicalPlanNode, ScalarValue, Schema};
use prost::{Message, Oneof};

/// One node of a plan.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Node {
    #[prost(oneof = "node::Kind", tags = "1, 2, 3")]
    pub(super) kind: Option<node::Kind>,
}

pub(super) mod node {
    use super::{Join, Oneof, Sequence};

    #[derive(Clone, PartialEq, Oneof)]
    pub(in super::super) enum Kind {
        #[prost(message, tag = "1")]
        Join(Join),
        #[prost(message, tag = "2")]
        Sequence(Sequence),
        /// What another codec made of a node that is not ours.
        #[prost(bytes = "vec", tag = "3")]
        Other(Vec<u8>),
    }
}

/// `SequenceExec`, with its input inside: it shows no children.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Sequence {
    #[prost(message, optional, boxed, tag = "1")]
    pub(super) input: Option<Box<PhysicalPlanNode>>,
}

/// `AsofJoinExec`. Its inputs are the node's: the spine, then the views.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Join {
    #[prost(uint32, tag = "1")]
    pub(super) timestamp: u32,
    #[prost(oneof = "join::KnownAt", tags = "2, 3, 4")]
    pub(super) known_at: Option<join::KnownAt>,
    #[prost(message, repeated, tag = "5")]
    pub(super) views: Vec<View>,
    #[prost(bool, tag = "6")]
    pub(super) by_key: bool,
    #[prost(message, optional, tag = "7")]
    pub(super) schema: Option<Schema>,
}

pub(super) mod join {
    use super::Oneof;

    #[derive(Clone, Copy, PartialEq, Oneof)]
    pub(in super::super) enum KnownAt {
        #[prost(message, tag = "2")]
        EventTime(()),
        /// Microseconds.
        #[prost(sint64, tag = "3")]
        Moment(i64),
        #[prost(message, tag = "4")]
        Now(()),
    }
}

/// A view; columns are positions in its input.
#[derive(Clone, PartialEq, Message)]
pub(super) struct View {
    #[prost(string, tag = "1")]
    pub(super) alias: String,
    #[prost(message, repeated, tag = "2")]
    pub(super) on: Vec<Pair>,
    #[prost(uint32, tag = "3")]
    pub(super) timestamp: u32,
    #[prost(uint32, optional, tag = "4")]
    pub(super) known: Option<u32>,
    #[prost(uint32, optional, tag = "5")]
    pub(super) superseded: Option<u32>,
    #[prost(uint32, optional, tag = "6")]
    pub(super) seq: Option<u32>,
    /// Microseconds.
    #[prost(sint64, optional, tag = "7")]
    pub(super) ttl: Option<i64>,
    #[prost(uint32, repeated, tag = "8")]
    pub(super) features: Vec<u32>,
    #[prost(uint32, repeated, tag = "9")]
    pub(super) ties: Vec<u32>,
    #[prost(message, repeated, tag = "10")]
    pub(super) windows: Vec<Window>,
    #[prost(bool, tag = "11")]
    pub(super) found: bool,
}

/// A pair of key columns.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Pair {
    #[prost(uint32, tag = "1")]
    pub(super) spine: u32,
    #[prost(uint32, tag = "2")]
    pub(super) view: u32,
    #[prost(message, optional, tag = "3")]
    pub(super) compared_as: Option<ArrowType>,
}

/// An aggregate over an as-of window.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Window {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) written: String,
    #[prost(message, optional, tag = "3")]
    pub(super) measure: Option<Measure>,
    #[prost(message, repeated, tag = "4")]
    pub(super) arguments: Vec<Argument>,
    #[prost(uint32, optional, tag = "5")]
    pub(super) filter: Option<u32>,
    #[prost(message, optional, tag = "6")]
    pub(super) frame: Option<Frame>,
    #[prost(message, optional, tag = "7")]
    pub(super) data_type: Option<ArrowType>,
}

/// What an aggregate is given.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Argument {
    #[prost(oneof = "argument::Kind", tags = "1, 2")]
    pub(super) kind: Option<argument::Kind>,
}

pub(super) mod argument {
    use super::{Oneof, ScalarValue};

    #[derive(Clone, PartialEq, Oneof)]
    pub(in super::super) enum Kind {
        #[prost(uint32, tag = "1")]
        Column(u32),
        #[prost(message, tag = "2")]
        Constant(ScalarValue),
    }
}

/// Which rows a window holds.
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Frame {
    #[prost(oneof = "frame::Kind", tags = "1, 2, 3")]
    pub(super) kind: Option<frame::Kind>,
}

pub(super) mod frame {
    use super::{Oneof, Range};

    #[derive(Clone, Copy, PartialEq, Oneof)]
    pub(in super::super) enum Kind {
        #[prost(message, tag = "1")]
        Range(Range),
        #[prost(uint32, tag = "2")]
        Rows(u32),
        #[prost(message, tag = "3")]
        All(()),
    }
}

/// Both in microseconds.
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Range {
    #[prost(sint64, tag = "1")]
    pub(super) width: i64,
    #[prost(sint64, tag = "2")]
    pub(super) hop: i64,
}

/// What is computed of a window's rows.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Measure {
    #[prost(oneof = "measure::Kind", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10")]
    pub(super) kind: Option<measure::Kind>,
}

pub(super) mod measure {
    use super::{End, Engine, Extreme, Oneof, Spread};

    #[derive(Clone, PartialEq, Oneof)]
    pub(in super::super) enum Kind {
        #[prost(message, tag = "1")]
        Count(()),
        #[prost(message, tag = "2")]
        CountDistinct(()),
        #[prost(message, tag = "3")]
        Sum(()),
        #[prost(message, tag = "4")]
        Mean(()),
        #[prost(message, tag = "5")]
        Spread(Spread),
        #[prost(message, tag = "6")]
        Extreme(Extreme),
        #[prost(message, tag = "7")]
        End(End),
        #[prost(message, tag = "8")]
        ApproxDistinct(()),
        /// The bits of a float from 0 to 1.
        #[prost(fixed64, tag = "9")]
        Quantile(u64),
        #[prost(message, tag = "10")]
        Engine(Engine),
    }
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Spread {
    #[prost(bool, tag = "1")]
    pub(super) sample: bool,
    #[prost(bool, tag = "2")]
    pub(super) root: bool,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Extreme {
    #[prost(bool, tag = "1")]
    pub(super) greatest: bool,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct End {
    #[prost(bool, tag = "1")]
    pub(super) last: bool,
    #[prost(bool, tag = "2")]
    pub(super) ignore_nulls: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Engine {
    #[prost(string, tag = "1")]
    pub(super) function: String,
    /// Where the name does not say it all, what another codec needs to make the function.
    #[prost(bytes = "vec", tag = "2")]
    pub(super) definition: Vec<u8>,
    #[prost(bool, tag = "3")]
    pub(super) distinct: bool,
    #[prost(bool, tag = "4")]
    pub(super) ignore_nulls: bool,
}
