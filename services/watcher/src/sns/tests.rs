//! Messages that `openssl` has signed, with a certificate that it has made (`tests/golden/sns`).

use async_trait::async_trait;
use serde_json::{Value, json};

use super::*;

macro_rules! golden {
    ($name:literal) => {
        include_bytes!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/golden/sns/",
            $name
        ))
        .as_slice()
    };
}

const TOPIC: &str = "arn:aws:sns:eu-central-1:111122223333:uploads";
const CERTIFICATE: &str =
    "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem";
const CONFIRMATION: &str = "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription\
    &TopicArn=arn:aws:sns:eu-central-1:111122223333:uploads&Token=2336412f37";

/// SNS, as far as it is asked.
#[derive(Default)]
struct Web {
    /// What it was asked for.
    asked: Mutex<Vec<String>>,
    away: bool,
}

#[async_trait]
impl super::Web for Web {
    async fn get(&self, url: &Uri) -> Result<Vec<u8>, String> {
        let url = url.to_string();
        self.asked.lock().unwrap().push(url.clone());
        match url.as_str() {
            _ if self.away => Err("away".to_owned()),
            CERTIFICATE => Ok(golden!("certificate.pem").to_vec()),
            CONFIRMATION => Ok(vec![]),
            _ => Err("404".to_owned()),
        }
    }
}

fn sns(web: &Arc<Web>) -> Sns {
    let web = Arc::clone(web);
    Sns::of(&[TOPIC.to_owned()], web).unwrap().unwrap()
}

fn foreign(admitted: Result<Genuine, Refused>) -> String {
    match admitted {
        Err(Refused::Foreign(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_sns_has_signed_for_our_topic_is_let_in() {
    let web = Arc::default();
    let sns = sns(&web);
    for (message, expected) in [
        (golden!("notification-1.json"), Genuine::Notification),
        (golden!("notification-2.json"), Genuine::Notification),
        (golden!("subscribe.json"), Genuine::Subscription),
        (golden!("unsubscribe.json"), Genuine::Subscription),
    ] {
        assert_eq!(sns.admit(message).await, Ok(expected));
    }
    // The certificate once; and nothing but the one subscription is confirmed.
    assert_eq!(*web.asked.lock().unwrap(), [CERTIFICATE, CONFIRMATION]);
}

#[tokio::test]
async fn whatever_is_changed_of_what_is_signed_keeps_a_message_out() {
    let web = Arc::default();
    let sns = sns(&web);
    let mut tried = 0;
    for message in [
        golden!("notification-1.json"),
        golden!("notification-2.json"),
        golden!("subscribe.json"),
        golden!("unsubscribe.json"),
    ] {
        let message: Value = serde_json::from_slice(message).unwrap();
        for name in message.as_object().unwrap().keys() {
            let mut changed = message.clone();
            changed[name] = match name.as_str() {
                "SigningCertURL" => continue,
                "SignatureVersion" if message[name] == "1" => json!("2"),
                "SignatureVersion" => json!("1"),
                "Signature" => json!(message[name].as_str().unwrap().replace('A', "B")),
                _ => json!(format!("{}x", message[name].as_str().unwrap())),
            };
            let body = changed.to_string();
            foreign(sns.admit(body.as_bytes()).await);
            tried += 1;
        }
        // Nor may a field come or go.
        let mut more = message.clone();
        more["Subject"] = json!("another");
        if message["Type"] == "Notification" {
            foreign(sns.admit(more.to_string().as_bytes()).await);
        }
    }
    assert_eq!(tried, 8 + 7 + 9 + 9);
    // No subscription was confirmed.
    assert_eq!(*web.asked.lock().unwrap(), [CERTIFICATE]);
}

#[tokio::test]
async fn who_is_not_sns_has_nothing_fetched_and_is_told_why() {
    let web = Arc::default();
    let sns = sns(&web);
    let message: Value = serde_json::from_slice(golden!("notification-1.json")).unwrap();
    for (name, value, part) in [
        (
            "TopicArn",
            "arn:aws:sns:eu-central-1:999999999999:uploads",
            "is not in `[watcher.sns] topics`",
        ),
        (
            "SigningCertURL",
            "https://sns.example.org/a.pem",
            "is no address of SNS",
        ),
    ] {
        let mut foreign_one = message.clone();
        foreign_one[name] = json!(value);
        let reason = foreign(sns.admit(foreign_one.to_string().as_bytes()).await);
        assert!(reason.contains(part), "{reason}");
    }
    for body in [&b"{}"[..], b"[]", b"7", b"{\"Type\":\"Notification\"}"] {
        let reason = foreign(sns.admit(body).await);
        assert!(reason.contains("no message of SNS"), "{reason}");
    }
    assert_eq!(*web.asked.lock().unwrap(), [""; 0]);
}

#[tokio::test]
async fn while_sns_does_not_answer_it_has_to_come_again() {
    let web = Arc::new(Web {
        away: true,
        ..Web::default()
    });
    let sns = sns(&web);
    for message in [golden!("notification-1.json"), golden!("subscribe.json")] {
        let refused = sns.admit(message).await;
        assert!(matches!(refused, Err(Refused::Away(_))), "{refused:?}");
    }
}

#[test]
fn what_is_no_topic_is_told_at_the_start() {
    let of = |topics: &[&str]| {
        let topics: Vec<String> = topics.iter().map(|topic| (*topic).to_owned()).collect();
        Sns::of(&topics, Arc::new(Web::default())).map(|sns| sns.is_some())
    };
    assert_eq!(of(&[]), Ok(false));
    assert_eq!(of(&[TOPIC, "arn:aws-cn:sns:cn-north-1:1:u"]), Ok(true));
    for wrong in [
        "uploads",
        "",
        "arn:aws:sqs:r:1:u",
        "arn:aws:sns:r:1:",
        "a:aws:sns:r:1:u",
    ] {
        let reason = of(&[TOPIC, wrong]).unwrap_err();
        assert!(reason.contains("is no topic"), "{reason}");
    }
}
