//! Reading the admin port as a scraper does: plain HTTP/1.1 over a connection of its own, and strict
//! about Prometheus's text form.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One answer of the port.
pub struct HttpAnswer {
    pub status: u16,
    /// The lines of the head, in lower case.
    pub head: String,
    pub body: String,
}

/// One request; none when the connection was closed without an answer.
pub async fn http(address: SocketAddr, line: &str) -> Option<HttpAnswer> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = format!("{line} HTTP/1.1\r\nhost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(HttpAnswer {
        status,
        head: head.to_lowercase(),
        body: body.to_owned(),
    })
}

/// What one scrape told.
#[derive(Debug)]
pub struct Scrape {
    /// The names of the metrics, with what they are.
    pub kinds: BTreeMap<String, String>,
    /// Each sample's name with its labels as written, and its value.
    pub samples: BTreeMap<String, f64>,
}

impl Scrape {
    /// Scrapes, and checks the form.
    pub async fn of(address: SocketAddr) -> Self {
        let answer = http(address, "GET /metrics").await.expect("an answer");
        assert_eq!(answer.status, 200);
        let kind = "content-type: text/plain; version=0.0.4";
        assert!(answer.head.contains(kind), "{}", answer.head);
        Self::read(&answer.body)
    }

    fn read(text: &str) -> Self {
        let mut scrape = Self {
            kinds: BTreeMap::new(),
            samples: BTreeMap::new(),
        };
        let mut helped = BTreeSet::new();
        let mut family = String::new();
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, sentence) = help.split_once(' ').expect("a sentence");
                assert!(sentence.ends_with('.'), "{line}");
                assert!(helped.insert(name.to_owned()), "twice: {line}");
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').expect("a kind");
                assert!(helped.contains(name), "{line}");
                name.clone_into(&mut family);
                scrape.kinds.insert(name.to_owned(), kind.to_owned());
            } else {
                let (key, value) = line.rsplit_once(' ').expect("a value");
                let name = key.split('{').next().unwrap_or_default();
                let rest = name.strip_prefix(&family).expect("in its family");
                let is_histogram = scrape.kinds[&family] == "histogram";
                let suffixes: &[&str] = match is_histogram {
                    true => &["_bucket", "_sum", "_count"],
                    false => &[""],
                };
                assert!(suffixes.contains(&rest), "{line}");
                let value: f64 = value.parse().expect("a number");
                assert!(value.is_finite(), "{line}");
                let before = scrape.samples.insert(key.to_owned(), value);
                assert!(before.is_none(), "twice: {line}");
            }
        }
        scrape
    }

    /// The sum of the samples of this name that have all these labels; none without such a sample.
    #[must_use]
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let fits = |key: &str| {
            key.split('{').next() == Some(name)
                && labels
                    .iter()
                    .all(|(label, value)| key.contains(&format!("{label}=\"{value}\"")))
        };
        let fitting = self.samples.iter().filter(|(key, _)| fits(key));
        fitting
            .map(|(_, value)| *value)
            .reduce(|sum, one| sum + one)
    }

    /// How many calls of a method ended with a code.
    #[must_use]
    pub fn handled(&self, method: &str, code: &str) -> f64 {
        let labels = [("grpc_method", method), ("grpc_code", code)];
        self.value("grpc_server_handled_total", &labels)
            .unwrap_or_default()
    }

    /// How many calls of a method have begun.
    #[must_use]
    pub fn started(&self, method: &str) -> f64 {
        self.value("grpc_server_started_total", &[("grpc_method", method)])
            .unwrap_or_default()
    }
}
