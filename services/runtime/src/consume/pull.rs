//! Pulling: exactly as many messages are asked for as there are free slots.
//!
//! The library's own `Batch` does not wake for what follows a heartbeat, and its `Stream`
//! prefetches, so the requests are made here.

use std::time::Duration;

use async_nats::jetstream::consumer::pull::BatchConfig;
use async_nats::{Client, StatusCode, Subscriber};
use failpoint::{Call, Subject, around};
use futures::StreamExt;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::nats::Link;
use crate::verify::Pull;

/// How long one request waits for messages.
const EXPIRES: Duration = Duration::from_secs(30);
/// How often the server says that the request still stands.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// After this silence the request is lost: the server went away, or forgot it.
const SILENCE: Duration = Duration::from_secs(11);

/// What came in.
#[derive(Debug)]
pub(super) enum Incoming {
    /// A message for a slot.
    Message(async_nats::Message),
    /// The request is over: its time is up, or nothing was there.
    Over,
    /// Something is wrong with the consumer or the connection; one line.
    Lost(String),
}

/// One subscription for all the requests of a consumer, one request at a time.
#[derive(Debug)]
pub(super) struct Requests {
    consumer: Pull,
    inbox: String,
    subscriber: Subscriber,
    connects: watch::Receiver<u64>,
    number: u64,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    left: usize,
    silent_until: Instant,
}

impl Requests {
    #[expect(
        clippy::disallowed_methods,
        reason = "it asks for nothing, and leaves nothing when the process ends"
    )]
    pub(super) async fn new(client: &Client, consumer: Pull, link: &Link) -> Result<Self, String> {
        let mut connects = link.connects();
        connects.mark_unchanged();
        let inbox = client.new_inbox();
        let subscriber = client
            .subscribe(format!("{inbox}.*"))
            .await
            .map_err(|error| format!("cannot subscribe for messages: {error}"))?;
        Ok(Self {
            consumer,
            inbox,
            subscriber,
            connects,
            number: 0,
            open: None,
        })
    }

    /// Whether a request stands.
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Asks for `free` messages.
    #[expect(clippy::disallowed_methods, reason = "its failpoint is around it")]
    pub(super) async fn ask(&mut self, free: usize) -> Result<(), String> {
        self.number += 1;
        let request = BatchConfig {
            batch: free,
            expires: Some(EXPIRES),
            idle_heartbeat: HEARTBEAT,
            ..BatchConfig::default()
        };
        let inbox = format!("{}.{}", self.inbox, self.number).into();
        let asked = self.consumer.request_batch(request, inbox);
        around(Call::NatsPull, Subject::NONE, asked)
            .await
            .map_err(|error| format!("cannot ask for messages: {error}"))?;
        self.open = Some(Open {
            left: free,
            silent_until: Instant::now() + SILENCE,
        });
        Ok(())
    }

    /// The next thing that comes in. Safe to cancel.
    pub(super) async fn next(&mut self) -> Incoming {
        loop {
            let silence = async {
                match &self.open {
                    Some(open) => tokio::time::sleep_until(open.silent_until).await,
                    None => std::future::pending().await,
                }
            };
            let message = tokio::select! {
                biased;
                message = self.subscriber.next() => message,
                () = silence => {
                    self.open = None;
                    return Incoming::Lost("no heartbeat from the server".to_owned());
                }
                Ok(()) = self.connects.changed() => {
                    self.open = None;
                    return Incoming::Lost("the connection is a new one".to_owned());
                }
            };
            match message {
                None => return Incoming::Lost("the subscription ended".to_owned()),
                Some(message) => {
                    if let Some(incoming) = self.sort(message) {
                        return incoming;
                    }
                }
            }
        }
    }

    fn sort(&mut self, message: async_nats::Message) -> Option<Incoming> {
        let current = message
            .subject
            .strip_prefix(self.inbox.as_str())
            .and_then(|rest| rest.strip_prefix('.'))
            .is_none_or(|number| number == self.number.to_string());
        if current && let Some(open) = &mut self.open {
            open.silent_until = Instant::now() + SILENCE;
        }
        let status = match message.status {
            None | Some(StatusCode::OK) => {
                if current && let Some(open) = &mut self.open {
                    open.left -= 1;
                    if open.left == 0 {
                        self.open = None;
                    }
                }
                return Some(Incoming::Message(message));
            }
            Some(status) => status,
        };
        match status {
            StatusCode::IDLE_HEARTBEAT => None,
            // What the server says about an earlier request is of no interest any more.
            _ if !current => None,
            StatusCode::TIMEOUT | StatusCode::NOT_FOUND => {
                self.open = None;
                Some(Incoming::Over)
            }
            status => {
                self.open = None;
                let what = message.description.as_deref().unwrap_or("no reason given");
                Some(Incoming::Lost(format!("{what} ({status})")))
            }
        }
    }

    /// Ends the subscription, so that nothing is delivered to us any more once this returns. What
    /// had already been sent comes back, to be answered.
    ///
    /// A request cannot be taken back, and what the server sends between our last look and the
    /// end of the subscription is lost to us (it comes again after `ack_wait`). So a busy stream
    /// gets a moment to fulfil the request; in an idle one that gap is hardly ever hit.
    pub(super) async fn end(mut self, client: &Client) -> Vec<async_nats::Message> {
        const LAST_CALL: Duration = Duration::from_millis(100);
        const PATIENCE: Duration = Duration::from_secs(1);
        let mut rest = vec![];
        let last_call = async {
            while self.is_open() {
                if let Incoming::Message(message) = self.next().await {
                    rest.push(message);
                }
            }
        };
        // Most often there is nothing more to come.
        let _ = tokio::time::timeout(LAST_CALL, last_call).await;
        if self.subscriber.unsubscribe().await.is_ok() {
            while let Some(message) = self.subscriber.next().await {
                if message.status.is_none() {
                    rest.push(message);
                }
            }
        }
        // Answered, it has seen the end of the subscription. Without a connection there is none.
        let _ = tokio::time::timeout(PATIENCE, client.flush()).await;
        rest
    }
}
