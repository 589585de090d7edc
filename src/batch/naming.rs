//! Output columns beside input columns: the output's names are fixed, so the input's give way.

use arrow_schema::{Field, Schema};

/// Columns of an output and which of the input's were renamed for it.
pub(super) struct Naming {
    /// The input's columns, then the added ones.
    pub(super) schema: Schema,
    /// Old name, new name.
    pub(super) renamed: Vec<(String, String)>,
}

/// The input's columns followed by `added`. An input column with the name of an added one becomes
/// `input_<name>`.
pub(super) fn extended(input: &Schema, added: Vec<Field>) -> Naming {
    let mut renamed = Vec::new();
    let mut fields: Vec<Field> = Vec::with_capacity(input.fields().len() + added.len());
    for field in input.fields() {
        let mut field = field.as_ref().clone();
        if added.iter().any(|new| new.name() == field.name()) {
            let name = free_name(input, &added, field.name());
            renamed.push((field.name().clone(), name.clone()));
            field.set_name(name);
        }
        fields.push(field);
    }
    fields.extend(added);
    Naming { schema: Schema::new(fields), renamed }
}

fn free_name(input: &Schema, added: &[Field], taken: &str) -> String {
    let mut name = format!("input_{taken}");
    while input.index_of(&name).is_ok() || added.iter().any(|field| field.name() == &name) {
        name.insert_str(0, "input_");
    }
    name
}
