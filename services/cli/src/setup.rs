//! `landfall setup`

use runtime::Config;

use crate::failure::Failure;

/// Creates what is missing in NATS and the databases, and says what that was.
pub(crate) async fn run(config: &Config) -> Result<(), Failure> {
    let done = runtime::setup(config).await.map_err(Failure::failed)?;
    for line in &done {
        eprintln!("{line}");
    }
    if done.is_empty() {
        eprintln!("everything is set up already");
    }
    Ok(())
}
