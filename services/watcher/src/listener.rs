//! `POST /events`: what stores push, into the stream `STORAGE` as it came.
//!
//! This is the only door to the outside, so everything has a limit: connections, requests at once,
//! headers, body, and the time for each. Nothing is read here but whether it is JSON, and whether a
//! message of SNS is genuine: 2xx means that JetStream has the body, and reading it comes after.
//! What is refused may be lost, so it makes the watcher want a sweep.
//!
//! | body | answer | since |
//! |---|---|---|
//! | no JSON | 400 and why | no store sends it: whoever tries out an address or a proxy has to see it |
//! | JSON that no known store sends | 200, then a dead letter with the reason | a store that is refused sends the same again, for ever (MinIO, and what is behind it waits), or never again (SNS, EventBridge) |

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::jetstream::context::PublishErrorKind;
use async_nats::{connection, jetstream};
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use failpoint::{Call, Subject, around};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use proto::subject;
use runtime::Trouble;
use runtime::config::secret::Secret;
use serde::de::IgnoredAny;
use subtle::{Choice, ConstantTimeEq};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::measure;
use crate::sns::{self, Genuine, Refused, Sns};
use crate::sweep::Wanted;

/// Who may post.
pub(crate) struct Senders {
    /// Who has one of these tokens.
    pub tokens: Vec<Secret>,
    /// SNS, for topics of ours.
    pub sns: Option<Sns>,
}

/// What may be asked of the listener, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes of a body. A NATS message has 1 MiB by default, headers included.
    pub body: usize,
    /// Requests whose bodies are held at once.
    pub requests: usize,
    /// Connections at once; more wait to be accepted.
    pub connections: usize,
    /// How long the head of a request may take, and an idle connection may stay.
    pub head: Duration,
    /// How long a body may take.
    pub slow_body: Duration,
    /// How long a request may wait for its turn.
    pub turn: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 1_000_000,
            requests: 64,
            connections: 512,
            head: Duration::from_secs(10),
            slow_body: Duration::from_secs(10),
            turn: Duration::from_secs(5),
        }
    }
}

/// Bytes of a request's head, and how many headers are in it.
const HEAD_BYTES: usize = 16 * 1024;
const HEADERS: usize = 64;
/// What a sender is told to wait before it tries again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");
/// How long connections may finish their requests when the watcher stops.
const DRAIN: Duration = Duration::from_secs(10);

/// The listener, bound.
pub(crate) struct Listener {
    listener: TcpListener,
    address: SocketAddr,
    events: Arc<Events>,
}

/// What the requests share.
struct Events {
    senders: Senders,
    jetstream: jetstream::Context,
    wanted: Wanted,
    limits: Limits,
    turns: Semaphore,
    /// Whether the last body could not be stored: said once, until one is stored again.
    away: AtomicBool,
}

impl Listener {
    /// Takes the address. The error is one line that names the setting.
    pub(crate) async fn bind(
        address: SocketAddr,
        senders: Senders,
        jetstream: jetstream::Context,
        wanted: Wanted,
        limits: Limits,
    ) -> Result<Self, Trouble> {
        let refused = |error: std::io::Error| Trouble::Reject {
            reason: format!("`[watcher] listen` = \"{address}\" cannot be listened on: {error}"),
        };
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let turns = Semaphore::new(limits.requests);
        Ok(Self {
            listener,
            address,
            events: Arc::new(Events {
                senders,
                jetstream,
                wanted,
                limits,
                turns,
                away: AtomicBool::new(false),
            }),
        })
    }

    /// Where it listens: the port, too, where the setting left it open.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until asked to stop, and lets the requests under way come to their end.
    pub(crate) async fn serve(self, stop: CancellationToken) -> Result<(), Trouble> {
        let limits = self.events.limits;
        let wanted = self.events.wanted.clone();
        let router = Router::new()
            .route("/events", post(events))
            .with_state(self.events);
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(limits.head)
            .max_headers(HEADERS)
            .max_buf_size(HEAD_BYTES);
        let connections = Arc::new(Semaphore::new(limits.connections));
        let graceful = GracefulShutdown::new();
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = accept(&self.listener, &connections, &wanted) => accepted,
            };
            let (stream, permit) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors, mostly: others have to end first.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    continue;
                }
            };
            let service = TowerToHyperService::new(router.clone());
            let connection = http.serve_connection(TokioIo::new(stream), service);
            let connection = graceful.watch(connection);
            tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "a connection ended early");
                }
                drop(permit);
            });
        }
        drop(self.listener);
        let _ = tokio::time::timeout(DRAIN, graceful.shutdown()).await;
        Ok(())
    }
}

async fn accept(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
    wanted: &Wanted,
) -> std::io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let permit = match Arc::clone(connections).try_acquire_owned() {
        Ok(permit) => permit,
        Err(_) => {
            let permit = Arc::clone(connections).acquire_owned();
            let permit = permit.await.map_err(std::io::Error::other)?;
            // Whoever came while nobody was let in may have given up.
            wanted.sweep();
            permit
        }
    };
    let (stream, _) = listener.accept().await?;
    Ok((stream, permit))
}

async fn events(
    State(events): State<Arc<Events>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Infallible> {
    let answer = match events.take(&headers, body).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(refusal) => {
            if refusal.may_be_a_loss() {
                events.wanted.sweep();
            }
            refusal.into_response()
        }
    };
    measure::request(answer.status().as_u16());
    Ok(answer)
}

/// Why a request is refused.
enum Refusal {
    /// No token, or none of ours.
    Unauthorized,
    /// The body is packed.
    Encoded,
    /// The body is larger than a message may be.
    TooLarge,
    /// The body does not come.
    TooSlow,
    /// The connection broke in the middle of the body.
    Broken,
    /// The body is no JSON, and why.
    NotJson(String),
    /// Too many at once.
    Busy,
    /// JetStream did not acknowledge it.
    Away,
    /// It says it is from SNS, and is not, or is from no topic of ours.
    Foreign(String),
    /// SNS does not say who signs, or does not take that it may send.
    SnsAway,
}

impl Events {
    async fn take(&self, headers: &HeaderMap, body: Body) -> Result<(), Refusal> {
        let signed = match &self.senders.sns {
            _ if self.knows(headers) => None,
            Some(sns) if headers.contains_key(sns::HEADER) => Some(sns),
            _ => return Err(Refusal::Unauthorized),
        };
        if let Some(encoding) = headers.get(header::CONTENT_ENCODING)
            && encoding != "identity"
        {
            return Err(Refusal::Encoded);
        }
        let declared = headers
            .get(header::CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok())
            .and_then(|length| length.parse::<usize>().ok());
        if declared.is_some_and(|declared| declared > self.limits.body) {
            return Err(Refusal::TooLarge);
        }
        let Ok(Ok(_turn)) = tokio::time::timeout(self.limits.turn, self.turns.acquire()).await
        else {
            return Err(Refusal::Busy);
        };
        let body = tokio::time::timeout(self.limits.slow_body, to_bytes(body, self.limits.body))
            .await
            .map_err(|_| Refusal::TooSlow)?
            .map_err(|error| Refusal::of_body(&error))?;
        serde_json::from_slice::<IgnoredAny>(&body)
            .map_err(|error| Refusal::NotJson(error.to_string()))?;
        if let Some(sns) = signed
            && sns.admit(&body).await? == Genuine::Subscription
        {
            return Ok(());
        }
        self.store(body).await
    }

    /// Whether a token of ours is there. All are compared, and each in constant time.
    fn knows(&self, headers: &HeaderMap) -> bool {
        let Some((scheme, given)) = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
        else {
            return false;
        };
        let given = given.trim().as_bytes();
        let tokens = self.senders.tokens.iter();
        let known = tokens.fold(Choice::from(0), |known, token| {
            known | token.expose().as_bytes().ct_eq(given)
        });
        scheme.eq_ignore_ascii_case("bearer") && bool::from(known)
    }

    #[expect(clippy::disallowed_methods, reason = "its failpoint is around it")]
    async fn store(&self, body: Bytes) -> Result<(), Refusal> {
        // What is published without a connection is kept in memory and waited for: not here, where
        // anybody may send as much as he likes.
        if self.jetstream.client().connection_state() != connection::State::Connected {
            return Err(self.away("there is no connection to NATS"));
        }
        let stored = async {
            let sent = self.jetstream.publish(subject::STORAGE_HTTP, body);
            sent.await?.await
        };
        let stored = around(Call::NotificationStore, Subject::NONE, stored).await;
        match stored {
            Ok(_) => {
                if self.away.swap(false, Ordering::Relaxed) {
                    tracing::info!("notifications are stored again");
                }
                Ok(())
            }
            Err(error) if error.kind() == PublishErrorKind::MaxPayloadExceeded => {
                Err(Refusal::TooLarge)
            }
            Err(error) => Err(self.away(&error.to_string())),
        }
    }

    fn away(&self, reason: &str) -> Refusal {
        if !self.away.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                reason,
                "JetStream stores no notifications, so they are refused; what they are about is \
                 found by listing"
            );
        }
        Refusal::Away
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Foreign(why) => {
                // Whoever may say this as often as he likes must not fill the log.
                tracing::debug!(why, "a message is not from SNS");
                Self::Foreign(why)
            }
            Refused::Away(why) => {
                tracing::warn!(why, "a message of SNS cannot be judged; SNS sends it again");
                Self::SnsAway
            }
        }
    }
}

impl Refusal {
    fn of_body(error: &axum::Error) -> Self {
        let too_large = std::error::Error::source(error)
            .is_some_and(|source| source.is::<http_body_util::LengthLimitError>());
        if too_large {
            Self::TooLarge
        } else {
            Self::Broken
        }
    }

    /// Whether a store that does not come again has told us in vain of something new.
    fn may_be_a_loss(&self) -> bool {
        !matches!(self, Self::Unauthorized | Self::Foreign(_))
    }

    fn into_response(self) -> Response {
        let (status, said) = match &self {
            Self::Unauthorized => (
                StatusCode::UNAUTHORIZED,
                "send `Authorization: Bearer` with one of [watcher] tokens",
            ),
            Self::Encoded => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "send the body without Content-Encoding",
            ),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "the body is too large"),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "the body took too long"),
            Self::Broken => (StatusCode::BAD_REQUEST, "the body broke off"),
            Self::NotJson(why) => {
                let said = format!("the body is no JSON ({why}): send notifications as they are\n");
                return (StatusCode::BAD_REQUEST, said).into_response();
            }
            Self::Foreign(why) => {
                let said = format!("the message is not from SNS for us: {why}\n");
                return (StatusCode::FORBIDDEN, said).into_response();
            }
            Self::SnsAway => (StatusCode::SERVICE_UNAVAILABLE, "SNS does not answer"),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "too many requests at once"),
            Self::Away => (StatusCode::SERVICE_UNAVAILABLE, "JetStream is away"),
        };
        let mut response = (status, format!("{said}\n")).into_response();
        let headers = response.headers_mut();
        match self {
            Self::Unauthorized => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::Busy | Self::Away | Self::SnsAway => {
                headers.insert(header::RETRY_AFTER, RETRY_AFTER);
            }
            // What is left of the body is not waited for.
            Self::TooLarge | Self::TooSlow => {
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Self::Encoded | Self::Broken | Self::NotJson(_) | Self::Foreign(_) => {}
        }
        response
    }
}
