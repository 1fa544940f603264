//! What `usher check` says of what callers meet: the server's certificate and key, and the keys of
//! those who sign tokens. Read now, as a service would at its start.

use jiff::{SignedDuration, Timestamp};

use super::check::Findings;
use crate::authentication::check_keys;
use crate::config::Config;
use crate::grpc::{CertificateTimes, Tls};

/// A certificate that ends within this time is told: renewing one takes people some days.
const ENDS_SOON_WITHIN: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Checks TLS and issuers as far as they are configured.
pub(super) async fn run(findings: &mut Findings, config: &Config) {
    if let Some(tls) = &config.tls {
        match Tls::load(tls.clone()) {
            Ok(tls) => {
                findings.good("TLS: the certificate goes with its key, and others cannot read it");
                let now = Timestamp::now();
                for times in tls.certificate_times() {
                    tell_times(findings, &times, now);
                }
            }
            Err(error) => findings.bad("TLS", &error.to_string()),
        }
    }
    for (name, looked) in check_keys(&config.authentication).await {
        match looked {
            Ok(found) => {
                let keys = if found.usable == 1 { "key" } else { "keys" };
                findings.good(&format!("issuer {name}: {} usable {keys}", found.usable));
                for problem in found.left_out {
                    findings.warn(
                        &format!("issuer {name}"),
                        &format!("a key is left out: {problem}"),
                    );
                }
            }
            Err(problem) => findings.bad(
                &format!("issuer {name}"),
                &format!("its keys cannot be read: {problem}"),
            ),
        }
    }
}

/// Tells when a certificate ends. An ended one of several CAs of clients locks nobody else out.
fn tell_times(findings: &mut Findings, times: &CertificateTimes, now: Timestamp) {
    let what = format!("certificate in {}", times.file.display());
    let left = times.until.duration_since(now);
    let problem = if now < times.from {
        format!("does not count before {}", times.from)
    } else if left <= SignedDuration::ZERO {
        format!("ended at {}", times.until)
    } else if left <= ENDS_SOON_WITHIN {
        let days = left.as_hours() / 24;
        findings.warn(&what, &format!("ends in {days} days, at {}", times.until));
        return;
    } else {
        findings.good(&format!("{what}: counts until {}", times.until));
        return;
    };
    if times.is_client_ca {
        findings.warn(&what, &problem);
    } else {
        findings.bad(&what, &problem);
    }
}
