//! Each rendering of the tour.

use asof_lineage::{Graph, Node, render};
use asof_model::{Kind, Selector};

use crate::tour::{Tour, name, pinned};

fn built(graph: &Graph) -> Node {
    graph.find(&name("tour"), &name("delays"), Some(&Selector::Number(1))).cloned().unwrap()
}

#[test]
fn tree_upstream_of_a_built_training_set() {
    let graph = Tour::new().graph();
    insta::assert_snapshot!(render::tree(&graph.upstream(&built(&graph), None)));
}

#[test]
fn tree_downstream_of_a_dataset() {
    let graph = Tour::new().graph();
    insta::assert_snapshot!(render::tree(&graph.downstream(&pinned(Kind::Dataset, "flights", 1).into(), None)));
}

#[test]
fn tree_cut_by_depth() {
    let graph = Tour::new().graph();
    insta::assert_snapshot!(render::tree(&graph.upstream(&built(&graph), Some(1))));
}

#[test]
fn mermaid_of_both_directions() {
    let graph = Tour::new().graph();
    let view = pinned(Kind::FeatureView, "carrier_delays", 2).into();
    insta::assert_snapshot!(render::mermaid(&[graph.upstream(&view, None), graph.downstream(&view, Some(1))]));
}

#[test]
fn dot_of_both_directions() {
    let graph = Tour::new().graph();
    let view = pinned(Kind::FeatureView, "carrier_delays", 2).into();
    insta::assert_snapshot!(render::dot(&[graph.upstream(&view, None), graph.downstream(&view, Some(1))]));
}

#[test]
fn json_of_both_directions() {
    let graph = Tour::new().graph();
    let view = pinned(Kind::FeatureView, "carrier_delays", 2).into();
    insta::assert_snapshot!(render::json(&[graph.upstream(&view, Some(1)), graph.downstream(&view, Some(1))]));
}

#[test]
fn a_long_chain_is_counted_where_it_is_too_deep_to_draw() {
    use crate::tour::{run, snapshot};
    use asof_model::run::Verb;
    let runs: Vec<_> = (0..200).map(|n| run(n, Verb::Ingest, vec![], vec![snapshot("flights", n.into())], 1)).collect();
    let graph = Graph::build(&[], &runs);
    let newest = graph.find(&name("tour"), &name("flights"), Some(&Selector::Number(199))).unwrap();
    let text = render::tree(&graph.upstream(newest, None));
    assert_eq!(text.lines().count(), 42);
    assert!(text.ends_with("… 159 more lines below depth 40\n"), "{text}");
}

#[test]
fn what_a_file_is_called_cannot_break_out_of_a_chart() {
    use crate::tour::{file, run, snapshot};
    use asof_model::run::Verb;
    let runs = [run(1, Verb::Ingest, vec![file("a\"]; click #1 <b>")], vec![snapshot("flights", 1)], 1)];
    let graph = Graph::build(&[], &runs);
    let chart = render::mermaid(&[graph.upstream(&graph.nodes()[0], None)]);
    assert!(chart.contains("a#quot;]; click #35;1 #lt;b#gt; (file"), "{chart}");
    let chart = render::dot(&[graph.upstream(&graph.nodes()[0], None)]);
    assert!(chart.contains(r#"label="a\"]; click #1 <b> (file"#), "{chart}");
}
