//! Against onnxruntime on every mode, aggregate and transform; masks against the walk on anything.

use proptest::prelude::*;
use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::*;

use super::attributes::{Kind, Numbers};
use super::*;
use crate::core::model::operators::framework;

const WIDTH: usize = 8;

/// A case of `tests/fixtures/models/ensembles.bin`.
struct Case {
    name: String,
    proto: ModelProto,
    expected: Vec<f32>,
}

fn fixture(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/models/");
    std::fs::read(format!("{folder}{name}")).unwrap()
}

fn cases() -> Vec<Case> {
    let blob = fixture("ensembles.bin");
    let mut rest = blob.as_slice();
    let mut part = || {
        let (length, tail) = rest.split_first_chunk::<4>()?;
        let (part, tail) = tail.split_at(u32::from_le_bytes(*length) as usize);
        rest = tail;
        Some(part)
    };
    let mut cases = Vec::new();
    while let Some(name) = part() {
        let proto = framework().proto_model_for_read(&mut part().unwrap()).unwrap();
        let (values, _) = part().unwrap().as_chunks::<4>();
        let expected = values.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
        cases.push(Case { name: String::from_utf8(name.to_vec()).unwrap(), proto, expected });
    }
    cases
}

fn hard_rows() -> Vec<f32> {
    let text = String::from_utf8(fixture("hard_rows.csv")).unwrap();
    text.split([',', '\n']).filter(|x| !x.is_empty()).map(|x| x.parse().unwrap()).collect()
}

fn attributes(proto: &ModelProto) -> Attributes {
    let nodes = &proto.graph.as_ref().unwrap().node;
    let node = nodes.iter().find(|node| Kind::of(&node.op_type).is_some()).unwrap();
    Attributes::of(node).unwrap()
}

impl Ensemble {
    /// The same ensemble, walked.
    fn walked(attributes: &Attributes, width: usize) -> Self {
        let forest = Forest::of(attributes, width).unwrap();
        let plan = Plan::Walk(Walk::of(&forest));
        Self::with_plan(attributes, &forest, plan).unwrap()
    }

    fn scores(&self, rows: &[f32], width: usize) -> Vec<f32> {
        let mut all = Vec::new();
        self.evaluate(&mut Scratch::default(), rows, width, |_, row| all.extend_from_slice(row));
        all
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// As near as float32 sums in another order may be; what is not a number must be the same kind of
/// it.
fn near(got: f32, expected: f32) -> bool {
    let off = (got - expected).abs();
    got == expected || off <= 1e-5 * expected.abs().max(1.0) || (got.is_nan() && expected.is_nan())
}

fn assert_near(name: &str, got: &[f32], expected: &[f32]) {
    assert_eq!(got.len(), expected.len(), "{name}");
    for (at, (&got, &expected)) in got.iter().zip(expected).enumerate() {
        assert!(near(got, expected), "{name}: value {at} is {got}, onnxruntime has {expected}");
    }
}

#[test]
fn every_kind_of_ensemble_scores_as_in_onnxruntime() {
    let rows = hard_rows();
    let count = rows.len() / WIDTH;
    let mut evaluations = Vec::new();
    for case in cases() {
        let attributes = attributes(&case.proto);
        if !case.name.starts_with("double") {
            let ensemble = Ensemble::of(&attributes, WIDTH).unwrap();
            evaluations.push(ensemble.evaluation());
            let scores = ensemble.scores(&rows, WIDTH);
            assert_near(&case.name, &scores, &case.expected);
            let walked = Ensemble::walked(&attributes, WIDTH).scores(&rows, WIDTH);
            assert_eq!(bits(&walked), bits(&scores), "{}", case.name);
        }
        let plan = framework()
            .model_for_proto_model(&case.proto)
            .and_then(|model| model.with_input_fact(0, f32::fact([count, WIDTH]).into()))
            .and_then(|model| model.into_optimized()?.into_runnable())
            .unwrap();
        let input = Tensor::from_shape(&[count, WIDTH], &rows).unwrap();
        let outputs = plan.run(tvec!(input.into())).unwrap();
        let scores = outputs.last().unwrap().try_as_plain_ram().unwrap();
        assert_near(&case.name, scores.as_slice().unwrap(), &case.expected);
    }
    for evaluation in [Evaluation::Masks32, Evaluation::Masks64, Evaluation::Walk] {
        assert!(evaluations.contains(&evaluation), "no case for {evaluation:?}");
    }
}

#[test]
fn labels_follow_the_scores() {
    let case = cases().into_iter().find(|case| case.name == "string labels").unwrap();
    let plan = framework()
        .model_for_proto_model(&case.proto)
        .and_then(|model| model.with_input_fact(0, f32::fact([1, WIDTH]).into()))
        .and_then(|model| model.into_optimized()?.into_runnable())
        .unwrap();
    let input = Tensor::from_shape(&[1, WIDTH], &[0f32; WIDTH]).unwrap();
    let outputs = plan.run(tvec!(input.into())).unwrap();
    // Votes for both classes, all positive: onnxruntime says the second.
    let labels = outputs[0].try_as_plain_ram().unwrap();
    assert_eq!(labels.as_slice::<String>().unwrap(), ["yes"]);
}

/// Thresholds, and values to meet them.
const GRID: [f32; 9] =
    [f32::NEG_INFINITY, -1.5, -0.0, 0.0, 0.25, 1.0, 1.0000001, 3.0, f32::INFINITY];

/// Draws from a list of random numbers, 0 when it is used up.
struct Draws<'a>(std::slice::Iter<'a, u16>);

impl Draws<'_> {
    fn below(&mut self, limit: usize) -> usize {
        usize::from(self.0.next().copied().unwrap_or(0)) % limit
    }
}

/// An ensemble grown from `draws`: up to `most_leaves` leaves a tree.
fn grow(draws: &mut Draws<'_>, trees: usize, most_leaves: usize, modes: &[&str]) -> Attributes {
    let mut a = Attributes {
        kind: Kind::Regressor,
        tree_ids: vec![],
        node_ids: vec![],
        feature_ids: vec![],
        modes: vec![],
        values: Numbers::Single(vec![]),
        true_ids: vec![],
        false_ids: vec![],
        missing_tracks_true: vec![],
        vote_tree_ids: vec![],
        vote_node_ids: vec![],
        vote_classes: vec![],
        vote_weights: Numbers::Single(vec![]),
        base_values: Numbers::Single(vec![]),
        labels: None,
        targets: 1,
        aggregate: ["SUM", "AVERAGE", "MIN", "MAX"][draws.below(4)].to_owned(),
        post_transform: "NONE".to_owned(),
    };
    let (mut values, mut weights) = (vec![], vec![]);
    for tree in 0..trees as i64 {
        let leaves = 1 + draws.below(most_leaves);
        // Node ids count up; a leaf drawn at random is split until there are enough.
        let start = a.tree_ids.len();
        let mut open = vec![start];
        let mut push = |a: &mut Attributes| {
            a.tree_ids.push(tree);
            a.node_ids.push((a.tree_ids.len() - 1 - start) as i64);
            a.modes.push("LEAF".to_owned());
            for list in [&mut a.feature_ids, &mut a.true_ids, &mut a.false_ids] {
                list.push(0);
            }
            a.missing_tracks_true.push(0);
            values.push(0.0);
        };
        push(&mut a);
        for _ in 1..leaves {
            let node = open.swap_remove(draws.below(open.len()));
            let next = a.tree_ids.len() - start;
            push(&mut a);
            push(&mut a);
            open.extend([start + next, start + next + 1]);
            a.modes[node] = modes[draws.below(modes.len())].to_owned();
            a.feature_ids[node] = draws.below(WIDTH) as i64;
            (a.true_ids[node], a.false_ids[node]) = (next as i64, next as i64 + 1);
            a.missing_tracks_true[node] = draws.below(2) as i64;
        }
        for node in open {
            a.vote_tree_ids.push(tree);
            a.vote_node_ids.push((node - start) as i64);
            a.vote_classes.push(0);
            weights.push(draws.below(1000) as f32 / 777.0 - 0.5);
        }
    }
    for value in &mut values {
        *value = GRID[draws.below(GRID.len())];
    }
    (a.values, a.vote_weights) = (Numbers::Single(values), Numbers::Single(weights));
    a
}

/// Trees whose nodes lead to any later node: chains, shared children, both children the same.
fn grow_shared(draws: &mut Draws<'_>, trees: usize, size: usize) -> Attributes {
    let mut a = grow(draws, 1, 1, &[]);
    for list in [&mut a.tree_ids, &mut a.node_ids, &mut a.feature_ids, &mut a.true_ids] {
        list.clear();
    }
    for list in [&mut a.false_ids, &mut a.missing_tracks_true, &mut a.vote_tree_ids] {
        list.clear();
    }
    (a.vote_node_ids, a.vote_classes, a.modes) = (vec![], vec![], vec![]);
    let (mut values, mut weights) = (vec![], vec![]);
    for tree in 0..trees as i64 {
        let leaves = 1 + draws.below(size);
        let (mut reached, mut nodes) = (vec![true], vec![]);
        reached.resize(size + leaves, false);
        for node in 0..size + leaves {
            let child = |draws: &mut Draws<'_>| (node + 1 + draws.below(4)).min(size + leaves - 1);
            let children = (child(draws), child(draws));
            if reached[node] && node < size {
                (reached[children.0], reached[children.1]) = (true, true);
            }
            nodes.push(children);
        }
        for (node, (yes, no)) in nodes.into_iter().enumerate().filter(|&(node, _)| reached[node]) {
            a.tree_ids.push(tree);
            a.node_ids.push(node as i64);
            a.feature_ids.push(draws.below(2) as i64);
            a.true_ids.push(yes as i64);
            a.false_ids.push(no as i64);
            a.missing_tracks_true.push(draws.below(2) as i64);
            values.push(GRID[draws.below(GRID.len())]);
            if node < size {
                a.modes.push(ALL_MODES[draws.below(ALL_MODES.len())].to_owned());
            } else {
                a.modes.push("LEAF".to_owned());
                a.vote_tree_ids.push(tree);
                a.vote_node_ids.push(node as i64);
                a.vote_classes.push(0);
                weights.push(draws.below(1000) as f32 / 777.0 - 0.5);
            }
        }
    }
    (a.values, a.vote_weights) = (Numbers::Single(values), Numbers::Single(weights));
    a.aggregate = "SUM".to_owned();
    a
}

/// The sum of a row's leaves, read from the attributes by the letter of the operator's definition.
fn by_the_letter(a: &Attributes, row: &[f32]) -> f32 {
    let (Numbers::Single(values), Numbers::Single(weights)) = (&a.values, &a.vote_weights) else {
        panic!("single precision");
    };
    let place = |tree, node| {
        (0..a.node_ids.len()).find(|&at| (a.tree_ids[at], a.node_ids[at]) == (tree, node)).unwrap()
    };
    let mut sum = 0.0;
    for start in (0..a.tree_ids.len()).filter(|&at| at == 0 || a.tree_ids[at] != a.tree_ids[at - 1])
    {
        let tree = a.tree_ids[start];
        let mut at = start;
        while a.modes[at] != "LEAF" {
            let (x, t) = (row[a.feature_ids[at] as usize], values[at]);
            let met = match a.modes[at].as_str() {
                "BRANCH_LEQ" => x <= t,
                "BRANCH_LT" => x < t,
                "BRANCH_GTE" => x >= t,
                "BRANCH_GT" => x > t,
                "BRANCH_EQ" => x == t,
                _ => x != t,
            };
            let met = met || (x.is_nan() && a.missing_tracks_true[at] == 1);
            at = place(tree, if met { a.true_ids[at] } else { a.false_ids[at] });
        }
        let votes = a.vote_tree_ids.iter().zip(&a.vote_node_ids).zip(weights);
        let own = votes.filter(|&(vote, _)| vote == (&tree, &a.node_ids[at]));
        own.for_each(|(_, weight)| sum += weight);
    }
    sum
}

const ALL_MODES: [&str; 8] = [
    "BRANCH_LEQ",
    "BRANCH_LT",
    "BRANCH_GTE",
    "BRANCH_GT",
    "BRANCH_EQ",
    "BRANCH_EQ",
    "BRANCH_EQ",
    "BRANCH_NEQ",
];

const ORDERED: [&str; 4] = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn masks_and_walk_agree_to_the_bit_in_any_batch(
        draws in proptest::collection::vec(any::<u16>(), 1500),
        trees in 1usize..12,
        most_leaves in prop_oneof![Just(2usize), Just(32), Just(64), Just(90)],
        modes in prop_oneof![Just(&ORDERED[..]), Just(&ALL_MODES[..])],
        rows in 1usize..40,
    ) {
        let mut draws = Draws(draws.iter());
        let attributes = grow(&mut draws, trees, most_leaves, modes);
        let mut value = || match draws.below(12) {
            at if at < GRID.len() => GRID[at],
            9 => f32::NAN,
            10 => GRID[draws.below(GRID.len())].next_up(),
            _ => GRID[draws.below(GRID.len())].next_down(),
        };
        let rows: Vec<f32> = (0..rows * WIDTH).map(|_| value()).collect();
        let ensemble = Ensemble::of(&attributes, WIDTH).unwrap();
        let walked = Ensemble::walked(&attributes, WIDTH);
        let expected = bits(&walked.scores(&rows, WIDTH));
        prop_assert_eq!(&bits(&ensemble.scores(&rows, WIDTH)), &expected);
        for batch in [1, 2, 3, 7, 16, 17] {
            let parts = rows.chunks(batch * WIDTH);
            let scores: Vec<f32> = parts.flat_map(|part| ensemble.scores(part, WIDTH)).collect();
            prop_assert_eq!(&bits(&scores), &expected);
        }
    }

    #[test]
    fn shared_nodes_score_by_the_letter(
        draws in proptest::collection::vec(any::<u16>(), 1500),
        trees in 1usize..5,
        size in 1usize..12,
    ) {
        let mut draws = Draws(draws.iter());
        let attributes = grow_shared(&mut draws, trees, size);
        let values = GRID.iter().copied().chain([f32::NAN, 0.5]);
        let pairs = values.clone().flat_map(|x| values.clone().map(move |y| [x, y]));
        let rows: Vec<f32> = pairs.flatten().collect();
        let expected: Vec<f32> =
            rows.chunks_exact(2).map(|row| by_the_letter(&attributes, row)).collect();
        let ensemble = Ensemble::of(&attributes, 2).unwrap();
        prop_assert_eq!(&bits(&ensemble.scores(&rows, 2)), &bits(&expected));
        let single: Vec<f32> =
            rows.chunks_exact(2).flat_map(|row| ensemble.scores(row, 2)).collect();
        prop_assert_eq!(&bits(&single), &bits(&expected));
        let walked = Ensemble::walked(&attributes, 2).scores(&rows, 2);
        prop_assert_eq!(&bits(&walked), &bits(&expected));
    }
}
