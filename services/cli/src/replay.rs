//! `landfall replay`

use proto::Data;
use proto::event::{Command, Commanded, Stage};
use runtime::Config;
use store::write_timestamp::MAX_REPLAY;

use crate::failure::Failure;
use crate::journals::{Standing, State};
use crate::options;
use crate::order::{Order, Person};
use crate::ordering::order;
use crate::output::plain;

/// Orders that files go their way again, and says what becomes of that.
pub(crate) async fn run(config: &Config, options: options::Replay) -> Result<(), Failure> {
    let from = Stage::from(options.from);
    let profile = options.profile.as_deref();
    if let Some(name) = profile {
        check_profile(config, name, from)?;
    }
    let plan =
        async |standing: &Standing, person: &Person| Ok(plan(standing, from, profile, person));
    let command = command(from, profile);
    let same = |before: &Commanded| {
        before.command == command && profile.is_none_or(|name| name == before.file.profile)
    };
    let (names, ordering) = (&options.names, &options.ordering);
    order(config, names, ordering, "replayed", same, plan).await
}

/// The order for a file whose way has ended, or why there can be none.
fn plan(
    standing: &Standing,
    from: Stage,
    profile: Option<&str>,
    person: &Person,
) -> Result<Order, String> {
    let next = standing.replay + 1;
    if next > MAX_REPLAY {
        return Err(format!(
            "it has gone its way {next} times, and there is room for no more; upload it again"
        ));
    }
    check_stage(standing, from)?;
    let effect = effect(standing, next, from, profile);
    let command = command(from, profile);
    Ok(Order::new(standing, command, profile, person, effect))
}

fn command(from: Stage, profile: Option<&str>) -> Command {
    let corrected = profile.is_some();
    Command::Replay { from, corrected }
}

/// What a stage takes over has to be there.
fn check_stage(standing: &Standing, from: Stage) -> Result<(), String> {
    let read = matches!(standing.read, Some(Data::Ingested(_) | Data::Rejected(_)));
    let moved = matches!(standing.moved, Some(Data::Moved(_)));
    match from {
        Stage::Move | Stage::Notify if !read => {
            let what = standing.read.as_ref();
            let what = what.map_or("nothing", |data| data.what().token());
            Err(format!(
                "ingest's last word is `{what}`, from which it cannot go on: replay from `ingest`"
            ))
        }
        Stage::Notify if !moved => Err("it was not filed away: replay from `move`".to_owned()),
        _ => Ok(()),
    }
}

fn effect(standing: &Standing, replay: u32, from: Stage, profile: Option<&str>) -> String {
    let does = match (from, profile) {
        (Stage::Ingest, None) => {
            "is read again as it was read before, stored, filed away and told of".to_owned()
        }
        (Stage::Ingest, Some(profile)) => format!(
            "is read again with profile {profile}, stored, filed away and told of (readings that \
             this does not override stay: `landfall retract` first takes them out)"
        ),
        (Stage::Move, _) => "is filed away again and told of".to_owned(),
        (Stage::Notify, _) => "is told of again".to_owned(),
    };
    let was = match &standing.state {
        State::Ended(end) => end.token(),
        State::Open(_) | State::Ordered(_) => "",
    };
    format!("{was}; replay {replay} from `{}`: it {does}", from.name())
}

fn check_profile(config: &Config, name: &str, from: Stage) -> Result<(), Failure> {
    let known = config.profiles.iter().any(|profile| profile.name == name);
    if !known && name != runtime::config::Profile::built_in().name {
        return Err(Failure::Usage(format!(
            "--profile: there is no profile `{}` in the configuration",
            plain(name)
        )));
    }
    if from != Stage::Ingest {
        return Err(Failure::Usage(
            "--profile: only a replay from `ingest` reads the file".to_owned(),
        ));
    }
    Ok(())
}
