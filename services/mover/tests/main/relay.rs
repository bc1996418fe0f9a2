//! A relay before the store that counts requests, and lets a test do something just before one is
//! passed on, or between its being done and its answer.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// A moment of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// The store does not know of it yet.
    Before,
    /// The store has done it, and the answer is on its way.
    After,
}

type Hook = Arc<dyn Fn(usize, When, String) -> BoxFuture<'static, ()> + Send + Sync>;

/// Passes requests on.
#[derive(Clone)]
pub(crate) struct Relay(Arc<Shared>);

struct Shared {
    address: SocketAddr,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// `METHOD path` of each since the last `watch`.
    requests: Vec<String>,
    hook: Option<Hook>,
}

/// A request that is held.
pub(crate) struct Held {
    reached: oneshot::Receiver<()>,
    go: oneshot::Sender<()>,
}

impl Held {
    /// Waits until the request is there.
    pub(crate) async fn reached(&mut self) {
        (&mut self.reached).await.expect("the request comes");
    }

    /// Lets it go on.
    pub(crate) fn go(self) {
        self.go.send(()).expect("the request is held");
    }
}

impl Relay {
    /// Listens before `endpoint` (`http://host:port`).
    pub(crate) async fn before(endpoint: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let relay = Self(Arc::new(Shared {
            address: listener.local_addr().unwrap(),
            state: Mutex::default(),
        }));
        let store = endpoint.trim_start_matches("http://").to_owned();
        let accepting = relay.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let store = TcpStream::connect(&store).await.unwrap();
                tokio::spawn(accepting.clone().pass(client, store));
            }
        });
        relay
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.0.address)
    }

    /// Counts from here on, and calls `hook` with each request's number from 1, its moment, and
    /// its method and path.
    pub(crate) fn watch(
        &self,
        hook: impl Fn(usize, When, String) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    ) {
        *self.0.state.lock().unwrap() = State {
            requests: vec![],
            hook: Some(Arc::new(hook)),
        };
    }

    /// Counts from here on.
    pub(crate) fn count(&self) {
        *self.0.state.lock().unwrap() = State::default();
    }

    /// Holds the request with this number, from 1, at this moment.
    pub(crate) fn hold(&self, number: usize, when: When) -> Held {
        let (tell, reached) = oneshot::channel();
        let (go, wait) = oneshot::channel();
        let ends = Mutex::new(Some((tell, wait)));
        self.watch(move |this, moment, _| {
            let here = (this, moment) == (number, when);
            let ends = here.then(|| ends.lock().unwrap().take()).flatten();
            Box::pin(async move {
                if let Some((tell, wait)) = ends {
                    let _ = tell.send(());
                    let _ = wait.await;
                }
            })
        });
        Held { reached, go }
    }

    /// The requests since the last `watch`, `count` or `hold`.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.0.state.lock().unwrap().requests.clone()
    }

    async fn pass(self, client: TcpStream, store: TcpStream) {
        let (mut client, mut store) = (BufReader::new(client), BufReader::new(store));
        while let Some(request) = message(&mut client, false).await {
            let line = request.line.rsplit_once(' ').unwrap().0.to_owned();
            let (number, hook) = {
                let mut state = self.0.state.lock().unwrap();
                state.requests.push(line.clone());
                (state.requests.len(), state.hook.clone())
            };
            let call = async |when| {
                if let Some(hook) = &hook {
                    hook(number, when, line.clone()).await;
                }
            };
            call(When::Before).await;
            store.write_all(&request.bytes).await.unwrap();
            let Some(answer) = message(&mut store, line.starts_with("HEAD ")).await else {
                return;
            };
            call(When::After).await;
            if client.write_all(&answer.bytes).await.is_err() {
                return;
            }
        }
    }
}

/// A request or an answer.
struct Message {
    line: String,
    bytes: Vec<u8>,
}

async fn message(from: &mut BufReader<TcpStream>, bodiless: bool) -> Option<Message> {
    let mut bytes = vec![];
    let mut length = 0;
    let mut line = None;
    loop {
        let start = bytes.len();
        if from.read_until(b'\n', &mut bytes).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&bytes[start..])
            .trim_end()
            .to_owned();
        if text.is_empty() {
            break;
        }
        let lower = text.to_lowercase();
        assert!(!lower.starts_with("transfer-encoding"), "{text}");
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        line.get_or_insert(text);
    }
    if !bodiless {
        let start = bytes.len();
        bytes.resize(start + length, 0);
        from.read_exact(&mut bytes[start..]).await.ok()?;
    }
    Some(Message { line: line?, bytes })
}
