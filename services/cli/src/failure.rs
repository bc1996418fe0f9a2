use std::process::ExitCode;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line or the configuration is wrong.
    Usage(String),
    /// It did not work.
    Failed(anyhow::Error),
    /// It did not work, and that has been said.
    Told,
}

impl Failure {
    /// It did not work, for a reason that reads well as it is.
    pub(crate) fn failed(reason: impl std::fmt::Display) -> Self {
        Self::Failed(anyhow::anyhow!("{reason}"))
    }

    /// Says what is wrong; answers the exit code.
    pub(crate) fn tell(&self) -> ExitCode {
        match self {
            Self::Usage(wrong) => eprintln!("landfall: {wrong}"),
            Self::Failed(error) => eprintln!("landfall: {error:#}"),
            Self::Told => {}
        }
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Failed(_) | Self::Told => ExitCode::FAILURE,
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.into())
    }
}
