use runtime::config::notifier::Tls;

use super::*;
use crate::fixtures;

fn wrong(change: impl FnOnce(&mut Config)) -> String {
    let mut config = fixtures::config(25);
    change(&mut config);
    match Settings::new(&config) {
        Ok(_) => String::new(),
        Err(wrong) => wrong,
    }
}

#[test]
fn the_configuration_as_shipped_is_right() {
    assert!(Settings::new(&Config::default()).is_ok());
}

#[test]
fn an_authority_that_is_none_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, "no certificate").unwrap();
    let wrong = wrong(|config| {
        config.notifier.smtp.tls = Tls::Starttls;
        config.notifier.smtp.ca_file = Some(path.clone());
    });
    let path = path.display();
    assert_eq!(
        wrong,
        format!("`notifier.smtp.ca_file`: {path}: holds no PEM certificate")
    );
}

#[test]
fn senders_are_addresses() {
    let from = wrong(|config| config.notifier.from = "a@b@c".to_owned());
    assert!(
        from.starts_with("`notifier.from`: \"a@b@c\" is no mail address"),
        "{from}"
    );
    let reply_to =
        wrong(|config| config.notifier.reply_to = Some("Help, please <h@x.org>".to_owned()));
    assert!(
        reply_to.starts_with("`notifier.reply_to`: \"Help, please <h@x.org>\" is no"),
        "{reply_to}"
    );
}
