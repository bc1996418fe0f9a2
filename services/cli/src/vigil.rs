//! Waiting for what others do, and saying so.

use std::pin::pin;
use std::time::Duration;

use async_nats::Client;
use async_nats::connection::State;
use tokio::time::Instant;

use crate::failure::Failure;

/// After so long without news it is said what is waited for; then after twice as long, and so on.
const QUIET: Duration = Duration::from_secs(10);
/// So long may the connection be lost.
const LOST: Duration = Duration::from_secs(60);
const LOOKS_EVERY: Duration = Duration::from_millis(200);

/// Somebody who waits, with bounded patience.
#[derive(Debug)]
pub(crate) struct Vigil {
    client: Client,
    began: Instant,
    timeout: Option<Duration>,
    /// When there was news, and how long the next silence may be.
    news: Instant,
    quiet: Duration,
    lost: Option<Instant>,
    patience: Duration,
}

impl Vigil {
    /// Begins now, and ends after `timeout` at the latest.
    pub(crate) fn new(client: Client, timeout: Option<Duration>) -> Self {
        Self {
            client,
            began: Instant::now(),
            timeout,
            news: Instant::now(),
            quiet: QUIET,
            lost: None,
            patience: LOST,
        }
    }

    /// There is news.
    pub(crate) fn heard(&mut self) {
        self.news = Instant::now();
        self.quiet = QUIET;
    }

    /// Waits for `coming`. Where that takes long it says so, and for `what`.
    pub(crate) async fn outlast<T>(
        &mut self,
        coming: impl Future<Output = anyhow::Result<T>>,
        what: impl Fn() -> String,
    ) -> Result<T, Failure> {
        // Here too: where much comes in, nothing is waited for.
        self.look(&what)?;
        let mut coming = pin!(coming);
        loop {
            tokio::select! {
                biased;
                came = &mut coming => return Ok(came?),
                () = tokio::time::sleep(LOOKS_EVERY) => self.look(&what)?,
            }
        }
    }

    fn look(&mut self, what: impl Fn() -> String) -> Result<(), Failure> {
        let connected = self.client.connection_state() == State::Connected;
        self.lost = match self.lost {
            _ if connected => None,
            None => Some(Instant::now()),
            since => since,
        };
        if let Some(timeout) = self.timeout
            && self.began.elapsed() >= timeout
        {
            let nats = if connected { "" } else { ", without nats" };
            let waited = format!("waited for {timeout:?}{nats}");
            return Err(Failure::failed(format!("{waited}: {}", what())));
        }
        if self
            .lost
            .is_some_and(|since| since.elapsed() >= self.patience)
        {
            let lost = format!("the connection to nats is lost for {:?}", self.patience);
            return Err(Failure::failed(format!("{lost}: {}", what())));
        }
        if connected && self.news.elapsed() >= self.quiet {
            eprintln!("waiting: {}", what());
            self.news = Instant::now();
            self.quiet *= 2;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use servers::Nats;
    use servers::nats::{Access, Options};

    use super::*;

    /// A server, and who waits for it.
    #[expect(clippy::disallowed_methods, reason = "a test has no failpoints")]
    async fn vigil(folder: &tempfile::TempDir) -> (Nats, Vigil) {
        let options = Options {
            access: Access::Open,
            ..Options::default()
        };
        let nats = Nats::start(folder.path(), options).await.unwrap();
        let client = async_nats::connect(nats.url()).await.unwrap();
        (nats, Vigil::new(client, None))
    }

    async fn never(vigil: &mut Vigil) -> String {
        let never = std::future::pending::<anyhow::Result<()>>();
        let ended = vigil.outlast(never, || "a.csv".to_owned()).await;
        match ended.unwrap_err() {
            Failure::Failed(error) => error.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn it_ends_when_the_connection_stays_lost_and_not_while_it_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let (nats, mut vigil) = vigil(&folder).await;
        vigil.patience = Duration::from_millis(500);
        vigil.timeout = Some(Duration::from_secs(2));
        assert_eq!(never(&mut vigil).await, "waited for 2s: a.csv");
        vigil.timeout = None;
        nats.kill().await;
        let said = "the connection to nats is lost for 500ms: a.csv";
        assert_eq!(never(&mut vigil).await, said);
    }

    #[tokio::test]
    async fn the_longer_nothing_comes_the_rarer_it_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let (_nats, mut vigil) = vigil(&folder).await;
        let said = std::cell::Cell::new(0);
        let look = |vigil: &mut Vigil| {
            let what = || {
                said.set(said.get() + 1);
                String::new()
            };
            vigil.look(what).unwrap();
            said.get()
        };
        assert_eq!(look(&mut vigil), 0);
        vigil.news -= QUIET;
        assert_eq!(look(&mut vigil), 1);
        vigil.news -= QUIET;
        assert_eq!(look(&mut vigil), 1);
        vigil.news -= QUIET;
        assert_eq!(look(&mut vigil), 2);
        vigil.heard();
        vigil.news -= QUIET;
        assert_eq!(look(&mut vigil), 3);
    }
}
