//! Every operator of `tests/fixtures/models/operators.bin` against onnxruntime, on values from
//! denormal to infinite.

use tract_onnx::prelude::*;

use super::framework;

const WIDTH: usize = 4;

/// A graph with onnxruntime's outputs for the rows.
struct Case {
    name: String,
    model: Vec<u8>,
    expected: Vec<f32>,
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    let (values, _) = bytes.as_chunks::<4>();
    values.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
}

/// The rows and the cases.
fn fixture() -> (Vec<f32>, Vec<Case>) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/models/");
    let blob = std::fs::read(format!("{folder}operators.bin")).unwrap();
    let mut rest = blob.as_slice();
    let mut part = || {
        let (length, tail) = rest.split_first_chunk::<4>()?;
        let (part, tail) = tail.split_at(u32::from_le_bytes(*length) as usize);
        rest = tail;
        Some(part.to_vec())
    };
    let rows = floats(&part().unwrap());
    let mut cases = Vec::new();
    while let Some(name) = part() {
        let name = String::from_utf8(name).unwrap();
        let (model, expected) = (part().unwrap(), floats(&part().unwrap()));
        cases.push(Case { name, model, expected });
    }
    (rows, cases)
}

/// What the product computes for a case, or why it cannot.
fn computed(case: &Case, rows: &[f32]) -> TractResult<Vec<f32>> {
    let onnx = framework();
    let proto = onnx.proto_model_for_read(&mut case.model.as_slice())?;
    let count = rows.len() / WIDTH;
    let plan = onnx
        .model_for_proto_model(&proto)?
        .with_input_fact(0, f32::fact([count, WIDTH]).into())?
        .into_optimized()?
        .into_runnable()?;
    let outputs = plan.run(tvec!(Tensor::from_shape(&[count, WIDTH], rows)?.into()))?;
    Ok(outputs[0].try_as_plain_ram()?.as_slice::<f32>()?.to_vec())
}

/// Where this project's answers differ from onnxruntime's: the case, how many values, why.
const DIFFERENT: [(&str, usize, &str); 5] = [
    (
        "pair Div",
        5,
        "tract multiplies by the inverse, which is infinite for divisors below 2.9e-39",
    ),
    ("Pow 0.5", 1, "the root of minus infinity is no number"),
    ("Mul 0.0", 6, "tract takes 0 times anything for 0"),
    ("ReduceLogSumExp all", 1, "a NaN among infinities stays NaN"),
    ("Normalizer L2", 14, "onnxruntime loses squares that float32 cannot hold"),
];

/// Equal to 1e-5. A sum may cancel out to nothing but rounding of its largest part, `largest`.
fn near(got: f32, expected: f32, largest: f32) -> bool {
    let off = (got - expected).abs();
    let room = (1e-5 * expected.abs().max(1.0)).max(1e-6 * largest);
    got == expected || off <= room || (got.is_nan() && expected.is_nan())
}

/// Rows and values of which a case's answers differ, in words.
fn differences(case: &Case, rows: &[f32]) -> Vec<String> {
    let got = computed(case, rows).unwrap_or_else(|error| panic!("{}: {error:#}", case.name));
    assert_eq!(got.len(), case.expected.len(), "{}", case.name);
    let is_sum = case.name.starts_with("ReduceSum") || case.name.starts_with("ReduceMean");
    let each = got.len().div_ceil(rows.len() / WIDTH);
    let mut differences = Vec::new();
    for (at, (&got, &expected)) in got.iter().zip(&case.expected).enumerate() {
        let row = &rows[at / each * WIDTH..][..WIDTH];
        let largest = row.iter().filter(|x| x.is_finite()).fold(0f32, |most, x| most.max(x.abs()));
        if !near(got, expected, if is_sum { largest } else { 0.0 }) {
            differences.push(format!("{row:?} gives {got:e}, in onnxruntime {expected:e}"));
        }
    }
    differences
}

#[test]
fn every_operator_computes_as_onnxruntime_does() {
    let (rows, cases) = fixture();
    let mut wrong = Vec::new();
    for case in &cases {
        let known = DIFFERENT.iter().find(|(name, ..)| *name == case.name);
        let found = differences(case, &rows);
        if found.len() != known.map_or(0, |&(_, count, _)| count) {
            let few = found.iter().take(4).cloned().collect::<Vec<_>>().join("; ");
            wrong.push(format!("{}: {} values: {few}", case.name, found.len()));
        }
    }
    assert!(wrong.is_empty(), "{} of {}\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}
