//! A wire to a mail server that breaks at a given byte, for tests.

use std::io;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// To the server.
    Up,
    /// From it.
    Down,
}

/// How a connection breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// It is cut.
    Cut,
    /// Nothing goes through any more.
    Stall,
}

/// Where a connection breaks: `after` so many bytes in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Break {
    pub(crate) way: Way,
    pub(crate) after: usize,
    pub(crate) how: How,
}

/// The wire. It ends with the test's runtime.
pub(crate) struct Relay {
    pub(crate) port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    server: u16,
    /// Bytes that are passed on at once.
    most: usize,
    breaks: Mutex<Option<Break>>,
    stalled: Box<dyn Fn() + Send + Sync>,
    /// What went up and down in the latest connection.
    passed: Mutex<[Vec<u8>; 2]>,
}

impl Relay {
    /// To the server at a port, `most` bytes at a time. `stalled` is called when a connection holds
    /// a byte back.
    pub(crate) async fn to(
        server: u16,
        most: usize,
        stalled: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            server,
            most,
            breaks: Mutex::default(),
            stalled: Box::new(stalled),
            passed: Mutex::default(),
        });
        tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { port, shared }
    }

    /// The next connection breaks; those after it do not.
    pub(crate) fn break_next(&self, at: Break) {
        *self.shared.breaks.lock().unwrap() = Some(at);
    }

    /// What went up and down in the latest connection.
    pub(crate) fn passed(&self) -> [Vec<u8>; 2] {
        self.shared.passed.lock().unwrap().clone()
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        let at = shared.breaks.lock().unwrap().take();
        *shared.passed.lock().unwrap() = Default::default();
        let shared = Arc::clone(&shared);
        tokio::spawn(async move { carry(&shared, client, at).await });
    }
}

/// Carries until either end hangs up, or the wire breaks.
#[expect(clippy::disallowed_methods, reason = "a test has no failpoints")]
async fn carry(shared: &Shared, mut client: TcpStream, at: Option<Break>) -> io::Result<()> {
    let mut server = TcpStream::connect(("127.0.0.1", shared.server)).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut up, mut down) = (vec![0; shared.most], vec![0; shared.most]);
    let mut passed = [0, 0];
    loop {
        if let Some(Break { way, after, how }) = at
            && how == How::Cut
            && passed[way as usize] == after
        {
            return Ok(());
        }
        let (way, chunk, to) = tokio::select! {
            read = client.read(&mut up) => (Way::Up, &up[..read?], &mut server),
            read = server.read(&mut down) => (Way::Down, &down[..read?], &mut client),
        };
        if chunk.is_empty() {
            return Ok(());
        }
        let room = match at {
            Some(at) if at.way == way => at.after - passed[way as usize],
            _ => chunk.len(),
        };
        let goes = &chunk[..room.min(chunk.len())];
        to.write_all(goes).await?;
        passed[way as usize] += goes.len();
        shared.passed.lock().unwrap()[way as usize].extend_from_slice(goes);
        if goes.len() < chunk.len() && at.is_some_and(|at| at.how == How::Stall) {
            (shared.stalled)();
            // Until the client has waited long enough.
            while client.read(&mut up).await? > 0 {}
            return Ok(());
        }
        // Each piece is read before the next one comes.
        tokio::task::yield_now().await;
    }
}
