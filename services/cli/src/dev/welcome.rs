//! What somebody who has just started Landfall wants to know.

use std::path::Path;

use proto::User;

use super::installation::Installation;
use crate::output::short;
use crate::{put, settings};

/// Where to look, and what to try.
pub(crate) fn text(installation: &Installation, sensor: Option<&str>) -> String {
    let (bucket, prefix) = put::target(&installation.config, None).unwrap_or_default();
    let folder = short(installation.folder());
    let landfall = command(installation.folder(), &folder);
    let sensor = sensor.unwrap_or("SENSOR");
    let mails = short(&installation.mails);
    let browse = &installation.browse;
    let metrics = ports(&installation.metrics);
    let endpoint = installation
        .config
        .objects
        .endpoint
        .as_deref()
        .unwrap_or_default();
    format!(
        "Landfall runs until Ctrl-C. From another terminal, here:

  send a file      {landfall} put --wait FILE
  follow files     {landfall} follow
  see readings     {landfall} readings {sensor}
  S3               {endpoint}, bucket {bucket}, files arrive in {prefix}
                   (keys in {folder}/{file})
  browse it        {browse}
  mails            {mails}/
  logs             {folder}/logs/
  metrics          http://127.0.0.1:PORT/metrics, PORT: {metrics}

A plain file has the columns sensor_id, timestamp and value; profiles for other files go into a
configuration of your own: make run CONFIG=FILE",
        file = settings::FILE,
    )
}

/// `watcher 40001, ingest 40002`
fn ports(services: &[(User, u16)]) -> String {
    let each = services.iter();
    let each: Vec<String> = each.map(|(user, port)| format!("{user} {port}")).collect();
    each.join(", ")
}

/// The command as it was typed, with the folder where that is not the default.
fn command(folder: &Path, shown: &str) -> String {
    let typed = std::env::args()
        .next()
        .map_or_else(|| "landfall".to_owned(), |typed| short(Path::new(&typed)));
    let default = std::path::absolute(settings::DEV).is_ok_and(|default| default == folder)
        && !Path::new(settings::FILE).exists();
    if default {
        typed
    } else {
        format!("{typed} --dir {shown}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_service_has_its_port() {
        let services = [(User::Watcher, 40_001), (User::Ingest, 40_002)];
        assert_eq!(ports(&services), "watcher 40001, ingest 40002");
    }
}
