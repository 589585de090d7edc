//! Output columns beside input columns: the output's names are fixed, so the input's give way.
//!
//! Avro allows only letters, digits and `_` in a name. A column that is called otherwise gets the
//! nearest name that is free, and the summary says so.

use arrow_schema::{Field, Schema};

use crate::files::Format;

/// Columns of an output and which of the input's were renamed for it.
pub(in crate::files) struct Naming {
    /// The input's columns, then the added ones.
    pub(in crate::files) schema: Schema,
    /// Old name, new name.
    pub(in crate::files) renamed: Vec<(String, String)>,
}

/// The input's columns followed by `added`. An input column with the name of an added one becomes
/// `input_<name>`; one with a name that the format does not allow gets one that it does.
pub(in crate::files) fn extended(input: &Schema, added: Vec<Field>, format: Format) -> Naming {
    let mut renamed = Vec::new();
    let mut fields: Vec<Field> = Vec::with_capacity(input.fields().len() + added.len());
    for original in input.fields() {
        let mut field = original.as_ref().clone();
        if added.iter().any(|new| new.name() == field.name()) {
            field.set_name(format!("input_{}", field.name()));
        }
        if format == Format::Avro {
            field.set_name(avro_name(field.name()));
        }
        if field.name() != original.name() {
            while is_taken(input, &fields, &added, field.name()) {
                field.set_name(format!("input_{}", field.name()));
            }
            renamed.push((original.name().clone(), field.name().clone()));
        }
        fields.push(field);
    }
    fields.extend(added);
    Naming { schema: Schema::new(fields), renamed }
}

fn is_taken(input: &Schema, fields: &[Field], added: &[Field], name: &str) -> bool {
    let is_named = |field: &Field| field.name() == name;
    input.index_of(name).is_ok() || fields.iter().any(is_named) || added.iter().any(is_named)
}

/// The name with `_` for every character that Avro does not allow.
fn avro_name(name: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = name.chars().map(allowed).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}
