//! What a test can take away from an installation, and give back.

use anyhow::{Context, Result};
use faulty_cql::Proxy;
use nix::sys::signal::Signal;
use proto::User;
use toml::Value;

use super::{Installation, SERVICES};
use crate::database::{Database, HERE, nodes};
use crate::lock::{self, Lock};
use crate::settings;
use crate::wire::{Hits, Weather, Wire};

/// What a service needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// NATS.
    Nats,
    /// Object storage.
    Store,
    /// The mail server.
    Mail,
    /// The CQL database.
    Database,
}

/// A wire between each service and each of its servers.
#[derive(Debug)]
pub(super) struct Wires {
    all: Vec<(User, Server, Wire)>,
    /// Behind that of ingest to a CQL database.
    proxy: Option<Proxy>,
}

impl Wires {
    /// To NATS, store and mail server at these ports, and to the database if that is a server.
    pub(super) async fn start([nats, store, mail]: [u16; 3], database: &Database) -> Result<Self> {
        let ends = [
            (Server::Nats, nats),
            (Server::Store, store),
            (Server::Mail, mail),
        ];
        let mut wires = vec![];
        for user in SERVICES {
            for (server, port) in ends {
                wires.push((user, server, Wire::before(port, 0).await?));
            }
        }
        let mut proxy = None;
        if let Database::Cql(keyspaces) = database {
            let port = keyspaces.port();
            let behind = Proxy::start(&format!("{HERE}:{port}")).await?;
            for user in SERVICES {
                let end = if user == User::Ingest {
                    behind.address.port()
                } else {
                    port
                };
                wires.push((user, Server::Database, Wire::before(end, 0).await?));
            }
            proxy = Some(behind);
        }
        Ok(Self { all: wires, proxy })
    }

    /// What a service is told of them.
    pub(super) fn settings(&self, user: User) -> Vec<(&'static str, Value)> {
        let own = self.all.iter().filter(|(of, ..)| *of == user);
        own.map(|(_, server, wire)| match server {
            Server::Nats => ("nats.url", format!("nats://{}", wire.address).into()),
            Server::Store => (
                "objects.endpoint",
                format!("http://{}", wire.address).into(),
            ),
            Server::Mail => ("notifier.smtp.port", i64::from(wire.address.port()).into()),
            Server::Database => ("store.cql.nodes", nodes(HERE, wire.address.port())),
        })
        .collect()
    }
}

impl Installation {
    /// From now on every connection of a service to a server is cut at its first byte.
    pub fn cut(&self, user: User, server: Server) -> Result<()> {
        self.change(user, server, Weather::Cutting(0))
    }

    /// From now on a server takes a service's connections, and neither hears nor says a word.
    pub fn silence(&self, user: User, server: Server) -> Result<()> {
        self.change(user, server, Weather::Stalled)
    }

    /// Ends what [`cut`](Self::cut) or [`silence`](Self::silence) began.
    pub fn mend(&self, user: User, server: Server) -> Result<()> {
        self.change(user, server, Weather::Clear)
    }

    fn change(&self, user: User, server: Server, weather: Weather) -> Result<()> {
        self.wire(user, server)?.set((weather, Hits::All));
        Ok(())
    }

    fn wire(&self, user: User, server: Server) -> Result<&Wire> {
        if (user, server) == (User::Storage, Server::Nats) {
            return Ok(&self.grounds.publisher()?.wire);
        }
        let wires = self.wires.as_ref().context("it was not built with wires")?;
        let found = wires
            .all
            .iter()
            .find(|(of, to, _)| (*of, *to) == (user, server));
        let (.., wire) = found.context("the service has no such wire")?;
        Ok(wire)
    }

    /// How often each service has turned to each of its servers: connections, and pieces of what
    /// it said. Of an installation with wires.
    pub fn asked(&self) -> Vec<(User, Server, u64)> {
        let wires = self.wires.iter().flat_map(|wires| &wires.all);
        wires
            .map(|(user, server, wire)| (*user, *server, wire.asked()))
            .collect()
    }

    /// How many bytes a service has got of a server. Of an installation with wires.
    pub fn got(&self, user: User, server: Server) -> Result<u64> {
        Ok(self.wire(user, server)?.answered())
    }

    /// Decides what becomes of what ingest asks of the database. Of an installation with wires on
    /// CQL.
    pub fn proxy(&self) -> Result<&Proxy> {
        let wires = self.wires.as_ref();
        let proxy = wires.and_then(|wires| wires.proxy.as_ref());
        proxy.context("it was not built with wires on CQL")
    }

    /// Takes a service's journal away: nobody can write to it any more. Of an installation with
    /// wires.
    pub fn lock(&self, user: User) -> Result<Lock> {
        self.lock_file(user, user.name())
    }

    /// Takes the readings away in the same way; on CQL ingest's journal as well.
    pub fn lock_readings(&self) -> Result<Lock> {
        self.lock_file(User::Ingest, "readings")
    }

    fn lock_file(&self, user: User, name: &str) -> Result<Lock> {
        match &self.database {
            Database::Sqlite(folder) => {
                let file = folder.join(format!("{name}.db"));
                Ok(Lock::File(lock::File::take(&file)?))
            }
            Database::Cql(_) => {
                self.cut(user, Server::Database)?;
                Ok(Lock::Wire(user))
            }
        }
    }

    /// Gives back what was locked.
    pub fn unlock(&self, lock: Lock) -> Result<()> {
        match lock {
            Lock::File(file) => drop(file),
            Lock::Wire(user) => self.mend(user, Server::Database)?,
        }
        Ok(())
    }

    /// Kills the NATS server (SIGKILL).
    pub async fn kill_nats(&self) {
        self.site.nats.kill().await;
    }

    /// Stops the NATS server where it stands (SIGSTOP): its connections stay, and nothing is answered.
    pub fn silence_nats(&self) {
        self.site.nats.process().signal(Signal::SIGSTOP);
    }

    /// Lets it go on (SIGCONT).
    pub fn wake_nats(&self) {
        self.site.nats.process().signal(Signal::SIGCONT);
    }

    /// How many notifications a store that publishes them itself keeps for NATS.
    pub fn kept(&self) -> Result<usize> {
        self.grounds.publisher()?.kept()
    }

    /// Kills a store that publishes to NATS itself (SIGKILL).
    pub async fn kill_store(&self) -> Result<()> {
        self.grounds.publisher()?.store.kill().await;
        Ok(())
    }

    /// Starts again what [`kill_store`](Self::kill_store) killed.
    pub async fn restart_store(&mut self) -> Result<()> {
        self.grounds.publisher_mut()?.store.restart().await
    }

    /// Kills a service (SIGKILL) and starts it again, without waiting until it is ready: in an
    /// outage it may never be.
    pub async fn kill_and_start(&mut self, user: User) -> Result<()> {
        self.kill(user).await;
        self.begin(user)
    }

    /// Changes a setting of one service, for when it is started the next time.
    pub fn configure(&self, user: User, path: &str, value: impl Into<Value>) -> Result<()> {
        let file = &self.configs[&user];
        let mut table = std::fs::read_to_string(file)?.parse()?;
        settings::set(&mut table, path, value)?;
        std::fs::write(file, table.to_string())?;
        Ok(())
    }
}
