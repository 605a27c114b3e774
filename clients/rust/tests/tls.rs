//! Encrypted connections, with certificates of a test's own authority.

mod common;

use common::{Fake, Service, call, pb};
use penchant::{Client, Kind, Tls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tonic::transport::{Certificate, Identity, ServerTlsConfig};

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    /// Returns a certificate and its key.
    fn signed(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &self.0).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

/// Serves with TLS, and answers with the key that it was given.
fn serve(config: ServerTlsConfig) -> Service {
    let interests = call(|request: tonic::Request<pb::GetInterestsRequest>| {
        assert_eq!(request.metadata().get("authorization").unwrap(), "Bearer k-1");
        Ok(pb::GetInterestsResponse { event_count: 3, ..pb::GetInterestsResponse::default() })
    });
    Fake { interests, ..Fake::default() }.serve_on(([127, 0, 0, 1], 0).into(), Some(config))
}

async fn asked(target: String, tls: Tls) -> Result<u32, penchant::Error> {
    let client = Client::builder(target).tls(tls).api_key("k-1").retries(0).build()?;
    Ok(client.interests("ada").await?.event_count)
}

#[tokio::test]
async fn a_certificate_to_trust_is_trusted_and_another_one_is_not() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (certificate, key) = authority.signed("localhost");
    let service = serve(ServerTlsConfig::new().identity(Identity::from_pem(certificate, key)));
    let target = format!("localhost:{}", service.address.port());
    assert_eq!(asked(target.clone(), Tls::ca(authority.pem())).await.unwrap(), 3);
    assert_eq!(asked(format!("https://{target}"), Tls::ca(authority.pem())).await.unwrap(), 3);
    let error = asked(target.clone(), Tls::ca(stranger.pem())).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(error.message().contains("certificate"), "{error}");
    assert!(asked(service.target(), Tls::ca(authority.pem())).await.is_err(), "the name is another one");
    let named = Tls::ca(authority.pem()).server_name("localhost");
    assert_eq!(asked(service.target(), named).await.unwrap(), 3);
}

#[tokio::test]
async fn mutual_tls_shows_a_certificate_of_ones_own() {
    let authority = Authority::new();
    let (certificate, key) = authority.signed("localhost");
    let config = ServerTlsConfig::new()
        .identity(Identity::from_pem(certificate, key))
        .client_ca_root(Certificate::from_pem(authority.pem()));
    let service = serve(config);
    let target = format!("localhost:{}", service.address.port());
    let (own, own_key) = authority.signed("me");
    let tls = Tls::ca(authority.pem()).identity(own, own_key);
    assert!(!format!("{tls:?}").contains("PRIVATE"));
    assert_eq!(asked(target.clone(), tls).await.unwrap(), 3);
    assert_eq!(asked(target, Tls::ca(authority.pem())).await.unwrap_err().kind(), Kind::Unavailable);
}
