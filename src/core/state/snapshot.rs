//! A customer's state as bytes, and back.
//!
//! Layout, all little-endian: magic `SFCS`, version (u16), length of the body (u32), body, XXH3-64
//! of everything before. The body of version 1, with `v` an unsigned and `z` a zigzag LEB128
//! number:
//!
//! ```text
//! first_seen z | symbols: count v, then per symbol hash u32 and kind u8
//! entries: count v, then per entry
//!   time since the previous one v (the first: since the epoch) | amount v | merchant u32
//!   flags u8 (status 0-1, position 2, reputation 3, anomaly 4) | hour u8
//!   category, city, device: v, 1 + place in the symbols, 0 unknown
//!   if position: latitude i32, longitude i32 | if reputation: v
//!   if anomaly: kind u8, severity f32
//! if an entry has a position: residual of the newest, degrees north f32, degrees east f32
//! distances: count v, then f64 each | ids: count v, then u64 each
//! folded hours: count v, then start z, sum z, count v, summed v, declined v
//! ids without an entry: count v, then id u64, known until z
//! ```
//!
//! The bytes depend only on what is remembered: symbols are written in the order in which entries
//! first use them, and every aggregate is recounted on reading.

use super::beyond::{Beyond, Straggler};
use super::columns::Entry;
use super::customer::CustomerState;
use super::detectors::Kind;
use super::folded::{Folded, FoldedHour};
use super::geo::PositionE7;
use super::hash::hash64_bytes;
use super::reading::{Reader, put_signed, put_unsigned};
use super::symbols::{SymbolKind, UNKNOWN};
use super::{Bounds, distances::KEPT};
use crate::base::limits::MAX_STRAGGLERS;
use crate::core::transaction::{HOUR_MS, Status};

const MAGIC: [u8; 4] = *b"SFCS";
const HEADER: usize = 10;
const CHECKSUM: usize = 8;

/// The version that this release writes.
pub const VERSION: u16 = 1;

const HAS_POSITION: u8 = 1 << 2;
const HAS_REPUTATION: u8 = 1 << 3;
const IS_ANOMALY: u8 = 1 << 4;

/// Why bytes are not a readable state. The caller rebuilds the state from the topic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Written by a newer release.
    #[error("snapshot version {found} is newer than {VERSION}, the newest that this release reads")]
    Newer {
        /// The version that the bytes name.
        found: u16,
    },
    /// The bytes are not as they were written.
    #[error("snapshot is damaged: {what}")]
    Damaged {
        /// What is wrong with it.
        what: &'static str,
    },
}

pub(super) const fn damaged(what: &'static str) -> SnapshotError {
    SnapshotError::Damaged { what }
}

/// Appends the state to `out`.
pub fn encode(state: &CustomerState, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    encode_body(state, out);
    let length = (out.len() - start - HEADER) as u32;
    out[start + 6..start + HEADER].copy_from_slice(&length.to_le_bytes());
    let checksum = hash64_bytes(&out[start..]);
    out.extend_from_slice(&checksum.to_le_bytes());
}

/// Reads the state that [`encode`] wrote. Refuses newer and damaged bytes.
pub fn decode(bytes: &[u8]) -> Result<CustomerState, SnapshotError> {
    decode_body(&mut Reader::new(checked(bytes)?))
}

/// Checks, without decoding, that the bytes are as they were written and of a version that this
/// release reads. That is quick; [`decode`] can then fail only on what was wrong when written.
///
/// # Errors
/// The same as [`decode`].
pub fn check(bytes: &[u8]) -> Result<(), SnapshotError> {
    checked(bytes).map(drop)
}

/// The body, if the checks of [`check`] pass.
fn checked(bytes: &[u8]) -> Result<&[u8], SnapshotError> {
    if bytes.len() < HEADER + CHECKSUM || bytes[..4] != MAGIC {
        return Err(damaged("it does not start like a snapshot"));
    }
    let version = u16::from_le_bytes([bytes[4], bytes[5]]);
    if version > VERSION {
        return Err(SnapshotError::Newer { found: version });
    }
    let length = u32::from_le_bytes([bytes[6], bytes[7], bytes[8], bytes[9]]) as usize;
    let (content, checksum) = bytes.split_at(bytes.len() - CHECKSUM);
    if content.len() - HEADER != length {
        return Err(damaged("its length differs from what it says"));
    }
    if checksum != hash64_bytes(content).to_le_bytes() {
        return Err(damaged("its checksum differs"));
    }
    if version != 1 {
        return Err(damaged("there never was a version 0"));
    }
    Ok(&content[HEADER..])
}

fn encode_body(state: &CustomerState, out: &mut Vec<u8>) {
    put_signed(out, state.first_seen);
    let used = symbols_in_order(state);
    put_unsigned(out, used.len() as u64);
    for &(symbol, kind) in &used {
        out.extend_from_slice(&state.symbols.hash(symbol).to_le_bytes());
        out.push(kind as u8);
    }
    put_unsigned(out, state.columns.len() as u64);
    let mut severities = state.anomalies.iter().map(|(_, severity)| severity as f32);
    let mut previous = 0;
    for index in 0..state.columns.len() {
        let entry = state.columns.entry(index);
        let severity = entry.kind.and_then(|_| severities.next());
        encode_entry(&entry, previous, severity, &used, out);
        previous = entry.time;
    }
    if state.totals.positions > 0 {
        for degrees in state.last_residual {
            out.extend_from_slice(&degrees.to_le_bytes());
        }
    }
    put_unsigned(out, state.distances.newest_first().len() as u64);
    for kilometres in state.distances.newest_first() {
        out.extend_from_slice(&kilometres.to_le_bytes());
    }
    put_unsigned(out, state.ids.len() as u64);
    for id in &state.ids {
        out.extend_from_slice(&id.to_le_bytes());
    }
    encode_beyond(&state.beyond, out);
}

/// Symbols with their kinds, in the order in which entries first use them.
fn symbols_in_order(state: &CustomerState) -> Vec<(u16, SymbolKind)> {
    let mut seen = Vec::new();
    for index in 0..state.columns.len() {
        for (symbol, kind) in [
            (state.columns.category(index), SymbolKind::Category),
            (state.columns.city(index), SymbolKind::City),
            (state.columns.device(index), SymbolKind::Device),
        ] {
            if symbol != UNKNOWN && !seen.contains(&(symbol, kind)) {
                seen.push((symbol, kind));
            }
        }
    }
    seen
}

fn encode_entry(
    entry: &Entry,
    previous: i64,
    severity: Option<f32>,
    used: &[(u16, SymbolKind)],
    out: &mut Vec<u8>,
) {
    put_unsigned(out, (entry.time - previous) as u64);
    put_unsigned(out, entry.amount as u64);
    out.extend_from_slice(&entry.merchant.to_le_bytes());
    let mut flags = entry.status as u8;
    flags |= if entry.position.is_some() { HAS_POSITION } else { 0 };
    flags |= if entry.reputation.is_some() { HAS_REPUTATION } else { 0 };
    flags |= if entry.kind.is_some() { IS_ANOMALY } else { 0 };
    out.extend_from_slice(&[flags, entry.hour]);
    for symbol in [entry.category, entry.city, entry.device] {
        let place = used.iter().position(|&(other, _)| other == symbol);
        put_unsigned(out, place.map_or(0, |place| place as u64 + 1));
    }
    if let Some(position) = entry.position {
        out.extend_from_slice(&position.latitude.to_le_bytes());
        out.extend_from_slice(&position.longitude.to_le_bytes());
    }
    if let Some(reputation) = entry.reputation {
        put_unsigned(out, u64::from(reputation));
    }
    if let (Some(kind), Some(severity)) = (entry.kind, severity) {
        out.push(kind as u8);
        out.extend_from_slice(&severity.to_le_bytes());
    }
}

fn encode_beyond(beyond: &Beyond, out: &mut Vec<u8>) {
    put_unsigned(out, beyond.hours().len() as u64);
    for hour in beyond.hours() {
        put_signed(out, hour.start);
        put_signed(out, hour.sum);
        for count in [hour.count, hour.summed, hour.declined] {
            put_unsigned(out, u64::from(count));
        }
    }
    put_unsigned(out, beyond.stragglers().len() as u64);
    for straggler in beyond.stragglers() {
        out.extend_from_slice(&straggler.transaction.to_le_bytes());
        put_signed(out, straggler.until);
    }
}

fn decode_body(reader: &mut Reader<'_>) -> Result<CustomerState, SnapshotError> {
    let first_seen = reader.signed()?;
    let symbols = decode_symbols(reader)?;
    let mut state = CustomerState::default();
    let count = reader.count(usize::from(Bounds::MAX_TRANSACTIONS))?;
    let mut previous = 0;
    for _ in 0..count {
        previous = decode_entry(reader, previous, &symbols, &mut state)?;
    }
    state.first_seen = first_seen;
    if (0..count).any(|index| state.columns.position(index).is_some()) {
        let residual = [f32::from_le_bytes(reader.array()?), f32::from_le_bytes(reader.array()?)];
        if residual.iter().any(|degrees| !degrees.is_finite()) {
            return Err(damaged("a number is not finite"));
        }
        state.last_residual = residual;
    }
    for _ in 0..reader.count(KEPT)? {
        state.distances.push_oldest(reader.double()?);
    }
    for _ in 0..reader.count(count)? {
        state.ids.push(u64::from_le_bytes(reader.array()?));
    }
    let folded = decode_folded(reader)?;
    state.beyond = Beyond::new(folded, decode_stragglers(reader)?);
    reader.finish()?;
    state.recount();
    Ok(state)
}

fn decode_symbols(reader: &mut Reader<'_>) -> Result<Vec<(u32, SymbolKind)>, SnapshotError> {
    let count = reader.count(3 * usize::from(Bounds::MAX_TRANSACTIONS))?;
    let mut symbols = Vec::with_capacity(count);
    for _ in 0..count {
        let hash = u32::from_le_bytes(reader.array()?);
        let kind = match reader.byte()? {
            0 => SymbolKind::Category,
            1 => SymbolKind::City,
            2 => SymbolKind::Device,
            _ => return Err(damaged("a symbol is of no known kind")),
        };
        symbols.push((hash, kind));
    }
    Ok(symbols)
}

/// Reads an entry into the state and returns its time.
fn decode_entry(
    reader: &mut Reader<'_>,
    previous: i64,
    symbols: &[(u32, SymbolKind)],
    state: &mut CustomerState,
) -> Result<i64, SnapshotError> {
    let elapsed = i64::try_from(reader.unsigned()?).map_err(|_| damaged("a time is too late"))?;
    let time = previous.checked_add(elapsed).ok_or(damaged("a time is too late"))?;
    let oldest = if state.columns.is_empty() { time } else { state.columns.time(0) };
    if time - oldest >= super::MEMORY_MS {
        return Err(damaged("entries lie further apart than memory reaches"));
    }
    let amount = i64::try_from(reader.unsigned()?).ok().filter(|&amount| amount < 1 << 54);
    let merchant = u32::from_le_bytes(reader.array()?);
    let [flags, hour] = reader.array()?;
    let [category, city, device] = decode_entry_symbols(reader, symbols, state)?;
    let position = if flags & HAS_POSITION == 0 { None } else { Some(decode_position(reader)?) };
    let reputation = if flags & HAS_REPUTATION == 0 { None } else { Some(reader.unsigned()?) };
    let anomaly = if flags & IS_ANOMALY == 0 { None } else { Some(decode_anomaly(reader)?) };
    let entry = Entry {
        time,
        amount: amount.ok_or(damaged("an amount is too large"))?,
        merchant,
        position,
        status: decode_status(flags)?,
        hour: Some(hour).filter(|&hour| hour < 24).ok_or(damaged("an hour is not of the day"))?,
        kind: anomaly.map(|(kind, _)| kind),
        category,
        city,
        device,
        reputation: reputation.map(|value| value.min(1_000_000) as u32),
    };
    let index = state.columns.len();
    state.columns.insert(index, &entry);
    state.anomalies.push(index, anomaly.map(|(_, severity)| severity));
    Ok(time)
}

fn decode_status(flags: u8) -> Result<Status, SnapshotError> {
    match flags & 3 {
        0 => Ok(Status::Approved),
        1 => Ok(Status::Declined),
        2 => Ok(Status::Refunded),
        _ => Err(damaged("a status is none")),
    }
}

fn decode_entry_symbols(
    reader: &mut Reader<'_>,
    symbols: &[(u32, SymbolKind)],
    state: &mut CustomerState,
) -> Result<[u16; 3], SnapshotError> {
    let mut entered = [UNKNOWN; 3];
    for (symbol, kind) in
        entered.iter_mut().zip([SymbolKind::Category, SymbolKind::City, SymbolKind::Device])
    {
        let place = reader.count(symbols.len())?;
        if place > 0 {
            let (hash, of) = symbols[place - 1];
            if of != kind {
                return Err(damaged("a symbol stands where another kind belongs"));
            }
            *symbol = state.symbols.enter(kind, hash);
        }
    }
    Ok(entered)
}

fn decode_position(reader: &mut Reader<'_>) -> Result<PositionE7, SnapshotError> {
    let latitude = i32::from_le_bytes(reader.array()?);
    let longitude = i32::from_le_bytes(reader.array()?);
    if latitude.unsigned_abs() > 900_000_000 || longitude.unsigned_abs() > 1_800_000_000 {
        return Err(damaged("a position is off the globe"));
    }
    Ok(PositionE7 { latitude, longitude })
}

fn decode_anomaly(reader: &mut Reader<'_>) -> Result<(Kind, f64), SnapshotError> {
    let kind = Kind::from_index(u32::from(reader.byte()?));
    let severity = f32::from_le_bytes(reader.array()?);
    if !(0.0..=1.0).contains(&severity) {
        return Err(damaged("a severity is not within 0 and 1"));
    }
    Ok((kind.ok_or(damaged("an anomaly is of no known kind"))?, f64::from(severity)))
}

fn decode_folded(reader: &mut Reader<'_>) -> Result<Folded, SnapshotError> {
    let most = (super::MEMORY_MS / HOUR_MS) as usize + 2;
    let mut hours = Vec::new();
    for _ in 0..reader.count(most)? {
        hours.push(FoldedHour {
            start: reader.signed()?,
            sum: reader.signed()?,
            count: reader.unsigned()? as u32,
            summed: reader.unsigned()? as u32,
            declined: reader.unsigned()? as u32,
        });
    }
    if hours.windows(2).any(|pair| pair[0].start >= pair[1].start) {
        return Err(damaged("folded hours are out of order"));
    }
    Ok(Folded::from_hours(hours))
}

fn decode_stragglers(reader: &mut Reader<'_>) -> Result<Vec<Straggler>, SnapshotError> {
    let mut stragglers = Vec::new();
    for _ in 0..reader.count(MAX_STRAGGLERS)? {
        let transaction = u64::from_le_bytes(reader.array()?);
        stragglers.push(Straggler { transaction, until: reader.signed()? });
    }
    Ok(stragglers)
}
