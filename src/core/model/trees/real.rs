//! The two float types that an ensemble may compute in: the type of its input, as in onnxruntime.

use super::attributes::Numbers;
use super::error::TreeError;

/// `f32` or `f64`.
pub trait Real: Copy + PartialOrd + std::fmt::Debug + Send + Sync + 'static {
    /// Not a number.
    const NAN: Self;
    /// Positive infinity.
    const INFINITY: Self;
    /// Zero.
    const ZERO: Self;
    /// The list as numbers of this type. Doubles for `f32` are refused, as onnxruntime does.
    fn list(attribute: &str, numbers: &Numbers) -> Result<Vec<Self>, TreeError>;
    /// The largest number below this one; `None` below negative infinity and for NaN.
    fn below(self) -> Option<Self>;
    /// Whether this is NaN.
    fn is_nan(self) -> bool;
    /// Whether this is neither infinite nor NaN.
    fn is_finite(self) -> bool;
    /// The sum.
    fn plus(self, other: Self) -> Self;
    /// The quotient by a count.
    fn over(self, count: usize) -> Self;
    /// Rounded to `f32`.
    fn to_f32(self) -> f32;
    /// The whole number from 0 to 4,294,967,295 that this equals, if there is one.
    fn as_whole(self) -> Option<usize>;
}

impl Real for f32 {
    const NAN: Self = f32::NAN;
    const INFINITY: Self = f32::INFINITY;
    const ZERO: Self = 0.0;

    fn list(attribute: &str, numbers: &Numbers) -> Result<Vec<Self>, TreeError> {
        match numbers {
            Numbers::Single(values) => Ok(values.clone()),
            Numbers::Double(_) => {
                Err(TreeError::DoubleForFloat { attribute: format!("{attribute}_as_tensor") })
            }
        }
    }

    fn below(self) -> Option<Self> {
        (self > f32::NEG_INFINITY).then(|| self.next_down())
    }

    fn is_nan(self) -> bool {
        self.is_nan()
    }

    fn is_finite(self) -> bool {
        self.is_finite()
    }

    fn plus(self, other: Self) -> Self {
        self + other
    }

    fn over(self, count: usize) -> Self {
        self / count as f32
    }

    fn to_f32(self) -> f32 {
        self
    }

    #[inline(always)]
    fn as_whole(self) -> Option<usize> {
        let whole = self as u32;
        (whole as f32 == self).then_some(whole as usize)
    }
}

impl Real for f64 {
    const NAN: Self = f64::NAN;
    const INFINITY: Self = f64::INFINITY;
    const ZERO: Self = 0.0;

    fn list(_attribute: &str, numbers: &Numbers) -> Result<Vec<Self>, TreeError> {
        Ok(match numbers {
            Numbers::Single(values) => values.iter().map(|&value| f64::from(value)).collect(),
            Numbers::Double(values) => values.clone(),
        })
    }

    fn below(self) -> Option<Self> {
        (self > f64::NEG_INFINITY).then(|| self.next_down())
    }

    fn is_nan(self) -> bool {
        self.is_nan()
    }

    fn is_finite(self) -> bool {
        self.is_finite()
    }

    fn plus(self, other: Self) -> Self {
        self + other
    }

    fn over(self, count: usize) -> Self {
        self / count as f64
    }

    fn to_f32(self) -> f32 {
        self as f32
    }

    #[inline(always)]
    fn as_whole(self) -> Option<usize> {
        let whole = self as u32;
        (f64::from(whole) == self).then_some(whole as usize)
    }
}
