//! TLS with the mail server.

use std::sync::Arc;

use runtime::config::notifier::Smtp;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::Failure;

/// Whom we trust, and who has to be there.
pub(super) struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Tls {
    /// Trusts the authority of `ca_file` and no other where it is set, else the public ones.
    pub(super) fn new(config: &Smtp, host: &str) -> Result<Self, String> {
        let wrong = |error: &dyn std::fmt::Display| {
            format!("`notifier.smtp.host`: `{}`: {error}", config.host)
        };
        let provider = Arc::new(aws_lc_rs::default_provider());
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(&error))?
            .with_root_certificates(trusted(config)?)
            .with_no_client_auth();
        Ok(Self {
            connector: TlsConnector::from(Arc::new(client)),
            name: ServerName::try_from(host.to_owned()).map_err(|error| wrong(&error))?,
        })
    }

    /// Makes a stream secure.
    pub(super) async fn secure(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, Failure> {
        let secured = self.connector.connect(self.name.clone(), stream).await;
        secured.map_err(|error| Failure::broken(&error))
    }
}

fn trusted(config: &Smtp) -> Result<RootCertStore, String> {
    let mut trusted = RootCertStore::empty();
    let Some(path) = &config.ca_file else {
        trusted.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        return Ok(trusted);
    };
    let wrong = |why: String| format!("`notifier.smtp.ca_file`: {}: {why}", path.display());
    let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        let added = trusted.add(certificate);
        added.map_err(|error| wrong(error.to_string()))?;
    }
    if trusted.is_empty() {
        return Err(wrong("holds no PEM certificate".to_owned()));
    }
    Ok(trusted)
}
