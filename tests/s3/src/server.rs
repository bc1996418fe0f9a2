//! The server, and requests that wait for a test.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};

use crate::{Call, Read, Refusal, Store};

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is done, and answered.
    Done,
    /// It is not done, and answered so.
    Refused(Refusal),
    /// It is not done, and its connection is cut without an answer.
    Cut,
    /// It is done, and its connection is cut without an answer.
    DoneAndCut,
    /// It is answered with 200 and an internal error inside; and done all the same, or not.
    ErrorWithin {
        /// Whether it is done.
        done: bool,
    },
}

/// A store that listens on a free port of 127.0.0.1 for as long as this lives.
#[derive(Debug)]
pub struct Server {
    endpoint: String,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

/// A request that waits. When it is dropped, its connection is cut and nothing is done.
#[derive(Debug)]
pub struct Held {
    call: Call,
    read: Option<Read>,
    shared: Arc<Shared>,
    answer: oneshot::Sender<Response<Bytes>>,
}

#[derive(Debug)]
struct Shared {
    store: Mutex<Store>,
    /// By access key.
    holding: Mutex<HashMap<String, mpsc::UnboundedSender<Held>>>,
}

/// The connection is to be cut.
#[derive(Debug)]
struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cut, as a test wants it")
    }
}

impl std::error::Error for Cut {}

impl Server {
    /// Starts it.
    pub async fn start(store: Store) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let shared = Arc::new(Shared {
            store: Mutex::new(store),
            holding: Mutex::default(),
        });
        Ok(Self {
            endpoint: format!("http://{}", listener.local_addr()?),
            accepting: tokio::spawn(accept(listener, Arc::clone(&shared))),
            shared,
        })
    }

    /// `http://127.0.0.1:port`
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// What is stored. No request is done while this is held, so it must not be held across an
    /// `await`.
    pub fn store(&self) -> MutexGuard<'_, Store> {
        self.shared.store()
    }

    /// From now on, what is asked with one of these access keys waits for whoever has the answer
    /// of this.
    pub fn hold(&self, access_keys: &[&str]) -> mpsc::UnboundedReceiver<Held> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut holding = lock(&self.shared.holding);
        for key in access_keys {
            holding.insert((*key).to_owned(), sender.clone());
        }
        receiver
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The connections are its, and go with it.
        self.accepting.abort();
    }
}

impl Held {
    /// What is asked, and by whom.
    pub fn call(&self) -> &Call {
        &self.call
    }

    /// Lets a copy read now what it will write later. Once is enough.
    pub fn read(&mut self) {
        if self.read.is_none() {
            self.read = Some(self.shared.store().read(&self.call));
        }
    }

    /// Whether [`Self::read`] was called.
    pub fn has_read(&self) -> bool {
        self.read.is_some()
    }

    /// Lets it meet its fate. Done is done when this returns, whether or not the client still
    /// waits for the answer.
    pub fn meet(mut self, fate: Fate) {
        let answer = match fate {
            Fate::Done => Some(self.perform()),
            Fate::Refused(refusal) => Some(refusal.answer(&self.call)),
            Fate::Cut => None,
            Fate::DoneAndCut => {
                self.perform();
                None
            }
            Fate::ErrorWithin { done } => {
                if done {
                    self.perform();
                }
                Some(Refusal::InternalError.within_success())
            }
        };
        if let Some(answer) = answer {
            // Nobody waits where the client is dead.
            let _ = self.answer.send(answer);
        }
    }

    fn perform(&mut self) -> Response<Bytes> {
        let mut store = self.shared.store();
        match self.read.take() {
            Some(read) => store.finish(&self.call, read),
            None => store.perform(&self.call),
        }
    }
}

impl Shared {
    fn store(&self) -> MutexGuard<'_, Store> {
        lock(&self.store)
    }

    async fn answer(self: Arc<Self>, call: Call) -> Result<Response<Bytes>, Cut> {
        let holding = lock(&self.holding).get(&call.who).cloned();
        let Some(holding) = holding else {
            return Ok(self.store().perform(&call));
        };
        let (sender, answer) = oneshot::channel();
        let held = Held {
            call,
            read: None,
            shared: self,
            answer: sender,
        };
        holding.send(held).map_err(|_| Cut)?;
        answer.await.map_err(|_| Cut)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((client, _)) = listener.accept() => {
                connections.spawn(serve(client, Arc::clone(&shared)));
            }
            Some(_) = connections.join_next() => {}
            else => return,
        }
    }
}

async fn serve(client: TcpStream, shared: Arc<Shared>) {
    // Small pieces would wait for one another.
    let _ = client.set_nodelay(true);
    let service = service_fn(|request| take(request, Arc::clone(&shared)));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(client), service);
    // A connection that ends badly was cut, by either side.
    let _ = connection.await;
}

async fn take(
    request: Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<Response<Full<Bytes>>, Cut> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
    let answer = match Call::read(Request::from_parts(parts, body)) {
        Ok(call) => shared.answer(call).await?,
        Err(refusal) => refusal.bare(),
    };
    Ok(answer.map(Full::new))
}
