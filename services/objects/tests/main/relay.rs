//! A relay before the store that breaks and stalls connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, RwLock, RwLockWriteGuard};

/// What happens to a connection once it has carried its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Then {
    Break,
    Stall,
}

/// Passes bytes on, until told otherwise.
#[derive(Clone)]
pub(crate) struct Relay(Arc<Shared>);

struct Shared {
    address: SocketAddr,
    /// Bytes that may still go from the store to the client.
    left: AtomicU64,
    then: std::sync::Mutex<Then>,
    broken: Notify,
    /// Held while no request may go to the store.
    gate: RwLock<()>,
    breaks: AtomicUsize,
}

impl Relay {
    /// Listens before `endpoint` (`http://host:port`).
    pub(crate) async fn before(endpoint: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let relay = Self(Arc::new(Shared {
            address: listener.local_addr().unwrap(),
            left: AtomicU64::new(u64::MAX),
            then: std::sync::Mutex::new(Then::Break),
            broken: Notify::new(),
            gate: RwLock::new(()),
            breaks: AtomicUsize::new(0),
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

    /// After so many bytes from the store, headers included.
    pub(crate) fn after(&self, bytes: u64, then: Then) {
        *self.0.then.lock().unwrap() = then;
        self.0.left.store(bytes, Ordering::SeqCst);
    }

    /// Until what this answers is dropped, no request gets through.
    pub(crate) async fn shut(&self) -> RwLockWriteGuard<'_, ()> {
        self.0.gate.write().await
    }

    /// Waits for the next break; from then on connections are whole again.
    pub(crate) async fn broken(&self) {
        self.0.broken.notified().await;
    }

    pub(crate) fn breaks(&self) -> usize {
        self.0.breaks.load(Ordering::SeqCst)
    }

    async fn pass(self, client: TcpStream, store: TcpStream) {
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_store, mut to_store) = store.into_split();
        let shared = Arc::clone(&self.0);
        let upstream = tokio::spawn(async move {
            let mut buffer = vec![0; 16 * 1024];
            while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
                let _open = shared.gate.read().await;
                if to_store.write_all(&buffer[..read]).await.is_err() {
                    break;
                }
            }
        });
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(read) = from_store.read(&mut buffer).await {
            let left = self.0.left.load(Ordering::SeqCst);
            let passed = usize::try_from(left).unwrap_or(usize::MAX).min(read);
            if read == 0 || to_client.write_all(&buffer[..passed]).await.is_err() {
                break;
            }
            if left != u64::MAX {
                self.0.left.store(left - passed as u64, Ordering::SeqCst);
            }
            if passed < read {
                self.end().await;
                break;
            }
        }
        upstream.abort();
    }

    async fn end(&self) {
        self.0.left.store(u64::MAX, Ordering::SeqCst);
        self.0.breaks.fetch_add(1, Ordering::SeqCst);
        let then = *self.0.then.lock().unwrap();
        self.0.broken.notify_one();
        if let Then::Stall = then {
            std::future::pending::<()>().await;
        }
    }
}
