//! The checker of Landfall's promise: looks at streams, journals, readings, objects and mails, and
//! says what is wrong with them. It changes nothing, and shares no code with the services that
//! decide: events, rows and files are read here a second time, in a simpler way.
//!
//! [`judge`] is pure: facts in, violations out. [`audit`] finds the facts, also while files are on
//! their way.
//!
//! In memory it holds about 2 kB for each file version that the journals know, and 64 MiB beside
//! that; the readings of the one file that is being counted lie in a temporary file.

mod books;
mod count;
pub mod event;
pub mod facts;
mod gather;
pub mod judge;
mod mailbox;
pub mod recount;
mod scope;
mod streams;
mod summary;
mod table;
mod uploads;
mod violation;

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;
use std::time::Duration;

use async_nats::Client;
use objects::Objects;
use runtime::Config;

use gather::Sight;
pub use judge::judge;
pub use scope::Scope;
pub use summary::{Report, Summary};
pub use violation::{Rule, Violation};

/// Between two looks: longer than a service takes from one effect to the next, as when a mover
/// removes a copy of its own that came too late.
const PAUSE: Duration = Duration::from_secs(3);

/// What is to be audited.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Which files.
    pub scope: Scope,
    /// Nothing is under way: a file without an end is wrong, and one look is enough.
    pub settled: bool,
    /// A folder of mails as they came (`.eml`).
    pub mails: Option<PathBuf>,
    /// A list of every upload there ever was: a line of JSON each, in their order, with `bucket`,
    /// `key`, `etag`, and if need be `version`, `sha256` (of what was uploaded, as hex) and
    /// `deleted` (somebody other than Landfall deleted it afterwards).
    pub uploads: Option<PathBuf>,
}

/// Judges an installation. `client` is connected with the rights of a person who looks.
///
/// While files are on their way, a first look may meet effects that no journal read before them
/// knew. So what is found wrong is looked for again, by journals read later, and only what both
/// looks say is wrong: what is wrong stays wrong.
///
/// An error means that something could not be looked at; nothing is judged then.
pub async fn audit(config: &Config, client: Client, options: &Options) -> anyhow::Result<Report> {
    let objects = Objects::new(&config.objects).await?;
    let jetstream = async_nats::jetstream::new(client);
    let sight = |only| Sight {
        config,
        jetstream: &jetstream,
        objects: &objects,
        scope: &options.scope,
        settled: options.settled,
        mails: options.mails.as_ref(),
        uploads: options.uploads.as_ref(),
        only,
    };
    let facts = sight(None).look().await?;
    let mut violations = judge(&facts);
    if !violations.is_empty() && !options.settled {
        tokio::time::sleep(PAUSE).await;
        let suspects: BTreeSet<_> = violations
            .iter()
            .filter_map(|violation| violation.file.as_deref()?.parse().ok())
            .collect();
        let again = judge(&sight(Some(&suspects)).look().await?);
        let again: HashSet<_> = again.iter().map(Violation::identity).collect();
        violations.retain(|violation| again.contains(&violation.identity()));
    }
    Ok(Report {
        summary: Summary::of(&facts),
        open: judge::open(&facts),
        violations,
    })
}
