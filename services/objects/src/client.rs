use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Builder, Credentials, Region, RequestChecksumCalculation,
    ResponseChecksumValidation, SharedCredentialsProvider, StalledStreamProtectionConfig,
};
use aws_smithy_http_client::tls;
use tokio::sync::Semaphore;

use runtime::config::objects::Config;

use crate::blame::Worked;
use crate::{Error, Result, call};

/// Idle connections are closed before the stores do it (AWS after about 20 s), so that a request
/// seldom meets one that is being closed.
const IDLE: Duration = Duration::from_secs(15);

/// How long it may take to connect; the rest of `[objects] timeout` is for the answer.
const CONNECT: Duration = Duration::from_secs(5);

/// What a store is assumed to copy or take a second at least: a request about many bytes may take
/// so much longer than `[objects] timeout`.
const BYTES_A_SECOND: u64 = 4 << 20;

/// A client of one store. Cheap to clone; all clones share one pool.
#[derive(Clone, Debug)]
pub struct Objects {
    pub(crate) client: Client,
    pub(crate) under_way: Arc<Semaphore>,
    pub(crate) timeout: Duration,
    /// Larger objects are copied in parts of so many bytes.
    pub(crate) copy_above: u64,
    pub(crate) copy_part: u64,
    pub(crate) worked: Worked,
    /// For error messages.
    pub(crate) endpoint: Arc<str>,
}

impl Objects {
    /// A client for the configured store. Does not connect yet.
    #[expect(clippy::disallowed_methods, reason = "each request has a failpoint")]
    pub async fn new(config: &Config) -> Result<Self> {
        call::describe();
        let connections = config.connections.clamp(1, Semaphore::MAX_PERMITS);
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(tls::Provider::Rustls(
                tls::rustls_provider::CryptoMode::AwsLc,
            ))
            .tls_context(trusted(config)?)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(connections)
            .build_https();
        let mut builder = Builder::new()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .http_client(http)
            .region(Region::new(config.region.clone()))
            .force_path_style(config.path_style)
            // A connection that broke is tried once more; outages are the runtime's to wait for.
            // All requests share one budget for it, so that a store in trouble is not asked twice.
            .retry_config(
                RetryConfig::standard()
                    .with_max_attempts(config.attempts)
                    .with_initial_backoff(Duration::from_millis(50)),
            )
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(CONNECT.min(config.timeout))
                    .build(),
            )
            // Bodies that stall are found out by `Body`, which resumes them.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .credentials_provider(credentials(config).await?);
        if let Some(endpoint) = &config.endpoint {
            builder = builder.endpoint_url(endpoint);
            if !is_aws(endpoint) {
                // Many stores do not take the checksums that newer SDKs add on their own.
                builder = builder
                    .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
                    .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
            }
        }
        Ok(Self {
            client: Client::from_conf(builder.build()),
            under_way: Arc::new(Semaphore::new(connections)),
            timeout: config.timeout,
            copy_above: config.copy_above,
            copy_part: config.copy_part,
            worked: Worked::default(),
            endpoint: config.endpoint.as_deref().unwrap_or("AWS").into(),
        })
    }

    /// How long a request may take that makes the store move `size` bytes.
    pub(crate) fn timeout_for(&self, size: u64) -> Duration {
        self.timeout + Duration::from_secs(size / BYTES_A_SECOND)
    }
}

/// Whom an `https` endpoint has to be vouched for by: the authority of `[objects] ca_file` alone
/// where it is set, else what this machine trusts.
fn trusted(config: &Config) -> Result<tls::TlsContext> {
    let mut store = tls::TrustStore::default();
    if let Some(file) = &config.ca_file {
        // The SDK panics over what is no certificate.
        runtime::tls::client("objects.ca_file", Some(file)).map_err(Error::Denied)?;
        let unread = |error| Error::Denied(format!("`objects.ca_file`: {error}"));
        let pem = std::fs::read(file).map_err(unread)?;
        store = tls::TrustStore::empty().with_pem_certificate(pem);
    }
    let context = tls::TlsContext::builder().with_trust_store(store).build();
    context.map_err(|error| Error::Denied(format!("`objects.ca_file`: {error}")))
}

/// The configured keys, or whatever the AWS chain finds (environment, profile, web identity,
/// instance).
async fn credentials(config: &Config) -> Result<SharedCredentialsProvider> {
    match (&config.access_key, &config.secret_key) {
        (Some(access), Some(secret)) => Ok(SharedCredentialsProvider::new(Credentials::new(
            access.expose(),
            secret.expose(),
            None,
            None,
            "landfall.toml",
        ))),
        // Half a pair is refused where the configuration is read.
        _ => {
            let loaded = aws_config::defaults(BehaviorVersion::v2026_01_12())
                .region(Region::new(config.region.clone()))
                .load()
                .await;
            loaded.credentials_provider().ok_or_else(|| {
                Error::Denied(
                    "no credentials for the object store: set `[objects] access_key` and \
                     `secret_key`"
                        .to_owned(),
                )
            })
        }
    }
}

/// Whether an endpoint is AWS's own.
fn is_aws(endpoint: &str) -> bool {
    let host = endpoint
        .split_once("://")
        .map_or(endpoint, |(_, rest)| rest);
    let host = host.split(['/', ':', '?']).next().unwrap_or_default();
    host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_amazons_own_hosts_are_aws() {
        assert!(is_aws("https://s3.eu-central-1.amazonaws.com"));
        assert!(is_aws("https://s3.cn-north-1.amazonaws.com.cn/"));
        assert!(!is_aws("http://127.0.0.1:8333"));
        assert!(!is_aws("https://amazonaws.com.example.org"));
        assert!(!is_aws("https://example.org/s3.amazonaws.com"));
    }
}
