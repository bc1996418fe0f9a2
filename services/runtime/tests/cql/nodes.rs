//! The cluster of all tests.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use runtime::Config;
use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::statement::{Consistency, Statement};
use servers::Cassandra;
use servers::cassandra::Options;
use tokio::sync::{OnceCell, RwLock};

const ROLES: &str = include_str!("../../../../deploy/scylla/roles.cql");
const RIGHTS: &str = include_str!("../../../../deploy/scylla/rights.cql");
/// They wait for each other less long than they would, and remember longer who may do what: so that
/// the keyspaces of Landfall are short of replicas, and not only that of the roles.
const MORE: &str = "\
read_request_timeout: 500ms
write_request_timeout: 500ms
roles_validity: 10m
permissions_validity: 10m
";
/// How long a change of the schema may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Two nodes with two replicas of everything, so that a majority is both. Whoever takes one away
/// has the lock alone.
pub(crate) struct Nodes {
    pub(crate) settings: Settings,
    _lock: File,
    /// The first is the one that whoever connects is told of.
    pub(crate) both: [Cassandra; 2],
}

/// They are started at the first call, and end with this process.
pub(crate) async fn nodes() -> &'static RwLock<Nodes> {
    static NODES: OnceCell<RwLock<Nodes>> = OnceCell::const_new();
    NODES
        .get_or_init(async || RwLock::new(Nodes::start().await))
        .await
}

impl Nodes {
    async fn start() -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cassandras");
        let lock = lock(&folder).await;
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let hosts = ["127.0.0.1", "127.0.0.2"].map(str::to_owned);
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(hosts).unwrap();
        std::fs::write(folder.join("ca.pem"), cert.pem()).unwrap();
        let careful = Options {
            login: true,
            tls: Some(signing_key.serialize_pem() + &cert.pem()),
            more: MORE.to_owned(),
            ..Options::default()
        };
        let started = Cassandra::start(&folder.join("1"), careful.clone()).await;
        let first = started.unwrap();
        let settings = Settings {
            folder: folder.clone(),
            address: first.address(),
        };
        settings.set_up().await;
        let second = first.join(&folder.join("2"), careful).await.unwrap();
        settings.spread().await;
        Self {
            settings,
            _lock: lock,
            both: [first, second],
        }
    }
}

/// How the cluster is reached.
pub(crate) struct Settings {
    folder: PathBuf,
    address: String,
}

impl Settings {
    /// As README.md says that it is done.
    async fn set_up(&self) {
        let admin = self.admin().await;
        for statement in statements(ROLES) {
            admin.query_unpaged(statement, ()).await.unwrap();
        }
        let services = ["watcher", "ingest", "mover", "notifier"];
        for role in services.into_iter().chain(["setup", "operator"]) {
            let (role, password) = (format!("landfall_{role}"), password(role));
            let alter = format!("ALTER ROLE {role} WITH PASSWORD = '{password}'");
            admin.query_unpaged(alter, ()).await.unwrap();
        }
        let config = self.config("setup");
        let cql = &config.store.cql;
        let (access, plan) = (runtime::access(cql).unwrap(), cql.plan());
        store::cql::Readings::set_up(&access, &plan).await.unwrap();
        for service in services {
            let made = store::cql::Journal::set_up(&access, &plan, service);
            made.await.unwrap();
        }
        for statement in statements(RIGHTS) {
            admin.query_unpaged(statement, ()).await.unwrap();
        }
    }

    /// Has two replicas of the roles too, and waits until both nodes know of each other and of all
    /// tables.
    async fn spread(&self) {
        let admin = self.admin().await;
        let replicas = "ALTER KEYSPACE system_auth WITH replication =
                        {'class': 'SimpleStrategy', 'replication_factor': 2}";
        insist(&admin, Statement::new(replicas)).await;
        // The last that were made.
        for table in ["system_auth.roles", "landfall_journal.notifier_agenda"] {
            let mut of_all = Statement::new(format!("SELECT * FROM {table}"));
            of_all.set_consistency(Consistency::All);
            insist(&admin, of_all).await;
        }
    }

    /// Settings with which a role gets in.
    pub(crate) fn config(&self, role: &str) -> Config {
        let text = format!(
            "[store]\n\
             kind = \"cql\"\n\
             [store.cql]\n\
             nodes = [\"{}\"]\n\
             user = \"landfall_{role}\"\n\
             password = \"{}\"\n\
             tls = true\n\
             ca_file = \"{}\"\n\
             replication = {{ datacenter1 = 2 }}\n",
            self.address,
            password(role),
            self.folder.join("ca.pem").display(),
        );
        Config::read(Path::new("test.toml"), &text, vec![])
            .unwrap_or_else(|wrong| panic!("{wrong}"))
    }

    /// Plain CQL, as the role that is there first; it comes a moment after the node.
    async fn admin(&self) -> Session {
        let profile = ExecutionProfile::builder().request_timeout(Some(PATIENCE));
        let profile = profile.build().into_handle();
        let access = runtime::access(&self.config("setup").store.cql).unwrap();
        let connecting = async {
            loop {
                let session = SessionBuilder::new()
                    .known_nodes(&access.nodes)
                    .user("cassandra", "cassandra")
                    .tls_context(access.tls.clone())
                    .default_execution_profile_handle(profile.clone());
                if let Ok(session) = session.build().await {
                    return session;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, connecting).await.unwrap()
    }
}

fn password(role: &str) -> String {
    format!("that of {role}")
}

/// The statements of a file.
fn statements(file: &str) -> Vec<String> {
    let lines = file.lines().filter(|line| !line.starts_with("--"));
    let text: Vec<&str> = lines.collect();
    let text = text.join("\n");
    let statements = text.split(';').map(str::trim);
    let statements = statements.filter(|statement| !statement.is_empty());
    statements.map(str::to_owned).collect()
}

/// Asks again until it is answered.
async fn insist(session: &Session, statement: Statement) {
    let asking = async {
        while session.query_unpaged(statement.clone(), ()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let asked = tokio::time::timeout(PATIENCE, asking).await;
    asked.unwrap_or_else(|_| panic!("in vain: {}", statement.contents));
}

/// The folder is the same each time, since nobody is there to remove it when the process ends,
/// which ends the nodes. Another process that tests at the same time waits.
async fn lock(folder: &Path) -> File {
    let lock = File::create(folder.with_extension("lock")).unwrap();
    let locked = tokio::task::spawn_blocking(move || {
        lock.lock().unwrap();
        lock
    });
    locked.await.unwrap()
}
