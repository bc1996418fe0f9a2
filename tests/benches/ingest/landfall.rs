//! Landfall's ingest, a process as it is shipped, with all that it does: it hears of files from
//! NATS, reads them from SeaweedFS, decides, journals, writes, and says `ingested`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use proto::{Data, User, What};
use tests::{Installation, Upload, Usage};

use crate::cost::Cost;
use crate::database::KEYSPACE;
use crate::input::Input;

const PIECE: usize = 8 << 20;
const PATIENCE: Duration = Duration::from_secs(60 * 60);

/// An installation of nothing but ingest.
pub(crate) struct Landfall {
    installation: Installation,
    runs: u32,
}

impl Landfall {
    /// On Cassandra at an address; on SQLite, where there is none.
    pub(crate) async fn start(cassandra: Option<&str>) -> Result<Self> {
        let mut builder = Installation::builder().patience(PATIENCE);
        for user in [User::Watcher, User::Mover, User::Notifier] {
            builder = builder.without(user);
        }
        if let Some(address) = cassandra {
            builder = builder.config(format!(
                "[store]\nkind = \"cql\"\n[store.cql]\nnodes = [\"{address}\"]\n\
                 readings = \"{KEYSPACE}\"\n"
            ));
        }
        Ok(Self {
            installation: builder.start().await?,
            runs: 0,
        })
    }

    /// Loads files with a process that is just started. The clock runs from the first `arrived`,
    /// when the files are in the store, to the last `ingested`.
    pub(crate) async fn load(&mut self, input: Input, files: &[PathBuf]) -> Result<Cost> {
        self.installation.stop(User::Ingest).await?;
        self.installation.add(User::Ingest).await?;
        self.runs += 1;
        let mut uploads = vec![];
        for (number, file) in files.iter().enumerate() {
            let key = format!("incoming/{}/{number}.csv", self.runs);
            uploads.push(self.upload(&key, file).await?);
        }
        let before = self.usage()?;
        let began = Instant::now();
        self.installation.arrive(&uploads).await?;
        let stored = self.ingested(&uploads).await?;
        let seconds = began.elapsed().as_secs_f64();
        let after = self.usage()?;
        ensure!(stored == input.rows, "{stored} rows of {input}");
        for upload in &uploads {
            self.installation.bucket.delete(&upload.key).await?;
        }
        Ok(Cost {
            seconds,
            cpu: after.seconds - before.seconds,
            peak: after.most,
            database: None,
        })
    }

    async fn upload(&self, key: &str, file: &Path) -> Result<Upload> {
        let bytes = tokio::fs::read(file).await?;
        let bucket = &self.installation.bucket;
        if bytes.len() <= PIECE {
            return bucket.put(key, bytes).await;
        }
        let pieces = bytes.chunks(PIECE).map(<[u8]>::to_vec);
        bucket.put_pieces(key, pieces).await
    }

    /// How many rows were stored, once all files are.
    async fn ingested(&self, uploads: &[Upload]) -> Result<u64> {
        let ours = |seen: &tests::Seen| {
            seen.what() == What::Ingested && uploads.iter().any(|upload| upload.is(seen.file()))
        };
        let installation = &self.installation;
        installation
            .events("the last `ingested`", uploads.len(), ours)
            .await?;
        let all = installation.all().into_iter().filter(|seen| ours(seen));
        let stored = all.map(|seen| match seen.event.data {
            Data::Ingested(ingested) => ingested.report.stored,
            _ => 0,
        });
        Ok(stored.sum())
    }

    fn usage(&self) -> Result<Usage> {
        let processes = self.installation.processes().into_iter();
        let mut ingest = processes.filter(|(name, _)| name.starts_with("ingest"));
        let (_, pid) = ingest.next().context("ingest runs")?;
        Usage::of(pid)
    }

    pub(crate) fn end(self) {
        self.installation.end();
    }
}
