//! A producer's schema, resolved once, as steps; and a datum read by them in one pass.
//!
//! The steps stand in the producer's field order, because that is the order of the bytes. Nothing
//! is looked up and nothing allocated on the way: a step knows its type and its slot.

use super::cursor::{Cursor, Fault};
use super::skip::{NodeId, Skipper};
use super::table::{Cell, Row};
use super::{Reason, Rejected};
use crate::core::transaction::Status;

/// How the bytes of one type become a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Read {
    /// `string`.
    Text,
    /// `bytes` that hold a text.
    TextOfBytes,
    /// `double`.
    Double,
    /// `float`, widened.
    Float,
    /// `int`, to the double of the same value.
    Int,
    /// `long`, to the nearest double.
    Long,
    /// `decimal` as `bytes`, to the nearest double.
    DecimalBytes { scale: usize },
    /// `decimal` as `fixed`, to the nearest double.
    DecimalFixed { scale: usize, size: usize },
    /// A `long` of so many units a millisecond, rounded down.
    Time { per_milli: i64 },
    /// An `int` of milliseconds.
    TimeOfInt,
    /// `boolean`.
    Flag,
    /// `enum`: the status for each of the producer's symbols.
    Status(Box<[Status]>),
    /// `string` that holds a status symbol.
    StatusOfText,
    /// `enum` for a text: the producer's symbols.
    Symbol(Box<[&'static str]>),
}

impl Read {
    /// Reads a value into its cell. In place, because a cell that is returned is put together in
    /// memory and copied from there: that alone took most of a record's time.
    #[inline]
    fn read<'a>(&self, cursor: &mut Cursor<'a>, cell: &mut Cell<'a>) -> Result<(), Fault> {
        match self {
            Self::Text => *cell = Cell::Text(cursor.text()?),
            Self::Double => *cell = Cell::Number(cursor.double()?),
            Self::Time { per_milli: 1 } => *cell = Cell::Time(cursor.long()?),
            Self::Status(symbols) => {
                let index = cursor.index(Fault::UnknownSymbol)?;
                *cell = Cell::Status(*symbols.get(index).ok_or(Fault::UnknownSymbol)?);
            }
            converted => return converted.convert(cursor, cell),
        }
        Ok(())
    }

    #[inline(never)]
    fn convert<'a>(&self, cursor: &mut Cursor<'a>, cell: &mut Cell<'a>) -> Result<(), Fault> {
        *cell = match self {
            Self::TextOfBytes => {
                Cell::Text(str::from_utf8(cursor.bytes()?).map_err(|_| Fault::BytesNotText)?)
            }
            Self::Float => Cell::Number(f64::from(cursor.float()?)),
            Self::Int => Cell::Number(f64::from(cursor.int()?)),
            Self::Long => Cell::Number(cursor.long()? as f64),
            Self::DecimalBytes { scale } => Cell::Number(decimal(cursor.bytes()?, *scale)?),
            Self::DecimalFixed { scale, size } => {
                Cell::Number(decimal(cursor.take(*size)?, *scale)?)
            }
            Self::Time { per_milli } => Cell::Time(cursor.long()?.div_euclid(*per_milli)),
            Self::TimeOfInt => Cell::Time(i64::from(cursor.int()?)),
            Self::Flag => Cell::Flag(cursor.boolean()?),
            Self::StatusOfText => {
                Cell::Status(Status::from_text(cursor.text()?).ok_or(Fault::NoStatus)?)
            }
            Self::Symbol(symbols) => {
                let index = cursor.index(Fault::UnknownSymbol)?;
                Cell::Text(symbols.get(index).ok_or(Fault::UnknownSymbol)?)
            }
            Self::Text | Self::Double | Self::Status(_) => return self.read(cursor, cell),
        };
        Ok(())
    }
}

/// What to do with a union's branch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Branch {
    /// Read it.
    Read(Read),
    /// Null: the reader's default.
    Null,
    /// Null where a value is needed, or a type that does not resolve.
    Fault(Fault),
}

/// One of the producer's fields.
#[derive(Debug)]
pub(super) enum Step {
    /// Into a slot.
    Read { slot: u8, read: Read },
    /// A union of null and one type, into a slot. `null` is the number of the null branch, 0 or 1.
    Nullable { slot: u8, null: i64, absent: Result<(), Fault>, read: Read },
    /// Any other union, into a slot.
    Union { slot: u8, branches: Box<[Branch]> },
    /// Nobody reads it.
    Skip(NodeId),
}

impl Step {
    #[inline]
    fn run<'a>(
        &self,
        skipper: &Skipper,
        cursor: &mut Cursor<'a>,
        row: &mut Row<'a>,
    ) -> Result<(), Fault> {
        match self {
            Self::Read { slot, read } => read.read(cursor, row.cell(*slot))?,
            Self::Nullable { slot, null, absent, read } => match cursor.long()? {
                branch if branch == *null => return *absent,
                0 | 1 => read.read(cursor, row.cell(*slot))?,
                _ => return Err(Fault::UnknownBranch),
            },
            Self::Union { slot, branches } => {
                let index = cursor.index(Fault::UnknownBranch)?;
                match branches.get(index).ok_or(Fault::UnknownBranch)? {
                    Branch::Read(read) => read.read(cursor, row.cell(*slot))?,
                    Branch::Null => {}
                    Branch::Fault(fault) => return Err(*fault),
                }
            }
            Self::Skip(node) => skipper.skip(*node, cursor)?,
        }
        Ok(())
    }
}

/// How to read data of one producer record schema.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) steps: Box<[Step]>,
    /// The producer's field names, step by step, for messages.
    pub(super) names: Box<[Box<str>]>,
    pub(super) skipper: Skipper,
}

impl Plan {
    #[inline]
    fn read<'a>(&self, cursor: &mut Cursor<'a>, row: &mut Row<'a>) -> Result<(), (usize, Fault)> {
        for (index, step) in self.steps.iter().enumerate() {
            step.run(&self.skipper, cursor, row).map_err(|fault| (index, fault))?;
        }
        match cursor.left() {
            0 => Ok(()),
            _ => Err((self.steps.len(), Fault::Trailing)),
        }
    }

    #[cold]
    fn explain(&self, index: usize, fault: Fault, at: usize) -> Rejected {
        let words = fault.words();
        let message = match self.names.get(index) {
            Some(name) => format!("field {name}: {words}, byte {at} of the datum"),
            None => format!("{words}, byte {at} of the datum"),
        };
        Rejected::new(fault.reason(), message)
    }
}

/// How to read data of a producer's schema: a record, or a union of which some branches are read.
#[derive(Debug)]
pub(super) struct Program {
    /// For each branch the plan, or the outcome of every record that has this branch.
    pub(super) branches: Box<[Result<Plan, Rejected>]>,
    /// Whether a datum starts with the number of its branch.
    pub(super) is_union: bool,
}

impl Program {
    /// A program under which every record has the same outcome.
    pub(super) fn rejecting(rejected: Rejected) -> Self {
        Self { branches: Box::new([Err(rejected)]), is_union: false }
    }

    /// Reads the whole datum into the row.
    #[inline]
    pub(super) fn read<'a>(&self, datum: &'a [u8], row: &mut Row<'a>) -> Result<(), Rejected> {
        let mut cursor = Cursor::new(datum);
        let branch = if self.is_union { self.branch(&mut cursor)? } else { &self.branches[0] };
        let plan = branch.as_ref().map_err(Rejected::clone)?;
        plan.read(&mut cursor, row)
            .map_err(|(index, fault)| plan.explain(index, fault, datum.len() - cursor.left()))
    }

    fn branch(&self, cursor: &mut Cursor<'_>) -> Result<&Result<Plan, Rejected>, Rejected> {
        let index = cursor.index(Fault::UnknownBranch);
        index.and_then(|index| self.branches.get(index).ok_or(Fault::UnknownBranch)).map_err(
            |fault| {
                let message = format!("the datum's union branch: {}", fault.words());
                Rejected::new(Reason::MalformedAvro, message)
            },
        )
    }
}

/// The double nearest to a decimal: a big-endian two's complement number of 10^-scale units.
fn decimal(bytes: &[u8], scale: usize) -> Result<f64, Fault> {
    let unscaled = unscaled(bytes)?;
    // Both are exact doubles up to here, so the quotient is rounded once.
    if unscaled.unsigned_abs() <= 1 << 53 && scale <= 22 {
        let power = POWERS_OF_TEN[scale];
        return Ok(unscaled as f64 / power);
    }
    Ok(nearest_double(unscaled, scale))
}

const POWERS_OF_TEN: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

fn unscaled(bytes: &[u8]) -> Result<i128, Fault> {
    let sign = match bytes {
        [] => return Err(Fault::EmptyDecimal),
        [128..=255, ..] => 0xFF,
        _ => 0,
    };
    let excess = bytes.len().saturating_sub(16);
    let (extension, digits) = bytes.split_at(excess);
    let number = digits
        .iter()
        .fold(if sign == 0 { 0 } else { -1 }, |number: i128, &byte| number << 8 | i128::from(byte));
    let fits = extension.iter().all(|&byte| byte == sign) && (number < 0) == (sign != 0);
    if fits { Ok(number) } else { Err(Fault::WideDecimal) }
}

/// The standard library's parser rounds decimals of any length correctly.
fn nearest_double(unscaled: i128, scale: usize) -> f64 {
    use std::io::Write as _;
    let mut buffer = [0; 72];
    let mut rest = &mut buffer[..];
    write!(rest, "{unscaled}e-{scale}").expect("invariant: 40 digits, 2 signs and 20 digits fit");
    let left = rest.len();
    let text = &buffer[..buffer.len() - left];
    let text = str::from_utf8(text).expect("invariant: digits are UTF-8");
    text.parse().expect("invariant: digits with an exponent are a number")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_the_nearest_double() {
        let cases: [(&[u8], usize, Result<f64, Fault>); 12] = [
            (&[0x04, 0xD2], 2, Ok(12.34)),
            (&[0xFB, 0x2E], 2, Ok(-12.34)),
            (&[0x00, 0x80], 0, Ok(128.0)),
            (&[0x80], 0, Ok(-128.0)),
            (&[0x01], 22, Ok(1e-22)),
            (&[0x01], 23, Ok(1e-23)),
            (&[0x01], 400, Ok(0.0)),
            (&[0x01], usize::MAX, Ok(0.0)),
            (&[0; 40], 2, Ok(0.0)),
            (&[0xFF; 40], 1, Ok(-0.1)),
            (&[0x01; 17], 2, Err(Fault::WideDecimal)),
            (&[], 2, Err(Fault::EmptyDecimal)),
        ];
        for (bytes, scale, expected) in cases {
            assert_eq!(decimal(bytes, scale), expected, "{bytes:02x?} {scale}");
        }
        // A sign bit without its extension: 2^127 needs 129 bits.
        let mut wide = [0; 17];
        wide[1] = 0x80;
        assert_eq!(decimal(&wide, 0), Err(Fault::WideDecimal));
        let amount = 123_456_789_012_345_678_901_234_567_890_i128;
        assert_eq!(decimal(&amount.to_be_bytes(), 20), Ok(1_234_567_890.123_456_8));
        assert_eq!(decimal(&i128::MIN.to_be_bytes(), 0), Ok(i128::MIN as f64));
    }
}
