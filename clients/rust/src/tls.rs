//! Certificates.

use std::fmt;

use tonic::transport::{Certificate, ClientTlsConfig, Identity};

/// How the connection is encrypted: whom to trust, and who the client is. TLS 1.2 or newer.
///
/// ```no_run
/// # use penchant::Tls;
/// # fn files() -> std::io::Result<Tls> {
/// use std::fs::read;
///
/// let mutual = Tls::ca(read("ca.pem")?).identity(read("me.pem")?, read("me.key")?);
/// # Ok(mutual)
/// # }
/// ```
#[derive(Clone)]
pub struct Tls {
    ca: Option<Vec<u8>>,
    identity: Option<(Vec<u8>, Vec<u8>)>,
    server_name: Option<String>,
}

impl Tls {
    /// Trusts what the system trusts.
    pub fn system() -> Self {
        Self { ca: None, identity: None, server_name: None }
    }

    /// Trusts these certificates, in PEM, and no others.
    pub fn ca(pem: impl Into<Vec<u8>>) -> Self {
        Self { ca: Some(pem.into()), ..Self::system() }
    }

    /// Shows the client's own certificate chain, with its key, both in PEM, to a service that asks for one.
    pub fn identity(mut self, certificate: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.identity = Some((certificate.into(), key.into()));
        self
    }

    /// Expects this name in the service's certificate; by default the host of the target.
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    pub(crate) fn config(&self, host: &str) -> ClientTlsConfig {
        let named = ClientTlsConfig::new().domain_name(self.server_name.as_deref().unwrap_or(host));
        let trusting = match &self.ca {
            Some(pem) => named.ca_certificate(Certificate::from_pem(pem)),
            None => named.with_native_roots(),
        };
        match &self.identity {
            Some((certificate, key)) => trusting.identity(Identity::from_pem(certificate, key)),
            None => trusting,
        }
    }
}

/// Does not show the key.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("ca", &self.ca.is_some())
            .field("identity", &self.identity.is_some())
            .field("server_name", &self.server_name)
            .finish()
    }
}
