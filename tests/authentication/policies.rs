//! Policies that change while calls come, alone and together with certificates: no call is lost, and
//! a set that does not load changes nothing.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use usher::policy::{PolicyFile, PolicyRules, PolicySet};

use crate::bench::{Bench, Client, PERMIT_ALL, POLICY_FILE, SERVER_NAME};
use crate::certificates::secured;
use crate::pki::{Authority, client, install};

/// The load goes on until so many calls were answered.
const CALLS_MIN: usize = 500;
/// Standing connections beside the one that is made anew for each call.
const CONNECTIONS: usize = 4;
/// Looks at the files every second, and lets one caller make all the load.
const LOOK_OFTEN: &str = "[policy]\nreload_seconds = 1\n[limits.rates]\n\
    caller_cost_per_second = 100000\ncaller_burst = 100000\n";
/// Longer than two looks.
const TWO_LOOKS: Duration = Duration::from_millis(2500);

/// The set that permits all, in a version of its own.
fn permit_all(mark: &str) -> String {
    format!("// {mark}\n{PERMIT_ALL}")
}

fn version(text: &str) -> String {
    let file = PolicyFile {
        name: POLICY_FILE.to_owned(),
        text: text.to_owned(),
    };
    let set = PolicySet::load(&[file], &PolicyRules::default()).unwrap();
    set.version().to_owned()
}

/// Puts a text in the place of the policies at once, as a tool does that renames.
fn put(text: &str, policies: &Path) {
    let beside = policies.with_extension("next");
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(&beside, policies).unwrap();
}

/// Waits until a set is in force.
async fn in_force(client: &Client, token: &str, text: &str) {
    let (wanted, started) = (version(text), Instant::now());
    while client.who_am_i(token).await["policy_version"] != wanted.as_str() {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "the policies are not in force"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Looks on for longer than two looks at the files: this set stays in force.
async fn stays_in_force(client: &Client, token: &str, text: &str) {
    let (wanted, started) = (version(text), Instant::now());
    while started.elapsed() < TWO_LOOKS {
        let told = client.who_am_i(token).await;
        assert_eq!(told["policy_version"], wanted.as_str());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Calls that never end while something changes.
struct Load<'a> {
    token: &'a str,
    /// Of the sets that may be in force: nothing else may be seen.
    versions: Vec<String>,
    changed: AtomicBool,
    calls: AtomicUsize,
}

impl<'a> Load<'a> {
    fn new(token: &'a str, sets: &[&str]) -> Self {
        Self {
            token,
            versions: sets.iter().map(|text| version(text)).collect(),
            changed: AtomicBool::new(false),
            calls: AtomicUsize::new(0),
        }
    }

    fn goes_on(&self) -> bool {
        !self.changed.load(Ordering::SeqCst) || self.calls.load(Ordering::SeqCst) < CALLS_MIN
    }

    /// A call that policy decides, answered by one whole set.
    async fn call(&self, client: &Client) {
        let told = client.who_am_i(self.token).await;
        let version = told["policy_version"].as_str().unwrap();
        assert!(self.versions.iter().any(|it| it == version), "{version}");
        assert_eq!(told["allowed_actions"][0], "ReadDirectory", "{told}");
        self.calls.fetch_add(1, Ordering::SeqCst);
    }

    async fn over(&self, client: &Client) {
        while self.goes_on() {
            self.call(client).await;
        }
    }

    /// Over standing connections, and over one that is made anew each time.
    async fn run(
        &self,
        bench: &Bench,
        config: &std::sync::Arc<tokio_rustls::rustls::ClientConfig>,
    ) {
        let mut standing = Vec::new();
        for _ in 0..CONNECTIONS {
            standing.push(bench.secure(config).await.unwrap());
        }
        let anew = async {
            while self.goes_on() {
                self.call(&bench.secure(config).await.unwrap()).await;
            }
        };
        let standing = standing.iter().map(|client| self.over(client));
        tokio::join!(futures_util::future::join_all(standing), anew);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_that_change_under_load_lose_no_call() {
    let secured = secured(LOOK_OFTEN).await;
    let bench = &secured.bench;
    let config = client(&[&secured.servers], None);
    let token = format!("Bearer {}", secured.key.token(json!({})));
    let (second, third) = (permit_all("second"), permit_all("third"));
    let load = Load::new(&token, &[PERMIT_ALL, &second, &third]);
    let looking = bench.secure(&config).await.unwrap();
    let changing = async {
        let policies = &bench.policies;
        put(&second, policies);
        in_force(&looking, &token, &second).await;

        // What does not load leaves the second in force: syntax, an unknown word, a typo in a price,
        // a table that comes out otherwise, and no file at all.
        let broken = format!("{third}permit (principal, action, resource");
        let unknown = format!(
            "{third}@id(\"x\") forbid (principal in Usher::Gruop::\"a\", action, resource);"
        );
        let typo = format!(
            "{third}@id(\"x\") @aprovals(\"0\") permit (principal, action == Usher::Action::\"Request\", resource);"
        );
        for text in [broken, unknown, typo] {
            put(&text, policies);
            stays_in_force(&looking, &token, &second).await;
        }
        let table = policies.with_file_name("tests.toml");
        let row = "[[test]]\nname = \"a\"\nsubject = { user = \"a\" }\naction = \"ReadAudit\"\nexpect = \"denied\"\n";
        std::fs::write(&table, row).unwrap();
        put(&third, policies);
        stays_in_force(&looking, &token, &second).await;
        std::fs::remove_file(policies).unwrap();
        stays_in_force(&looking, &token, &second).await;

        std::fs::remove_file(&table).unwrap();
        put(&third, policies);
        in_force(&looking, &token, &third).await;
        put(PERMIT_ALL, policies);
        in_force(&looking, &token, PERMIT_ALL).await;
        load.changed.store(true, Ordering::SeqCst);
    };
    tokio::join!(load.run(bench, &config), changing);
    assert!(load.calls.load(Ordering::SeqCst) >= CALLS_MIN);
    secured.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_and_policies_that_change_together_lose_no_call() {
    let secured = secured(LOOK_OFTEN).await;
    let bench = &secured.bench;
    let new_servers = Authority::new(secured.files.path(), "new-servers");
    let both = client(&[&secured.servers, &new_servers], None);
    let token = format!("Bearer {}", secured.key.token(json!({})));
    let second = permit_all("second");
    let load = Load::new(&token, &[PERMIT_ALL, &second]);
    let changing = async {
        for (round, authority, text) in [
            (0, &new_servers, second.as_str()),
            (1, &secured.servers, PERMIT_ALL),
            (2, &new_servers, second.as_str()),
        ] {
            let name = format!("server-{round}");
            let pair = authority.issue(&name, &format!("DNS:{SERVER_NAME}"));
            install(&pair, &secured.installed);
            put(text, &bench.policies);
            // Whoever trusts only the new authority gets through, and the new set decides.
            let trusting = client(&[authority], None);
            let started = Instant::now();
            let looking = loop {
                if let Some(client) = bench.secure(&trusting).await {
                    break client;
                }
                assert!(
                    started.elapsed() < Duration::from_secs(60),
                    "the certificate is not in force"
                );
                tokio::time::sleep(Duration::from_millis(50)).await;
            };
            in_force(&looking, &token, text).await;
        }
        load.changed.store(true, Ordering::SeqCst);
    };
    tokio::join!(load.run(bench, &both), changing);
    assert!(load.calls.load(Ordering::SeqCst) >= CALLS_MIN);
    secured.bench.end().await;
}
