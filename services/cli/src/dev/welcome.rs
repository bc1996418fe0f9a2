//! What somebody who has just started Landfall wants to know.

use std::path::Path;

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

A plain file has the columns sensor_id, timestamp and value; profiles for other files go into a
configuration of your own: make run CONFIG=FILE",
        file = settings::FILE,
    )
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
