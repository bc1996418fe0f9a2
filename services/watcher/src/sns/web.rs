//! What is asked of SNS itself, over TLS.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use axum::http::Uri;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// For one answer, from the beginning.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of an answer; a certificate has 2,000.
const LARGEST: usize = 64 * 1024;

/// Where certificates and confirmations are fetched.
#[async_trait]
pub(crate) trait Web: Send + Sync {
    /// The body of a `GET` that was answered with 2xx; or why there is none.
    async fn get(&self, url: &Uri) -> Result<Vec<u8>, String>;
}

/// The web as it is.
pub(crate) struct Https(Client<HttpsConnector<HttpConnector>, Empty<Bytes>>);

impl Https {
    /// Trusts the public authorities; a test has one of its own.
    pub(crate) fn new(ca_file: Option<&Path>) -> Result<Self, String> {
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(runtime::tls::client("watcher.sns", ca_file)?)
            .https_only()
            .enable_http1()
            .build();
        Ok(Self(Client::builder(TokioExecutor::new()).build(connector)))
    }
}

#[async_trait]
impl Web for Https {
    #[expect(clippy::disallowed_methods, reason = "its failpoint is around it")]
    async fn get(&self, url: &Uri) -> Result<Vec<u8>, String> {
        let answer = async {
            // A redirection is not followed.
            let answer = self.0.get(url.clone()).await;
            let answer = answer.map_err(|error| causes(&error))?;
            if !answer.status().is_success() {
                return Err(format!("it answers {}", answer.status()));
            }
            let body = Limited::new(answer.into_body(), LARGEST).collect().await;
            let body = body.map_err(|error| error.to_string())?;
            Ok(body.to_bytes().to_vec())
        };
        let late = |_| Err(format!("no answer within {} seconds", PATIENCE.as_secs()));
        tokio::time::timeout(PATIENCE, answer)
            .await
            .unwrap_or_else(late)
    }
}

/// An error and what it comes from, in one line.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::pki_types::PrivateKeyDer;

    use super::*;

    /// A server that answers by the path, and the authority that vouches for it.
    async fn server(folder: &Path) -> (u16, std::path::PathBuf) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let authority = folder.join("authority.pem");
        std::fs::write(&authority, cert.pem()).unwrap();
        let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    continue;
                };
                let mut head = [0; 1024];
                let read = stream.read(&mut head).await.unwrap();
                let path = String::from_utf8_lossy(&head[..read]).into_owned();
                let path = path.split(' ').nth(1).unwrap_or_default();
                let (status, body) = match path {
                    "/there" => ("200 OK", "here".to_owned()),
                    "/elsewhere" => ("302 Found\r\nLocation: /there", String::new()),
                    "/large" => ("200 OK", "x".repeat(LARGEST + 1)),
                    _ => ("404 Not Found", String::new()),
                };
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                );
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        (port, authority)
    }

    #[tokio::test]
    async fn only_what_a_trusted_server_answers_with_200_counts() {
        let folder = tempfile::tempdir().unwrap();
        let (port, authority) = server(folder.path()).await;
        let trusting = Https::new(Some(&authority)).unwrap();
        let get = async |https: &Https, url: String| https.get(&url.parse().unwrap()).await;
        let at = |path| format!("https://localhost:{port}{path}");
        assert_eq!(get(&trusting, at("/there")).await, Ok(b"here".to_vec()));
        for (path, part) in [
            ("/", "404"),
            ("/elsewhere", "302"),
            ("/large", "length limit"),
        ] {
            let reason = get(&trusting, at(path)).await.unwrap_err();
            assert!(reason.contains(part), "{reason}");
        }
        let reason = get(&Https::new(None).unwrap(), at("/there"))
            .await
            .unwrap_err();
        assert!(reason.contains("certificate"), "{reason}");
        let plain = format!("http://localhost:{port}/there");
        assert!(get(&trusting, plain).await.is_err());
    }
}
