/// What a store can answer instead of doing what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// It is away, busy, out of room or short of replicas: what was asked may or may not have
    /// been done, and can be asked again.
    #[error("{store} is away: {reason}")]
    Away {
        /// Which store: a path or an address, without secrets.
        store: String,
        /// What it said.
        reason: String,
    },
    /// It answered, and the answer will not change: a wrong schema, a missing right, data that
    /// cannot be read. Names what is wrong and how to mend it.
    #[error("{0}")]
    Broken(String),
}

/// Short for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
