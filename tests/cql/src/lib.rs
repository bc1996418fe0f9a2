//! A wire to a CQL database that loses what it is told to lose, ends with the process that it is
//! told dies, and treats requests as a server in trouble does.
//!
//! It reads frames of version 4 of the protocol, without TLS and without compression. Who comes by
//! it to a node of this machine finds it again at the address that the node says of itself, since
//! drivers ask that at the port by which they came: so it is for clusters of one node at 127.0.0.1.

#![allow(
    clippy::disallowed_methods,
    reason = "a test speaks to the servers itself"
)]

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// What a request is, by its opcode.
const EXECUTE: u8 = 0x0a;
const BATCH: u8 = 0x0d;

/// What is lost, and the connection with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// It never comes to the server.
    Request,
    /// It is done, and its answer never comes back.
    Answer,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It is applied, and the answer never comes.
    Unanswered,
    /// It is not applied: the node answers that it is overloaded.
    Overloaded,
}

/// Between whoever asks and the server.
#[derive(Debug)]
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    plan: Arc<Mutex<Plan>>,
    death: Arc<Notify>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Plan {
    /// Executions and batches still to be let through, and what is lost of the one after them.
    loss: Option<(usize, Loss)>,
    /// Whether the process dies of that loss.
    deadly: bool,
    /// Whether it has: nothing that comes from it is let through any more.
    dead: bool,
    /// Of which requests every how many one is in trouble, within how many more, and in which.
    trouble: Option<(u8, usize, usize, Trouble)>,
    /// How many were, since the last trouble began.
    troubled: usize,
    /// Batches that came so far.
    batches: usize,
}

impl Proxy {
    /// To the server at this address.
    pub async fn start(server: &str) -> io::Result<Self> {
        let (plan, death) = (Arc::<Mutex<Plan>>::default(), Arc::<Notify>::default());
        let (of_task, server) = ((Arc::clone(&plan), Arc::clone(&death)), server.to_owned());
        let connect = async move |client| {
            let (plan, death) = of_task.clone();
            // Who comes while it is away is turned away as it would turn them away.
            if let Ok(server) = TcpStream::connect(&server).await {
                tokio::spawn(relay(client, server, plan, death));
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                connect(client).await;
            }
        });
        Ok(Self {
            address,
            plan,
            death,
            task,
        })
    }

    /// One that takes connections, and never says a word.
    pub async fn silent() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            let mut taken = vec![];
            while let Ok(connection) = listener.accept().await {
                taken.push(connection);
            }
        });
        Ok(Self {
            address,
            plan: Arc::default(),
            death: Arc::default(),
            task,
        })
    }

    /// Loses a part of the execution, or batch, that comes after `passed` others.
    pub fn lose(&self, passed: usize, loss: Loss) {
        lock(&self.plan).loss = Some((passed, loss));
    }

    /// Loses the one after so many as if the process died then: nothing comes to the server any
    /// more, and no answer back. [`Self::death`] tells when.
    pub fn doom(&self, passed: usize) {
        let mut plan = lock(&self.plan);
        plan.loss = Some((passed, Loss::Request));
        plan.deadly = true;
    }

    /// Waits until the process has died, and the server has done what still came to it.
    pub async fn death(&self) {
        self.death.notified().await;
    }

    /// Every eighth batch is in trouble, until so many were. (More often, and a batch might be
    /// refused each time it is tried.)
    pub fn trouble(&self, batches: usize, trouble: Trouble) {
        self.begin((BATCH, 8, 8 * batches, trouble));
    }

    /// The same with executions.
    pub fn trouble_executions(&self, executions: usize, trouble: Trouble) {
        self.begin((EXECUTE, 8, 8 * executions, trouble));
    }

    /// Every batch is in trouble from now on.
    pub fn trouble_all(&self, trouble: Trouble) {
        self.begin((BATCH, 1, usize::MAX, trouble));
    }

    fn begin(&self, trouble: (u8, usize, usize, Trouble)) {
        let mut plan = lock(&self.plan);
        plan.trouble = Some(trouble);
        plan.troubled = 0;
    }

    /// How many requests were in trouble since it began.
    pub fn troubled(&self) -> usize {
        lock(&self.plan).troubled
    }

    /// Whether as many requests were in trouble as were to be.
    pub fn is_over(&self) -> bool {
        lock(&self.plan).trouble.is_none()
    }

    /// No batch is in trouble any more.
    pub fn calm(&self) {
        lock(&self.plan).trouble = None;
    }

    /// How many batches came so far.
    pub fn batches(&self) -> usize {
        lock(&self.plan).batches
    }

    /// Loses nothing more; answers whether it has lost what it was to lose.
    pub fn heal(&self) -> bool {
        lock(&self.plan).loss.take().is_none()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Plan {
    /// What is lost of a request.
    fn loss_of(&mut self, opcode: u8) -> Option<Loss> {
        if ![EXECUTE, BATCH].contains(&opcode) {
            return None;
        }
        match self.loss.take() {
            Some((0, loss)) => {
                self.dead = self.deadly;
                Some(loss)
            }
            Some((passed, loss)) => {
                self.loss = Some((passed - 1, loss));
                None
            }
            None => None,
        }
    }

    /// In which trouble a request is.
    fn trouble_of(&mut self, opcode: u8) -> Option<Trouble> {
        let (of, every, left, trouble) = self.trouble.filter(|(of, ..)| *of == opcode)?;
        self.trouble = (left > 1).then_some((of, every, left - 1, trouble));
        if !left.is_multiple_of(every) {
            return None;
        }
        self.troubled += 1;
        Some(trouble)
    }
}

async fn relay(client: TcpStream, server: TcpStream, plan: Arc<Mutex<Plan>>, death: Arc<Notify>) {
    let (mut from_client, to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let to_client = tokio::sync::Mutex::new(to_client);
    let lost = Mutex::new(None);
    let unanswered = Mutex::new(HashSet::new());
    // Requests that the server has and has not answered.
    let under_way = Mutex::new(HashSet::new());
    let is_at_rest = || lock(&under_way).is_empty();
    let is_dead = || lock(&plan).dead;
    let died_here = AtomicBool::new(false);
    let answers = async {
        while let Some(frame) = read(&mut from_server).await {
            let stream = [frame[2], frame[3]];
            lock(&under_way).remove(&stream);
            if is_dead() {
                if died_here.load(Relaxed) && is_at_rest() {
                    break;
                }
                continue;
            }
            if *lock(&lost) == Some(stream) {
                break;
            }
            if lock(&unanswered).contains(&stream) {
                continue;
            }
            if to_client.lock().await.write_all(&frame).await.is_err() {
                break;
            }
        }
    };
    let requests = async {
        while let Some(frame) = read(&mut from_client).await {
            if is_dead() {
                continue;
            }
            let (stream, opcode) = ([frame[2], frame[3]], frame[4]);
            let (loss, trouble) = {
                let mut plan = lock(&plan);
                plan.batches += usize::from(opcode == BATCH);
                (plan.loss_of(opcode), plan.trouble_of(opcode))
            };
            died_here.store(loss.is_some() && is_dead(), Relaxed);
            match loss {
                Some(Loss::Request) if is_dead() && !is_at_rest() => continue,
                Some(Loss::Request) => break,
                Some(Loss::Answer) => *lock(&lost) = Some(stream),
                None => {}
            }
            match trouble {
                Some(Trouble::Overloaded) => {
                    let answer = overloaded(stream);
                    if to_client.lock().await.write_all(&answer).await.is_err() {
                        break;
                    }
                    continue;
                }
                Some(Trouble::Unanswered) => {
                    lock(&unanswered).insert(stream);
                }
                None => {}
            }
            lock(&under_way).insert(stream);
            if to_server.write_all(&frame).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = answers => {}
        () = requests => {}
    }
    if died_here.into_inner() {
        death.notify_one();
    }
}

/// What an overloaded node answers: an error of version 4 of the protocol.
fn overloaded(stream: [u8; 2]) -> Vec<u8> {
    const ERROR: u8 = 0;
    const OVERLOADED: u32 = 0x1001;
    let message = "a test is too much for it";
    let length = u16::try_from(message.len()).unwrap_or_default();
    let mut frame = vec![0x84, 0, stream[0], stream[1], ERROR];
    frame.extend((4 + 2 + u32::from(length)).to_be_bytes());
    frame.extend(OVERLOADED.to_be_bytes());
    frame.extend(length.to_be_bytes());
    frame.extend(message.as_bytes());
    frame
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
