//! Something between the watcher and the store that answers some requests in the store's place.

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// Listens before `endpoint` (`http://host:port`). `answer` gets a request's first line, and says
/// what is answered; none: ask the store. Serves in a thread of its own, until the process ends.
pub(crate) fn before(
    endpoint: &str,
    answer: impl Fn(&str) -> Option<String> + Clone + Send + 'static,
) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let own = format!("http://{}", listener.local_addr().unwrap());
    let store = endpoint.trim_start_matches("http://").to_owned();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, store.clone(), answer.clone()));
            }
        });
    });
    own
}

/// One request: only the first of a connection can be told from its body, so it is the only one.
async fn pass(
    mut client: TcpStream,
    store: String,
    answer: impl Fn(&str) -> Option<String>,
) -> std::io::Result<()> {
    let mut head = vec![];
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let (line, rest) = text.split_once("\r\n").unwrap();
    if let Some(answer) = answer(line) {
        return client.write_all(answer.as_bytes()).await;
    }
    let mut store = TcpStream::connect(store).await?;
    let head = format!("{line}\r\nConnection: close\r\n{rest}");
    store.write_all(head.as_bytes()).await?;
    if line.starts_with("PUT") {
        return copy_bidirectional(&mut client, &mut store).await.map(drop);
    }
    copy(&mut store, &mut client).await.map(drop)
}
