//! Which column of a file is which field of a transaction.
//!
//! Files come from elsewhere and call things as they like: `--columns amount=TX_AMOUNT,...` says
//! what is what, and a field that is not named there is looked for under its own name, first
//! exactly, then in any case. All of this happens once, before the first row, so a mistake costs a
//! second and not an hour: every error names what was asked, what is there and what to write
//! instead.

use arrow_schema::Schema;

use crate::files::Error;

/// A field of [`RawTransaction`](crate::core::transaction::RawTransaction).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FieldName {
    /// See the schema `Transaction`, as for all of these.
    TransactionId,
    /// Owner of the windows.
    CustomerId,
    /// Where the money went.
    MerchantId,
    /// When it happened.
    EventTime,
    /// Major units.
    Amount,
    /// ISO 4217.
    Currency,
    /// Merchant category.
    Category,
    /// UPI, Credit Card, ...
    PaymentMode,
    /// POS, Online, ...
    Channel,
    /// APPROVED, DECLINED, REFUNDED.
    Status,
    /// For people to read.
    MerchantName,
    /// 0 to 1.
    MerchantReputation,
    /// Where it was made.
    City,
    /// ISO 3166-1 alpha-2.
    Country,
    /// Degrees north.
    Latitude,
    /// Degrees east.
    Longitude,
    /// Degrees north of the home.
    HomeLatitude,
    /// Degrees east of the home.
    HomeLongitude,
    /// The device.
    DeviceId,
    /// The address.
    IpAddress,
}

impl FieldName {
    /// Number of fields.
    pub const COUNT: usize = 20;

    /// All fields in the schema's order.
    pub const ALL: [Self; Self::COUNT] = [
        Self::TransactionId,
        Self::CustomerId,
        Self::MerchantId,
        Self::EventTime,
        Self::Amount,
        Self::Currency,
        Self::Category,
        Self::PaymentMode,
        Self::Channel,
        Self::Status,
        Self::MerchantName,
        Self::MerchantReputation,
        Self::City,
        Self::Country,
        Self::Latitude,
        Self::Longitude,
        Self::HomeLatitude,
        Self::HomeLongitude,
        Self::DeviceId,
        Self::IpAddress,
    ];

    /// The schema's field name.
    pub fn name(self) -> &'static str {
        const NAMES: [&str; FieldName::COUNT] = [
            "transaction_id",
            "customer_id",
            "merchant_id",
            "event_time",
            "amount",
            "currency",
            "category",
            "payment_mode",
            "channel",
            "status",
            "merchant_name",
            "merchant_reputation",
            "city",
            "country",
            "latitude",
            "longitude",
            "home_latitude",
            "home_longitude",
            "device_id",
            "ip_address",
        ];
        NAMES[self as usize]
    }

    /// Without these there is no transaction.
    pub fn is_required(self) -> bool {
        matches!(
            self,
            Self::TransactionId
                | Self::CustomerId
                | Self::MerchantId
                | Self::EventTime
                | Self::Amount
        )
    }

    /// Holds a text.
    pub(super) fn is_text(self) -> bool {
        !matches!(
            self,
            Self::EventTime
                | Self::Amount
                | Self::MerchantReputation
                | Self::Latitude
                | Self::Longitude
                | Self::HomeLatitude
                | Self::HomeLongitude
        )
    }

    /// The field of a schema name.
    pub(in crate::files) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }
}

/// What `--columns` says: fields that a file calls otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnMap {
    renamed: Vec<(FieldName, String)>,
}

impl ColumnMap {
    /// Reads `field=COLUMN,field=COLUMN`. Unknown and repeated fields are usage errors; so is a
    /// pair without `=`. An empty text maps nothing.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut map = Self::default();
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let Some((field, column)) = pair.split_once('=') else {
                return Err(Error::Usage(format!(
                    "--columns has {pair}, it must be field=COLUMN, for example amount=TX_AMOUNT"
                )));
            };
            map.add(field.trim(), column.trim())?;
        }
        Ok(map)
    }

    /// Maps one field to a column. Unknown and repeated fields are usage errors.
    pub fn add(&mut self, field: &str, column: &str) -> Result<(), Error> {
        let name = FieldName::from_name(field).ok_or_else(|| unknown_field(field))?;
        if column.is_empty() {
            return Err(Error::Usage(format!("--columns maps {field} to no column")));
        }
        if self.column_of(name).is_some() {
            return Err(Error::Usage(format!("--columns maps {field} twice")));
        }
        self.renamed.push((name, column.to_owned()));
        Ok(())
    }

    fn column_of(&self, field: FieldName) -> Option<&str> {
        self.renamed.iter().find(|(name, _)| *name == field).map(|(_, column)| column.as_str())
    }

    /// Where each field lies in a file with these columns; a usage error when a required field or a
    /// column that was named is not there.
    pub(in crate::files) fn resolve(&self, schema: &Schema) -> Result<Resolved, Error> {
        let mut resolved = Resolved { places: [None; FieldName::COUNT] };
        let mut missing = Vec::new();
        for field in FieldName::ALL {
            let place = match self.column_of(field) {
                Some(column) => Some(
                    find(schema, column)?
                        .ok_or_else(|| no_such_column(schema, column, field.name()))?,
                ),
                None => find(schema, field.name())?,
            };
            if place.is_none() && field.is_required() {
                missing.push(field.name());
            }
            resolved.places[field as usize] = place;
        }
        if missing.is_empty() { Ok(resolved) } else { Err(missing_columns(schema, &missing)) }
    }
}

/// The place of each field among a file's columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::files) struct Resolved {
    places: [Option<usize>; FieldName::COUNT],
}

impl Resolved {
    /// For an input without columns, which has no rows either.
    pub(in crate::files) fn nowhere() -> Self {
        Self { places: [None; FieldName::COUNT] }
    }

    /// The column index of a field, or `None` where the file has no such column.
    pub(in crate::files) fn place(&self, field: FieldName) -> Option<usize> {
        self.places[field as usize]
    }

    /// Places in use, for projections.
    pub(in crate::files) fn places(&self) -> impl Iterator<Item = usize> + '_ {
        self.places.iter().flatten().copied()
    }

    /// The same fields after only the columns at `kept` (ascending) were read.
    pub(in crate::files) fn projected(&self, kept: &[usize]) -> Self {
        let moved = |place: usize| kept.binary_search(&place).ok();
        Self { places: self.places.map(|place| place.and_then(moved)) }
    }
}

/// The index of a column: its exact name first, then the same name in another case.
pub(in crate::files) fn find(schema: &Schema, name: &str) -> Result<Option<usize>, Error> {
    if let Ok(index) = schema.index_of(name) {
        return Ok(Some(index));
    }
    let alike: Vec<usize> = (0..schema.fields().len())
        .filter(|index| schema.field(*index).name().eq_ignore_ascii_case(name))
        .collect();
    match alike.as_slice() {
        [] => Ok(None),
        [index] => Ok(Some(*index)),
        [first, second, ..] => Err(Error::Usage(format!(
            "columns {} and {} could both be {name}; say which with --columns {name}=COLUMN",
            schema.field(*first).name(),
            schema.field(*second).name()
        ))),
    }
}

pub(in crate::files) fn no_such_column(schema: &Schema, column: &str, used_for: &str) -> Error {
    let nearest = nearest(column, schema.fields().iter().map(|field| field.name().as_str()));
    let hint = nearest.map(|name| format!("; did you mean {name}?")).unwrap_or_default();
    Error::Usage(format!(
        "no column {column} (asked for as {used_for}); there are {}{hint}",
        listed(schema)
    ))
}

fn missing_columns(schema: &Schema, missing: &[&str]) -> Error {
    let example: Vec<String> = missing.iter().map(|name| format!("{name}=COLUMN")).collect();
    Error::Usage(format!(
        "no column for {}; there are {}; say which is which with --columns {}",
        missing.join(", "),
        listed(schema),
        example.join(",")
    ))
}

fn unknown_field(field: &str) -> Error {
    let names = || FieldName::ALL.into_iter().map(FieldName::name);
    let hint = nearest(field, names()).map(|name| format!("; did you mean {name}?"));
    Error::Usage(format!(
        "--columns names an unknown field {field}{}; fields are {}",
        hint.unwrap_or_default(),
        names().collect::<Vec<_>>().join(", ")
    ))
}

fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_ascii_lowercase();
    candidates
        .map(|candidate| (strsim::jaro_winkler(&name, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// Column names for a message; very wide files are cut.
fn listed(schema: &Schema) -> String {
    const SHOWN: usize = 40;
    let names: Vec<&str> =
        schema.fields().iter().take(SHOWN).map(|field| field.name().as_str()).collect();
    match schema.fields().len() {
        0 => "no columns at all".to_owned(),
        count if count > SHOWN => format!("{} and {} more", names.join(", "), count - SHOWN),
        _ => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use arrow_schema::{DataType, Field};

    use super::*;

    fn schema(names: &[&str]) -> Schema {
        Schema::new(
            names.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect::<Vec<_>>(),
        )
    }

    fn usage(result: Result<impl std::fmt::Debug, Error>) -> String {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), crate::files::ErrorKind::Usage);
        error.to_string()
    }

    const REQUIRED: [&str; 5] =
        ["transaction_id", "customer_id", "merchant_id", "event_time", "amount"];

    #[test]
    fn names_are_found_exactly_then_in_any_case_then_as_told() {
        let names = ["TX_AMOUNT", "EVENT_TIME", "merchant_id", "Customer_Id", "transaction_id"];
        let map = ColumnMap::parse(" amount = tx_amount ,").unwrap();
        let resolved = map.resolve(&schema(&names)).unwrap();
        let place = |field| resolved.place(field);
        assert_eq!(place(FieldName::Amount), Some(0));
        assert_eq!(place(FieldName::EventTime), Some(1));
        assert_eq!(place(FieldName::CustomerId), Some(3));
        assert_eq!(place(FieldName::City), None);
        let kept = [0, 1, 3, 4];
        assert_eq!(resolved.projected(&kept).place(FieldName::TransactionId), Some(3));
    }

    #[test]
    fn an_exact_name_beats_one_in_another_case() {
        let mut names = REQUIRED.to_vec();
        names.insert(0, "AMOUNT");
        let resolved = ColumnMap::default().resolve(&schema(&names)).unwrap();
        assert_eq!(resolved.place(FieldName::Amount), Some(5));
        names[5] = "Amount";
        let text = usage(ColumnMap::default().resolve(&schema(&names)));
        assert!(text.contains("AMOUNT") && text.contains("Amount"), "{text}");
    }

    #[test]
    fn mistakes_are_named_with_their_mending() {
        let text = usage(ColumnMap::parse("ammount=X"));
        assert!(text.contains("ammount") && text.contains("did you mean amount?"), "{text}");
        for wrong in ["amount", "amount=", "amount=A,amount=B", "=A"] {
            usage(ColumnMap::parse(wrong));
        }
        let text = usage(ColumnMap::default().resolve(&schema(&["TX_AMOUNT", "customer_id"])));
        for part in ["amount", "TX_AMOUNT", "--columns", "event_time=COLUMN"] {
            assert!(text.contains(part), "{part} is not in: {text}");
        }
        let map = ColumnMap::parse("amount=TX_AMUONT").unwrap();
        let mut names = REQUIRED.to_vec();
        names.push("TX_AMOUNT");
        let text = usage(map.resolve(&schema(&names)));
        assert!(text.contains("did you mean TX_AMOUNT?"), "{text}");
    }
}
