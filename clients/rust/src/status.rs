//! From gRPC's statuses to the client's errors.

use std::error::Error as StdError;
use std::time::Duration;

use prost::{Message, Name};
use tonic::{Code, Status};

use crate::error::{Error, Told};
use crate::pb::google::rpc;

/// `google.rpc.ErrorInfo`, as far as it is read.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ErrorInfo {
    #[prost(string, tag = "1")]
    pub(crate) reason: String,
}

/// `google.rpc.BadRequest`, as far as it is read.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct BadRequest {
    #[prost(message, repeated, tag = "1")]
    pub(crate) field_violations: Vec<FieldViolation>,
}

/// `google.rpc.BadRequest.FieldViolation`, as far as it is read.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct FieldViolation {
    #[prost(string, tag = "1")]
    pub(crate) field: String,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    pub(crate) retry_delay: Option<prost_types::Duration>,
}

macro_rules! named {
    ($($message:ident),+) => {$(
        impl Name for $message {
            const PACKAGE: &'static str = "google.rpc";
            const NAME: &'static str = stringify!($message);
        }
    )+};
}
named!(ErrorInfo, BadRequest, RetryInfo);

/// Returns the error that a `google.rpc.Status` describes; details that the client does not know are passed over.
pub(crate) fn from_message(status: rpc::Status) -> Error {
    let code = Code::from_i32(status.code);
    let message = if status.message.is_empty() { code.description().to_owned() } else { status.message };
    let mut told = Told { code, reason: String::new(), field: String::new(), message, retry_after: None, source: None };
    for detail in &status.details {
        if let Some(info) = unpacked::<ErrorInfo>(detail) {
            told.reason = info.reason;
        } else if let Some(request) = unpacked::<BadRequest>(detail) {
            told.field = request.field_violations.into_iter().next().unwrap_or_default().field;
        } else if let Some(retry) = unpacked::<RetryInfo>(detail) {
            let delay = retry.retry_delay.unwrap_or_default();
            told.retry_after = Some(Duration::try_from(delay).unwrap_or_default()); // it cannot be negative
        }
    }
    Error::told(told)
}

/// Decodes a detail if it is of this type. A type may be named behind any host, or none.
fn unpacked<M: Message + Name + Default>(detail: &prost_types::Any) -> Option<M> {
    let name = detail.type_url.rsplit('/').next()?;
    (name == M::full_name()).then(|| M::decode(detail.value.as_slice()).ok()).flatten()
}

/// Returns the error that a failed call stands for.
pub(crate) fn from_call(status: Status) -> Error {
    let code = code_of(&status);
    let details = rpc::Status::decode(status.details()).map(|found| found.details).unwrap_or_default();
    let known = from_message(rpc::Status { code: code as i32, message: status.message().to_owned(), details });
    Error::told(Told {
        code,
        reason: known.reason().to_owned(),
        field: known.field().to_owned(),
        message: with_causes(known.message(), &status),
        retry_after: known.retry_after(),
        source: Some(Box::new(status)),
    })
}

/// Returns the code of a status. One with a source was made on this side, by tonic, out of what became of the connection,
/// and mostly as UNKNOWN; gRPC says UNAVAILABLE where a connection ends, and that is what retries go by.
fn code_of(status: &Status) -> Code {
    let Some(source) = status.source() else { return status.code() };
    if in_chain::<tonic::TimeoutExpired>(source).is_some() {
        return Code::DeadlineExceeded;
    }
    match in_chain::<h2::Error>(source) {
        // https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md: a stream that the service reset.
        Some(reset) if reset.is_reset() && reset.is_remote() => match reset.reason() {
            Some(h2::Reason::REFUSED_STREAM) => Code::Unavailable,
            Some(h2::Reason::CANCEL) => Code::Cancelled,
            Some(h2::Reason::ENHANCE_YOUR_CALM) => Code::ResourceExhausted,
            Some(h2::Reason::INADEQUATE_SECURITY) => Code::PermissionDenied,
            _ => Code::Internal,
        },
        _ => Code::Unavailable,
    }
}

/// Adds the last cause, where tonic's own message says no more than that there is one.
fn with_causes(message: &str, status: &Status) -> String {
    let mut cause = status.source();
    while let Some(deeper) = cause.and_then(StdError::source) {
        cause = Some(deeper);
    }
    match cause.map(ToString::to_string) {
        Some(last) if !message.contains(&last) => format!("{message}: {last}"),
        _ => message.to_owned(),
    }
}

fn in_chain<'a, E: StdError + 'static>(mut error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    loop {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        error = error.source()?;
    }
}

#[cfg(test)]
#[path = "tests/status.rs"]
mod tests;
