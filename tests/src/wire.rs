//! A wire before a server: a TCP proxy that can be slow, stall, and cut connections anywhere.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

/// What becomes of bytes on their way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Weather {
    /// They pass.
    #[default]
    Clear,
    /// Each piece of them waits.
    Slow(Duration),
    /// They wait for other weather.
    Stalled,
    /// So many of them pass at most, in one direction of a connection; then it is cut.
    Cutting(u64),
}

/// The weather, and whether it is for every other connection only.
pub(crate) type Forecast = (Weather, Hits);

/// Which connections the weather is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Hits {
    #[default]
    All,
    EveryOther,
}

/// A wire to a server.
#[derive(Debug)]
pub(crate) struct Wire {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    forecast: watch::Sender<Forecast>,
    cuts: Arc<AtomicU64>,
    asked: Arc<AtomicU64>,
    answered: Arc<AtomicU64>,
}

impl Wire {
    /// Listens before the server at `port` for as long as the runtime lives. `seed` decides where
    /// connections are cut.
    pub(crate) async fn before(port: u16, seed: u64) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (forecast, weather) = watch::channel(Forecast::default());
        let wire = Self {
            address: listener.local_addr()?,
            forecast,
            cuts: Arc::default(),
            asked: Arc::default(),
            answered: Arc::default(),
        };
        let (cuts, asked) = (Arc::clone(&wire.cuts), Arc::clone(&wire.asked));
        let answered = Arc::clone(&wire.answered);
        let mut random = fastrand::Rng::with_seed(seed);
        tokio::spawn(async move {
            for number in 0_u64.. {
                let client = match listener.accept().await {
                    Ok((client, _)) => client,
                    // No file is left to this process, or nobody is there any more.
                    Err(error) => {
                        eprintln!("the wire to port {port} takes no connection: {error}");
                        sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                };
                asked.fetch_add(1, Ordering::Relaxed);
                let line = Line {
                    weather: weather.clone(),
                    is_other: number % 2 == 1,
                    random: random.fork(),
                    left: None,
                    cuts: Arc::clone(&cuts),
                    counts: Counts::Pieces(Arc::clone(&asked)),
                };
                let back = Line {
                    counts: Counts::Bytes(Arc::clone(&answered)),
                    ..line.clone()
                };
                tokio::spawn(connect(client, port, line, back));
            }
        });
        Ok(wire)
    }

    /// Changes the weather, for connections that are open as well.
    pub(crate) fn set(&self, forecast: Forecast) {
        self.forecast.send_replace(forecast);
    }

    /// How many connections were cut.
    pub(crate) fn cuts(&self) -> u64 {
        self.cuts.load(Ordering::Relaxed)
    }

    /// How often somebody turned to the server: connections, and pieces of what was said to it.
    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// How many bytes the server has said.
    pub(crate) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }
}

async fn connect(client: TcpStream, port: u16, mut line: Line, back: Line) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else {
        return;
    };
    // Small pieces would wait for one another.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    line.random = line.random.fork();
    // Either end takes the other with it.
    tokio::select! {
        _ = line.carry(from_client, to_server) => {}
        _ = back.carry(from_server, to_client) => {}
    }
}

/// One direction of a connection.
#[derive(Clone)]
struct Line {
    weather: watch::Receiver<Forecast>,
    is_other: bool,
    random: fastrand::Rng,
    /// Bytes until it is cut, once that is known.
    left: Option<u64>,
    cuts: Arc<AtomicU64>,
    counts: Counts,
}

/// What is counted of what comes to a wire.
#[derive(Clone, Debug)]
enum Counts {
    /// On the way to the server.
    Pieces(Arc<AtomicU64>),
    /// On the way back.
    Bytes(Arc<AtomicU64>),
}

impl Counts {
    fn add(&self, bytes: usize) {
        match self {
            Self::Pieces(count) => count.fetch_add(1, Ordering::Relaxed),
            Self::Bytes(count) => count.fetch_add(bytes as u64, Ordering::Relaxed),
        };
    }
}

impl Line {
    async fn carry(mut self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> Result<()> {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let read = from.read(&mut buffer).await?;
            if read == 0 {
                return Ok(());
            }
            self.counts.add(read);
            let passes = self.passes(read).await?;
            to.write_all(&buffer[..passes]).await?;
            if passes < read {
                self.cuts.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
        }
    }

    /// Waits for as long as the weather wants; answers how many of so many bytes pass.
    async fn passes(&mut self, bytes: usize) -> Result<usize> {
        loop {
            let (weather, hits) = *self.weather.borrow_and_update();
            let is_hit = hits == Hits::All || self.is_other;
            match weather {
                // The slowness itself.
                Weather::Slow(pause) if is_hit => sleep(pause).await,
                Weather::Stalled if is_hit => {
                    self.weather.changed().await?;
                    continue;
                }
                Weather::Cutting(within) if is_hit => {
                    let left = self.left.unwrap_or_else(|| self.random.u64(0..=within));
                    let wanted = u64::try_from(bytes)?;
                    self.left = Some(left.saturating_sub(wanted));
                    return Ok(usize::try_from(left.min(wanted))?);
                }
                _ => {}
            }
            self.left = None;
            return Ok(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An open connection through a wire, and its other end.
    async fn connection() -> Result<(Wire, TcpStream, TcpStream)> {
        let server = TcpListener::bind("127.0.0.1:0").await?;
        let wire = Wire::before(server.local_addr()?.port(), 1).await?;
        let client = TcpStream::connect(wire.address).await?;
        let (server, _) = server.accept().await?;
        Ok((wire, client, server))
    }

    #[tokio::test]
    async fn bytes_pass_both_ways_also_slowly() -> Result<()> {
        let (wire, mut client, mut server) = connection().await?;
        let slow = Weather::Slow(Duration::from_millis(1));
        for weather in [Weather::Clear, slow] {
            wire.set((weather, Hits::All));
            client.write_all(b"ping").await?;
            let mut four = [0; 4];
            server.read_exact(&mut four).await?;
            server.write_all(b"pong").await?;
            client.read_exact(&mut four).await?;
            assert_eq!(&four, b"pong");
        }
        drop(client);
        assert_eq!(server.read(&mut [0; 4]).await?, 0);
        Ok(())
    }

    #[tokio::test]
    async fn what_stalls_comes_when_the_weather_clears() -> Result<()> {
        let (wire, mut client, mut server) = connection().await?;
        wire.set((Weather::Stalled, Hits::All));
        client.write_all(b"ping").await?;
        let mut four = [0; 4];
        let short = Duration::from_millis(100);
        let stalled = tokio::time::timeout(short, server.read_exact(&mut four)).await;
        assert!(stalled.is_err());
        wire.set((Weather::Clear, Hits::All));
        server.read_exact(&mut four).await?;
        assert_eq!(&four, b"ping");
        Ok(())
    }

    #[tokio::test]
    async fn a_cut_lets_a_part_pass_and_then_ends_the_connection() -> Result<()> {
        let (wire, mut client, mut server) = connection().await?;
        wire.set((Weather::Cutting(1_000), Hits::All));
        client.write_all(&[7; 1_001]).await?;
        let mut passed = Vec::new();
        server.read_to_end(&mut passed).await?;
        assert!(passed.len() <= 1_000, "{} passed", passed.len());
        assert_eq!(wire.cuts(), 1);
        Ok(())
    }

    #[tokio::test]
    async fn connections_and_what_is_said_to_the_server_are_counted() -> Result<()> {
        let (wire, mut client, mut server) = connection().await?;
        client.write_all(b"ping").await?;
        server.read_exact(&mut [0; 4]).await?;
        server.write_all(b"pong").await?;
        client.read_exact(&mut [0; 4]).await?;
        assert_eq!((wire.asked(), wire.answered()), (2, 4));
        Ok(())
    }

    #[tokio::test]
    async fn every_other_connection_is_left_alone() -> Result<()> {
        let (wire, mut client, mut server) = connection().await?;
        wire.set((Weather::Cutting(0), Hits::EveryOther));
        client.write_all(b"ping").await?;
        server.read_exact(&mut [0; 4]).await?;
        let mut second = TcpStream::connect(wire.address).await?;
        second.write_all(b"ping").await?;
        let read = second.read(&mut [0; 4]).await;
        assert!(!matches!(read, Ok(1..)), "{read:?}");
        Ok(())
    }
}
