//! A store whose certificate a private authority has signed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use objects::{Error, Objects};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::store::{Bucket, bucket};

/// An authority, what it has signed for `localhost`, and its own certificate in a file.
fn authority(folder: &Path, name: &str) -> (ServerConfig, PathBuf) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let file = folder.join(name);
    std::fs::write(&file, issuer.pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let signed = params.signed_by(&key, &issuer).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![signed.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        );
    (config.unwrap(), file)
}

/// Speaks TLS for the store; answers where.
async fn before(bucket: &Bucket, config: ServerConfig) -> String {
    let endpoint = bucket.config.endpoint.as_deref().unwrap();
    let store = endpoint.strip_prefix("http://").unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (acceptor, store) = (acceptor.clone(), store.clone());
            tokio::spawn(async move {
                // Who does not trust the certificate hangs up.
                let Ok(mut client) = acceptor.accept(client).await else {
                    return;
                };
                let mut store = TcpStream::connect(store).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut store).await;
            });
        }
    });
    format!("https://localhost:{port}")
}

#[tokio::test]
async fn only_the_authority_that_is_set_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let bucket = bucket().await;
    bucket.put("a", "one").await;
    let (server, ours) = authority(folder.path(), "ours.pem");
    let (_, other) = authority(folder.path(), "other.pem");
    let mut config = bucket.config.clone();
    config.endpoint = Some(before(&bucket, server).await);
    for (file, trusted) in [(Some(&ours), true), (Some(&other), false), (None, false)] {
        config.ca_file = file.cloned();
        let objects = Objects::new(&config).await.unwrap();
        match objects.head(&bucket.name, "a").await {
            Ok(head) => assert!(trusted && head.is_some(), "{file:?}"),
            Err(Error::Denied(reason)) => {
                assert!(!trusted, "{reason}");
                assert!(reason.contains("`[objects] ca_file`"), "{reason}");
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

#[tokio::test]
async fn a_file_without_a_certificate_is_refused_by_the_settings_name() {
    let folder = tempfile::tempdir().unwrap();
    let bucket = bucket().await;
    let mut config = bucket.config.clone();
    for text in ["", "no certificate"] {
        let file = folder.path().join("wrong.pem");
        std::fs::write(&file, text).unwrap();
        config.ca_file = Some(file);
        let error = Objects::new(&config).await.unwrap_err().to_string();
        assert!(error.contains("`objects.ca_file`"), "{error}");
        assert!(error.contains("holds no PEM certificate"), "{error}");
    }
}
