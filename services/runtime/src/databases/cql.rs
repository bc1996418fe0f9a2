//! How the configured CQL database is reached.

use std::sync::Arc;

use store::cql::Access;

use crate::config::store::Cql;
use crate::{Trouble, tls};

/// The way there, with what it takes.
pub fn access(config: &Cql) -> Result<Access, Trouble> {
    let client = || tls::client("store.cql.ca_file", config.ca_file.as_deref());
    let tls = config.tls.then(client).transpose();
    let tls = tls.map_err(|reason| Trouble::Retry { reason })?;
    let login = config.user.clone().zip(config.password.as_ref());
    Ok(Access {
        nodes: config.nodes.clone(),
        datacenter: config.datacenter.clone(),
        login: login.map(|(user, password)| (user, password.expose().to_owned())),
        tls: tls.map(Arc::new),
    })
}
