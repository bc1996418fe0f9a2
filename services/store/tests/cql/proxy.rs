//! A wire to the server that loses what it is told to lose.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What is lost, and the connection with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    Request,
    Answer,
}

/// Between the store and the server.
pub(crate) struct Proxy {
    pub(crate) address: String,
    plan: Arc<Mutex<Plan>>,
    task: JoinHandle<()>,
}

/// Executions still to be let through, and what is lost of the one after them.
#[derive(Default)]
struct Plan(Option<(usize, Loss)>);

impl Proxy {
    pub(crate) async fn start(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let plan = Arc::new(Mutex::new(Plan::default()));
        let (server, of_task) = (server.to_owned(), Arc::clone(&plan));
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.unwrap();
                tokio::spawn(relay(client, server, Arc::clone(&of_task)));
            }
        });
        Self {
            address,
            plan,
            task,
        }
    }

    /// Loses a part of the execution that comes after `passed` others.
    pub(crate) fn lose(&self, passed: usize, loss: Loss) {
        self.plan.lock().unwrap().0 = Some((passed, loss));
    }

    /// Loses nothing more; answers whether it has lost what it was to lose.
    pub(crate) fn heal(&self) -> bool {
        self.plan.lock().unwrap().0.take().is_none()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Plan {
    /// What is lost of this execution.
    fn next(&mut self) -> Option<Loss> {
        match self.0.take() {
            Some((0, loss)) => Some(loss),
            Some((passed, loss)) => {
                self.0 = Some((passed - 1, loss));
                None
            }
            None => None,
        }
    }
}

async fn relay(client: TcpStream, server: TcpStream, plan: Arc<Mutex<Plan>>) {
    const EXECUTE: u8 = 0x0a;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let lost = Arc::new(Mutex::new(None));
    let stream_lost = Arc::clone(&lost);
    let answers = async {
        while let Some(frame) = read(&mut from_server).await {
            if *stream_lost.lock().unwrap() == Some([frame[2], frame[3]]) {
                break;
            }
            if to_client.write_all(&frame).await.is_err() {
                break;
            }
        }
    };
    let requests = async {
        while let Some(frame) = read(&mut from_client).await {
            if frame[4] == EXECUTE {
                match plan.lock().unwrap().next() {
                    Some(Loss::Request) => break,
                    Some(Loss::Answer) => *lost.lock().unwrap() = Some([frame[2], frame[3]]),
                    None => {}
                }
            }
            if to_server.write_all(&frame).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = answers => {}
        () = requests => {}
    }
}

/// The next frame: a header of 9 bytes, in whose last 4 is the length of the rest.
async fn read(from: &mut (impl AsyncReadExt + Unpin)) -> Option<Vec<u8>> {
    let mut frame = vec![0; 9];
    from.read_exact(&mut frame).await.ok()?;
    let length = u32::from_be_bytes([frame[5], frame[6], frame[7], frame[8]]);
    frame.resize(9 + length as usize, 0);
    from.read_exact(&mut frame[9..]).await.ok()?;
    Some(frame)
}
