//! The binary: hands over to the command line.

#[tokio::main]
async fn main() -> std::process::ExitCode {
    usher::cli::run().await
}
