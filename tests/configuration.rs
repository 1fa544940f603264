//! docs/configuration.md is the configuration: the file in it loads, is the defaults, and names
//! every setting.

use std::path::Path;

use usher::config::Config;

const STRUCTS: [&str; 21] = [
    "src/config.rs",
    "src/identity_center/config.rs",
    "src/identity_center/discovery_config.rs",
    "src/budget/config.rs",
    "src/directory/config.rs",
    "src/store/sqlite/options.rs",
    "src/store/postgres/options.rs",
    "src/reconciler/config.rs",
    "src/app/approvals/config.rs",
    "src/app/config.rs",
    "src/app/external_config.rs",
    "src/app/refused_calls_config.rs",
    "src/decision_log/config.rs",
    "src/app/beneficiaries_config.rs",
    "src/grpc/limits.rs",
    "src/metrics/config.rs",
    "src/grpc/inbound/config.rs",
    "src/audit/config.rs",
    "src/authentication/config.rs",
    "src/grpc/tls.rs",
    "src/policy/config.rs",
];

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn documented() -> String {
    let text = read("docs/configuration.md");
    let block = text
        .split("```toml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    block
        .unwrap_or_else(|| panic!("the document has no toml block"))
        .to_owned()
}

#[test]
fn the_documented_file_is_the_defaults() {
    let parsed: Config = toml::from_str(&documented()).unwrap();
    assert_eq!(parsed.check(), Ok(()));
    assert_eq!(format!("{parsed:?}"), format!("{:?}", Config::default()));
}

#[test]
fn what_is_commented_out_in_the_document_would_load_too() {
    let uncommented: String = documented()
        .lines()
        .map(|line| format!("{}\n", line.strip_prefix('#').unwrap_or(line)))
        .collect();
    let parsed: Config = toml::from_str(&uncommented).unwrap();
    assert_eq!(parsed.check(), Ok(()));
    assert_eq!(parsed.instances.len(), 1);
    assert_eq!(parsed.external_assignments.len(), 3);
    assert!(parsed.discovery.role_name.is_some());
    assert_eq!(parsed.authentication.issuers.len(), 2);
    assert_eq!(parsed.limits.callers.len(), 1);
    assert!(parsed.tls.is_some());
    assert!(parsed.postgres.is_some());
    assert_eq!(usher::cli::what_is_missing(&parsed), Vec::<String>::new());
}

#[test]
fn every_setting_is_documented() {
    let documented = documented();
    for path in STRUCTS {
        for line in read(path).lines() {
            let Some((name, _)) = line
                .trim()
                .strip_prefix("pub ")
                .and_then(|rest| rest.split_once(": "))
            else {
                continue;
            };
            let is_field =
                line.starts_with("    pub ") && !line.contains("fn ") && !name.contains(' ');
            let is_section = path == "src/config.rs";
            let is_credential = ["access_key_id", "secret_access_key"].contains(&name);
            if is_field && !is_section && !is_credential {
                let named = documented.lines().any(|line| {
                    line.trim_start_matches('#')
                        .starts_with(&format!("{name} ="))
                        || line.starts_with(&format!("[service.{name}]"))
                        || line.starts_with(&format!("[policy.{name}]"))
                        || line.starts_with(&format!("[limits.{name}]"))
                        || line.starts_with(&format!("#[[authentication.{name}]]"))
                });
                assert!(named, "{name} of {path} is not in docs/configuration.md");
            }
        }
    }
}
