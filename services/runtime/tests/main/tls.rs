//! NATS over TLS.

use std::collections::HashMap;
use std::path::Path;

use proto::User;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use runtime::Config;
use servers::nats::Options;

use crate::bed::Bed;

/// A server that speaks TLS only, with a certificate for 127.0.0.1 that nobody knows.
async fn server() -> Bed {
    let folder = tempfile::tempdir().unwrap();
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(folder.path().join("cert.pem"), cert.pem()).unwrap();
    std::fs::write(folder.path().join("key.pem"), signing_key.serialize_pem()).unwrap();
    let at = folder.path().display();
    let more = format!("\ntls {{ cert_file: \"{at}/cert.pem\", key_file: \"{at}/key.pem\" }}\n");
    let options = Options {
        more,
        ..Options::default()
    };
    Bed::with(folder, options, &[]).await
}

fn config(bed: &Bed, more: HashMap<&str, String>) -> Config {
    let mut variables = bed.variables(User::Setup);
    for (name, text) in more {
        variables.retain(|(other, _)| other != name);
        variables.push((name.to_owned(), text));
    }
    Config::read(Path::new("none.toml"), "", variables).unwrap_or_else(|wrong| panic!("{wrong}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_trusted_if_the_configured_authority_signed_it_and_not_otherwise() {
    let bed = server().await;
    let url = bed.nats.url().replace("nats://", "tls://");
    let unknown = config(&bed, HashMap::from([("LANDFALL_NATS__URL", url.clone())]));
    let refused = runtime::setup(&unknown).await.unwrap_err().to_string();
    assert!(refused.contains("certificate"), "{refused}");

    let authority = bed.folder().join("cert.pem").to_str().unwrap().to_owned();
    let known = config(
        &bed,
        HashMap::from([
            ("LANDFALL_NATS__URL", url),
            ("LANDFALL_NATS__CA_FILE", authority),
        ]),
    );
    assert!(!runtime::setup(&known).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_tls_is_wanted_a_server_without_it_is_told_no_password() {
    let bed = Bed::new(&[]).await;
    let CertifiedKey { cert, .. } = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let authority = bed.folder().join("cert.pem");
    std::fs::write(&authority, cert.pem()).unwrap();
    let authority = authority.to_str().unwrap().to_owned();
    let wary = config(&bed, HashMap::from([("LANDFALL_NATS__CA_FILE", authority)]));
    let refused = runtime::setup(&wary).await.unwrap_err().to_string();
    assert!(refused.contains("cannot connect"), "{refused}");
    assert!(runtime::setup(&bed.config(User::Setup)).await.is_ok());
}
