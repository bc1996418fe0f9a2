//! `POST /events` towards those who mean well, and those who do not.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::bed::{Bed, until};
use crate::http::{answer, post, send};
use crate::seaweedfs::TOKEN;

const NO_SWEEP: &str = "watcher.sweep_every = '1h'";

#[tokio::test(flavor = "multi_thread")]
async fn only_a_token_of_ours_is_let_in() {
    let bed = Bed::new(NO_SWEEP).await;
    let watcher = bed.watch_deafly().await;
    let port = watcher.events.number();
    for token in [TOKEN, "another token"] {
        assert_eq!(watcher.post(token, b"{\"Records\":[]}").await.status, 200);
    }
    let prefix = &TOKEN[..TOKEN.len() - 1];
    for token in ["", "wrong", prefix, &format!("{TOKEN}x")] {
        let refused = watcher.post(token, b"{}").await;
        assert_eq!(refused.status, 401, "{token}");
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
    }
    for header in [
        String::new(),
        format!("Authorization: Basic {TOKEN}\r\n"),
        format!("Authorization: {TOKEN}\r\n"),
        "Authorization: Bearer \u{fc}\r\n".to_owned(),
    ] {
        let request = format!(
            "POST /events HTTP/1.1\r\nHost: x\r\n{header}Content-Length: 2\r\nConnection: close\r\n\r\n{{}}"
        );
        let refused = send(port, request.as_bytes()).await.unwrap();
        assert_eq!(refused.status, 401, "{header}");
    }
    let lower = format!(
        "POST /events HTTP/1.1\r\nHost: x\r\nauthorization: bearer {TOKEN}\r\nContent-Length: 14\r\n\
         Connection: close\r\n\r\n{{\"Records\":[]}}"
    );
    assert_eq!(send(port, lower.as_bytes()).await.unwrap().status, 200);
    bed.wait_until_worked_off().await;
    watcher.stop().await;
    // What was refused was not stored.
    assert_eq!(bed.last_sequence("STORAGE").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_sns_needs_no_token_and_is_judged_by_its_signature() {
    let topics = "watcher.sns.topics = ['arn:aws:sns:eu-central-1:111122223333:uploads']";
    let bed = Bed::new(&format!("{NO_SWEEP}\n{topics}")).await;
    let watcher = bed.watch_deafly().await;
    let port = watcher.events.number();
    let post = async |header: &str, body: &str| {
        let length = body.len();
        let request = format!(
            "POST /events HTTP/1.1\r\nHost: x\r\n{header}Content-Type: text/plain\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        send(port, request.as_bytes()).await.unwrap()
    };
    let notification = include_str!("../golden/sns/notification-1.json");
    let of_another = notification.replace("111122223333:uploads", "999999999999:uploads");
    let elsewhere = notification.replace("sns.eu-central-1.amazonaws.com/S", "example.org/S");
    let header = "x-amz-sns-message-type: Notification\r\n";
    for (body, part) in [
        (of_another.as_str(), "is not in `[watcher.sns] topics`"),
        (&elsewhere, "is no address of SNS"),
        ("{}", "no message of SNS"),
    ] {
        let refused = post(header, body).await;
        assert_eq!(refused.status, 403, "{refused:?}");
        assert!(refused.text.contains(part), "{refused:?}");
    }
    assert_eq!(post("", notification).await.status, 401);
    // Whoever has a token passes on what he likes.
    let token = format!("{header}Authorization: Bearer {TOKEN}\r\n");
    assert_eq!(post(&token, notification).await.status, 200);
    bed.wait_until_worked_off().await;
    watcher.stop().await;
    assert_eq!(bed.last_sequence("STORAGE").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_notification_in_form_is_refused_by_its_form() {
    let bed = Bed::new(NO_SWEEP).await;
    let watcher = bed.watch_deafly().await;
    let port = watcher.events.number();
    let status = async |request: &str| send(port, request.as_bytes()).await.unwrap().status;
    let close = "Host: x\r\nConnection: close\r\n";
    let bearer = format!("{close}Authorization: Bearer {TOKEN}\r\n");
    assert_eq!(
        status(&format!("GET /events HTTP/1.1\r\n{close}\r\n")).await,
        405
    );
    assert_eq!(
        status(&format!("POST / HTTP/1.1\r\n{close}\r\n")).await,
        404
    );
    let packed = format!(
        "POST /events HTTP/1.1\r\n{bearer}Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{{}}"
    );
    assert_eq!(status(&packed).await, 415);
    let many = "X-Filler: y\r\n".repeat(100);
    assert_eq!(
        status(&format!("POST /events HTTP/1.1\r\n{bearer}{many}\r\n")).await,
        431
    );
    let long = format!("X-Filler: {}\r\n", "y".repeat(100_000));
    assert_eq!(
        status(&format!("POST /events HTTP/1.1\r\n{bearer}{long}\r\n")).await,
        431
    );
    watcher.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_json_is_refused_with_the_reason_and_not_stored() {
    let bed = Bed::new(NO_SWEEP).await;
    let watcher = bed.watch_deafly().await;
    for (body, why) in [
        (&b""[..], "EOF while parsing a value at line 1 column 0"),
        (b"hello", "expected value at line 1 column 1"),
        (b"\x00\xff", "expected value at line 1 column 1"),
        (
            b"{\"Records\":[",
            "EOF while parsing a list at line 1 column 12",
        ),
        (b"{} {}", "trailing characters at line 1 column 4"),
    ] {
        let refused = watcher.post(TOKEN, body).await;
        assert_eq!(refused.status, 400, "{why}");
        let said = format!("the body is no JSON ({why}): send notifications as they are\n");
        assert!(refused.text.ends_with(&said), "{refused:?}");
    }
    // However deep.
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    for json in ["[]", "7", "{\"hello\":\"world\"}", &deep] {
        assert_eq!(watcher.post(TOKEN, json.as_bytes()).await.status, 200);
    }
    bed.wait_until_worked_off().await;
    watcher.stop().await;
    assert_eq!(bed.last_sequence("STORAGE").await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_may_be_as_large_as_a_message_and_no_larger() {
    let bed = Bed::new(NO_SWEEP).await;
    let watcher = bed.watch_deafly().await;
    let port = watcher.events.number();
    let largest = format!("{{\"Records\":[]{}}}", " ".repeat(1_000_000 - 14));
    assert_eq!(largest.len(), 1_000_000);
    assert_eq!(watcher.post(TOKEN, largest.as_bytes()).await.status, 200);
    let larger = format!("{largest} ");
    assert_eq!(watcher.post(TOKEN, larger.as_bytes()).await.status, 413);
    // Without a length that could be believed.
    let head = format!(
        "POST /events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\
         Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    );
    let chunk = format!("{:x}\r\n{}\r\n", 500_001, "x".repeat(500_001));
    let request = format!("{head}{chunk}{chunk}0\r\n\r\n");
    assert_eq!(send(port, request.as_bytes()).await.unwrap().status, 413);
    bed.wait_until_worked_off().await;
    watcher.stop().await;
    assert_eq!(bed.last_sequence("STORAGE").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_dawdles_is_not_waited_for() {
    let bed = Bed::new(NO_SWEEP).await;
    let watcher = bed.watch_deafly().await;
    let port = watcher.events.number();
    let began = Instant::now();
    let body = async {
        let mut slow = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let head = format!(
            "POST /events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 100\r\n\r\n{{"
        );
        slow.write_all(head.as_bytes()).await.unwrap();
        answer(&mut slow).await.map(|answer| answer.status)
    };
    let head = async {
        let mut slow = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        slow.write_all(b"POST /events HTTP/1.1\r\nHost: x\r\nX-")
            .await
            .unwrap();
        answer(&mut slow).await.map(|answer| answer.status)
    };
    let nothing = async {
        let mut idle = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        answer(&mut idle).await.map(|answer| answer.status)
    };
    let (body, head, nothing) = tokio::join!(body, head, nothing);
    assert_eq!(body, Some(408));
    // Closed without an answer, or told so.
    assert!(matches!(head, None | Some(408)), "{head:?}");
    assert!(matches!(nothing, None | Some(408)), "{nothing:?}");
    assert!(began.elapsed() < Duration::from_secs(45));
    // Meanwhile others are served.
    assert_eq!(watcher.post(TOKEN, b"{\"Records\":[]}").await.status, 200);
    watcher.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_jetstream_it_says_503_and_when_to_come_again_and_then_works() {
    let mut bed = Bed::new(NO_SWEEP).await;
    let watcher = bed.watch().await;
    bed.upload("incoming/before.csv", "one").await;
    bed.wait_for_arrived(1).await;
    bed.nats.stop().await;
    let refused = watcher.post(TOKEN, &bed.webhook("incoming/x.csv")).await;
    assert_eq!(refused.status, 503);
    assert_eq!(refused.header("retry-after"), Some("5"));
    // The store gives this one up, as it would if nobody listened.
    bed.lose_notifications();
    bed.upload("incoming/meanwhile.csv", "two").await;
    bed.nats.restart().await.unwrap();
    until("it is taken again", async || {
        let webhook = bed.webhook("incoming/before.csv");
        let answer = post(watcher.events.number(), TOKEN, &webhook).await?;
        (answer.status == 200).then_some(())
    })
    .await;
    // It noticed that it was away, long before the clock.
    let arrived = bed.wait_for_arrived(2).await;
    watcher.stop().await;
    let keys: Vec<&str> = arrived.iter().map(|a| a.file.key.as_str()).collect();
    assert_eq!(keys, ["incoming/before.csv", "incoming/meanwhile.csv"]);
    assert_eq!(arrived[1].found_by, proto::event::FoundBy::Sweep);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_are_all_stored() {
    let bed = Bed::new(NO_SWEEP).await;
    let watcher = bed.watch_deafly().await;
    let posts = (0..300).map(|_| watcher.post(TOKEN, b"{\"Records\":[]}"));
    let answers = futures::future::join_all(posts).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    watcher.stop().await;
    assert_eq!(bed.last_sequence("STORAGE").await, 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_shuts_the_door_with_silence_makes_it_sweep() {
    let bed = Bed::new(NO_SWEEP).await;
    let watcher = bed.watch_deafly().await;
    let port = watcher.events.number();
    let mut silent = vec![];
    for _ in 0..512 {
        silent.push(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
    }
    let before = bed.sweeps().await;
    // Served as soon as the first of the silent are turned away, and swept for whoever gave up.
    assert_eq!(watcher.post(TOKEN, b"{\"Records\":[]}").await.status, 200);
    until("a sweep", async || {
        (bed.sweeps().await > before).then_some(())
    })
    .await;
    watcher.stop().await;
}
