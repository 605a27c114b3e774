//! One error type, and the kinds by which a caller decides what to do.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tonic::Code;

/// What a caller may want to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A value is outside its limits; nothing was changed. [`Error::field`] names it.
    InvalidArgument,
    /// The item is not in the catalogue.
    NotFound,
    /// The request does not fit the state, for example a token that belongs to other data, or a recorder that is closed.
    FailedPrecondition,
    /// The credentials are missing or wrong.
    Unauthenticated,
    /// The credentials do not allow this.
    PermissionDenied,
    /// The service does not know this call: it is older than the client.
    Unimplemented,
    /// Refused before any work was done; try again after [`Error::retry_after`].
    Overloaded,
    /// The service cannot be reached, and the client's retries are used up.
    Unavailable,
    /// No answer came within the deadline; the call may still have had its effect.
    DeadlineExceeded,
    /// The call was ended from outside, for example because the client was closed.
    Cancelled,
    /// A fault of the service, or an answer that breaks the contract.
    Internal,
}

impl Kind {
    /// Returns the kind that a status code stands for.
    pub(crate) fn of(code: Code) -> Self {
        match code {
            Code::InvalidArgument | Code::OutOfRange => Self::InvalidArgument,
            Code::NotFound => Self::NotFound,
            Code::FailedPrecondition | Code::AlreadyExists | Code::Aborted => Self::FailedPrecondition,
            Code::Unauthenticated => Self::Unauthenticated,
            Code::PermissionDenied => Self::PermissionDenied,
            Code::Unimplemented => Self::Unimplemented,
            Code::ResourceExhausted => Self::Overloaded,
            Code::Unavailable => Self::Unavailable,
            Code::DeadlineExceeded => Self::DeadlineExceeded,
            Code::Cancelled => Self::Cancelled,
            _ => Self::Internal,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What the service answers with instead of a result, and what the client itself refuses. Cheap to clone.
#[derive(Clone)]
pub struct Error(Arc<Told>);

pub(crate) struct Told {
    pub(crate) code: Code,
    pub(crate) reason: String,
    pub(crate) field: String,
    pub(crate) message: String,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// Returns what a caller may want to do about it.
    pub fn kind(&self) -> Kind {
        Kind::of(self.0.code)
    }

    /// Returns gRPC's status code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// Returns a stable name for programs, for example `UNKNOWN_ITEM`; empty when the service gave none.
    pub fn reason(&self) -> &str {
        &self.0.reason
    }

    /// Returns the request's field at fault; empty when none was named.
    pub fn field(&self) -> &str {
        &self.0.field
    }

    /// Tells people what happened and what to do about it.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns how long to wait before trying again; `None` when the service gave no advice.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    pub(crate) fn told(told: Told) -> Self {
        Self(Arc::new(told))
    }

    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        let message = message.into();
        Self::told(Told { code, reason: String::new(), field: String::new(), message, retry_after: None, source: None })
    }

    /// Refuses a value by the service's own name for it, so that a caller need not know who refused.
    pub(crate) fn invalid(field: &str, message: impl fmt::Display) -> Self {
        Self::told(Told {
            code: Code::InvalidArgument,
            reason: "INVALID_FIELD".into(),
            field: field.into(),
            message: format!("{field}: {message}"),
            retry_after: None,
            source: None,
        })
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(Code::Internal, message)
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Code::Unavailable, message)
    }

    pub(crate) fn deadline(message: impl Into<String>) -> Self {
        Self::new(Code::DeadlineExceeded, message)
    }

    /// The client was closed.
    pub(crate) fn closed() -> Self {
        Self::new(Code::Cancelled, "the client is closed; make a new one")
    }

    pub(crate) fn is_unavailable(&self) -> bool {
        self.kind() == Kind::Unavailable
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind(), self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Told { code, reason, field, message, retry_after, .. } = &*self.0;
        f.debug_struct("Error")
            .field("kind", &self.kind())
            .field("code", code)
            .field("reason", reason)
            .field("field", field)
            .field("message", message)
            .field("retry_after", retry_after)
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
