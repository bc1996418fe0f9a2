//! Which addresses are SNS's own: a message names them, and whoever could name any would have this
//! service fetch what he likes.

use axum::http::Uri;

/// Where a certificate lies.
pub(super) fn certificate(url: &str) -> Result<Uri, String> {
    let place = of_sns(url)?;
    if !place.path().ends_with(".pem") || place.query().is_some() {
        return Err(format!("`{}` is no certificate", url.escape_debug()));
    }
    Ok(place)
}

/// Where a subscription is confirmed.
pub(super) fn confirmation(url: &str) -> Result<Uri, String> {
    let place = of_sns(url)?;
    let confirms = |query: &str| {
        query
            .split('&')
            .any(|part| part == "Action=ConfirmSubscription")
    };
    if !place.query().is_some_and(confirms) {
        return Err(format!("`{}` confirms nothing", url.escape_debug()));
    }
    Ok(place)
}

fn of_sns(url: &str) -> Result<Uri, String> {
    let strange = || format!("`{}` is no address of SNS", url.escape_debug());
    let place: Uri = url.parse().map_err(|_| strange())?;
    let authority = place.authority().ok_or_else(strange)?;
    let region = authority.as_str().strip_prefix("sns.").and_then(|rest| {
        rest.strip_suffix(".amazonaws.com")
            .or_else(|| rest.strip_suffix(".amazonaws.com.cn"))
    });
    let in_region = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_region = |region: &str| !region.is_empty() && region.bytes().all(in_region);
    if place.scheme_str() != Some("https") || !region.is_some_and(is_region) {
        return Err(strange());
    }
    Ok(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_of_sns_are_asked() {
        const CERTIFICATE: &str = "/SimpleNotificationService-0123456789abcdef.pem";
        for host in [
            "sns.eu-central-1.amazonaws.com",
            "sns.us-gov-west-1.amazonaws.com",
            "sns.cn-north-1.amazonaws.com.cn",
        ] {
            let url = format!("https://{host}{CERTIFICATE}");
            assert_eq!(certificate(&url).unwrap().to_string(), url);
            let url = format!("https://{host}/?Action=ConfirmSubscription&Token=1");
            assert_eq!(confirmation(&url).unwrap().to_string(), url);
        }
        for host in [
            "http://sns.eu-central-1.amazonaws.com",
            "https://sns.eu-central-1.amazonaws.com.example.org",
            "https://sns.eu-central-1.amazonaws.com:8443",
            "https://sns.eu-central-1.amazonaws.com@example.org",
            "https://user@sns.eu-central-1.amazonaws.com",
            "https://sns.example.org#.amazonaws.com",
            "https://sns.example.org/.amazonaws.com",
            "https://sns.a.b.amazonaws.com",
            "https://sns..amazonaws.com",
            "https://evil-sns.eu-central-1.amazonaws.com",
            "https://s3.eu-central-1.amazonaws.com",
            "https://SNS.eu-central-1.amazonaws.com",
            "https://127.0.0.1",
            "//sns.eu-central-1.amazonaws.com",
            "",
        ] {
            let url = format!("{host}{CERTIFICATE}");
            assert!(certificate(&url).is_err(), "{url}");
            let url = format!("{host}/?Action=ConfirmSubscription");
            assert!(confirmation(&url).is_err(), "{url}");
        }
    }

    #[test]
    fn at_a_host_of_sns_only_what_is_meant_is_asked_for() {
        const HOST: &str = "https://sns.eu-central-1.amazonaws.com";
        for rest in ["/", "/a.txt", "/a.pem?b", "/?Action=ConfirmSubscription"] {
            assert!(certificate(&format!("{HOST}{rest}")).is_err(), "{rest}");
        }
        for rest in [
            "/",
            "/?Action=Unsubscribe",
            "/?Action=ConfirmSubscriptionX",
            "/a.pem",
        ] {
            assert!(confirmation(&format!("{HOST}{rest}")).is_err(), "{rest}");
        }
    }
}
