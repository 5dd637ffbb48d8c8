//! Plans that travel: bytes, and a plan again that says and gives the same.

use std::sync::Arc;

use asof_model::Micros;
use asof_query::asof::{AsofCodec, AsofJoinExec, KnownMoment, ViewSide, asof_join};
use asof_query::windows::{Argument, Frame, Measure, WindowCall};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Column, ScalarValue};
use datafusion::error::Result;
use datafusion::execution::session_state::SessionState;
use datafusion::functions_aggregate::string_agg::string_agg_udaf;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, collect, displayable};
use datafusion_proto::bytes::{
    physical_plan_from_bytes_with_extension_codec, physical_plan_to_bytes_with_extension_codec,
};
use datafusion_proto::physical_plan::{DefaultPhysicalProtoConverter, PhysicalExtensionCodec};
use proptest::prelude::*;

use super::files::{Files, files, with_files};
use super::oracle::{cut, key, rule, view};
use super::spill::{grouped, join_in};
use super::windows::{calls, rows};
use super::{Ask, Cut, Declared, Fact, PLAIN, RUNTIME, WHOLE, side, spine_rows, table};

/// Every measure there is over three kinds of frames, one of them of a function with a constant.
fn windows() -> Vec<WindowCall> {
    let frames = [Frame::Range { width: Micros(5), hop: Micros(2) }, Frame::Rows(3), Frame::All];
    let mut windows: Vec<_> =
        frames.into_iter().flat_map(|frame| [calls(frame, false), calls(frame, true)].concat()).collect();
    let column = |name: &str| Argument::Column(Column::from_name(name));
    let call = |name: &str, measure, arguments, data_type| WindowCall {
        name: name.to_owned(),
        written: name.to_owned(),
        measure,
        arguments,
        filter: None,
        frame: Frame::Rows(4),
        data_type,
    };
    let listed = Measure::Engine { function: string_agg_udaf(), distinct: false, ignore_nulls: false };
    let comma = Argument::Constant(ScalarValue::Utf8(Some(", ".to_owned())));
    windows.push(call("__listed", listed, vec![column("extra"), comma], DataType::LargeUtf8));
    windows.push(call("__median", Measure::Quantile(0.5_f64.to_bits()), vec![column("whole")], DataType::Float64));
    windows
}

fn there_and_back(session: &SessionState, plan: &Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let codec = AsofCodec::default();
    let bytes = physical_plan_to_bytes_with_extension_codec(Arc::clone(plan), &codec)?;
    physical_plan_from_bytes_with_extension_codec(&bytes, &session.task_ctx(), &codec)
}

async fn found(session: &SessionState, plan: &Arc<dyn ExecutionPlan>) -> Result<RecordBatch> {
    let batches = collect(Arc::clone(plan), session.task_ctx()).await?;
    Ok(concat_batches(&plan.schema(), &batches)?)
}

fn shown(plan: &Arc<dyn ExecutionPlan>) -> String {
    displayable(plan.as_ref()).indent(true).to_string()
}

/// A join with every clause: three views of two keys, from a table, from files and from SQL.
fn everything(asks: &[Ask], facts: &[Fact], declared: Declared, rule: KnownMoment, cut: Cut) -> LogicalPlan {
    let stored = Files { rows_per_file: 20, rows_per_group: 10, rows_per_page: 5 };
    let sides = vec![
        ViewSide { windows: windows(), ..side("windows", table("facts", rows(facts), cut), declared) },
        side("stored", files(&rows(facts), stored), Declared { seq: true, ..declared }),
        ViewSide {
            on: vec![(Column::from_name("number"), Column::from_name("number"))],
            ..side("grouped", grouped(facts, cut), Declared { seq: false, ..PLAIN })
        },
    ];
    let spine = table("spine", spine_rows(asks), Cut { partitions: 1, ..cut });
    asof_join(spine, Column::from_name("t"), sides, rule).expect("a join")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_is_the_same_after_travelling(
        asks in proptest::collection::vec((key(), -4..16i64), 0..40),
        (facts, declared) in view(),
        rule in rule(),
        by_key in proptest::option::of(1..5usize),
        cut in cut(),
    ) {
        let asks: Vec<_> = asks.into_iter().map(|(key, t)| Ask { key, t }).collect();
        let cut = Cut { refused: None, ..cut };
        let session = with_files(cut);
        let plan = everything(&asks, &facts, declared, rule, cut);
        let (plan, again) = RUNTIME.block_on(async {
            let mut plan = session.create_physical_plan(&plan).await.expect("a plan");
            if let Some(partitions) = by_key {
                let join = join_in(&plan).downcast_ref::<AsofJoinExec>().expect("a join");
                plan = Arc::new(join.by_key(partitions).expect("one key"));
            }
            let again = there_and_back(&session, &plan).expect("travels");
            (plan, again)
        });
        prop_assert_eq!(shown(&again), shown(&plan));
        prop_assert_eq!(again.schema(), plan.schema());
        if by_key.is_none() {
            let rows = RUNTIME.block_on(async {
                (found(&session, &plan).await.expect("rows"), found(&session, &again).await.expect("rows"))
            });
            prop_assert_eq!(rows.0, rows.1);
        }
    }
}

/// Bytes that were damaged are an error or another plan, and never the end of the program.
#[test]
fn damaged_bytes_do_no_harm() {
    let fact =
        |ts| Fact { key: (Some("a"), Some(1)), ts: Some(ts), known: None, superseded: None, seq: ts, value: Some(1) };
    let session = with_files(WHOLE);
    let asks = [Ask { key: (Some("a"), Some(1)), t: 5 }];
    let plan = everything(&asks, &[fact(1), fact(2)], PLAIN, KnownMoment::EventTime, WHOLE);
    let plan = RUNTIME.block_on(session.create_physical_plan(&plan)).expect("a plan");
    let join = join_in(&plan);
    let (codec, converter, context) = (AsofCodec::default(), DefaultPhysicalProtoConverter {}, session.task_ctx());
    let mut bytes = Vec::new();
    codec.try_encode(Arc::clone(join), &mut bytes, &converter).expect("bytes");
    let inputs: Vec<_> = join.children().into_iter().cloned().collect();
    let read = |bytes: &[u8]| codec.try_decode(bytes, &inputs, &context, &converter).is_ok();
    assert!(read(&bytes));
    let harmless = (0..bytes.len() * 8).filter(|bit| {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        read(&damaged)
    });
    assert!(harmless.count() < bytes.len() * 8);
    assert!((0..bytes.len()).all(|end| !read(&bytes[..end])));
    assert!(codec.try_decode(&bytes, &inputs[1..], &context, &converter).is_err());
}
