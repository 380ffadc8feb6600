//! What every client of a provider needs of HTTP: where it may go, how much it reads
//! and how long it is asked to wait.

use std::net::IpAddr;
use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Response, Url};

/// The longest wait that is believed, in seconds.
const LONGEST_WAIT: u64 = 3600;

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyError {
    TooLong,
    BrokenOff,
}

/// The URL, if it may be spoken to: with TLS, or on this machine where that is allowed.
pub fn allowed(url: &str, allows_loopback: bool) -> Option<Url> {
    let url = Url::parse(url).ok()?;
    let is_allowed = match url.scheme() {
        "https" => true,
        "http" => allows_loopback && is_loopback(&url),
        _ => false,
    };
    is_allowed.then_some(url)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// Reads a body of at most so many bytes.
pub async fn body(mut response: Response, most_bytes: usize) -> Result<Vec<u8>, BodyError> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= most_bytes => {
                body.extend_from_slice(&chunk);
            }
            Ok(Some(_)) => return Err(BodyError::TooLong),
            Ok(None) => return Ok(body),
            Err(_) => return Err(BodyError::BrokenOff),
        }
    }
}

/// How long the server asks to wait, where it says so in seconds.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(believed(Duration::from_secs(seconds)))
}

/// A wait, no longer than anybody should ask for.
pub fn believed(wait: Duration) -> Duration {
    wait.min(Duration::from_secs(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_read_in_seconds_and_never_believed_beyond_an_hour() {
        let headers = |text: &str| HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);

        assert_eq!(retry_after(&headers("2")), Some(Duration::from_secs(2)));
        assert_eq!(retry_after(&headers("999999")), Some(Duration::from_secs(3600)));
        assert_eq!(retry_after(&headers("Thu, 24 Aug 2023 05:01:45 GMT")), None);
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }

    #[tokio::test]
    async fn a_body_is_read_only_as_far_as_anybody_wants_it() {
        use std::io::{Read as _, Write as _};

        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for head in ["content-length: 4", "content-length: 4", "content-length: 9"] {
                let (mut stream, _) = listener.accept().unwrap();
                let _ = stream.read(&mut [0; 1024]).unwrap();
                write!(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\n{head}\r\n\r\nbody")
                    .unwrap();
            }
        });
        let answer = async || reqwest::get(&url).await.unwrap();

        assert_eq!(body(answer().await, 4).await, Ok(b"body".to_vec()));
        assert_eq!(body(answer().await, 3).await, Err(BodyError::TooLong));
        assert_eq!(body(answer().await, 9).await, Err(BodyError::BrokenOff));
    }
}
