//! A wire to the server that loses what it is told to lose, ends with the process that it is told
//! dies, and treats requests as a server in trouble does.

use std::collections::HashSet;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// What a request is, by its opcode.
const EXECUTE: u8 = 0x0a;
const BATCH: u8 = 0x0d;

/// What is lost, and the connection with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    Request,
    Answer,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It is applied, and the answer never comes.
    Unanswered,
    /// It is not applied: the node answers that it is overloaded.
    Overloaded,
}

/// Between the store and the server.
pub(crate) struct Proxy {
    pub(crate) address: String,
    plan: Arc<Mutex<Plan>>,
    death: Arc<Notify>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Plan {
    /// Executions and batches still to be let through, and what is lost of the one after them.
    loss: Option<(usize, Loss)>,
    /// Whether the process dies of that loss.
    deadly: bool,
    /// Whether it has: nothing that comes from it is let through any more.
    dead: bool,
    /// Of which requests every how many one is in trouble, within how many more, and in which.
    trouble: Option<(u8, usize, usize, Trouble)>,
}

impl Proxy {
    pub(crate) async fn start(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (plan, death) = (Arc::<Mutex<Plan>>::default(), Arc::<Notify>::default());
        let of_task = (Arc::clone(&plan), Arc::clone(&death));
        let server = server.to_owned();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.unwrap();
                let (plan, death) = of_task.clone();
                tokio::spawn(relay(client, server, plan, death));
            }
        });
        Self {
            address,
            plan,
            death,
            task,
        }
    }

    /// One that takes connections, and never says a word.
    pub(crate) async fn silent() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let task = tokio::spawn(async move {
            let mut taken = vec![];
            while let Ok(connection) = listener.accept().await {
                taken.push(connection);
            }
        });
        Self {
            address,
            plan: Arc::default(),
            death: Arc::default(),
            task,
        }
    }

    /// Loses a part of the execution, or batch, that comes after `passed` others.
    pub(crate) fn lose(&self, passed: usize, loss: Loss) {
        self.plan.lock().unwrap().loss = Some((passed, loss));
    }

    /// Loses the one after so many as if the process died then: nothing comes to the server any
    /// more, and no answer back. [`Self::death`] tells when.
    pub(crate) fn doom(&self, passed: usize) {
        let mut plan = self.plan.lock().unwrap();
        plan.loss = Some((passed, Loss::Request));
        plan.deadly = true;
    }

    /// Waits until the process has died, and the server has done what still came to it.
    pub(crate) async fn death(&self) {
        self.death.notified().await;
    }

    /// Every eighth batch is in trouble, until so many were. (More often, and a batch might be
    /// refused each time it is tried.)
    pub(crate) fn trouble(&self, batches: usize, trouble: Trouble) {
        self.plan.lock().unwrap().trouble = Some((BATCH, 8, 8 * batches, trouble));
    }

    /// The same with executions.
    pub(crate) fn trouble_executions(&self, executions: usize, trouble: Trouble) {
        self.plan.lock().unwrap().trouble = Some((EXECUTE, 8, 8 * executions, trouble));
    }

    /// Every batch is in trouble from now on.
    pub(crate) fn trouble_all(&self, trouble: Trouble) {
        self.plan.lock().unwrap().trouble = Some((BATCH, 1, usize::MAX, trouble));
    }

    /// Whether as many requests were in trouble as were to be.
    pub(crate) fn is_over(&self) -> bool {
        self.plan.lock().unwrap().trouble.is_none()
    }

    /// No batch is in trouble any more.
    pub(crate) fn calm(&self) {
        self.plan.lock().unwrap().trouble = None;
    }

    /// Loses nothing more; answers whether it has lost what it was to lose.
    pub(crate) fn heal(&self) -> bool {
        self.plan.lock().unwrap().loss.take().is_none()
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
        left.is_multiple_of(every).then_some(trouble)
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
    let is_at_rest = || under_way.lock().unwrap().is_empty();
    let is_dead = || plan.lock().unwrap().dead;
    let died_here = AtomicBool::new(false);
    let answers = async {
        while let Some(frame) = read(&mut from_server).await {
            let stream = [frame[2], frame[3]];
            under_way.lock().unwrap().remove(&stream);
            if is_dead() {
                if died_here.load(Relaxed) && is_at_rest() {
                    break;
                }
                continue;
            }
            if *lost.lock().unwrap() == Some(stream) {
                break;
            }
            if unanswered.lock().unwrap().contains(&stream) {
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
                let mut plan = plan.lock().unwrap();
                (plan.loss_of(opcode), plan.trouble_of(opcode))
            };
            died_here.store(loss.is_some() && is_dead(), Relaxed);
            match loss {
                Some(Loss::Request) if is_dead() && !is_at_rest() => continue,
                Some(Loss::Request) => break,
                Some(Loss::Answer) => *lost.lock().unwrap() = Some(stream),
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
                    unanswered.lock().unwrap().insert(stream);
                }
                None => {}
            }
            under_way.lock().unwrap().insert(stream);
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
    let message = b"a test is too much for it";
    let mut body = OVERLOADED.to_be_bytes().to_vec();
    body.extend(u16::try_from(message.len()).unwrap().to_be_bytes());
    body.extend(message);
    let mut frame = vec![0x84, 0, stream[0], stream[1], ERROR];
    frame.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
    frame.extend(body);
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
