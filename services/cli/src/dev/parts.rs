//! What runs, and its being kept running.

use std::process::ExitStatus;
use std::time::{Duration, Instant};

use servers::{MailCatcher, Nats, Process, SeaweedFs};
use tokio::sync::watch;

use super::service::Service;
use super::talk::Talk;

/// Who ran so long did not fail at its start.
const STEADY: Duration = Duration::from_secs(60);
const SHORTEST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);

/// The exit code of a program that does not like its configuration: trying again is no use.
const WRONG: i32 = 2;

/// A running process that is started again when it ends.
#[derive(Debug)]
pub(crate) enum Part {
    Nats(Nats),
    Store(SeaweedFs),
    Mail(MailCatcher),
    Service(Service),
}

impl Part {
    fn process(&self) -> &Process {
        match self {
            Self::Nats(server) => server.process(),
            Self::Store(server) => server.process(),
            Self::Mail(server) => server.process(),
            Self::Service(service) => service.process(),
        }
    }

    async fn restart(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Nats(server) => server.restart().await,
            Self::Store(server) => server.restart().await,
            Self::Mail(server) => server.restart().await,
            Self::Service(service) => service.restart(),
        }
    }

    async fn stop(&self) {
        match self {
            Self::Nats(server) => server.stop().await,
            Self::Store(server) => server.stop().await,
            Self::Mail(server) => server.stop().await,
            Self::Service(service) => drop(service.process().stop().await),
        }
    }

    /// Keeps it running until `stop` says true, and ends it then. An error is one that another
    /// start does not mend.
    pub(crate) async fn keep(
        mut self,
        mut stop: watch::Receiver<bool>,
        talk: Talk,
    ) -> anyhow::Result<()> {
        let mut pause = SHORTEST;
        loop {
            let since = Instant::now();
            let status = tokio::select! {
                status = self.process().ended() => status,
                () = stopped(&mut stop) => {
                    self.stop().await;
                    return Ok(());
                }
            };
            let name = self.process().name().to_owned();
            if status.code() == Some(WRONG) && matches!(self, Self::Service(_)) {
                anyhow::bail!("the {name} does not take its configuration");
            }
            if since.elapsed() >= STEADY {
                pause = SHORTEST;
            }
            loop {
                talk.trouble(&format!(
                    "{name} {}; it is started again in {:.1} s",
                    how(status),
                    pause.as_secs_f32()
                ));
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = stopped(&mut stop) => return Ok(()),
                }
                pause = (pause * 2).min(LONGEST);
                match self.restart().await {
                    Ok(()) => {
                        talk.note(&format!("{name} runs again"));
                        break;
                    }
                    Err(error) => talk.trouble(&format!("{name} cannot be started: {error:#}")),
                }
            }
        }
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // Nobody left to say it means the same.
    while !*stop.borrow_and_update() && stop.changed().await.is_ok() {}
}

fn how(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}
