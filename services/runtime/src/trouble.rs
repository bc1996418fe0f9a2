/// Why a handler could not do its work. What a handler answers decides what becomes of the
/// message; the runtime does the rest.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Trouble {
    /// A dependency is away. Not an error: the loop stops pulling, keeps what it holds alive,
    /// counts no tries, and goes on by itself when the dependency is back.
    #[error("{dependency} is away: {reason}")]
    Outage {
        /// `nats`, `s3`, `store`, `smtp`: a label of metrics and logs.
        dependency: &'static str,
        /// One line.
        reason: String,
    },
    /// It did not work this time, and the dependency is not to blame. Counts as a try; the last
    /// one ends as [`Trouble::Reject`].
    #[error("{reason}")]
    Retry {
        /// One line.
        reason: String,
    },
    /// It will never work: dead letter, and `failed`.
    #[error("{reason}")]
    Reject {
        /// One line: what is wrong and how to mend it.
        reason: String,
    },
}

impl From<store::Error> for Trouble {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Away { .. } => Self::Outage {
                dependency: "store",
                reason: error.to_string(),
            },
            store::Error::Broken(reason) => Self::Retry { reason },
        }
    }
}
