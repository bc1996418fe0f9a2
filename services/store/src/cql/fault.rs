//! What the driver's errors mean.

use scylla::errors::{
    ConnectionError, ConnectionPoolError, ConnectionSetupRequestError,
    ConnectionSetupRequestErrorKind, DbError, ExecutionError, MetadataError, NewSessionError,
    PrepareError, RequestAttemptError,
};
use tokio_rustls::rustls::{self, CertificateError};

use crate::Error;

/// What a failed request means to who asked. What is wrong with the database as a whole (a right,
/// a table that is missing) is an outage, so that the services wait until it is mended instead of
/// giving up on one file after the other.
pub(super) fn of_request(store: &str, error: &ExecutionError) -> Error {
    match error {
        ExecutionError::BadQuery(error) => Error::Broken(format!("{store}: {error}")),
        ExecutionError::LastAttemptError(error) => of_attempt(store, error),
        ExecutionError::PrepareError(error) => of_preparation(store, error),
        ExecutionError::ConnectionPoolError(error) => of_connections(store, error),
        _ => away(store, error),
    }
}

/// [`of_request`] for a statement that is being prepared.
pub(super) fn of_preparation(store: &str, error: &PrepareError) -> Error {
    match error {
        PrepareError::AllAttemptsFailed { first_attempt } => of_attempt(store, first_attempt),
        PrepareError::ConnectionPoolError(error) => of_connections(store, error),
        _ => away(store, error),
    }
}

fn of_attempt(store: &str, error: &RequestAttemptError) -> Error {
    let RequestAttemptError::DbError(kind, said) = error else {
        return match error {
            RequestAttemptError::SerializationError(_)
            | RequestAttemptError::CqlRequestSerialization(_)
            | RequestAttemptError::CqlResultParseError(_) => {
                Error::Broken(format!("{store}: {error}"))
            }
            _ => away(store, error),
        };
    };
    match kind {
        DbError::Unauthorized if could_not_look(said) => away(store, said),
        DbError::Unauthorized => away(
            store,
            &format!("{said}; grant it: deploy/scylla/rights.cql has what each service needs"),
        ),
        DbError::Invalid if is_about_the_schema(said) => {
            away(store, &format!("{said}; run `landfall setup`"))
        }
        DbError::Invalid if said.contains(EXPIRES_TOO_LATE) => away(
            store,
            &format!("{said}; make `store.cql.ttl` shorter, and ALTER the tables"),
        ),
        // Looking again is of no use, and other partitions have nothing to do with it.
        _ if is_buried(said) => Error::Broken(format!(
            "{store}: {said}; a partition has too many deleted rows to be read: raise the nodes' \
             `tombstone_failure_threshold`, or try again after the table's gc_grace_seconds; a \
             shorter `store.cql.bucket` would have made it smaller"
        )),
        DbError::Invalid | DbError::SyntaxError | DbError::ProtocolError => {
            Error::Broken(format!("{store}: {said}"))
        }
        _ => away(store, error),
    }
}

/// As Cassandra says it, which keeps time of 32 bits (CASSANDRA-14092).
const EXPIRES_TOO_LATE: &str = "maximum supported expiration date";

/// Whether Cassandra gave a read up for what was deleted there.
fn is_buried(said: &str) -> bool {
    said.contains("READ_TOO_MANY_TOMBSTONES")
}

fn is_about_the_schema(said: &str) -> bool {
    let said = said.to_lowercase();
    ["does not exist", "unconfigured table", "undefined column"]
        .iter()
        .any(|text| said.contains(text))
}

/// What stands in the way when a service starts. Who gets in is for the database to say and may be
/// mended there, so that it is an outage like everything else. `plain` is without TLS.
pub(super) fn of_connecting(store: &str, plain: bool, error: &NewSessionError) -> Error {
    let NewSessionError::MetadataError(MetadataError::ConnectionPoolError(error)) = error else {
        return away(store, error);
    };
    match error {
        ConnectionPoolError::Broken {
            last_connection_error: ConnectionError::ConnectionSetupRequestError(setup),
        } if plain && is_cut_off(setup.get_error()) => away(
            store,
            &format!("{setup}; if it speaks TLS alone, set `store.cql.tls = true`"),
        ),
        _ => of_connections(store, error),
    }
}

/// Why no node can be asked, and which setting mends that.
fn of_connections(store: &str, error: &ConnectionPoolError) -> Error {
    let ConnectionPoolError::Broken {
        last_connection_error: last,
    } = error
    else {
        return away(store, error);
    };
    match last {
        ConnectionError::ConnectionSetupRequestError(setup) => of_setup(store, setup),
        ConnectionError::IoError(io) => match io.get_ref().and_then(|why| why.downcast_ref()) {
            Some(why) => away(store, &format!("{why}; {}", mending_tls(why))),
            None => away(store, last),
        },
        _ => away(store, last),
    }
}

fn of_setup(store: &str, error: &ConnectionSetupRequestError) -> Error {
    match error.get_error() {
        ConnectionSetupRequestErrorKind::DbError(DbError::AuthenticationError, said)
            if could_not_look(said) =>
        {
            away(store, said)
        }
        ConnectionSetupRequestErrorKind::DbError(DbError::AuthenticationError, said) => away(
            store,
            &format!("{said}; mend `store.cql.user` or `store.cql.password`"),
        ),
        ConnectionSetupRequestErrorKind::MissingAuthentication => away(
            store,
            "it wants to know who connects; set `store.cql.user` and `store.cql.password`",
        ),
        _ => away(store, error),
    }
}

/// Nodes that speak TLS hang up on whoever does not.
fn is_cut_off(error: &ConnectionSetupRequestErrorKind) -> bool {
    matches!(error, ConnectionSetupRequestErrorKind::BrokenConnection(_))
}

fn mending_tls(error: &rustls::Error) -> &'static str {
    match error {
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "give the node a certificate that names its IP address",
        rustls::Error::InvalidCertificate(_) => {
            "let `store.cql.ca_file` be the authority that signed the nodes' certificates"
        }
        rustls::Error::InvalidMessage(_) => "if it speaks no TLS, set `store.cql.tls = false`",
        _ => "look at `store.cql.tls`",
    }
}

/// Where Cassandra cannot read its roles it answers as if the role or its rights were wrong.
fn could_not_look(said: &str) -> bool {
    said.starts_with("Unable to perform auth")
}

/// Whether it may be different in a moment.
pub(super) fn passes(error: &ExecutionError) -> bool {
    match error {
        ExecutionError::ConnectionPoolError(_)
        | ExecutionError::EmptyPlan
        | ExecutionError::RequestTimeout(_) => true,
        ExecutionError::LastAttemptError(error) => match error {
            RequestAttemptError::BrokenConnectionError(_)
            | RequestAttemptError::UnableToAllocStreamId => true,
            RequestAttemptError::DbError(DbError::Unauthorized, said) => could_not_look(said),
            RequestAttemptError::DbError(_, said) if is_buried(said) => false,
            RequestAttemptError::DbError(kind, _) => matches!(
                kind,
                DbError::Overloaded
                    | DbError::Unavailable { .. }
                    | DbError::IsBootstrapping
                    | DbError::ReadTimeout { .. }
                    | DbError::WriteTimeout { .. }
                    | DbError::ReadFailure { .. }
                    | DbError::WriteFailure { .. }
                    | DbError::RateLimitReached { .. }
                    | DbError::TruncateError
                    | DbError::ServerError
            ),
            _ => false,
        },
        _ => false,
    }
}

pub(super) fn away(store: &str, reason: &(impl ToString + ?Sized)) -> Error {
    Error::Away {
        store: store.to_owned(),
        reason: reason.to_string(),
    }
}
