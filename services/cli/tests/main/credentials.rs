//! Where the keys of the object store come from, where the configuration names none.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

use crate::landfall::{Place, landfall, stderr};

/// A store that takes every object, and a token service that gives everybody a key: what the
/// requests said of who asks.
fn store() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let tell = tell.clone();
            std::thread::spawn(move || {
                let mut stream = BufReader::new(stream.unwrap());
                while let Some((line, who)) = request(&mut stream) {
                    if !line.starts_with("POST / ") && tell.send(who).is_err() {
                        return;
                    }
                    answer(stream.get_mut(), &line);
                }
            });
        }
    });
    (endpoint, told)
}

/// A request's first line, and who asks: `KEY` or `KEY TOKEN`.
fn request(stream: &mut BufReader<TcpStream>) -> Option<(String, String)> {
    let mut first = String::new();
    stream.read_line(&mut first).ok().filter(|read| *read > 0)?;
    let (mut key, mut token, mut length) = (String::new(), String::new(), 0);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok()?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(": ").or(line.split_once(':'))?;
        match name.to_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "x-amz-security-token" => token = format!(" {value}"),
            "authorization" => {
                let (_, credential) = value.split_once("Credential=")?;
                key = credential.split('/').next()?.to_owned();
            }
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((first, format!("{key}{token}")))
}

fn answer(stream: &mut TcpStream, line: &str) {
    let (more, body) = if line.starts_with("POST / ") {
        let body = "<AssumeRoleWithWebIdentityResponse \
            xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleWithWebIdentityResult>\
            <Credentials><AccessKeyId>FROMROLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey>\
            <SessionToken>for-a-while</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>\
            </Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>";
        ("Content-Type: text/xml\r\n", body)
    } else {
        ("ETag: \"0cc175b9c0f1b6a831c399e269772661\"\r\n", "")
    };
    let length = body.len();
    // Whoever has gone needs no answer.
    let _ = write!(
        stream,
        "HTTP/1.1 200 OK\r\n{more}Content-Length: {length}\r\n\r\n{body}"
    );
}

/// Uploads a file in an environment that says `variables`, and answers who asked.
async fn asks(variables: &[(&str, &str)]) -> String {
    let (endpoint, told) = store();
    let place = Place::new(&format!(
        "[objects]\nendpoint = \"{endpoint}\"\n[[watcher.buckets]]\nname = \"sensors\"\n"
    ))
    .await;
    let folder = place.folder.path();
    std::fs::write(folder.join("a.csv"), "a").unwrap();
    std::fs::write(
        folder.join("credentials"),
        "[lab]\naws_access_key_id = FROMFILE\naws_secret_access_key = s\n",
    )
    .unwrap();
    std::fs::write(folder.join("token"), "who I am").unwrap();
    let mut command = landfall(folder, &["put", "a.csv"]);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AWS_") {
            command.env_remove(name);
        }
    }
    command.env("HOME", folder);
    command.env("AWS_EC2_METADATA_DISABLED", "true");
    for (name, value) in variables {
        let value = value.replace("@endpoint@", &endpoint);
        command.env(
            name,
            value.replace("@folder@", &folder.display().to_string()),
        );
    }
    let output = tokio::task::spawn_blocking(move || command.output());
    let output = output.await.unwrap().unwrap();
    match told.try_recv() {
        Ok(who) => who,
        Err(_) => stderr(&output),
    }
}

#[tokio::test]
async fn keys_are_found_as_amazons_own_programs_find_them() {
    let environment = [
        ("AWS_ACCESS_KEY_ID", "FROMENV"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
    ];
    assert_eq!(asks(&environment).await, "FROMENV");
    let files = [
        ("AWS_SHARED_CREDENTIALS_FILE", "@folder@/credentials"),
        ("AWS_PROFILE", "lab"),
    ];
    assert_eq!(asks(&files).await, "FROMFILE");
    let web_identity = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "@folder@/token"),
        ("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/landfall"),
        ("AWS_ENDPOINT_URL_STS", "@endpoint@"),
    ];
    assert_eq!(asks(&web_identity).await, "FROMROLE for-a-while");
}

#[tokio::test]
async fn without_any_keys_it_is_said_which_to_set() {
    let said = asks(&[]).await;
    assert!(said.contains("no credentials"), "{said}");
    assert!(
        said.contains("set `[objects] access_key` and `secret_key`"),
        "{said}"
    );
}
