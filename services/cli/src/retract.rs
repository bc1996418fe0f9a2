//! `landfall retract`

use proto::event::{Command, Commanded};
use runtime::Config;
use runtime::text::counted;
use store::write_timestamp::MAX_REPLAY;

use crate::database;
use crate::failure::Failure;
use crate::journals::Standing;
use crate::options;
use crate::order::{Order, Person};
use crate::ordering::order;

/// Orders that the readings of files are taken out of the database, and says how many that were.
pub(crate) async fn run(config: &Config, options: options::Retract) -> Result<(), Failure> {
    let readings = database::open(config).await?;
    let plan = async |standing: &Standing, person: &Person| {
        let count = readings.count(standing.file.id).await;
        Ok(plan(standing, count.map_err(Failure::failed)?, person))
    };
    // What the command is for is how many readings that were.
    let ordering = options::Ordering {
        wait: true,
        ..options.ordering
    };
    let same = |before: &Commanded| before.command == Command::Retract;
    order(config, &options.names, &ordering, "retracted", same, plan).await
}

/// The order for a file whose way has ended, or why there can be none.
fn plan(standing: &Standing, readings: u64, person: &Person) -> Result<Order, String> {
    if standing.replay > MAX_REPLAY {
        return Err("its readings were taken out for good".to_owned());
    }
    let effect = format!(
        "{} of it taken out of the database; the file itself stays where it is",
        counted(readings, "reading")
    );
    Ok(Order::new(standing, Command::Retract, None, person, effect))
}
