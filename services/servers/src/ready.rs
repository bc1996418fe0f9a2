//! Waiting until a server answers.

use std::pin::Pin;
use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;

use crate::Process;

const LOOKS_EVERY: Duration = Duration::from_millis(20);

/// Why a server did not come up.
pub(crate) enum Failure {
    /// Another process has one of its ports: others may do.
    PortTaken(anyhow::Error),
    /// Anything else.
    Other(anyhow::Error),
}

impl From<Failure> for anyhow::Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::PortTaken(error) | Failure::Other(error) => error,
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

/// Asks a server once whether it is well. (Without its type, since the compiler cannot see through
/// generic ones that a restart may go to another thread.)
pub(crate) type Answers<'a> =
    dyn Fn() -> Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send + 'a>> + Send + Sync + 'a;

/// Asks `answers` until it is well, at most until `deadline` has passed or the process has ended.
pub(crate) async fn wait(
    process: &Process,
    deadline: Duration,
    answers: &Answers<'_>,
) -> Result<(), Failure> {
    let asking = async {
        let mut last = anyhow!("it was not asked");
        let asked = tokio::time::timeout(deadline, async {
            while let Err(error) = answers().await {
                last = error;
                tokio::time::sleep(LOOKS_EVERY).await;
            }
        });
        match asked.await {
            Ok(()) => Ok(()),
            Err(_) => Err(last),
        }
    };
    let name = process.name();
    let error = tokio::select! {
        // Ended goes first: somebody else may answer at its port.
        biased;
        status = process.ended() => anyhow!("{name} ended with {status} instead of starting"),
        answer = asking => match answer {
            Ok(()) => return Ok(()),
            Err(last) => anyhow!("{name} does not answer after {deadline:?}: {last}"),
        }
    };
    let lines = process.last_lines(12);
    let taken = ["address already in use", "Address already in use"]
        .iter()
        .any(|text| lines.contains(text));
    let error = error.context(format!(
        "the last lines of {}:\n{lines}",
        process.log().display()
    ));
    if taken {
        Err(Failure::PortTaken(error))
    } else {
        Err(Failure::Other(error))
    }
}

/// Starts with free ports until none of them was taken in between.
pub(crate) async fn retry<T, F>(attempt: impl Fn(u32) -> F) -> anyhow::Result<T>
where
    F: Future<Output = Result<T, Failure>>,
{
    const ATTEMPTS: u32 = 5;
    for number in 1..ATTEMPTS {
        match attempt(number).await {
            Err(Failure::PortTaken(_)) => {}
            Err(Failure::Other(error)) => return Err(error),
            Ok(server) => return Ok(server),
        }
    }
    Ok(attempt(ATTEMPTS).await?)
}

/// The first line that the server at `port` says to whoever connects.
pub(crate) async fn greeting(port: u16) -> anyhow::Result<String> {
    let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", port)).await?);
    let mut line = String::new();
    tokio::time::timeout(Duration::from_secs(5), stream.read_line(&mut line))
        .await
        .context("it says nothing")??;
    Ok(line)
}
