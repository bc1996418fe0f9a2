//! What somebody may have meant who names what is not there.

use store::Readings;

use crate::failure::Failure;
use crate::output::plain;

/// Names that are compared.
const COMPARED: usize = 20_000;
/// Longer ones (in bytes) are not: nobody types them.
const LONGEST: usize = 256;
/// From 0 to 1, how alike two names have to be.
const ALIKE: f64 = 0.8;
/// Names that are suggested.
const SUGGESTED: usize = 3;

/// The sensors whose names are most like this one, in a sentence; nothing where none is.
pub(crate) async fn sensors(readings: &dyn Readings, sensor: &str) -> Result<String, Failure> {
    let names = readings.sensors("", COMPARED).await;
    let names = names.map_err(Failure::failed)?;
    let nearest = nearest(sensor, &names);
    if nearest.is_empty() {
        return Ok(String::new());
    }
    let nearest: Vec<String> = nearest
        .iter()
        .map(|name| format!("`{}`", plain(name)))
        .collect();
    Ok(format!("; there is {}", nearest.join(", ")))
}

/// The most alike first.
fn nearest<'a>(wanted: &str, names: &'a [String]) -> Vec<&'a str> {
    if wanted.len() > LONGEST {
        return vec![];
    }
    let wanted = wanted.to_lowercase();
    let names = names.iter().filter(|name| name.len() <= LONGEST);
    let alike = names.map(|name| (strsim::jaro_winkler(&wanted, &name.to_lowercase()), name));
    let mut alike: Vec<_> = alike.filter(|(alike, _)| *alike > ALIKE).collect();
    alike.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let nearest = alike.into_iter().take(SUGGESTED);
    nearest.map(|(_, name)| name.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_alike_come_first_and_the_unlike_do_not() {
        let names = [
            "cellar-1",
            "cellar-2",
            "Hall-1",
            "roof",
            "machine_temperature",
        ];
        let names = names.map(str::to_owned);
        assert_eq!(nearest("cellar-l", &names), ["cellar-1", "cellar-2"]);
        assert_eq!(nearest("hall1", &names), ["Hall-1"]);
        assert_eq!(nearest("machine_temp", &names), ["machine_temperature"]);
        assert_eq!(nearest("xyz", &names), [""; 0]);
    }
}
