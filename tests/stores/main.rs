//! The whole of Landfall on stores that publish their notifications to NATS themselves: MinIO and
//! versitygw, set up as `deploy/storage/` says and no further. `make test-stores` installs both.

mod minio;
mod uploads;
mod versitygw;
