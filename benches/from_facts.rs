//! What answers from facts cost over the wire. ListAssignments: pages of 100 out of 1,000,000 assignments with a
//! JWT and policies on, at 500 a second, and its throughput against a tonic service that does nothing and answers as
//! many bytes. AuditReport: a report of 1,000,000 rows as CSV from facts that are kept, with what the server's memory
//! grows by meanwhile.
//! Run with `cargo bench --bench from_facts`; it needs h2load (Debian: nghttp2-client), and takes some minutes, most of
//! them to write the facts. `USHER_BENCH_PARTS=list` or `stream` runs one part.

#![expect(
    clippy::expect_used,
    clippy::cast_precision_loss,
    reason = "a benchmark that cannot go on says why and ends; its counts are far below 2^53"
)]

#[path = "from_facts/list.rs"]
mod list;
mod load;
#[path = "from_facts/seeded.rs"]
mod seeded;
#[path = "from_facts/stream.rs"]
mod stream;

#[tokio::main]
async fn main() {
    // Test runs build this too, and only a benchmark run asks for figures.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let parts = std::env::var("USHER_BENCH_PARTS").unwrap_or_default();
    if parts.is_empty() || parts == "list" {
        list::run().await;
    }
    if parts.is_empty() || parts == "stream" {
        stream::run().await;
    }
}
