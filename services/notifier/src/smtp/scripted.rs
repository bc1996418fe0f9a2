//! A mail server for tests that does in each phase what it is told: answers, cuts, or falls silent.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// What the client has just done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum On {
    /// Connected.
    Connect,
    Ehlo,
    Starttls,
    Auth,
    Mail,
    Rcpt,
    Data,
    /// Sent the first line of the body.
    BodyBegun,
    /// Sent the whole body.
    Body,
}

/// What the server does then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Agrees.
    Agree,
    /// Says this.
    Say(String),
    /// Says this, and hangs up.
    SayAndCut(String),
    /// Says this again and again, without end.
    Flood(String),
    /// Hangs up.
    Cut,
    /// Says nothing more.
    Stall,
}

impl Act {
    /// Whether it says definitely that the server does not have a mail.
    fn denies(&self) -> bool {
        let (Self::Say(words) | Self::SayAndCut(words)) = self else {
            return false;
        };
        words.starts_with(['4', '5'])
    }
}

/// Where in which connection (from 0) the client is, the line it sent, and the receivers that were
/// taken so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn<'a> {
    pub(crate) on: On,
    pub(crate) connection: usize,
    pub(crate) line: &'a str,
    pub(crate) to: &'a [String],
}

/// A mail that the server has, whatever it said of it: it came in whole, and was not denied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) connection: usize,
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    pub(crate) body: Vec<u8>,
}

/// How the server is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tls {
    #[default]
    None,
    Starttls,
    Implicit,
}

/// The server. It ends with the test's runtime.
pub(crate) struct Server {
    pub(crate) port: u16,
    /// Its certificate, which is its own authority.
    pub(crate) certificate: String,
    shared: Arc<Shared>,
}

type Script = Box<dyn Fn(&Turn<'_>) -> Act + Send + Sync>;

struct Shared {
    script: Script,
    tls: Tls,
    acceptor: TlsAcceptor,
    lines: Mutex<Vec<String>>,
    taken: Mutex<Vec<Taken>>,
    bodies: AtomicUsize,
    connections: AtomicUsize,
    open: AtomicUsize,
    most_open: AtomicUsize,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Server {
    pub(crate) async fn start(
        tls: Tls,
        script: impl Fn(&Turn<'_>) -> Act + Send + Sync + 'static,
    ) -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let shared = Arc::new(Shared {
            script: Box::new(script),
            tls,
            acceptor: TlsAcceptor::from(Arc::new(config)),
            lines: Mutex::default(),
            taken: Mutex::default(),
            bodies: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            most_open: AtomicUsize::new(0),
        });
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self {
            port,
            certificate: cert.pem(),
            shared,
        }
    }

    /// Every line that was sent before a body, in all connections.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.shared.lines.lock().unwrap().clone()
    }

    pub(crate) fn taken(&self) -> Vec<Taken> {
        self.shared.taken.lock().unwrap().clone()
    }

    /// How many bodies have begun to come in, taken or not.
    pub(crate) fn bodies(&self) -> usize {
        self.shared.bodies.load(Ordering::SeqCst)
    }

    /// How many connections there have been.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// How many are open.
    pub(crate) fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// How many were open at once, at most.
    pub(crate) fn most_open(&self) -> usize {
        self.shared.most_open.load(Ordering::SeqCst)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            return;
        };
        let shared = Arc::clone(&shared);
        let connection = shared.connections.fetch_add(1, Ordering::SeqCst);
        let open = shared.open.fetch_add(1, Ordering::SeqCst) + 1;
        shared.most_open.fetch_max(open, Ordering::SeqCst);
        tokio::spawn(async move {
            let _ = Session::new(&shared, connection).serve(stream).await;
            shared.open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

struct Session<'a> {
    shared: &'a Shared,
    connection: usize,
    from: String,
    to: Vec<String>,
    secure: bool,
}

/// The connection is over.
struct Over;

impl From<io::Error> for Over {
    fn from(_: io::Error) -> Self {
        Self
    }
}

type Wire = BufReader<Box<dyn Stream>>;

impl<'a> Session<'a> {
    fn new(shared: &'a Shared, connection: usize) -> Self {
        Self {
            shared,
            connection,
            from: String::new(),
            to: vec![],
            secure: shared.tls == Tls::Implicit,
        }
    }

    async fn serve(mut self, stream: TcpStream) -> Result<(), Over> {
        let stream: Box<dyn Stream> = match self.shared.tls {
            Tls::Implicit => Box::new(self.shared.acceptor.accept(stream).await?),
            _ => Box::new(stream),
        };
        let mut wire = BufReader::new(stream);
        self.answer(&mut wire, On::Connect, "", "220 mx.test ESMTP")
            .await?;
        loop {
            let line = read_line(&mut wire).await?;
            self.shared.lines.lock().unwrap().push(line.clone());
            let verb = line
                .split([' ', ':'])
                .next()
                .unwrap_or_default()
                .to_uppercase();
            match verb.as_str() {
                "EHLO" => {
                    let usual = self.greeting();
                    self.answer(&mut wire, On::Ehlo, &line, usual).await?;
                }
                "STARTTLS" => {
                    self.answer(&mut wire, On::Starttls, &line, "220 go ahead")
                        .await?;
                    let stream = self.shared.acceptor.accept(wire.into_inner()).await?;
                    wire = BufReader::new(Box::new(stream));
                    self.secure = true;
                }
                "AUTH" => self.auth(&mut wire, &line).await?,
                "MAIL" => {
                    self.from = address(&line);
                    self.to.clear();
                    self.answer(&mut wire, On::Mail, &line, "250 2.1.0 ok")
                        .await?;
                }
                "RCPT" => {
                    if self
                        .answer(&mut wire, On::Rcpt, &line, "250 2.1.5 ok")
                        .await?
                    {
                        self.to.push(address(&line));
                    }
                }
                "DATA" => {
                    if self.answer(&mut wire, On::Data, &line, "354 go on").await? {
                        self.body(&mut wire).await?;
                    }
                }
                "QUIT" => {
                    say(&mut wire, "221 bye").await?;
                    return Ok(());
                }
                _ => say(&mut wire, "500 what?").await?,
            }
        }
    }

    fn greeting(&self) -> &'static str {
        match (self.shared.tls, self.secure) {
            (Tls::Starttls, false) => "250-mx.test\r\n250-8BITMIME\r\n250 STARTTLS",
            _ => "250-mx.test\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN",
        }
    }

    async fn auth(&mut self, wire: &mut Wire, line: &str) -> Result<(), Over> {
        if line.starts_with("AUTH LOGIN") {
            for challenge in ["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"] {
                say(wire, challenge).await?;
                let answer = read_line(wire).await?;
                self.shared.lines.lock().unwrap().push(answer);
            }
        }
        self.answer(wire, On::Auth, line, "235 2.7.0 welcome")
            .await?;
        Ok(())
    }

    async fn body(&mut self, wire: &mut Wire) -> Result<(), Over> {
        let mut body = vec![];
        let mut answered = false;
        loop {
            let mut line = vec![];
            if wire.read_until(b'\n', &mut line).await? == 0 {
                return Err(Over);
            }
            if body.is_empty() {
                self.shared.bodies.fetch_add(1, Ordering::SeqCst);
                match self.act(On::BodyBegun, "") {
                    Act::Agree => {}
                    Act::Say(early) => {
                        say(wire, &early).await?;
                        answered = true;
                    }
                    act => {
                        perform(act, wire, "").await?;
                    }
                }
            }
            if line == b".\r\n" {
                break;
            }
            body.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        }
        if answered {
            // It has said all that it will say.
            return Err(Over);
        }
        let taken = Taken {
            connection: self.connection,
            from: self.from.clone(),
            to: self.to.clone(),
            body,
        };
        let act = self.act(On::Body, "");
        // Taken before it is said: a client that does not hear it must not send again.
        if !act.denies() {
            self.shared.taken.lock().unwrap().push(taken);
        }
        perform(act, wire, "250 2.0.0 queued as 1").await?;
        Ok(())
    }

    fn act(&self, on: On, line: &str) -> Act {
        (self.shared.script)(&Turn {
            on,
            connection: self.connection,
            line,
            to: &self.to,
        })
    }

    /// Does what the script says. Whether that was to agree.
    async fn answer(&self, wire: &mut Wire, on: On, line: &str, usual: &str) -> Result<bool, Over> {
        perform(self.act(on, line), wire, usual).await
    }
}

async fn perform(act: Act, wire: &mut Wire, usual: &str) -> Result<bool, Over> {
    match act {
        Act::Agree => say(wire, usual).await.map(|()| true),
        Act::Say(words) => {
            say(wire, &words).await?;
            Ok(words.get(..1) == usual.get(..1))
        }
        Act::SayAndCut(words) => {
            say(wire, &words).await?;
            Err(Over)
        }
        Act::Flood(text) => loop {
            wire.get_mut().write_all(text.repeat(64).as_bytes()).await?;
        },
        Act::Cut => Err(Over),
        Act::Stall => {
            // Until the client has waited long enough.
            tokio::io::copy(wire, &mut tokio::io::sink()).await?;
            Err(Over)
        }
    }
}

async fn say(wire: &mut Wire, words: &str) -> Result<(), Over> {
    wire.get_mut()
        .write_all(format!("{words}\r\n").as_bytes())
        .await?;
    wire.get_mut().flush().await?;
    Ok(())
}

async fn read_line(wire: &mut Wire) -> Result<String, Over> {
    let mut line = String::new();
    match wire.read_line(&mut line).await? {
        0 => Err(Over),
        _ => Ok(line.trim_end().to_owned()),
    }
}

fn address(line: &str) -> String {
    let inner = line.split(['<', '>']).nth(1);
    inner.unwrap_or_default().to_owned()
}
