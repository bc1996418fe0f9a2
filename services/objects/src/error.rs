use proto::event::Vanished;
use runtime::Trouble;

/// What object storage can answer instead of doing what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store is away, slow or overloaded. What was asked may or may not have been done.
    #[error("{0}")]
    Away(String),
    /// The version asked for is not there any more.
    #[error("{}", match .0 {
        Vanished::Gone => "the object is gone",
        Vanished::Replaced => "the object was replaced by another version",
    })]
    Vanished(Vanished),
    /// A right, a bucket or valid credentials are missing: names which, and where. A person mends
    /// it, and no file is to blame.
    #[error("{0}")]
    Denied(String),
    /// The store answered something that will not change by itself, or that is this object's doing:
    /// the same works for others.
    #[error("{0}")]
    Refused(String),
    /// The store does not take the key: longer, or with other characters, than it stores.
    #[error("{0}")]
    BadKey(String),
}

/// Short for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A label for metrics.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Away(_) => "away",
            Self::Vanished(_) => "vanished",
            Self::Denied(_) => "denied",
            Self::Refused(_) => "refused",
            Self::BadKey(_) => "bad_key",
        }
    }
}

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
            Error::Vanished(_) | Error::Refused(_) | Error::BadKey(_) => Self::Retry { reason },
        }
    }
}
