//! What the driver's errors mean.

use scylla::errors::{
    ConnectionError, ConnectionPoolError, ConnectionSetupRequestErrorKind, DbError, ExecutionError,
    MetadataError, NewSessionError, PrepareError, RequestAttemptError,
};

use crate::Error;

/// What a failed request means to who asked. What is wrong with the database as a whole (a right,
/// a table that is missing) is an outage, so that the services wait until it is mended instead of
/// giving up on one file after the other.
pub(super) fn of_request(store: &str, error: &ExecutionError) -> Error {
    match error {
        ExecutionError::BadQuery(error) => Error::Broken(format!("{store}: {error}")),
        ExecutionError::LastAttemptError(error) => of_attempt(store, error),
        ExecutionError::PrepareError(error) => of_preparation(store, error),
        _ => away(store, error),
    }
}

/// [`of_request`] for a statement that is being prepared.
pub(super) fn of_preparation(store: &str, error: &PrepareError) -> Error {
    match error {
        PrepareError::AllAttemptsFailed { first_attempt } => of_attempt(store, first_attempt),
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
        DbError::Unauthorized => away(
            store,
            &format!("{said}; give the role of this service that right"),
        ),
        DbError::Invalid if is_about_the_schema(said) => {
            away(store, &format!("{said}; run `landfall setup`"))
        }
        DbError::Invalid | DbError::SyntaxError | DbError::ProtocolError => {
            Error::Broken(format!("{store}: {said}"))
        }
        _ => away(store, error),
    }
}

fn is_about_the_schema(said: &str) -> bool {
    let said = said.to_lowercase();
    ["does not exist", "unconfigured table", "undefined column"]
        .iter()
        .any(|text| said.contains(text))
}

/// What stands in the way when a service starts is told at once where nobody else will mend it.
pub(super) fn of_connecting(store: &str, error: &NewSessionError) -> Error {
    if let NewSessionError::MetadataError(MetadataError::ConnectionPoolError(
        ConnectionPoolError::Broken {
            last_connection_error: ConnectionError::ConnectionSetupRequestError(error),
        },
    )) = error
    {
        match error.get_error() {
            ConnectionSetupRequestErrorKind::DbError(DbError::AuthenticationError, said) => {
                return Error::Broken(format!("{store}: {said}; set user and password right"));
            }
            ConnectionSetupRequestErrorKind::MissingAuthentication => {
                return Error::Broken(format!("{store}: it wants a user and a password"));
            }
            _ => {}
        }
    }
    away(store, error)
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
