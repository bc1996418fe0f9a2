//! TLS with the mail server.

use std::sync::Arc;

use runtime::config::notifier::Smtp;
use runtime::tls;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;

use super::Failure;

/// Whom we trust, and who has to be there.
pub(super) struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Tls {
    /// Trusts the authority of `ca_file` and no other where it is set, else the public ones.
    pub(super) fn new(config: &Smtp, host: &str) -> Result<Self, String> {
        let client = tls::client("notifier.smtp.ca_file", config.ca_file.as_deref())?;
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| format!("`notifier.smtp.host`: `{}`: {error}", config.host))?;
        Ok(Self {
            connector: TlsConnector::from(Arc::new(client)),
            name,
        })
    }

    /// Makes a stream secure.
    pub(super) async fn secure(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, Failure> {
        let secured = self.connector.connect(self.name.clone(), stream).await;
        secured.map_err(|error| Failure::broken(&error))
    }
}
