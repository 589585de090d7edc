//! What the rows of the catalogue become: groups, identifiers, and the table itself.

/// Makes [`Group`](super::catalog::Group), [`FeatureId`](super::catalog::FeatureId) and
/// [`CATALOG`](super::catalog::CATALOG) of the catalogue's rows.
macro_rules! catalog {
    ($($(#[$about:meta])* $group:ident { $($id:ident: $name:literal, $unit:ident, $range:literal,
        $neutral:literal, $needs:literal, $code:literal, $formula:literal,
        $sentence:literal;)* })*) => {
        /// A group of features that are computed together.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Group {
            $($(#[$about])* $group,)*
        }

        impl Group {
            /// The group's name.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$group => stringify!($group),)*
                }
            }
        }

        /// A feature, as an index into [`CATALOG`] and into a full row.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum FeatureId {
            $($(
                #[doc = concat!("`", $name, "`: ", $formula)]
                $id,
            )*)*
        }

        /// Every feature, in the contract's order; the first 69 are the standard set.
        pub static CATALOG: [Feature; COUNT] = [
            $($(Feature {
                id: FeatureId::$id,
                name: $name,
                group: Group::$group,
                unit: Unit::$unit,
                range: $range,
                neutral: $neutral,
                needs: $needs,
                code: $code,
                formula: $formula,
                sentence: $sentence,
            },)*)*
        ];

        /// How many features there are.
        pub const COUNT: usize = [$($(FeatureId::$id,)*)*].len();
    };
}

pub(super) use catalog;
