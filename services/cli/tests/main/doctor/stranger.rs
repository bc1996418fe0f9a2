//! Servers whose certificates an authority has signed that nobody here trusts.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// An authority that has signed nothing here, in a file.
pub(crate) fn authority(folder: &Path) -> PathBuf {
    let file = folder.join("authority.pem");
    std::fs::write(&file, certify().cert.pem()).unwrap();
    file
}

/// A server that says `greeting` and then wants TLS; answers its port. Whoever trusts another
/// authority hangs up in the handshake, so there is nothing behind that.
pub(crate) async fn server(greeting: &'static str) -> u16 {
    let acceptor = TlsAcceptor::from(Arc::new(secured()));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let _ = client.write_all(greeting.as_bytes()).await;
                let _ = acceptor.accept(client).await;
            });
        }
    });
    port
}

fn secured() -> ServerConfig {
    let CertifiedKey { cert, signing_key } = certify();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap()
}

fn certify() -> CertifiedKey<rcgen::KeyPair> {
    generate_simple_self_signed(["localhost", "127.0.0.1"].map(str::to_owned)).unwrap()
}
