//! How a client is made.

use std::fmt;
use std::time::Duration;

use http::HeaderValue;

use crate::client::Client;
use crate::connection::Connection;
use crate::error::Error;
use crate::retry::{DEFAULT_RETRIES, MOST_RETRIES};
use crate::target::Target;
use crate::tls::Tls;

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// What is said about a client before it is made; from [`Client::builder`].
#[derive(Clone)]
#[must_use]
pub struct ClientBuilder {
    target: String,
    tls: Option<Tls>,
    api_key: Option<String>,
    pub(crate) timeout: Duration,
    pub(crate) retries: u32,
    pub(crate) reads_own_writes: bool,
}

impl ClientBuilder {
    pub(crate) fn new(target: String) -> Self {
        Self {
            target,
            tls: None,
            api_key: None,
            timeout: DEFAULT_TIMEOUT,
            retries: DEFAULT_RETRIES,
            reads_own_writes: false,
        }
    }

    /// Encrypts the connection. Without it, it is plain text unless the target begins with `https://`, which trusts what
    /// the system trusts.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Sends a key with every call, on the generated stubs too: printable ASCII without spaces.
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = Some(key.into());
        self
    }

    /// Sets the deadline of every unary call, retries included, and of the first update of a stream: above 0, by default
    /// 5 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how often a call is tried again, within its deadline, when the service is unavailable: 0–4, by default 3.
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// Makes reads of a user wait for that user's events which this client recorded, as
    /// [`Reading::min_freshness`](crate::Reading::min_freshness) does. The latest event of at most 10,000 users is
    /// remembered, the oldest go.
    pub fn read_your_writes(mut self, wanted: bool) -> Self {
        self.reads_own_writes = wanted;
        self
    }

    /// Makes the client. Nothing is connected yet: the first call does that. Fails where a value cannot be.
    pub fn build(self) -> Result<Client, Error> {
        if self.timeout.is_zero() {
            return Err(Error::invalid("timeout", "is not above 0"));
        }
        if self.retries > MOST_RETRIES {
            return Err(Error::invalid("retries", format_args!("{} is not within 0–{MOST_RETRIES}", self.retries)));
        }
        let target = Target::read(&self.target)?;
        let tls = match (&self.tls, target.encrypted) {
            (Some(_), Some(false)) => return Err(Error::invalid("target", "http:// is plain text, but tls was given")),
            (None, Some(true)) => Some(Tls::system()),
            (tls, _) => tls.clone(),
        };
        let authorization = self.api_key.as_deref().map(bearer).transpose()?;
        let connection = Connection::new(target, tls, authorization)?;
        Ok(Client::new(connection, &self))
    }
}

/// Does not show the key.
impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("target", &self.target)
            .field("tls", &self.tls)
            .field("api_key", &self.api_key.is_some())
            .field("timeout", &self.timeout)
            .field("retries", &self.retries)
            .field("reads_own_writes", &self.reads_own_writes)
            .finish()
    }
}

/// Returns the header of a key. The error does not tell the key: errors end up in logs.
fn bearer(key: &str) -> Result<HeaderValue, Error> {
    let refused =
        || Error::invalid("api_key", "must be printable ASCII without spaces; was a line break read with it?");
    if key.is_empty() || !key.bytes().all(|letter| letter.is_ascii_graphic()) {
        return Err(refused());
    }
    let mut value = HeaderValue::try_from(format!("Bearer {key}")).map_err(|_| refused())?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn refused(builder: ClientBuilder) -> String {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidArgument);
        error.field().to_owned()
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let builder = || Client::builder("localhost:50551");
        assert!(builder().timeout(Duration::from_millis(1)).retries(4).api_key("k").build().is_ok());
        assert_eq!(refused(builder().timeout(Duration::ZERO)), "timeout");
        assert_eq!(refused(builder().retries(5)), "retries");
        assert_eq!(refused(builder().api_key("")), "api_key");
        assert_eq!(refused(Client::builder("localhost")), "target");
        assert_eq!(refused(Client::builder("http://localhost:1").tls(Tls::system())), "target");
        assert_eq!(refused(builder().tls(Tls::system().identity("no certificate", "no key"))), "tls");
    }

    #[test]
    fn a_key_is_not_told() {
        let wrong = Client::builder("localhost:50551").api_key("secret\n");
        assert!(!format!("{wrong:?}").contains("secret"));
        assert!(!format!("{:?}", wrong.build().unwrap_err()).contains("secret"));
    }
}
