use proto::event::Vanished;
use runtime::Trouble;

/// What object storage can answer instead of doing what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store is away, slow or overloaded. What was asked may or may not have been done.
    #[error("{0}")]
    Away(String),
    /// The version asked for is not there any more.
    #[error("the object is {0:?}")]
    Vanished(Vanished),
    /// A right is missing: names the action, the bucket and the key.
    #[error("{0}")]
    Denied(String),
    /// The store answered something that will not change by itself.
    #[error("{0}")]
    Refused(String),
}

/// Short for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        let reason = error.to_string();
        match error {
            // A missing right is mended by a person, without the file's doing: it is no reason to
            // give the file up.
            Error::Away(_) | Error::Denied(_) => Self::Outage {
                dependency: "s3",
                reason,
            },
            Error::Vanished(_) | Error::Refused(_) => Self::Retry { reason },
        }
    }
}
