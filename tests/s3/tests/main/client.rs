//! Amazon's client, which tries nothing twice.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, RequestChecksumCalculation};
use aws_sdk_s3::error::SdkError;
use faulty_s3::{Flavour, Server, Store};

pub(crate) fn client(endpoint: &str, access_key: &str, secret_key: &str) -> Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .endpoint_url(endpoint)
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(access_key, secret_key, None, None, "test"))
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .retry_config(RetryConfig::disabled())
        .force_path_style(true)
        .build();
    Client::from_conf(config)
}

/// A server with the bucket `b`, and a client whose access key is `tester`.
pub(crate) async fn server(flavour: Flavour) -> (Server, Client) {
    let mut store = Store::new(flavour);
    store.create_bucket("b");
    let server = Server::start(store).await.unwrap();
    let client = client(server.endpoint(), "tester", "secret");
    (server, client)
}

/// The status of a refusal; 0 where it was done, and where no answer came.
pub(crate) fn refused<T, E>(result: &Result<T, SdkError<E>>) -> u16 {
    let answer = result.as_ref().err().and_then(SdkError::raw_response);
    answer.map_or(0, |answer| answer.status().as_u16())
}

/// What lies under a key.
pub(crate) async fn bytes(s3: &Client, bucket: &str, key: &str) -> Option<Vec<u8>> {
    let answer = s3.get_object().bucket(bucket).key(key).send().await.ok()?;
    Some(answer.body.collect().await.unwrap().to_vec())
}

pub(crate) async fn put(s3: &Client, bucket: &str, key: &str, body: &str) -> String {
    let request = s3.put_object().bucket(bucket).key(key);
    let answer = request.body(body.as_bytes().to_vec().into()).send().await;
    answer.unwrap().e_tag.unwrap()
}
