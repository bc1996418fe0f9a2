//! Addresses to listen on.

use std::net::SocketAddr;

use serde::{Deserialize, Deserializer, Serializer};

/// Writes an address.
pub fn serialize<S: Serializer>(address: &SocketAddr, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(address)
}

/// Reads an address.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| {
        serde::de::Error::custom(format_args!(
            "expected an address and a port like `127.0.0.1:8780` or `[::]:8780`, found `{text}`"
        ))
    })
}
