//! Internet addresses as providers hand them out.

use super::random::mix;
use super::text::Text;
use crate::core::transaction::MINUTE_MS;

/// First bytes of providers' addresses.
const INDIAN: [u32; 8] = [27, 49, 59, 103, 106, 117, 157, 182];
const FOREIGN: [u32; 4] = [31, 45, 91, 185];

/// An address of an Indian provider, by 64 random bits.
pub(super) fn indian(bits: u64) -> u32 {
    from_one_of(&INDIAN, bits)
}

/// An address of a provider elsewhere, by 64 random bits.
pub(super) fn foreign(bits: u64) -> u32 {
    from_one_of(&FOREIGN, bits)
}

/// Another address in or outside India, as this one is, by 64 random bits.
pub(super) fn instead_of(ip: u32, bits: u64) -> u32 {
    if FOREIGN.contains(&(ip >> 24)) { foreign(bits) } else { indian(bits) }
}

fn from_one_of(first: &[u32], bits: u64) -> u32 {
    first[(bits >> 32) as usize % first.len()] << 24 | (bits as u32 & 0x00FF_FFFF)
}

/// Random bits for the address of a phone on the move: providers hand out another one every three
/// hours.
pub(super) fn mobile_bits(salt: u64, customer: u32, now_ms: i64) -> u64 {
    let span = (now_ms / (180 * MINUTE_MS)) as u64;
    mix(salt ^ u64::from(customer) << 32 ^ span)
}

/// The usual notation.
pub(super) fn dotted(ip: u32) -> Text<16> {
    let [a, b, c, d] = ip.to_be_bytes().map(u64::from);
    let dot = |text: Text<16>, part| text.text(".").decimal(part, 1);
    dot(dot(dot(Text::new().decimal(a, 1), b), c), d)
}
