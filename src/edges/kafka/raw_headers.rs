//! Headers of a record that was read, as bytes.
//!
//! Kafka gives a header's name as text and nobody checks it: a producer may send any bytes, and
//! rdkafka's own iterator panics on a name that is no UTF-8. A tool that looks at records which
//! were set aside because something is wrong with them must survive exactly those. So here names
//! are bytes, taken from librdkafka directly.

use std::ffi::CStr;
use std::ptr;

use rdkafka::bindings::{
    rd_kafka_header_add, rd_kafka_header_get_all, rd_kafka_headers_new, rd_kafka_message_headers,
    rd_kafka_message_set_headers, rd_kafka_resp_err_t,
};
use rdkafka::message::{BorrowedMessage, Message as _, OwnedHeaders};

use super::Record;

/// A header's name and value. A value may be missing; a name ends before its first zero byte,
/// because librdkafka knows no others.
pub type RawHeader = (Vec<u8>, Option<Vec<u8>>);

impl Record<'_> {
    /// Its headers in order; names may repeat.
    pub fn raw_headers(&self) -> Vec<RawHeader> {
        copy(&self.0)
    }
}

/// Gives `message` other headers and returns a copy of them that can be produced.
pub(super) fn replace(message: &mut BorrowedMessage<'_>, headers: &[RawHeader]) -> OwnedHeaders {
    set(message, headers);
    message.headers().map(|headers| headers.detach()).unwrap_or_default()
}

#[expect(unsafe_code, reason = "rdkafka reaches header names only as UTF-8 and panics otherwise")]
fn copy(message: &BorrowedMessage<'_>) -> Vec<RawHeader> {
    let (mut headers, mut list) = (Vec::new(), ptr::null_mut());
    // SAFETY: the pointer is that of a live message, and the list is only written on success.
    if !is_ok(unsafe { rd_kafka_message_headers(message.ptr(), &mut list) }) {
        return headers;
    }
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

#[expect(unsafe_code, reason = "rdkafka adds headers only under names that are UTF-8")]
fn set(message: &mut BorrowedMessage<'_>, headers: &[RawHeader]) {
    let length = |bytes: &[u8]| isize::try_from(bytes.len()).unwrap_or(isize::MAX);
    // SAFETY: names and values are read for the lengths given and copied into a list of our own,
    // which then becomes the message's. That message is borrowed exclusively, so nobody holds
    // anything of the list that gives way.
    unsafe {
        let list = rd_kafka_headers_new(headers.len());
        for (name, value) in headers {
            let (bytes, size) =
                value.as_deref().map_or((ptr::null(), 0), |v| (v.as_ptr(), length(v)));
            rd_kafka_header_add(list, name.as_ptr().cast(), length(name), bytes.cast(), size);
        }
        rd_kafka_message_set_headers(message.ptr(), list);
    }
}

fn is_ok(outcome: rd_kafka_resp_err_t) -> bool {
    outcome == rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
}
