use runtime::config::notifier::Tls;
use runtime::config::secret::Secret;

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
fn a_remote_server_is_spoken_to_through_tls_only() {
    let remote = |tls| {
        wrong(|config| {
            config.notifier.smtp.host = "mail.example.com".to_owned();
            config.notifier.smtp.tls = tls;
        })
    };
    assert_eq!(
        remote(Tls::None),
        "[notifier.smtp] tls = \"none\" is for this machine only, and host is `mail.example.com`; \
         set tls = \"starttls\" or \"implicit\""
    );
    assert_eq!(remote(Tls::Starttls), "");
    assert_eq!(remote(Tls::Implicit), "");
    for host in ["localhost", "127.0.0.1", "127.9.9.9", "::1"] {
        assert_eq!(wrong(|config| config.notifier.smtp.host = host.to_owned()), "");
    }
}

#[test]
fn a_login_has_a_user_and_a_password() {
    let user = wrong(|config| config.notifier.smtp.user = Some("u".to_owned()));
    assert_eq!(user, "[notifier.smtp] user is set and password is not");
    let password = wrong(|config| config.notifier.smtp.password = Some(Secret::new("hush")));
    assert_eq!(password, "[notifier.smtp] password is set and user is not");
}

#[test]
fn an_authority_that_cannot_be_read_is_named() {
    let with_file = |path: std::path::PathBuf| {
        wrong(|config| {
            config.notifier.smtp.tls = Tls::Starttls;
            config.notifier.smtp.ca_file = Some(path);
        })
    };
    let missing = with_file("/nowhere/ca.pem".into());
    assert!(missing.starts_with("[notifier.smtp] ca_file /nowhere/ca.pem: No such file"), "{missing}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, "no certificate").unwrap();
    assert!(with_file(path).ends_with("ca.pem: holds no PEM certificate"));
}

#[test]
fn a_row_outlives_the_longest_wait() {
    let wrong = wrong(|config| config.notifier.delay = Duration::from_secs(87 * 86_400));
    assert!(
        wrong.starts_with("[service] journal_retention is 90.0 days, and a mail may wait 91.0 days"),
        "{wrong}"
    );
}

#[test]
fn senders_are_addresses() {
    assert!(wrong(|config| config.notifier.from = "landfall".to_owned()).starts_with("[notifier] from: \"landfall\" is no mail address"));
    assert!(wrong(|config| config.notifier.reply_to = Some(String::new())).starts_with("[notifier] reply_to: \"\" is no"));
}

#[test]
fn nothing_takes_no_time_and_no_connection() {
    assert!(wrong(|config| config.notifier.smtp.timeout = Duration::ZERO).contains("timeout"));
    assert!(wrong(|config| config.notifier.smtp.connections = 0).contains("connections"));
    assert!(wrong(|config| config.notifier.retry_after = Duration::ZERO).contains("retry_after"));
}
