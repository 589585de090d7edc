//! Columns of bytes as the texts that they stand for.

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, StringArray};

/// Sixteen bytes as the usual text of a UUID; other binaries are null.
pub(super) fn uuids(column: &ArrayRef) -> StringArray {
    let values = column.as_fixed_size_binary().iter();
    let text = |bytes: &[u8]| uuid::Uuid::from_slice(bytes).ok().map(|uuid| uuid.to_string());
    values.map(|bytes| bytes.and_then(text)).collect()
}
