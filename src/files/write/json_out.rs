//! JSON values that are kept as text come out as values again.
//!
//! An array or object in a JSON Lines input becomes a text column, because its type may differ from
//! line to line. Written back as a text it would be a quoted string: the columns marked by
//! [`raw_json`](crate::files::block::raw_json) are therefore written as they are.

use arrow_array::cast::AsArray;
use arrow_array::{Array, StringArray};
use arrow_json::writer::{Encoder, EncoderFactory, EncoderOptions, NullableEncoder};
use arrow_schema::{ArrowError, DataType, FieldRef};

use crate::files::block::is_raw_json;

/// Encodes marked columns as the JSON that they hold.
#[derive(Debug)]
pub(super) struct RawJson;

struct RawTexts<'a>(&'a StringArray);

impl EncoderFactory for RawJson {
    fn make_default_encoder<'a>(
        &self,
        field: &'a FieldRef,
        array: &'a dyn Array,
        _options: &'a EncoderOptions,
    ) -> Result<Option<NullableEncoder<'a>>, ArrowError> {
        if !is_raw_json(field) || array.data_type() != &DataType::Utf8 {
            return Ok(None);
        }
        let texts = RawTexts(array.as_string::<i32>());
        Ok(Some(NullableEncoder::new(Box::new(texts), array.nulls().cloned())))
    }
}

impl Encoder for RawTexts<'_> {
    fn encode(&mut self, index: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.value(index).as_bytes());
    }
}
