//! Reading one request: just enough HTTP/1.1 for a POST with a length.

use std::io::{Error, ErrorKind};

use bytes::Bytes;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::TcpStream;

/// Far above what a hand-off may have.
const MOST_BYTES: u64 = 1 << 20;

/// What came in.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    /// Names in lower case, in the order of arrival.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

impl Request {
    /// The first value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(candidate, _)| candidate == name);
        found.map(|(_, value)| value.as_str())
    }
}

pub(super) async fn read(stream: &mut TcpStream) -> std::io::Result<Request> {
    let broken = |what: &str| Error::new(ErrorKind::InvalidData, what.to_owned());
    let mut reader = BufReader::new(stream).take(MOST_BYTES);
    let mut line = String::new();
    reader.read_line(&mut line).await?;
    let mut words = line.split_whitespace();
    let (Some(method), Some(path)) = (words.next(), words.next()) else {
        return Err(broken("no request line"));
    };
    let (method, path) = (method.to_owned(), path.to_owned());
    let mut headers = Vec::new();
    loop {
        line.clear();
        if reader.read_line(&mut line).await? == 0 {
            return Err(broken("no end of the head"));
        }
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut request = Request { method, path, headers, body: Bytes::new() };
    let length = request.header("content-length").and_then(|text| text.parse::<usize>().ok());
    let mut body = vec![0; length.filter(|l| *l as u64 <= MOST_BYTES).unwrap_or_default()];
    reader.read_exact(&mut body).await?;
    request.body = body.into();
    Ok(request)
}
