//! Headers of a record that was read, as bytes.
//!
//! Kafka gives a header's name as text and nobody checks it: a producer may send any bytes, and
//! rdkafka's own iterator panics on a name that is no UTF-8. A tool that looks at records which were
//! set aside because something is wrong with them must survive exactly those. So here names are
//! bytes, taken from librdkafka directly.

use std::collections::BTreeSet;
use std::ffi::{CStr, CString};
use std::ptr;

use rdkafka::bindings::{
    rd_kafka_header_add, rd_kafka_header_get_all, rd_kafka_header_remove, rd_kafka_headers_t,
    rd_kafka_message_headers, rd_kafka_resp_err_t,
};
use rdkafka::message::{BorrowedMessage, Header, Message as _, OwnedHeaders};

use super::Record;

/// A header's name and value. A value may be missing; a name ends before its first zero byte,
/// because librdkafka knows no others.
pub type RawHeader = (Vec<u8>, Option<Vec<u8>>);

impl Record<'_> {
    /// Its headers in order; names may repeat.
    pub fn raw_headers(&self) -> Vec<RawHeader> {
        native(&self.0).map(|list| copy(&self.0, list)).unwrap_or_default()
    }
}

/// Gives `message` other headers and returns a copy of them that can be produced.
pub(super) fn replace(message: &mut BorrowedMessage<'_>, headers: &[RawHeader]) -> OwnedHeaders {
    if let Some(list) = native(message) {
        let old: BTreeSet<Vec<u8>> = copy(message, list).into_iter().map(|(name, _)| name).collect();
        old.into_iter().for_each(|name| remove(message, list, name));
        headers.iter().for_each(|header| add(message, list, header));
        return message.headers().map(|headers| headers.detach()).unwrap_or_default();
    }
    // A record without headers has no list to write to; what is added then are our own.
    let named = headers.iter().filter_map(|(name, value)| Some((str::from_utf8(name).ok()?, value)));
    named.fold(OwnedHeaders::new(), |list, (key, value)| {
        list.insert(Header { key, value: value.as_deref() })
    })
}

/// The message's own list; it lives as long as the message.
#[expect(unsafe_code, reason = "rdkafka reaches header names only as UTF-8 and panics otherwise")]
fn native(message: &BorrowedMessage<'_>) -> Option<*mut rd_kafka_headers_t> {
    let mut list = ptr::null_mut();
    // SAFETY: the pointer is that of a live message, and the list is only written on success.
    let outcome = unsafe { rd_kafka_message_headers(message.ptr(), &mut list) };
    is_ok(outcome).then_some(list)
}

#[expect(unsafe_code, reason = "rdkafka reaches header names only as UTF-8 and panics otherwise")]
fn copy(_owner: &BorrowedMessage<'_>, list: *const rd_kafka_headers_t) -> Vec<RawHeader> {
    let mut headers = Vec::new();
    loop {
        let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0);
        // SAFETY: the list belongs to the message, which is borrowed; an index beyond the end is
        // an error and writes nothing.
        let outcome = unsafe {
            rd_kafka_header_get_all(list, headers.len(), &mut name, &mut value, &mut size)
        };
        if !is_ok(outcome) {
            return headers;
        }
        // SAFETY: on success the name is a terminated string and the value, where there is one,
        // that many bytes; both stay until the list is changed, and are copied before.
        headers.push(unsafe {
            let bytes = (!value.is_null())
                .then(|| std::slice::from_raw_parts(value.cast::<u8>(), size).to_vec());
            (CStr::from_ptr(name).to_bytes().to_vec(), bytes)
        });
    }
}

#[expect(unsafe_code, reason = "rdkafka has no safe name for removing a header")]
fn remove(_owner: &mut BorrowedMessage<'_>, list: *mut rd_kafka_headers_t, name: Vec<u8>) {
    let name = CString::new(name).expect("invariant: a name was a terminated string");
    // SAFETY: the list belongs to the message, which is borrowed exclusively, so nobody holds what
    // this frees.
    unsafe { rd_kafka_header_remove(list, name.as_ptr()) };
}

#[expect(unsafe_code, reason = "rdkafka adds headers only under names that are UTF-8")]
fn add(
    _owner: &mut BorrowedMessage<'_>,
    list: *mut rd_kafka_headers_t,
    (name, value): &RawHeader,
) {
    let length = |bytes: &[u8]| isize::try_from(bytes.len()).unwrap_or(isize::MAX);
    let (bytes, size) = value.as_deref().map_or((ptr::null(), 0), |v| (v.as_ptr(), length(v)));
    // SAFETY: the list belongs to the message, which is borrowed exclusively; name and value are
    // read for the lengths given and copied.
    unsafe {
        rd_kafka_header_add(list, name.as_ptr().cast(), length(name), bytes.cast(), size);
    }
}

fn is_ok(outcome: rd_kafka_resp_err_t) -> bool {
    outcome == rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
}
