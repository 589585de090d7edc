//! Model files from LightGBM, XGBoost, CatBoost, scikit-learn and by hand, against onnxruntime's
//! scores; and files that must be refused, with what the refusal says.
//! `tests/fixtures/models/make.py` made all of them.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;

use synfinance::core::model::{Model, ModelKind, ScoreError, Scorer, contributions};

const WIDTH: usize = 8;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models")
}

/// The catalogue of these tests: f0 to f7.
fn known(name: &str) -> Result<RangeInclusive<f64>, Vec<String>> {
    match name.strip_prefix('f').and_then(|digit| digit.parse::<usize>().ok()) {
        Some(index) if index < WIDTH => Ok(-1e12..=1e12),
        _ => Err(vec!["f1".to_owned(), "f2".to_owned()]),
    }
}

fn load(name: &str) -> Model {
    let path = folder().join(format!("{name}.onnx"));
    Model::load(&path, &known).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn numbers(name: &str) -> Vec<f32> {
    let text = std::fs::read_to_string(folder().join(name)).unwrap();
    text.split([',', '\n']).filter(|x| !x.is_empty()).map(|x| x.parse().unwrap()).collect()
}

fn rows_of(name: &str) -> Vec<f32> {
    let rows = ["missing", "categorical", "outliers"].into_iter().find(|end| name.ends_with(end));
    numbers(&rows.map_or("rows.csv".to_owned(), |rows| format!("rows_{rows}.csv")))
}

fn scored(scorer: &mut Scorer, rows: &[f32], batch: usize) -> Vec<f32> {
    let (mut all, mut scores) = (Vec::new(), vec![9.0]);
    for part in rows.chunks(batch * WIDTH) {
        scorer.score(part, &mut scores).unwrap();
        all.extend_from_slice(&scores);
    }
    all
}

/// Every trained model, and whether it runs as trees.
const MODELS: [(&str, Option<&str>); 32] = [
    ("lightgbm", Some("bit masks (32 leaves)")),
    ("lightgbm_missing", Some("bit masks (32 leaves)")),
    ("lightgbm_60_leaves", Some("bit masks (64 leaves)")),
    ("lightgbm_categorical", Some("bit masks (32 leaves)")),
    ("xgboost", Some("bit masks (32 leaves)")),
    ("xgboost_missing", Some("bit masks (32 leaves)")),
    ("xgboost_categorical", Some("bit masks (32 leaves)")),
    ("catboost", Some("bit masks (32 leaves)")),
    ("decision_tree", Some("bit masks (64 leaves)")),
    ("random_forest", Some("walk")),
    ("extra_trees_small", Some("bit masks (32 leaves)")),
    ("gradient_boosting", Some("bit masks (32 leaves)")),
    ("gradient_boosting_regressor", Some("bit masks (32 leaves)")),
    ("logistic_pipeline", None),
    ("imputed_pipeline", None),
    ("scaled_forest", None),
    ("mlp_pipeline", None),
    ("calibrated", None),
    ("stacking", None),
    ("isolation_forest", None),
    ("dense", None),
    ("gaussian_nb_outliers", None),
    ("bernoulli_nb_outliers", None),
    ("softmax_network_outliers", None),
    ("softplus_network_outliers", None),
    ("elu_network_outliers", None),
    ("selu_network_outliers", None),
    ("tanh_network_outliers", None),
    ("softsign_network_outliers", None),
    ("mish_network_outliers", None),
    ("hardsigmoid_network_outliers", None),
    ("log_softmax_network_outliers", None),
];

#[test]
fn models_score_as_in_onnxruntime_and_the_same_in_any_batch() {
    for (name, _) in MODELS {
        let expected = numbers(&format!("expected/{name}.csv"));
        let rows = rows_of(name);
        let mut scorer = load(name).scorer();
        let whole = scored(&mut scorer, &rows, 300);
        assert_eq!(whole.len(), expected.len(), "{name}");
        for (row, (got, expected)) in whole.iter().zip(&expected).enumerate() {
            let off = (got - expected.clamp(0.0, 1.0)).abs();
            assert!(off <= 1e-5, "{name}, row {row}: {got}, onnxruntime has {expected}");
        }
        for batch in [1, 7, 16, 64] {
            let parts = scored(&mut scorer, &rows, batch);
            let same = parts.iter().zip(&whole).all(|(a, b)| a.to_bits() == b.to_bits());
            assert!(same, "{name}: batches of {batch} score differently");
        }
    }
}

#[test]
fn lone_ensembles_run_directly_and_the_summary_says_how() {
    for (name, expected) in MODELS {
        let model = load(name);
        let summary = model.summary();
        match (&summary.kind, expected) {
            (
                ModelKind::TreeEnsemble { trees, leaves, most_leaves, evaluation },
                Some(expected),
            ) => {
                assert_eq!(*evaluation, expected, "{name}");
                assert!(*trees > 0 && leaves >= most_leaves && *most_leaves > 1, "{name}");
            }
            (ModelKind::Graph { operators }, None) => assert!(operators.len() > 1, "{name}"),
            (kind, _) => panic!("{name} is {kind:?}"),
        }
        assert_eq!(summary.examples_checked, 2);
        assert_eq!(summary.features.len(), WIDTH);
        assert_eq!(summary.metrics, [("auc".to_owned(), "0.9".to_owned())]);
    }
    let ModelKind::TreeEnsemble { trees, most_leaves, .. } = load("lightgbm").summary().kind else {
        panic!("lightgbm is one ensemble");
    };
    assert_eq!((trees, most_leaves), (20, 31));
}

/// A model is shared, a scorer moves to its thread: the compiler says so or the tests do not build.
const fn threads<Shared: Send + Sync, Moved: Send>() {}
const _: () = threads::<Model, Scorer>();

#[test]
fn a_shared_model_scores_the_same_on_every_thread() {
    let model = Arc::new(load("lightgbm"));
    let rows = rows_of("lightgbm");
    let expected = scored(&mut model.scorer(), &rows, 300);
    let threads: Vec<_> = (1..5)
        .map(|batch| {
            let (mut scorer, rows) = (model.scorer(), rows.clone());
            std::thread::spawn(move || scored(&mut scorer, &rows, batch * 10))
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), expected);
    }
}

#[test]
fn refused_files_say_what_is_wrong_and_how_to_mend_it() {
    let cases = [
        ("not_onnx", "this is not an ONNX model: "),
        ("empty", "this is not an ONNX model: it has no graph, export the model again"),
        (
            "zipmap",
            "output probabilities is a ZipMap (a list of dictionaries): convert with zipmap off",
        ),
        ("no_threshold", "metadata key `threshold` is missing: set it like 0.7"),
        (
            "unknown_feature",
            "unknown feature `amuont` (nearest: f1, f2): use names of the catalogue",
        ),
        ("wrong_width", "input x has 8 columns, expected one float32 input of shape [N, 5]"),
        (
            "double_input",
            "input x is double, expected one float32 input of shape [N, 8]: convert with",
        ),
        ("one_axis", "input x has 1 axes, expected one float32 input"),
        ("two_inputs", "the model has 2 inputs (x, more), expected one float32 input"),
        ("wrong_example", "the manifest expects 0.9 (tolerance 1e-4)"),
        (
            "range_margin",
            "scores -2.6116989, expected a number from 0 to 1: the output seems to be a raw margin",
        ),
        ("range_percentage", "seems to be a percentage: append a node that divides it by 100"),
        ("range_estimate", "seems to be the estimate of a regressor: train a classifier"),
        ("range_log_probability", "seems to be the logarithm of a probability: append an Exp node"),
        (
            "range_label",
            "seems to be the label of an anomaly detector: export its decision function",
        ),
        ("range_no_number", "the baseline gets no number as its score: look in the graph"),
        (
            "isolation_forest_decision",
            "seems to be the decision function of an anomaly detector such as an isolation forest, \
             which is below 0 for anomalies: append a node that computes 0.5 - output",
        ),
        ("unsupported_operator", "unsupported operator SVMRegressor: export the model without it"),
        ("output_of_nothing", "nothing makes `nowhere`"),
        ("three_columns", "the output is of shape [N, 3], expected an output `probabilities`"),
        (
            "foreign_data",
            "tensor `w` lies in another file (external data), and a model is one file: export \
             with torch.onnx.export(..., external_data=False), or",
        ),
        ("trees_short_list", "nodes_values has "),
        ("trees_unknown_mode", "node 0 of tree 0 has the unknown mode \"BRANCH_NEAR\""),
        ("trees_no_such_child", "node 0 of tree 0 points to node 99, which does not exist"),
        ("trees_cycle", "node 0 of tree 0 leads back to itself"),
        ("trees_unreachable", "of tree 0 is not reached from the tree's first node"),
        ("trees_feature_out_of_range", "node 0 of tree 0 tests feature 8, the input has 8"),
        ("trees_negative_feature", "node 0 of tree 0 tests feature -1"),
        ("trees_class_out_of_range", "of tree 0 is for class 1 of 1"),
        ("trees_vote_for_no_node", "a vote is for node 77 of tree 0, which does not exist"),
        ("trees_node_twice", "node 0 of tree 0 stands twice"),
        ("trees_infinite_weight", "target_weights holds a value that is not finite"),
        ("trees_scattered", "the nodes of tree 0 do not stand together"),
        ("trees_probit", "PROBIT leaves the second class undefined"),
        ("trees_double_for_float", "holds doubles but the input is float32"),
    ];
    for (name, expected) in cases {
        let path = folder().join(format!("refused/{name}.onnx"));
        let error = Model::load(&path, &known).expect_err(name).to_string();
        assert!(error.contains(expected), "{name}: {error}");
        assert!(!error.contains('\n'), "{name} is more than one line: {error}");
    }
    let files = std::fs::read_dir(folder().join("refused")).unwrap().count();
    assert_eq!(files, cases.len(), "a file in refused/ has no case");
    let error = Model::load(&folder().join("none.onnx"), &known).unwrap_err().to_string();
    assert!(error.starts_with("cannot read model file "), "{error}");
}

#[test]
fn damaged_files_are_refused_without_a_panic() {
    for (name, step) in [("decision_tree", 7), ("dense", 11), ("stacking", 11), ("calibrated", 11)]
    {
        damage(name, step);
    }
}

fn damage(name: &str, step: usize) {
    let bytes = std::fs::read(folder().join(format!("{name}.onnx"))).unwrap();
    for at in (0..bytes.len()).step_by(step) {
        for damage in [bytes[..at].to_vec(), flip(&bytes, at, 0x55), flip(&bytes, at, 0x80)] {
            // Whether it still loads depends on the byte; that it returns is the point.
            if let Ok(model) = Model::from_bytes(&damage, &|_| Ok(-1e12..=1e12)) {
                let row = model.manifest().baseline.clone();
                let mut scores = Vec::new();
                model.scorer().score(&row, &mut scores).unwrap();
                assert!((0.0..=1.0).contains(&scores[0]), "{name}, byte {at}");
            }
        }
    }
}

fn flip(bytes: &[u8], at: usize, mask: u8) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= mask;
    bytes
}

#[test]
fn rows_of_another_width_are_an_error() {
    let mut scorer = load("lightgbm").scorer();
    let mut scores = vec![1.0];
    let error = scorer.score(&[0.0; WIDTH + 1], &mut scores).unwrap_err();
    assert_eq!(error, ScoreError::Shape { values: WIDTH + 1, width: WIDTH });
    assert!(scores.is_empty());
    scorer.score(&[], &mut scores).unwrap();
    assert!(scores.is_empty());
}

#[test]
fn a_score_that_is_no_number_is_named_and_the_others_hold() {
    let mut scorer = load("dense").scorer();
    let mut rows = rows_of("dense")[..3 * WIDTH].to_vec();
    let mut expected = Vec::new();
    scorer.score(&rows, &mut expected).unwrap();
    rows[WIDTH] = f32::NAN;
    let mut scores = Vec::new();
    let error = scorer.score(&rows, &mut scores).unwrap_err();
    assert_eq!(error, ScoreError::NoProbability { model: "fixture 1".into(), row: 1, count: 1 });
    assert!(scores[1].is_nan());
    assert_eq!((scores[0], scores[2]), (expected[0], expected[2]));
}

#[test]
fn a_score_outside_0_to_1_is_no_score() {
    // Within the bounds of its features the sum stays within 0..1; no payment should leave them.
    let path = folder().join("linear_score.onnx");
    let mut scorer = Model::load(&path, &|_| Ok(-1.0..=1.0)).unwrap().scorer();
    let mut rows = vec![0.0; 5 * WIDTH];
    for (row, f0) in [0.0, 5.00001, 10.0, -10.0, -5.0].into_iter().enumerate() {
        rows[row * WIDTH] = f0;
    }
    let mut scores = Vec::new();
    let error = scorer.score(&rows, &mut scores).unwrap_err();
    let model = "fixture 1".to_owned();
    assert_eq!(error, ScoreError::NoProbability { model, row: 2, count: 2 });
    assert!(scores[2].is_nan() && scores[3].is_nan());
    assert_eq!((scores[0], scores[1], scores[4]), (0.5, 1.0, 0.0));
    let error = Model::load(&path, &|_| Ok(-10.0..=10.0)).unwrap_err().to_string();
    let expected = "a row with `f0` at -10 scores -0.5, expected a number from 0 to 1: the output \
                    seems to be the estimate of a regressor";
    assert!(error.contains(expected), "{error}");
}

#[test]
fn extreme_rows_that_get_no_score_are_a_warning() {
    let path = folder().join("overflowing_score.onnx");
    let warnings = |highest: f64| {
        let model = Model::load(&path, &|_| Ok(0.0..=highest)).unwrap();
        model.summary().warnings.clone()
    };
    assert_eq!(warnings(80.0), [""; 0]);
    let [warning] = warnings(1e4).try_into().unwrap();
    let expected = "the model gives no score for `f0` at 100, all features at their highest, ";
    assert!(warning.starts_with(expected), "{warning}");
    assert!(
        warning.ends_with(" of 256 mixes of usual and extreme values: such payments are set aside")
    );
}

#[test]
fn a_row_on_which_the_model_fails_has_no_score_and_the_others_hold() {
    let path = folder().join("table_score.onnx");
    let model = Model::load(&path, &|_| Ok(0.0..=100.0)).unwrap();
    let [warning] = model.summary().warnings.clone().try_into().unwrap();
    assert!(warning.starts_with("the model gives no score for `f0` at 100, "), "{warning}");
    let mut rows = vec![0.0; 20 * WIDTH];
    for row in 0..20 {
        rows[row * WIDTH] = row as f32 / 2.0;
    }
    rows[3 * WIDTH] = 10.0;
    let (mut scorer, mut scores) = (model.scorer(), Vec::new());
    let error = scorer.score(&rows, &mut scores).unwrap_err();
    let model = "fixture 1".to_owned();
    assert_eq!(error, ScoreError::NoProbability { model, row: 3, count: 1 });
    for (row, score) in scores.into_iter().enumerate().filter(|&(row, _)| row != 3) {
        assert_eq!(score, (row / 2) as f32 / 10.0);
    }
}

#[test]
fn contributions_are_drops_of_the_score_strongest_first() {
    for name in ["lightgbm", "dense", "lightgbm_missing"] {
        let model = load(name);
        let mut scorer = model.scorer();
        let baseline = &model.manifest().baseline;
        let rows = rows_of(name);
        let (mut scores, mut one, mut found) = (Vec::new(), Vec::new(), vec![(99, 0.0)]);
        scorer.score(&rows, &mut scores).unwrap();
        let mut most = 0;
        for (row, &score) in rows.chunks(WIDTH).zip(&scores) {
            contributions(&mut scorer, row, score, baseline, &mut found).unwrap();
            let mut expected = Vec::new();
            for feature in 0..WIDTH {
                let mut changed = row.to_vec();
                changed[feature] = baseline[feature];
                scorer.score(&changed, &mut one).unwrap();
                expected.push((feature, score - one[0]));
            }
            expected.retain(|&(_, drop)| drop > 0.0);
            expected.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            expected.truncate(5);
            assert_eq!(found, expected, "{name}");
            most = most.max(found.len());
        }
        assert_eq!(most, 5, "{name}");
        contributions(&mut scorer, baseline, 0.5, baseline, &mut found).unwrap();
        assert_eq!(found, []);
    }
}
